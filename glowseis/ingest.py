"""The command that makes a survey of gathers that were recorded: SEG-Y and other files in, TFRecords out."""

from pathlib import Path
from typing import Annotated

import typer

from glowseis.command import run

Files = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="Files, or folders of them.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="Folder of the survey to be made.", show_default=False)]
Label = Annotated[str, typer.Option(help="Label of gathers that --labels gives none, such as good, medium or bad.")]
Labels = Annotated[Path | None, typer.Option(help="CSV of labels by gather_id, file, line, shot, cable.")]
LabelledOnly = Annotated[bool, typer.Option("--labelled-only", help="Leave out gathers without a label.")]
Size = Annotated[str, typer.Option(help="Samples x traces; by default multiples of 64 that hold all.")]
Fit = Annotated[str, typer.Option(help="pad: gathers must fit; crop: keep first samples and traces; resize: resample.")]
Kind = Annotated[str, typer.Option("--format", help="segy, su, hdf5, numpy or pictures, whatever the files end in.")]
Shot = Annotated[str, typer.Option(help="What tells shots apart: name or byte number.")]
Trace = Annotated[str, typer.Option(help="Where the channel is: name or byte number.")]
Cable = Annotated[str, typer.Option(help="What tells a shot's cables apart, if they are mixed.")]
Line = Annotated[str, typer.Option(help="Where the sail line is, if not in the file's header.")]
SampleFormat = Annotated[str, typer.Option(help="ibm, ieee and so on, if the header is wrong.")]
ByteOrder = Annotated[str, typer.Option(help="big or little, if the file is not what it seems.")]
Dataset = Annotated[str, typer.Option(help="Which array of an HDF5 or .npz file.")]
Axes = Annotated[str, typer.Option(help="Its axes in order, such as gather,trace,time.")]
SampleInterval = Annotated[float, typer.Option(help="Milliseconds, instead of the headers'.", min=0)]


def main(
    sources: Files,
    *,
    out: Out,
    label: Label = "",
    labels: Labels = None,
    labelled_only: LabelledOnly = False,
    size: Size = "",
    fit: Fit = "pad",
    kind: Kind = "",
    shot_header: Shot = "FieldRecord",
    trace_header: Trace = "TraceNumber",
    cable_header: Cable = "",
    line_header: Line = "",
    sample_format: SampleFormat = "",
    byte_order: ByteOrder = "",
    dataset: Dataset = "",
    axes: Axes = "",
    sample_interval: SampleInterval = 0.0,
) -> None:
    """Make a survey of shot gathers in SEG-Y, Seismic Unix, HDF5, NumPy or picture files.

    Example: python -m glowseis.ingest line12.segy --out surveys/line12 --labels grades.csv
    """
    from glowseis.survey.formats.source import ReadOptions
    from glowseis.survey.ingestion import Request, ingest

    options = ReadOptions(
        label=label,
        sample_interval_s=sample_interval / 1e3 or None,
        shot_header=shot_header,
        trace_header=trace_header,
        cable_header=cable_header or None,
        line_header=line_header or None,
        sample_format=sample_format or None,
        byte_order=byte_order or None,
        dataset=dataset or None,
        axes=axes or None,
    )
    request = Request(sources, options, kind or None, size, fit, labels, labelled_only)
    print("\n".join(ingest(request, out)))


if __name__ == "__main__":
    run(main)
