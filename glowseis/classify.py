"""`python -m glowseis.classify`: grade gathers of surveys, or of files as they were recorded."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glowseis import command

if TYPE_CHECKING:
    from glowseis.survey.formats.source import ReadOptions

Sources = Annotated[
    list[Path],
    typer.Argument(metavar="SOURCE...", callback=command.here, help="Surveys, files, folders; a model may come first."),
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes that grade at once; each takes about 1 GB.")]
Watch = Annotated[bool, typer.Option("--watch", help="Grade a folder's files as they are completed, until stopped.")]
Settle = Annotated[float, typer.Option(min=0.1, help="Seconds that a file must be unchanged before --watch grades it.")]


@command.resumes
@command.reads_files
def main(
    context: typer.Context,
    sources: Sources,
    *,
    model: command.Classifier = None,
    out: Annotated[Path, typer.Option(help="CSV file to write.")] = Path("grades.csv"),
    batch: command.Batch = 16,
    prior: command.Prior = None,
    fit: command.GradedFit = "",
    size: command.GradedSize = "",
    labels: command.ScoredLabels = None,
    judge: command.Judge = None,
    kind: command.Kind = None,
    strict: command.Strict = False,
    keep_going: command.KeepGoing = False,
    watch: Watch = False,
    settle: Settle = 60.0,
    jobs: Jobs = 1,
    scheduler: command.Scheduler = "",
    options: "ReadOptions",
) -> int:
    """Grade gathers with a trained classifier.

    Gathers are first made to match the classifier's training data: resampled to its sample interval, put in its trace
    order, and cut into windows of its size. Grades of labelled gathers are scored. If it is stopped, run it again.

    Example: python -m glowseis.classify line12.segy --out grades.csv
    """
    from glowseis.cluster import check_jobs
    from glowseis.files import check_output
    from glowseis.run.graded_sources import look_at, look_at_folder, model_among
    from glowseis.survey.ingestion.request import Request, left_out_lines

    check_jobs(jobs, scheduler)
    idle = (["judge", "jobs", "scheduler"], "a survey") if watch else (["settle"], "--watch")
    command.refuse_given(context, *idle)
    savedmodel, named, told = model_among(sources, model)
    asked = Request(named, options, kind, size, fit, next(iter(labels or ()), None), False, strict, keep_going)
    if watch:
        folder = look_at_folder(savedmodel, asked)
        command.import_tensorflow()
        from glowseis.run.watching import watch_folder

        watch_folder(savedmodel, folder, asked, out, (batch, prior, settle), command.say, told)
    check_output(out)
    surveys, files = look_at(savedmodel, asked, labels or (), judge)
    command.import_tensorflow()
    from glowseis.run.graded_lines import grade_sources

    left_out: dict[Path, str] = {}
    told += grade_sources(savedmodel, surveys, files, out, batch, prior, left_out, jobs, scheduler)
    return command.tell(told, left_out_lines(left_out))


if __name__ == "__main__":
    command.run(main)
