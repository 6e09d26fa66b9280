"""What is mended in a gather on its way into a survey: one name for each kind, and what the report says of it.

Readers and `render` count what they mend under these names; the counts stand in the gather's record, in the column
`mended` of `gathers.csv`, and in the report of `ingest`.
"""

MENDINGS = {
    "auxiliary": "auxiliary traces left out",
    "declared_dead": "traces declared dead by their header, set to zero",
    "weighted": "traces scaled by the weighting factor of their header",
    "delayed": "traces shifted to one start time, as their delays differ",
    "fill": "traces with fill values, set to zero there",
    "constant": "traces of one constant value, set to zero",
    "zero_level": "traces with a constant offset, which was removed",
    "wild": "traces far louder than their neighbours, left out when the clip was measured",
    "two_scales": "traces fifty times louder than the others, left out when the clip was measured; two units?",
    "reordered": "traces put in order of their offset",
    "resampled": "traces resampled in time",
}
"""Kinds of mending by name; all count traces."""
