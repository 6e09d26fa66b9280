"""What judges say of a survey's gathers, from files of their own, and the labels that follow.

Nothing of the survey on disk changes. A judge's last word on a gather counts; where judges disagree, most of them do,
or one who was named.
"""

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import LABELS, source_text
from glowseis.survey.ingestion.label_rows import UNSURE, read_rows
from glowseis.survey.labels.adding import MAJORITY, check_judge, seconds
from glowseis.survey.labels.finding import Finder
from glowseis.survey.severity import alike, by_severity
from glowseis.survey.store import survey as store
from glowseis.survey.store.manifest import INDEX
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import first_names, number_of

SILENT, UNDECIDED = -1, -2

"""In place of a class's number: the judge says nothing of the gather, or is unsure."""

NAMED = 3

"""Most gathers that an error names."""


@dataclass(frozen=True)
class Overlay:
    """What judges say of a survey's gathers.

    Attributes:
        survey: The survey, with the labels of its records.
        files: Where judgements come from.
        judges: Who judged, in the order of the files.
        classes: Labels that may be given, the mildest first.
        votes: Number of the class that each judge gives a gather, `SILENT` or `UNDECIDED`, int64 `[gather, judge]`.
        given: How often each judge judged a gather, except what was taken back, int64 `[gather, judge]`.
        times: When each judge last judged a gather, in seconds since 1970; minus infinity if unknown or
            never, float64 `[gather, judge]`.
        replaced: How many judgements a later one of the same judge replaced.
        judge: Whose word counts where judges disagree: one of them, `majority`, or empty for nobody's.
    """

    survey: Survey
    files: tuple[Path, ...]
    judges: tuple[str, ...]
    classes: tuple[str, ...]
    votes: np.ndarray
    given: np.ndarray
    times: np.ndarray
    replaced: int
    judge: str

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """How many judges give a gather each class, int64 `[gather, class]`."""
        return (self.votes[:, :, np.newaxis] == np.arange(len(self.classes))).sum(axis=1)

    @property
    def judged(self) -> np.ndarray:
        """Which gathers at least one judge says something of, bool `[gather]`."""
        return (self.votes != SILENT).any(axis=1)

    @property
    def disputed(self) -> np.ndarray:
        """Which gathers are given different classes, bool `[gather]`."""
        return (self.counts > 0).sum(axis=1) > 1

    @property
    def undecided(self) -> np.ndarray:
        """Which of the disputed gathers get no label: judges tie, or the named one gives none, bool `[gather]`."""
        return self.disputed & (self._decided() < 0)

    @property
    def labels(self) -> np.ndarray:
        """Each gather's label: what judges decide, the record's where they say nothing, empty for none, `[gather]`.

        A gather whose judges are all unsure has none.
        """
        given = np.array([*self.classes, ""], object)[self._decided()]
        return np.where(self.judged, given, self.survey.index["label"].to_numpy(object))

    def _decided(self) -> np.ndarray:
        """The class on which judges agree or that the policy chooses, -1 for none, int64 `[gather]`."""
        most = self.counts.max(axis=1, initial=0)
        alone = (self.counts == most[:, np.newaxis]).sum(axis=1) == 1
        if self.judge != MAJORITY:
            alone &= ~self.disputed
        chosen = np.where((most > 0) & alone, self.counts.argmax(axis=1), -1)
        if self.judge in self.judges:
            own = self.votes[:, self.judges.index(self.judge)]
            chosen = np.where(own == SILENT, chosen, np.maximum(own, -1))
        return chosen

    def said(self, row: int) -> str:
        """What each judge calls a gather, in words, such as `anna good, ben bad`; unsure ones are left out.

        Args:
            row: The gather's row in the survey.
        """
        votes = zip(self.judges, self.votes[row], strict=True)
        return ", ".join(f"{judge} {self.classes[vote]}" for judge, vote in votes if vote >= 0)

    def laid_over(self) -> Survey:
        """The survey with these labels.

        Raises:
            InputError: Judges disagree, and nobody was named to decide.
        """
        rows = np.flatnonzero(self.disputed)
        if len(rows) and not self.judge:
            raise InputError(
                f"{_listed(self.files)}: judges disagree about {number_of(len(rows), 'gather')}, the first "
                f"{self.survey.index['gather_id'].iat[rows[0]]} ({self.said(int(rows[0]))}); choose with --judge "
                f"majority, or --judge NAME, from {', '.join(self.judges)}"
            )
        ids, labels = self.survey.index["gather_id"].to_numpy(object), self.labels
        unsure = frozenset(map(str, ids[self.judged & (labels == "")]))
        return self.survey.relabelled(labels, [source_text(file) for file in self.files], self.judge, unsure)


def open_survey(path: str | Path, labels: Sequence[str | Path] = (), judge: str | None = None) -> Survey:
    """Open a survey, with labels from files of their own if there are any, and check both.

    >>> import glowseis
    >>> survey = glowseis.open_survey("surveys/demo")
    >>> bad = survey.select(labels=["bad"])
    >>> survey.read(bad[0]).label, survey.read_images(bad[:2]).shape
    ('bad', (2, 32, 32))

    The survey on disk stays as it is. Index, counts and gathers that are read have the labels of the files, and the
    survey's checksum follows from them; where the files say nothing, labels are the records'.

    Args:
        path: The survey's folder; opened as by `glowseis.survey.store.survey.open_survey`.
        labels: CSV files, as `read_overlay` takes them.
        judge: Whose label counts where judges disagree: a name, or `majority`; they must agree when None.

    Returns:
        The survey.

    Raises:
        InputError: As by those functions; or judges disagree and `judge` is None.
    """
    return with_labels(store.open_survey(path), labels, judge)


def with_labels(survey: Survey, labels: Sequence[str | Path] = (), judge: str | None = None) -> Survey:
    """A survey with labels from files of their own, as `open_survey` does it.

    Args:
        survey: The survey, with the labels of its records.
        labels: As above.
        judge: As above.

    Returns:
        The survey with these labels; the same survey if there are none.

    Raises:
        InputError: As above.
    """
    if not labels:
        if judge:
            raise InputError(f"--judge {judge}: chooses among the judges of --labels; give that too, or leave it out")
        return survey
    return read_overlay(survey, labels, judge).laid_over()


def read_overlay(
    survey: Survey, labels: Sequence[str | Path], judge: str | None = None, *, begun: bool = True
) -> Overlay:
    """Read what judges say of a survey's gathers.

    Rows are as `glowseis.survey.ingestion.label_rows.read_rows` takes them, for gathers by id, or by line, shot or
    range of shots, and cable. Labels may differ in case from the survey's; `unsure` and empty labels are words too: the
    judge gives no label, or takes an earlier one back. A file without a column `judge` is one judge's, called by the
    file's name. A judge's later rows replace earlier ones: in a file by their order; among files by their times, or by
    the files' order if any has none.

    Args:
        survey: The survey, with the labels of its records.
        labels: The CSV files.
        judge: As for `open_survey`.
        begun: Whether each file must have a label, say that a judge is unsure, or take back what another file said.

    Returns:
        What they say.

    Raises:
        InputError: A file cannot be read, has no label although it must, is for another survey, names gathers that are
            not there, fits several where one is meant, has a label that is none of the classes, or a time that is none;
            or nobody is called `judge`.
    """
    files = tuple(Path(path) for path in labels)
    places = list(map(os.path.realpath, files))
    twice = [file for place, file in enumerate(files) if places[place] in places[:place]]
    if twice:
        raise InputError(f"{source_text(twice[0])}: is given twice to --labels; give each file once")
    words = [word for number, file in enumerate(files) for word in _words(survey, number, file)]
    said_something = {word.judge.casefold() for word in words if word.label}
    # A file of empty labels may take back what its judge said in another.
    full = {word.file for word in words if word.judge.casefold() in said_something}
    if begun and (blank := [file for number, file in enumerate(files) if number not in full]):
        raise InputError(f"{source_text(blank[0])}: has no label in any row; fill in its column label, or leave it out")
    judges: dict[str, str] = {}
    for word in words:
        judges.setdefault(word.judge.casefold(), word.judge)
    classes = _classes(survey, words, files)
    numbers = {label.casefold(): number for number, label in enumerate(classes)}
    numbers |= {UNSURE: UNDECIDED, "": SILENT}
    votes = np.full((len(survey), len(judges)), SILENT, np.int64)
    given = np.zeros_like(votes)
    times = np.full(votes.shape, -np.inf)
    replaced = 0
    for column, one in enumerate(judges):
        said = np.zeros(len(survey), bool)
        counts: dict[tuple[str, float, bytes], np.ndarray] = {}
        for word in _in_time([word for word in words if word.judge.casefold() == one]):
            replaced += int(said[word.gathers].sum())
            said[word.gathers] = True
            votes[word.gathers, column] = numbers[word.label.casefold()]
            times[word.gathers, column] = word.time_s
            count = (given[word.gathers, column] + 1) * bool(word.label)
            if word.written_s > -np.inf:
                # The same label with the same time once more takes back what was said after it.
                count = counts.setdefault((word.label.casefold(), word.written_s, word.gathers.tobytes()), count)
            given[word.gathers, column] = count
    named = (judge or "").casefold()
    if named not in ("", MAJORITY, *judges):
        raise InputError(
            f"--judge {judge}: nobody of that name judged; choose majority or {', '.join(judges.values())}"
        )
    decides = judges.get(named, named)
    return Overlay(survey, files, tuple(judges.values()), classes, votes, given, times, replaced, decides)


class _Word(NamedTuple):
    """A row of a file: what a judge says of some gathers, when (in seconds, minus infinity if unknown), and where.

    `time_s` is not before that of the judge's rows above it; `written_s` is the row's own.
    """

    gathers: np.ndarray
    label: str
    judge: str
    time_s: float
    written_s: float
    file: int
    row: int


def _words(survey: Survey, number: int, file: Path) -> Iterator[_Word]:
    """The rows of a file, all of which fit some gather."""
    name = source_text(file)
    keys, rows = read_rows(file, lambda where, cell: cell)
    if "file" in keys and "gather_id" not in keys:
        raise InputError(
            f"{name}: a survey's gathers are named by gather_id, or by line, shot and cable, not by file; replace that "
            "column"
        )
    finder = Finder(survey, keys, name)
    has_judges = any(row.judge for row in rows)
    latest: dict[str, float] = {}
    unknown: dict[str, int] = {}
    found = []
    for row in rows:
        where = f"{name}, row {row.number}"
        if has_judges and not row.judge:
            raise InputError(f"{where}: its judge is empty; fill it in")
        judge = row.judge or file.stem
        try:
            check_judge(judge)
        except InputError as wrong:
            raise InputError(f"{where}: {wrong}" if has_judges else f"{name}: {wrong}, or add a column judge") from None
        gathers = finder.gathers(row)
        if not len(gathers):
            unknown.setdefault(
                row.named(keys).removeprefix("gather_id ") if len(keys) == 1 else row.named(keys), row.number
            )
        written_s = _seconds(where, row.time)
        time_s = latest[judge.casefold()] = max(latest.get(judge.casefold(), -np.inf), written_s)
        found.append(_Word(gathers, row.label, judge, time_s, written_s, number, row.number))
    if unknown:
        names, every = list(unknown), len({row.key for row in rows})
        if not any(len(word.gathers) for word in found):
            raise InputError(
                f"{name}: is for another survey: {survey.path} has none of what it names, such as "
                f"{first_names(names[:NAMED])}; give the survey's own labels; if it was made anew, move this file away "
                "and label again"
            )
        raise InputError(
            f"{name}, row {unknown[names[0]]}: {survey.path} lacks {len(names)} of the {every} gathers or ranges that "
            f"it names, {'the first ' if len(names) > NAMED else ''}{', '.join(names[:NAMED])}; remove their rows, or "
            f"label again if the survey was made anew (its ids are in {INDEX})"
        )
    yield from found


def _classes(survey: Survey, words: Sequence[_Word], files: Sequence[Path]) -> tuple[str, ...]:
    """The labels that words may give: the survey's, and the paper's if there are no others."""
    given = [word for word in words if word.label and word.label.casefold() != UNSURE]
    ours = {label.casefold() for label in LABELS}
    classes = {label.casefold(): label for label in survey.labels}
    if ours.issuperset(classes) and (classes or not given or any(word.label.casefold() in ours for word in given)):
        classes = {label: label for label in LABELS} | classes
    every = by_severity(classes.values())
    for word in given:
        where = f"{source_text(files[word.file])}, row {word.row}"
        if not every:
            # An unlabelled survey of somebody's own classes.
            if other := alike(word.label, classes.values()):
                raise InputError(f"{where}: label {word.label!r} is {other!r} elsewhere; use one spelling")
            classes[word.label.casefold()] = word.label
        elif word.label.casefold() not in classes:
            raise InputError(
                f"{where}: label {word.label!r} is none of the survey's classes, {', '.join(every)}, nor {UNSURE}; "
                "correct it"
            )
    return by_severity(classes.values())


def _in_time(words: Sequence[_Word]) -> Sequence[_Word]:
    """A judge's words from the first to the last."""
    first = {word.file: word for word in reversed(words)}
    if any(word.time_s == -np.inf for word in first.values()):
        return words
    return sorted(words, key=lambda word: (word.time_s, word.file, word.row))


def _seconds(where: str, time: str) -> float:
    """A row's time in seconds; minus infinity if it is empty."""
    try:
        return seconds(time)
    except ValueError:
        raise InputError(
            f"{where}: time {time!r} is not ISO 8601, such as 2026-11-27T14:03:00Z; correct it or clear the cell"
        ) from None


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(source_text(file) for file in files)
