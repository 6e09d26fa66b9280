"""`python -m glowseis.classify`: grade gathers of a survey, or of files as they were recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glowseis import command
from glowseis.errors import InputError

if TYPE_CHECKING:
    from glowseis.export import SavedClassifier
    from glowseis.grading import Batch
    from glowseis.survey.ingestion import Request

Sources = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="surveys, or files of gathers, or folders of such files")
]
Size = Annotated[str, typer.Option(help="samples x traces that files are brought to; by default the classifier's")]
Fit = Annotated[str, typer.Option(help="pad: gathers must fit; crop: keep first samples and traces; resize: resample")]
Labels = Annotated[Path | None, typer.Option(help="CSV of labels by gather_id, file, line, shot, cable, to score by")]
Kind = Annotated[str, typer.Option("--format", help="segy, su, hdf5, numpy or pictures, whatever the files end in")]
Shot = Annotated[str, typer.Option(help="what tells shots apart: name or byte number")]
Trace = Annotated[str, typer.Option(help="where the channel is: name or byte number")]
Cable = Annotated[str, typer.Option(help="what tells a shot's cables apart, if they are mixed")]
Line = Annotated[str, typer.Option(help="where the sail line is, if not in the file's header")]
SampleFormat = Annotated[str, typer.Option(help="ibm, ieee and so on, if the header is wrong")]
ByteOrder = Annotated[str, typer.Option(help="big or little, if the file is not what it seems")]
Dataset = Annotated[str, typer.Option(help="which array of an HDF5 or .npz file")]
Axes = Annotated[str, typer.Option(help="its axes in order, such as gather,trace,time")]
SampleInterval = Annotated[float, typer.Option(help="milliseconds, instead of the headers'", min=0)]


def main(
    savedmodel: Annotated[Path, typer.Argument(help="savedmodels/NAME for the newest version, or NAME/VERSION")],
    sources: Sources,
    *,
    out: Annotated[Path, typer.Option(help="CSV file to be made", show_default=False)],
    batch: Annotated[int, typer.Option(min=1, help="gathers graded at a time; memory grows with it")] = 16,
    size: Size = "",
    fit: Fit = "pad",
    labels: Labels = None,
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

    command.import_tensorflow()
    from glowseis.export import load_classifier
    from glowseis.grading import grade

    classifier = load_classifier(savedmodel)
    wanted = size or "x".join(map(str, classifier.size))
    request = Request(files, options, kind or None, wanted, fit, labels) if files else None
    told: list[str] = []
    grades = grade(classifier, _read(surveys, request, classifier, batch, told), out)
    for line in told:
        print(line)
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
        seen: set[str] = set()
        if survey.checksum == classifier.about.get("survey_checksum"):
            seen = {name for part in ("training_ids", "validation_ids") for name in classifier.about.get(part, ())}
            told.append(f"{survey.path}: {len(seen)} gathers trained the classifier or chose its weights; not scored")
        yield from progress(survey_batches(survey, batch, seen), -(-len(survey) // batch), "grading")
    if request:
        yield from gather_batches(read_gathers(request, told), batch)
        if request.size != trained:
            told.append(f"files: gathers of {request.size}, where the classifier was trained on {trained}")


if __name__ == "__main__":
    command.run(main)
