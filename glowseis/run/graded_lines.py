"""Surveys and files graded by a trained classifier, with the results in plain words."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from glowseis.cluster import ready
from glowseis.delivery.record import GradedFile, graded_file, new_record, write_record
from glowseis.export.classifier import SavedClassifier, load_classifier
from glowseis.export.folders import savedmodel_sha256, version_folder
from glowseis.files import resumable_file
from glowseis.judging.prior import parse_prior
from glowseis.run.gathers_to_grade import gathers_to_grade
from glowseis.run.grading import Grades, bringing_for, grade_into
from glowseis.run.grading_apart import grade_apart, grade_on_cluster, others_beside
from glowseis.run.kept_grades import KeptGrades
from glowseis.survey.formats.source import SourceError, State, blamed_on, check_file, file_state
from glowseis.survey.ingestion.request import Request, readable_files
from glowseis.survey.size import parse_size
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import number_of


def grade_sources(
    savedmodel: Path,
    surveys: Sequence[Survey],
    files: Request,
    out: Path,
    batch: int,
    prior: str | None,
    left_out: dict[Path, str] | None = None,
    jobs: int = 1,
    scheduler: str = "",
) -> list[str]:
    """Grade the gathers of surveys, then of files.

    Args:
        savedmodel: Path of the classifier's SavedModel.
        surveys: The surveys.
        files: The files, perhaps none, and how to read them, as `glowseis.run.graded_sources.look_at` returns them;
            with `keep_going`, those that cannot be read are left out.
        out: The CSV file to make, as in `glowseis.run.grading.grade`; files are recorded beside it (see
            `glowseis.delivery.record`).
        batch: Windows at a time; memory grows with it.
        prior: Class fractions to expect, such as `66,31,2`; those of the training when None.
        left_out: Gets the files that cannot be read, and why.
        jobs: Processes that grade at once; probabilities are the same up to rounding.
        scheduler: Address of a Dask scheduler whose workers grade instead.

    Returns:
        Lines for the user.

    Raises:
        InputError: Something cannot be read or graded; nothing is left behind. Or the scheduler's workers cannot share
            the work; grades that were kept stay.
        StoppedError: It was interrupted; grades are kept, and the same call goes on.
        OSError: The disk is full or not writable, and nothing was graded; nothing is left behind.
    """
    classifier = load_classifier(savedmodel)
    expected = None if prior is None else parse_prior(prior, classifier.labels)
    size = parse_size(files.size) if files.size else None
    if expected is not None:
        classifier.fractions()
    faults = {} if left_out is None else left_out
    record = new_record(
        classifier.name,
        savedmodel_sha256(version_folder(savedmodel)),
        classifier.labels,
        {"prior": prior, "fit": files.fit, "size": files.size},
        files.kind,
        files.options,
    )
    work = {"glowseis": record.glowseis, "model": record.model, "model_sha256": record.model_sha256, "prior": prior}
    shared = [version_folder(savedmodel), *(survey.path for survey in surveys), *files.sources]
    with ready(scheduler, jobs, shared, out) as client, resumable_file(out, work) as (folder, keep):
        own = folder / f"{out.name}.kept"
        kept = KeptGrades(own, keep, others_beside(own))
        begun = kept.begun
        if client or jobs > 1:
            keep()
            if client:
                model = (savedmodel, record.model_sha256)
                grade_on_cluster(client, own, model, surveys, files, batch, prior)
            else:
                grade_apart(jobs, own, savedmodel, surveys, files, batch, prior)
            kept = KeptGrades(own, keep, others_beside(own))
        while True:
            bringing = bringing_for(classifier, files.fit, size, files.options.zero_level)
            lines: list[str] = []
            try:
                before = _states(files, faults)
                gathers = gathers_to_grade(surveys, files, faults, bringing, lines)
                pairs = kept.graded(classifier, gathers, bringing, batch, expected)
                with (folder / out.name).open("w", encoding="utf-8", newline="") as stream:
                    grades = grade_into(stream, classifier, pairs, bringing, lines)
                found = [_recorded(path, state) for path, state in before.items()]
                break
            except SourceError as wrong:
                if not files.keep_going:
                    raise
                faults |= wrong.faults
        if found:
            found += [graded_file(path, reason=reason) for path, reason in faults.items()]
            write_record(out, record.model_copy(update={"files": tuple(found)}))
    if begun:
        lines.insert(0, f"continued after {number_of(begun, 'gather')} graded before")
    return [*lines, *bringing.lines(), *grades.lines(classifier.name), *_lines(classifier, grades, expected, out)]


def _states(files: Request, faults: Mapping[Path, str]) -> dict[Path, State | None]:
    """The states of the files that can be read, before they are."""
    states = {}
    for path in readable_files(files, faults):
        with blamed_on(path):
            check_file(path)
        states[path] = file_state(path)
    return states


def _recorded(path: Path, state: State | None) -> GradedFile:
    with blamed_on(path):
        return graded_file(path, state)


def _lines(classifier: SavedClassifier, grades: Grades, expected: np.ndarray | None, out: Path) -> Iterator[str]:
    if grades.several and not classifier.combination.fitted_on:
        yield (
            f"{number_of(grades.several, 'gather')} larger than the {'x'.join(map(str, classifier.size))} of "
            f"{classifier.name}, graded by the mean over windows: its training had too few validation gathers for a "
            "better rule"
        )
    if assumed := classifier.assumed(expected):
        yield f"probabilities assume {assumed}"
    if grades.scores:
        yield f"of the {int(grades.scores.support.sum())} labelled gathers, in percent:\n{grades.scores.text()}"
        unsure, caught = grades.caught
        if unsure:
            wrong = int(grades.scores.confusion.sum() - np.trace(grades.scores.confusion))
            yield f"{unsure} of them unsure, among them {caught} of the {wrong} wrong grades"
    counts = ", ".join(f"{count} {label}" for label, count in grades.counts.items())
    yield f"{number_of(sum(grades.counts.values()), 'gather')} graded by {classifier.name}: {counts}: {out}"
