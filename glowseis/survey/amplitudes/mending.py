"""Kinds of mending in a gather on its way into a survey, each with a name and its text in the report.

Readers and `render` count what they mend under these names; the counts are in the gather's record, in the column
`mended` of `gathers.csv`, and in the report of `ingest`.
"""

MENDINGS = {
    "auxiliary": "auxiliary traces left out",
    "declared_dead": "traces declared dead by their header, set to zero",
    "weighted": "traces scaled by the weighting factor of their header",
    "delayed": "traces shifted to one start time because their delays differ",
    "fill": "traces with fill values, set to zero there",
    "constant": "traces of one constant value, set to zero",
    "zero_level": "traces with a constant offset, which was removed",
    "wild": "traces far louder than their neighbours, ignored when the clip was measured",
    "two_scales": "traces fifty times louder than the others, ignored when the clip was measured; two units?",
    "reordered": "traces sorted by offset",
    "resampled": "traces resampled in time",
}
"""Kinds of mending by name; all counts are of traces."""
