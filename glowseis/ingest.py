"""The command that makes a survey of gathers that were recorded: SEG-Y and other files in, TFRecords out."""

from pathlib import Path
from typing import Annotated

import typer

from glowseis import reading
from glowseis.command import run

Files = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="Files, or folders of them.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="Folder of the survey to be made.", show_default=False)]
Label = Annotated[str, typer.Option(help="Label of gathers that --labels gives none, such as good, medium or bad.")]
LabelledOnly = Annotated[bool, typer.Option("--labelled-only", help="Leave out gathers without a label.")]
Size = Annotated[str, typer.Option(help="Samples x traces; by default multiples of 64 that hold all.")]


def main(
    sources: Files,
    *,
    out: Out,
    label: Label = "",
    labels: reading.Labels = None,
    labelled_only: LabelledOnly = False,
    size: Size = "",
    fit: reading.Fit = "pad",
    kind: reading.Kind = None,
    shot_header: reading.Shot = "FieldRecord",
    trace_header: reading.Trace = "TraceNumber",
    cable_header: reading.Cable = None,
    line_header: reading.Line = None,
    sample_format: reading.SampleFormat = None,
    byte_order: reading.ByteOrder = None,
    dataset: reading.Dataset = None,
    axes: reading.Axes = None,
    zero_level: reading.ZeroLevel = None,
    sample_interval: reading.SampleInterval = None,
    samples: reading.Samples = None,
    keep_auxiliary: reading.KeepAuxiliary = False,
    strict: reading.Strict = False,
) -> None:
    """Make a survey of shot gathers in SEG-Y, Seismic Unix, HDF5, NumPy or picture files.

    Example: python -m glowseis.ingest line12.segy --out surveys/line12 --labels labels.csv
    """
    from glowseis.survey.formats.source import ReadOptions
    from glowseis.survey.ingestion.ingest import Request, ingest

    options = ReadOptions(
        label=label,
        sample_interval_s=reading.seconds(sample_interval),
        shot_header=shot_header,
        trace_header=trace_header,
        cable_header=cable_header,
        line_header=line_header,
        sample_format=sample_format,
        byte_order=byte_order,
        samples=samples,
        keep_auxiliary=keep_auxiliary,
        dataset=dataset,
        axes=axes,
        zero_level=zero_level,
    )
    request = Request(sources, options, kind, size, fit, labels, labelled_only, strict)
    print("\n".join(ingest(request, out)))


if __name__ == "__main__":
    run(main)
