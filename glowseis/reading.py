"""What users may say of files of gathers: the options that the commands which read them share."""

from pathlib import Path
from typing import Annotated

import typer

Fit = Annotated[str, typer.Option(help="pad: gathers must fit; crop: keep first samples and traces; resize: resample.")]
Labels = Annotated[Path | None, typer.Option(help="CSV of labels by gather_id, file, line, shot, cable.")]
Kind = Annotated[
    str | None, typer.Option("--format", help="segy, su, hdf5, numpy or pictures, whatever the files end in.")
]
Shot = Annotated[str, typer.Option(help="What tells shots apart: name or byte number.")]
Trace = Annotated[str, typer.Option(help="Where the channel is: name or byte number.")]
Cable = Annotated[str | None, typer.Option(help="What tells a shot's cables apart, if they are mixed.")]
Line = Annotated[str | None, typer.Option(help="Where the sail line is, if not in the file's header.")]
SampleFormat = Annotated[str | None, typer.Option(help="ibm, ieee and so on, if the header is wrong.")]
ByteOrder = Annotated[str | None, typer.Option(help="big or little, if the file is not what it seems.")]
Dataset = Annotated[str | None, typer.Option(help="Which array of an HDF5 or .npz file.")]
Axes = Annotated[str | None, typer.Option(help="Its axes in order, such as gather,trace,time.")]
Samples = Annotated[int | None, typer.Option(min=1, help="Samples of a trace, instead of the headers'.")]
KeepAuxiliary = Annotated[
    bool, typer.Option("--keep-auxiliary", help="Keep traces that their header calls time break, sweep and so on.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse what would be a warning, before anything is written.")]
ZeroLevel = Annotated[float | None, typer.Option(help="Number that means zero amplitude; measured if left out.")]
SampleInterval = Annotated[float | None, typer.Option(help="Milliseconds, instead of the headers'.")]


def seconds(interval_ms: float | None) -> float | None:
    """Turn `--sample-interval` into what readers take.

    Args:
        interval_ms: Milliseconds; None where the headers' counts.

    Returns:
        Seconds, or None.
    """
    return None if interval_ms is None else interval_ms / 1e3
