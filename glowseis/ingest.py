"""The command that makes a survey from recorded gathers: SEG-Y and other files in, TFRecords out."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glowseis import command

if TYPE_CHECKING:
    from glowseis.survey.formats.source import ReadOptions

Out = Annotated[Path, typer.Option(help="Folder to write the survey to.", show_default=False)]
Label = Annotated[str, typer.Option(help="Label of gathers that --labels gives none, such as good, medium or bad.")]
LabelledOnly = Annotated[bool, typer.Option("--labelled-only", help="Leave out gathers without a label.")]
Fit = Annotated[str, typer.Option(help="pad: gathers must fit; crop: keep first samples and traces; resize: resample.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes that read files ahead; the survey is the same.")]
Size = Annotated[str, typer.Option(help="Samples x traces; default: multiples of 64 that hold all gathers.")]


@command.resumes
@command.reads_files
def main(
    sources: command.Files,
    *,
    out: Out,
    label: Label = "",
    labels: command.Labels = None,
    labelled_only: LabelledOnly = False,
    size: Size = "",
    fit: Fit = "pad",
    kind: command.Kind = None,
    strict: command.Strict = False,
    keep_going: command.KeepGoing = False,
    jobs: Jobs = 1,
    scheduler: command.Scheduler = "",
    options: "ReadOptions",
) -> int:
    """Make a survey from recorded shot gathers.

    It reads SEG-Y, Seismic Unix, HDF5, NumPy and picture files. If it is stopped, run the same command again to
    continue after the last file that was finished.

    Example: python -m glowseis.ingest line12.segy --out surveys/line12 --labels labels.csv
    """
    from glowseis.survey.ingestion.ingest import ingest
    from glowseis.survey.ingestion.request import Request, left_out_lines

    request = Request(
        sources, replace(options, label=label), kind, size, fit, labels, labelled_only, strict, keep_going
    )
    left_out: dict[Path, str] = {}
    return command.tell(ingest(request, out, left_out, jobs, scheduler), left_out_lines(left_out))


if __name__ == "__main__":
    command.run(main)
