"""`python -m glowseis.classify`: grade gathers of a survey, or of files as they were recorded."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glowseis import command, reading
from glowseis.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from glowseis.survey.gather import Gather
    from glowseis.survey.ingestion.ingest import Request
    from glowseis.survey.matching.bringing import Bringing
    from glowseis.survey.store.survey import Survey

Sources = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="Surveys, or files of gathers, or folders of such files.")
]
Fit = Annotated[
    str,
    typer.Option(
        help="pad, crop or resize files to one size, as ingest does. By default gathers are graded whole, in windows.",
        show_default=False,
    ),
]
Size = Annotated[str, typer.Option(help="Samples x traces that --fit brings files to; by default the classifier's.")]
Prior = Annotated[
    str | None,
    typer.Option(
        help="Class fractions to expect, the mildest class first, such as 66,31,2; by default those of the training."
    ),
]


def main(
    savedmodel: Annotated[
        Path,
        typer.Argument(
            help="savedmodels/NAME for the newest version, or NAME/VERSION. Its code is run: use only models from "
            "people you trust."
        ),
    ],
    sources: Sources,
    *,
    out: Annotated[Path, typer.Option(help="CSV file to be made.", show_default=False)],
    batch: Annotated[int, typer.Option(min=1, help="Windows graded at a time; memory grows with it.")] = 16,
    prior: Prior = None,
    fit: Fit = "",
    size: Size = "",
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
    """Grade gathers with a trained classifier, and score the grades where gathers have labels.

    Gathers are first brought to what the classifier was trained on: resampled to its sample interval, put in its order
    of traces, and cut into windows of its size.

    Example: python -m glowseis.classify savedmodels/robust line12.segy --out grades.csv
    """
    from glowseis.files import check_output
    from glowseis.survey.formats.source import ReadOptions
    from glowseis.survey.ingestion.ingest import Request
    from glowseis.survey.render import FITS
    from glowseis.survey.size import parse_size
    from glowseis.survey.store.survey import open_survey

    check_output(out)
    wanted = parse_size(size) if size else None
    if fit and fit not in FITS:
        raise InputError(f"--fit {fit} is unknown; choose {', '.join(FITS[:-1])} or {FITS[-1]}, or leave it out")
    if size and not fit:
        raise InputError(f"--size {size} needs --fit pad, crop or resize; add that, or leave --size out")
    surveys = [open_survey(source) for source in sources if (source / "manifest.json").exists()]
    files = [source for source in sources if not (source / "manifest.json").exists()]
    if labels and not files:
        raise InputError("--labels is for files; a survey has labels of its own, which ingest gave it")
    if fit and not files:
        raise InputError("--fit is for files; a survey's gathers have its size already, leave it out")
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

    _check_there(savedmodel, files, kind)
    command.import_tensorflow()
    from glowseis.export.classifier import load_classifier
    from glowseis.judging.prior import parse_prior, trained_fractions
    from glowseis.run.grading import bringing_for, grade
    from glowseis.survey.wording import number_of

    classifier = load_classifier(savedmodel)
    bringing = bringing_for(classifier, fit, wanted, zero_level)
    expected = None
    if prior is not None:
        expected = parse_prior(prior, classifier.labels)
        trained = trained_fractions(classifier.name, classifier.profile, classifier.labels)
    request = None
    if files:
        size = "x".join(map(str, bringing.window))
        request = Request(files, options, kind, size, bringing.fit or "pad", labels, strict=strict)
    told: list[str] = []
    gathers = _read(surveys, request, bringing, told)
    grades = grade(classifier, gathers, out, bringing=bringing, batch=batch, prior=expected)
    for line in (*told, *bringing.lines(), *grades.lines(classifier.name)):
        print(line)
    if grades.several and not classifier.combination.fitted_on:
        print(
            f"{number_of(grades.several, 'gather')} larger than the {'x'.join(map(str, classifier.size))} of "
            f"{classifier.name}, graded by the mean over windows: its training had too few validation gathers for a "
            "better rule"
        )
    if expected is not None:
        shares = (_shares(classifier.labels, fractions) for fractions in (expected, trained))
        print("probabilities are for {}; the classifier was trained on {}".format(*shares))
    if grades.scores:
        print(f"of the {int(grades.scores.support.sum())} labelled gathers, in percent:\n{grades.scores.text()}")
    counts = ", ".join(f"{count} {label}" for label, count in grades.counts.items())
    print(f"{number_of(sum(grades.counts.values()), 'gather')} graded by {classifier.name}: {counts}: {out}")


def _check_there(savedmodel: Path, files: Sequence[Path], kind: str | None) -> None:
    """See without TensorFlow, in a moment, that a classifier and files are there."""
    from glowseis.export.folders import read_about
    from glowseis.survey.formats.source import check_file
    from glowseis.survey.formats.sources import source_files

    read_about(savedmodel, "classifier")
    for file in source_files(files, kind):
        check_file(file)


def _read(
    surveys: "list[Survey]", request: "Request | None", bringing: "Bringing", told: list[str]
) -> "Iterator[Gather]":
    """Gathers of surveys, then of files, brought to the classifier; lines for the user come into `told`."""
    from glowseis.run.grading import survey_gathers
    from glowseis.survey.ingestion.ingest import read_gathers
    from glowseis.survey.progress import progress

    for survey in surveys:
        yield from progress(survey_gathers(survey, bringing), len(survey), "grading")
    if request:
        yield from read_gathers(request, told, bringing)


def _shares(labels: Sequence[str], fractions: "np.ndarray") -> str:
    return ", ".join(f"{label} {100 * share:.3g} %" for label, share in zip(labels, fractions, strict=True))


if __name__ == "__main__":
    command.run(main)
