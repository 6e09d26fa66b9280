"""`python -m glowseis.classify`: grade gathers of a survey, or of files as they were recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glowseis import command, reading
from glowseis.errors import InputError

if TYPE_CHECKING:
    from glowseis.export import SavedClassifier
    from glowseis.grading import Batch
    from glowseis.survey.ingestion import Request

Sources = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="Surveys, or files of gathers, or folders of such files.")
]
Size = Annotated[str, typer.Option(help="Samples x traces that files are brought to; by default the classifier's.")]


def main(
    savedmodel: Annotated[Path, typer.Argument(help="savedmodels/NAME for the newest version, or NAME/VERSION.")],
    sources: Sources,
    *,
    out: Annotated[Path, typer.Option(help="CSV file to be made.", show_default=False)],
    batch: Annotated[int, typer.Option(min=1, help="Gathers graded at a time; memory grows with it.")] = 16,
    size: Size = "",
    fit: reading.Fit = "pad",
    labels: reading.Labels = None,
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
    """Grade gathers by a trained classifier, and score the grades where gathers are labelled.

    Example: python -m glowseis.classify savedmodels/classifier line12.segy --fit crop --out grades.csv
    """
    from glowseis.survey.formats.source import ReadOptions
    from glowseis.survey.ingestion import Request
    from glowseis.survey.output import check_output
    from glowseis.survey.size import parse_size

    check_output(out)
    if size:
        parse_size(size)
    surveys = [source for source in sources if (source / "manifest.json").exists()]
    files = [source for source in sources if source not in surveys]
    if labels and not files:
        raise InputError("--labels is for files; a survey has labels of its own, which ingest gave it")
    options = ReadOptions(
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

    command.import_tensorflow()
    from glowseis.export import load_classifier
    from glowseis.grading import grade

    classifier = load_classifier(savedmodel)
    wanted = size or "x".join(map(str, classifier.size))
    request = Request(files, options, kind, wanted, fit, labels, strict=strict) if files else None
    told: list[str] = []
    grades = grade(classifier, _read(surveys, request, classifier, batch, told), out)
    for line in told:
        print(line)
    if grades.seen:
        print(
            f"{grades.seen} gathers are, by their ids, such as trained the classifier or chose its weights; not scored"
        )
    if grades.synthetic:
        print(f"{grades.synthetic} gathers are synthetic; not scored")
    for label, count in grades.unknown.items():
        print(f"{count} gathers are labelled {label!r}, which {classifier.name} does not know; they are not scored")
    if grades.scores:
        print(f"of the {int(grades.scores.support.sum())} labelled gathers, in percent:\n{grades.scores.text()}")
    counts = ", ".join(f"{count} {label}" for label, count in grades.counts.items())
    print(f"{sum(grades.counts.values())} gathers graded by {classifier.name}: {counts}: {out}")


def _read(
    surveys: list[Path], request: "Request | None", classifier: "SavedClassifier", batch: int, told: list[str]
) -> Iterator["Batch"]:
    """Gathers of surveys, then of files; lines for the user come into `told`."""
    from glowseis.grading import gather_batches, survey_batches
    from glowseis.survey.ingestion import read_gathers
    from glowseis.survey.progress import progress
    from glowseis.survey.records import open_survey

    trained = "x".join(map(str, classifier.size))
    for survey in map(open_survey, surveys):
        there = "x".join(map(str, survey.size))
        if there != trained:
            told.append(f"{survey.path}: gathers of {there}, where the classifier was trained on {trained}")
        yield from progress(survey_batches(survey, batch), -(-len(survey) // batch), "grading")
    if request:
        yield from gather_batches(read_gathers(request, told), batch)
        if request.size != trained:
            told.append(f"files: gathers of {request.size}, where the classifier was trained on {trained}")


if __name__ == "__main__":
    command.run(main)
