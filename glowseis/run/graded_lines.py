"""Surveys and files graded by a trained classifier, with the results in plain words."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from glowseis.delivery.record import file_state, graded_file, new_record, write_record
from glowseis.export.classifier import SavedClassifier, load_classifier
from glowseis.export.folders import savedmodel_sha256, version_folder
from glowseis.judging.prior import parse_prior
from glowseis.run.grading import Grades, bringing_for, grade, survey_gathers
from glowseis.survey.formats.sources import source_files
from glowseis.survey.gather import Gather
from glowseis.survey.ingestion.ingest import Request, gathers_of
from glowseis.survey.matching.bringing import Bringing
from glowseis.survey.progress import progress
from glowseis.survey.size import parse_size
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import number_of


def grade_sources(
    savedmodel: Path, surveys: Sequence[Survey], files: Request, out: Path, batch: int, prior: str | None
) -> list[str]:
    """Grade the gathers of surveys, then of files.

    Args:
        savedmodel: Path of the classifier's SavedModel.
        surveys: The surveys.
        files: The files, perhaps none, and how to read them, as `glowseis.run.graded_sources.look_at` returns them.
        out: The CSV file to make, as in `glowseis.run.grading.grade`; files are recorded beside it (see
            `glowseis.delivery.record`).
        batch: Windows at a time; memory grows with it.
        prior: Class fractions to expect, such as `66,31,2`; those of the training when None.

    Returns:
        Lines for the user.

    Raises:
        InputError: Something cannot be read or graded; nothing is left behind.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    classifier = load_classifier(savedmodel)
    expected = None if prior is None else parse_prior(prior, classifier.labels)
    size = parse_size(files.size) if files.size else None
    bringing = bringing_for(classifier, files.fit, size, files.options.zero_level)
    if expected is not None:
        classifier.fractions()
    lines: list[str] = []
    gathers = _gathers(surveys, files, bringing, lines)
    paths = source_files(files.sources, files.kind)
    before = {path: file_state(path) for path in paths}

    def record() -> None:
        how = {"prior": prior, "fit": files.fit, "size": files.size}
        checksum = savedmodel_sha256(version_folder(savedmodel))
        found = [graded_file(path, state) for path, state in before.items()]
        write_record(
            out, new_record(classifier.name, checksum, classifier.labels, how, files.kind, files.options, found)
        )

    grades = grade(
        classifier,
        gathers,
        out,
        bringing=bringing,
        batch=batch,
        prior=expected,
        then=record if paths else lambda: None,
    )
    return [*lines, *bringing.lines(), *grades.lines(classifier.name), *_lines(classifier, grades, expected, out)]


def _gathers(surveys: Sequence[Survey], files: Request, bringing: Bringing, lines: list[str]) -> Iterator[Gather]:
    """Gathers matched to the classifier; lines for the user are added to `lines`."""
    for survey in surveys:
        yield from progress(survey_gathers(survey, bringing), len(survey), "grading")
    if files.sources:
        window = "x".join(map(str, bringing.window))
        yield from gathers_of(replace(files, size=window, fit=bringing.fit or "pad"), lines, bringing)


def _lines(classifier: SavedClassifier, grades: Grades, expected: np.ndarray | None, out: Path) -> Iterator[str]:
    if grades.several and not classifier.combination.fitted_on:
        yield (
            f"{number_of(grades.several, 'gather')} larger than the {'x'.join(map(str, classifier.size))} of "
            f"{classifier.name}, graded by the mean over windows: its training had too few validation gathers for a "
            "better rule"
        )
    if expected is not None:
        shares = (_shares(classifier.labels, fractions) for fractions in (expected, classifier.fractions()))
        yield "probabilities are for {}; without --prior they are for {}".format(*shares)
    if grades.scores:
        yield f"of the {int(grades.scores.support.sum())} labelled gathers, in percent:\n{grades.scores.text()}"
        unsure, caught = grades.caught
        if unsure:
            wrong = int(grades.scores.confusion.sum() - np.trace(grades.scores.confusion))
            yield f"{unsure} of them unsure, among them {caught} of the {wrong} wrong grades"
    counts = ", ".join(f"{count} {label}" for label, count in grades.counts.items())
    yield f"{number_of(sum(grades.counts.values()), 'gather')} graded by {classifier.name}: {counts}: {out}"


def _shares(labels: Sequence[str], fractions: np.ndarray) -> str:
    return ", ".join(f"{label} {100 * share:.3g} %" for label, share in zip(labels, fractions, strict=True))
