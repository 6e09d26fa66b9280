"""The command that makes a survey of gathers that were recorded: SEG-Y files in, TFRecords out."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from glowseis.command import run

SHOWN = 12
"""Gathers that the summary lists; the index lists all."""


def main(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="SEG-Y files.", show_default=False)],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the survey to be made.", show_default=False)],
    label: Annotated[str, typer.Option(help="Label of every gather, such as good, medium or bad.")] = "",
    size: Annotated[str, typer.Option(help="Samples x traces; by default multiples of 64 that hold all.")] = "",
    fit: Annotated[str, typer.Option(help="pad: gathers must fit; crop: keep first samples and traces.")] = "pad",
    shot_header: Annotated[str, typer.Option(help="What tells shots apart: name or byte number.")] = "FieldRecord",
    trace_header: Annotated[str, typer.Option(help="Where the channel is: name or byte number.")] = "TraceNumber",
    cable_header: Annotated[str, typer.Option(help="What tells a shot's cables apart, if they are mixed.")] = "",
    sample_interval: Annotated[float, typer.Option(help="Milliseconds, instead of the headers'.", min=0)] = 0.0,
) -> None:
    """Make a survey of the shot gathers in SEG-Y files.

    Example: python -m glowseis.ingest line12.segy --out surveys/line12 --label good
    """
    from glowseis.errors import InputError
    from glowseis.survey.formats.segy import read_segy, segy_interval_s, segy_shapes
    from glowseis.survey.gather import Gather, source_text
    from glowseis.survey.index import check_label
    from glowseis.survey.output import check_output
    from glowseis.survey.progress import progress
    from glowseis.survey.records import open_survey, write_survey
    from glowseis.survey.render import FITS, render_recording
    from glowseis.survey.size import enclosing_size, parse_size

    if fit not in FITS:
        raise InputError(f"--fit {fit} is unknown; choose {' or '.join(FITS)}")
    if label:
        check_label(label)
    check_output(out)
    interval_s = sample_interval / 1e3 or None
    if interval_s is None:
        intervals_s = [segy_interval_s(source) for source in sources]
        for source, found_s in zip(sources, intervals_s, strict=True):
            if found_s != intervals_s[0]:
                raise InputError(
                    f"{source} has samples every {found_s * 1e3:g} ms, {sources[0]} every {intervals_s[0] * 1e3:g} ms; "
                    "make a survey of each, or pass --sample-interval if a header is wrong"
                )
    cables = cable_header or None
    shapes = [shape for source in sources for shape in segy_shapes(source, shot_header, cables)]
    height, width = parse_size(size) if size else enclosing_size(shapes)
    nowhere: dict[str, int] = {}

    def gathers() -> Iterator[Gather]:
        read = (read_segy(source, shot_header, trace_header, label, interval_s, cables) for source in sources)
        for recording in progress(itertools.chain.from_iterable(read), len(shapes), "reading"):
            if math.isnan(recording.geometry.source_x_m):
                nowhere[recording.source] = nowhere.get(recording.source, 0) + 1
            yield render_recording(recording, height, width, fit)

    write_survey(out, gathers(), (height, width), {"command": "ingest", "fit": fit})
    survey = open_survey(out)
    table = survey.index[["gather_id", "shot", "recorded_traces", "recorded_samples", "fit"]].copy()
    table["sample_interval_ms"] = survey.index["sample_interval_s"] * 1e3
    table["offsets_m"] = [f"{row.first_offset_m:g} to {row.last_offset_m:g}" for row in survey.index.itertuples()]
    table["clip_amplitude"] = survey.index["clip_amplitude"].map("{:.4g}".format)
    print(table.head(SHOWN).to_string(index=False))
    if len(survey) > SHOWN:
        print(f"and {len(survey) - SHOWN} more, listed in {source_text(out / 'gathers.csv')}")
    counts = dict(survey.manifest.counts)
    counts["unlabelled"] = len(survey) - sum(counts.values())
    labels = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    for name, count in nowhere.items():
        print(f"{name}: {count} gathers without coordinates, which are angles there (CoordinateUnits), not lengths")
    print(f"{source_text(out)}: {len(survey)} gathers of {height}x{width} ({labels})")


if __name__ == "__main__":
    run(main)
