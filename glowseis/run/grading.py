"""Gathers graded by a trained classifier: matched to it, graded window by window, written as a table, scored."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from glowseis.delivery.grades import FACTS, PROBABILITY
from glowseis.errors import InputError
from glowseis.export.classifier import SavedClassifier
from glowseis.export.known import known_gathers, optimism
from glowseis.files import whole_file
from glowseis.judging.decision import UNSURE
from glowseis.judging.gathers import Judged, gather_probabilities, judged, severity
from glowseis.judging.symmetries import Symmetric
from glowseis.judging.unlike import TYPICAL_JUDGES, Summary, summary
from glowseis.scoring import Scores, scores
from glowseis.survey.cells import safe_cell
from glowseis.survey.gather import Gather, Picture, Recording
from glowseis.survey.ingestion.report import because
from glowseis.survey.matching.bringing import Bringing
from glowseis.survey.matching.sameness import FARTHEST_SPACING, gather_spacing_factor
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import first_names, line_names, number_of

MOST_SHORTFALL = 0.25
"""A classifier of windows has seen no padded one: a gather that lacks more than this to fill one is unlike them."""

WORST = ("worst_first_trace", "worst_last_trace", "worst_first_s", "worst_last_s")
"""Columns for the window with the highest severity: its traces, counted from 1 in the order of the source, and its
times after the shot, in seconds."""


@dataclass(frozen=True)
class Graded:
    """A gather's grade.

    Attributes:
        number: The class that is graded, as a number in order of severity.
        unsure: Whether no class is probable enough to be sure of that.
        probabilities: Probabilities of the classes, in order of severity, float64 `[class]`.
        severity: Expected class number, 0 for the mildest.
        unlike: How unlike the training data it is, 1 at the threshold; None if the classifier cannot measure it.
        unlike_by: What is most unlike: `features`, `trace_spacing`, `size` or a figure of its image, from `STATISTICS`
            or `EVENT_STATISTICS` in `glowseis.survey.matching`; empty if `unlike` is None.
        spacing: How far its trace spacing lies outside the trained range, 1 within it.
        windows: Number of windows that were graded.
        worst: First and last trace, from 1, and first and last time, in seconds, of the worst of them; the times are
            NaN if neither gather nor classifier has a sample interval.
        trained: Whether it trained the classifier or chose its weights, as far as its id or image tells.
    """

    number: int
    unsure: bool
    probabilities: np.ndarray
    severity: float
    unlike: float | None
    unlike_by: str
    spacing: float
    windows: int
    worst: tuple[int, int, float, float]
    trained: bool


@dataclass
class Grades:
    """How all gathers were graded.

    Attributes:
        counts: Gathers by grade, in order of severity; the unsure ones last, if there are any.
        scores: Scores of the gathers with one of the classifier's labels; None if there are none.
        unknown: Numbers of gathers by label, for labels that the classifier does not know.
        seen: Gathers that are not scored because they trained the classifier or chose its weights.
        seen_labelled: Those of them that have a label.
        synthetic: Gathers not scored because they were never recorded.
        unlike: Names of gathers that are unlike the training data.
        unlikeness: The same, counted for each sail line and all of them.
        spacings: Names of gathers whose traces lie much further apart, or closer, than those trained on.
        several: Gathers with several windows.
        caught: Scored gathers that are unsure, and those of them that would have been graded wrongly.
    """

    counts: dict[str, int]
    scores: Scores | None = None
    unknown: dict[str, int] = field(default_factory=dict)
    seen: int = 0
    seen_labelled: int = 0
    synthetic: int = 0
    unlike: list[str] = field(default_factory=list)
    unlikeness: Summary = field(default_factory=lambda: summary([], []))
    spacings: list[str] = field(default_factory=list)
    several: int = 0
    caught: tuple[int, int] = (0, 0)

    def lines(self, name: str) -> list[str]:
        """Everything except scores and counts, in plain words, for a terminal.

        Args:
            name: The classifier's name.
        """
        lines = []
        total = number_of(sum(self.counts.values()), "gather")
        if self.seen:
            labelled = f"; {self.seen_labelled} of them labelled, not scored" if self.seen_labelled else ""
            lines.append(optimism(number_of(self.seen, "gather"), name) + labelled)
        if self.synthetic:
            lines.append(f"{number_of(self.synthetic, 'gather')} not scored: synthetic")
        for label, count in self.unknown.items():
            lines.append(f"{number_of(count, 'gather')} not scored: labelled {label!r}, which {name} does not know")
        if self.spacings:
            lines.append(
                f"warning: {len(self.spacings)} of {total}: trace spacing more than {FARTHEST_SPACING:g} times wider "
                f"or narrower than {name} was trained on: {first_names(self.spacings)}"
            )
        if self.unlike:
            verb = "is" if len(self.unlike) == 1 else "are"
            lines.append(
                f"warning: {len(self.unlike)} of {total} {verb} unlike the training data (unlike > 1); do not rely on "
                f"{'its grade' if len(self.unlike) == 1 else 'their grades'}: {first_names(self.unlike)}"
            )
        return [*lines, *self.unlikeness.text]


def bringing_for(
    classifier: SavedClassifier,
    fit: str = "",
    size: tuple[int, int] | None = None,
    zero_level: float | None = None,
) -> Bringing:
    """The steps that match gathers to a classifier.

    Args:
        classifier: The classifier.
        fit: `pad`, `crop` or `resize` to bring gathers to one size, as for surveys. By default they are graded whole,
            in windows; a classifier that was trained only on resized gathers grades them resized.
        size: That size; the classifier's when None.
        zero_level: The value that stands for zero amplitude in files; measured when None.
    """
    profile = classifier.profile
    if not fit and profile and profile.window is None and set(profile.fits) == {"resize"}:
        fit = "resize"
    return Bringing(classifier.name, profile, size or classifier.size, fit, zero_level)


def survey_gathers(survey: Survey, bringing: Bringing) -> Iterator[Gather]:
    """Gathers of a survey, in its order, matched to a classifier.

    Args:
        survey: The survey.
        bringing: What matches them.

    Raises:
        InputError: A record is damaged, or a gather cannot be matched.
    """
    for row in range(len(survey)):
        yield bringing.gather(survey.read(row))


def graded(
    classifier: SavedClassifier,
    gathers: Iterable[Gather],
    bringing: Bringing,
    batch: int,
    prior: np.ndarray | None = None,
) -> Iterator[tuple[Gather, Graded]]:
    """Grade gathers that were matched to a classifier.

    Args:
        classifier: What grades them.
        gathers: Gathers from `bringing`; those that it does not keep are left out.
        bringing: What matched them.
        batch: Windows at a time.
        prior: Class fractions to expect, `[class]`; those that its probabilities assume when None.

    Yields:
        The gathers with their grades, in order.

    Raises:
        InputError: The classifier did not record the fractions that it was trained on.
    """
    kept = (gather for gather in gathers if bringing.keeps(gather))
    looker = Symmetric(classifier, classifier.symmetries)
    known = known_gathers(classifier.about)
    for one in judged(looker, kept, classifier.size, batch):
        probabilities = classifier.calibrated(
            gather_probabilities(one.seen, one.windows.weights, classifier.combination), prior
        )
        spacing = gather_spacing_factor(one.gather, classifier.profile)
        unlike, unlike_by = unlike_of(classifier, one)
        yield (
            one.gather,
            Graded(
                number=int(classifier.decision.classes(probabilities)),
                unsure=bool(classifier.decision.unsure(probabilities)),
                probabilities=probabilities,
                severity=float(severity(probabilities)),
                unlike=unlike,
                unlike_by=unlike_by,
                spacing=spacing,
                windows=len(one.windows.places),
                worst=_worst(one, bringing),
                trained=one.gather in known,
            ),
        )


def grade_recordings(
    classifier: SavedClassifier, recordings: Iterable[Recording | Picture | Gather], batch: int = 16
) -> list[Graded]:
    """Grade recordings or gathers in memory, as `classify` does for files and surveys.

    Args:
        classifier: What grades them.
        recordings: Recordings, such as `open_source` gives, or gathers, such as `glowseis.read_gathers` gives.
        batch: Windows at a time.

    Returns:
        Their grades, in order.

    Raises:
        InputError: A recording cannot be matched to the classifier, or is too small to be graded.
    """
    bringing = bringing_for(classifier)
    gathers = (bringing.gather(one) if isinstance(one, Gather) else bringing(one) for one in recordings)
    found = [grade for _, grade in graded(classifier, gathers, bringing, batch)]
    for (_, name), reason in bringing.left_out.items():
        raise InputError(f"gather {name} cannot be graded: it has {reason}; leave it out")
    return found


def grade(
    classifier: SavedClassifier,
    gathers: Iterable[Gather],
    out: Path,
    *,
    bringing: Bringing | None = None,
    batch: int = 16,
    prior: np.ndarray | None = None,
) -> Grades:
    """Grade gathers and write a table of their grades, whole or not at all.

    Recorded gathers with a label are scored. Those that trained the classifier or chose its weights are not, whatever
    survey or file they are in now: they are recognised by their ids or images.

    Args:
        classifier: What grades them.
        gathers: The gathers, matched by `bringing`.
        out: The CSV file to make: `FACTS`, the grade, the probability of each label, severity, `unlike` and `unlike_by`
            (empty if the classifier cannot measure them), the number of windows, and `WORST` (times are empty if
            unknown).
        bringing: What matched them; None if nothing did.
        batch: Windows at a time; memory grows with it.
        prior: As for `graded`.

    Returns:
        Counts and scores.

    Raises:
        InputError: The file exists already, a gather cannot be read, or none is left to grade.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    bringing = bringing or bringing_for(classifier)
    with whole_file(out) as path, path.open("w", encoding="utf-8", newline="") as stream:
        return grade_into(stream, classifier, graded(classifier, gathers, bringing, batch, prior), bringing)


def table_columns(labels: Sequence[str]) -> list[str]:
    """The columns of a table of grades.

    Args:
        labels: The classes, the mildest first.
    """
    columns = (*FACTS, "grade", *(f"{PROBABILITY}{label}" for label in labels))
    return [*columns, "severity", "unlike", "unlike_by", "windows", *WORST]


def grade_into(
    stream: TextIO,
    classifier: SavedClassifier,
    pairs: Iterable[tuple[Gather, Graded]],
    bringing: Bringing,
    told: Sequence[str] = (),
) -> Grades:
    """Write a table of grades, and score them, as `grade` does.

    Args:
        stream: What is written, without the system's line ends.
        classifier: What graded them.
        pairs: Gathers with their grades, such as `graded` yields.
        bringing: What matched them.
        told: What is told of their files, known once the last gather is read.

    Returns:
        Counts and scores.

    Raises:
        InputError: A gather cannot be read, or none is left to grade.
        OSError: The disk is full or not writable.
    """
    # Ignoring case, as in training.
    numbers = {label.casefold(): number for number, label in enumerate(classifier.labels)}
    grades = Grades(dict.fromkeys(classifier.labels, 0))
    truth: list[int] = []
    scored: list[Graded] = []
    lines: list[tuple[int, str]] = []
    unlike: list[float | None] = []
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table_columns(classifier.labels))
    for gather, one in pairs:
        label = UNSURE if one.unsure else classifier.labels[one.number]
        grades.counts[label] = grades.counts.get(label, 0) + 1
        writer.writerow(_row(gather, label, one))
        grades.several += one.windows > 1
        lines.append((gather.geometry.sail_line, gather.source))
        unlike.append(one.unlike)
        if one.unlike is not None and one.unlike > 1:
            grades.unlike.append(gather.gather_id)
        if one.spacing > FARTHEST_SPACING:
            grades.spacings.append(gather.gather_id)
        if one.trained:
            grades.seen += 1
            grades.seen_labelled += bool(gather.label)
        elif gather.origin.parents:
            grades.synthetic += 1
        elif gather.label.casefold() in numbers:
            truth.append(numbers[gather.label.casefold()])
            scored.append(one)
        elif gather.label:
            grades.unknown[gather.label] = grades.unknown.get(gather.label, 0) + 1
    if not sum(grades.counts.values()):
        reasons = list(dict.fromkeys(bringing.left_out.values()))
        why = f"{len(bringing.left_out)} left out with {'; '.join(reasons)}" if reasons else "the sources have none"
        raise InputError(f"no gather is left to grade: {why}{because(told)}")
    grades.unlikeness = summary(
        line_names(lines), unlike, len(classifier.about.get("validation_ids", ())) or TYPICAL_JUDGES
    )
    if truth:
        found = np.array([one.probabilities for one in scored])
        numbers_graded = np.array([one.number for one in scored])
        grades.scores = scores(truth, numbers_graded, classifier.labels, probabilities=found)
        unsure = np.array([one.unsure for one in scored])
        grades.caught = (int(unsure.sum()), int((unsure & (numbers_graded != truth)).sum()))
    return grades


def _row(gather: Gather, label: str, one: Graded) -> list[object]:
    geometry = gather.geometry
    facts = (gather.gather_id, safe_cell(gather.source), geometry.sail_line, geometry.shot, geometry.cable)
    first, last, first_s, last_s = one.worst
    times = ["" if np.isnan(time_s) else f"{time_s:.6g}" for time_s in (first_s, last_s)]
    unlike = "" if one.unlike is None else f"{one.unlike:.4g}"
    # Nine significant digits restore a float32 exactly.
    probabilities = [f"{value:.9g}" for value in one.probabilities]
    return [
        *facts,
        safe_cell(label),
        *probabilities,
        f"{one.severity:.6g}",
        unlike,
        one.unlike_by,
        one.windows,
        first,
        last,
        *times,
    ]


def unlike_of(classifier: SavedClassifier, one: Judged) -> tuple[float | None, str]:
    """How unlike a classifier's training data a gather is, and in what: `Graded.unlike` and `Graded.unlike_by`."""
    if classifier.unlikeness is None or one.seen.features is None:
        return None, ""
    spacing = gather_spacing_factor(one.gather, classifier.profile)
    by_spacing = ((spacing - 1) / (FARTHEST_SPACING - 1), "trace_spacing")
    by_size = (_shortfall(one.gather, classifier) / MOST_SHORTFALL, "size")
    return max(classifier.unlikeness.of(one.seen.features, one.figures), by_spacing, by_size)


def _shortfall(gather: Gather, classifier: SavedClassifier) -> float:
    """The share by which a window is larger than the gather that should fill it; 0 if no padding is needed."""
    if classifier.profile is None or classifier.profile.window is None:
        return 0.0
    samples, traces = classifier.profile.window
    return max(samples / gather.valid_samples, traces / gather.valid_traces, 1.0) - 1.0


def _worst(one: Judged, bringing: Bringing) -> tuple[int, int, float, float]:
    """Where the worst window lies, in the gather's source."""
    samples, traces = one.worst_window()
    orders = bringing.orders.get((one.gather.source, one.gather.gather_id))
    there = orders.popleft()[traces] if orders else np.arange(traces.start, traces.stop)
    interval_s = one.gather.geometry.sample_interval_s
    if not interval_s > 0:
        interval_s = np.nan if bringing.interval_s is None else bringing.interval_s
    start_s = one.gather.geometry.start_s
    times = (start_s + samples.start * interval_s, start_s + (samples.stop - 1) * interval_s)
    return int(there.min()) + 1, int(there.max()) + 1, float(times[0]), float(times[1])
