"""A folder watched for files of gathers, each graded once it is complete, its rows appended to one table."""

import hashlib
import io
import json
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, Protocol

from glowseis.delivery.growing_table import GrowingTable
from glowseis.delivery.record import GradedFile, GradingRecord, file_sha256, graded_file, new_record, whole_path
from glowseis.errors import InputError, StoppedError
from glowseis.export.classifier import SavedClassifier, load_classifier
from glowseis.export.folders import savedmodel_sha256, version_folder
from glowseis.judging.prior import parse_prior
from glowseis.locks import locked
from glowseis.run.grading import Grades, bringing_for, grade_into, table_columns
from glowseis.run.kept_grades import KeptGrades
from glowseis.survey.formats.source import State, file_state
from glowseis.survey.formats.sources import open_source
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.ingest import gathers_of
from glowseis.survey.ingestion.request import Request, left_out_lines
from glowseis.survey.ingestion.settling import Settling, looks
from glowseis.survey.size import parse_size
from glowseis.survey.wording import number_of

CUT = "cut"
"""Kind of the remarks of readers on files that end in the middle of a trace."""


class Say(Protocol):
    """Prints a line for the user at once; `wrong` says that it is about a file that cannot be graded."""

    def __call__(self, line: str, *, wrong: bool = False) -> None:
        """Print it."""


class Watch:
    """Grades files of a folder as they are completed.

    Args:
        savedmodel: Path of the classifier's SavedModel.
        folder: The folder.
        request: How its files are read.
        out: The table; goes on with one that is there.
        settings: Windows at a time; class fractions to expect, such as `66,31,2`, or None for those of the training;
            and how long a file must be unchanged before it is graded, in seconds.
        say: Tells the user what is done.

    Raises:
        InputError: The classifier or the table does not suit.
        OSError: The disk is full or not writable.
    """

    def __init__(
        self,
        savedmodel: Path,
        folder: Path,
        request: Request,
        out: Path,
        settings: tuple[int, str | None, float],
        say: Say,
    ):
        self._batch, prior, settle_s = settings
        self._classifier = load_classifier(savedmodel)
        self._prior = None if prior is None else parse_prior(prior, self._classifier.labels)
        if self._prior is not None:
            self._classifier.fractions()
        self._request, self._out, self._say = request, out, say
        record = _record(self._classifier, savedmodel, request, prior)
        self._table = GrowingTable(out, table_columns(self._classifier.labels), record)
        # Grades of a file are kept for when it is interrupted; they are of this model and these settings alone.
        told = hashlib.sha256(json.dumps([record.model_sha256, record.how], sort_keys=True).encode()).hexdigest()
        self._kept = out.parent / f".{out.name}.{told[:12]}.kept.writing"
        there = self._table.states()
        done = {path: there[whole_path(path)] for path in _files(folder, there)}
        self._settling = Settling(folder, request.kind, settle_s, done)
        before = f"; {number_of(len(there), 'file')} graded before" if there else ""
        say(f"watching {source_text(folder)}: a file is graded once it is unchanged for {settle_s:g} s{before}")
        if assumed := self._classifier.assumed(self._prior):
            say(f"probabilities assume {assumed}")

    def run(self, looks: Iterable[object]) -> None:
        """Grade what has settled, at each look.

        Args:
            looks: Yields when it is time to look at the folder.

        Raises:
            StoppedError: It was interrupted; all rows are whole, and the same call goes on.
            OSError: The folder is gone, or the disk is full or not writable.
        """
        try:
            for _ in looks:
                for path, state in self._settling.settled(time.monotonic()):
                    self._grade(path, state)
        except KeyboardInterrupt:
            raise StoppedError(
                f"{source_text(self._out)}: stopped; its rows are complete, run the same command again to continue"
            ) from None

    def _grade(self, path: Path, state: State) -> None:
        """Grade a file, or say why not; if it changed since it settled, it must settle again."""
        if file_state(path) != state:
            return
        former = self._table.graded(path)
        try:
            if former and former.size_bytes == state[0] and former.sha256 == file_sha256(path):
                self._table.note(graded_file(path, state).model_copy(update={"source": former.source}))
            else:
                if former:
                    self._say(f"{source_text(path)}: changed since it was graded; graded again")
                self._add(path, state)
        except InputError as wrong:
            for line in left_out_lines({path: str(wrong)}):
                self._say(line, wrong=True)
            self._kept.unlink(missing_ok=True)
            if file_state(path) != state:
                # It is looked at again when it has settled.
                return
            self._table.note(graded_file(path, reason=str(wrong)))
        self._settling.done(path, state)

    def _add(self, path: Path, state: State) -> None:
        """Grade a file and add its rows."""
        request, classifier = self._request, self._classifier
        _check_complete(path, request)
        size = parse_size(request.size) if request.size else None
        bringing = bringing_for(classifier, request.fit, size, request.options.zero_level)
        window = "x".join(map(str, bringing.window))
        asked = replace(request, sources=[path], size=window, fit=bringing.fit or "pad")
        told: list[str] = []
        gathers = gathers_of(asked, told, bringing, self._table.ids(path))
        text = io.StringIO(newline="")
        pairs = KeptGrades(self._kept).graded(classifier, gathers, bringing, self._batch, self._prior)
        grades = grade_into(text, classifier, pairs, bringing, told)
        file = graded_file(path, state)
        self._table.add(file, text.getvalue().split("\n")[1:-1])
        self._kept.unlink()
        for line in [*told, *bringing.lines(), *grades.lines(classifier.name), _line(file, grades)]:
            self._say(line)


def watch_folder(
    savedmodel: Path,
    folder: Path,
    request: Request,
    out: Path,
    settings: tuple[int, str | None, float],
    say: Say,
    told: Iterable[str] = (),
) -> NoReturn:
    """Grade files of a folder as they are completed, until that is interrupted.

    Args:
        savedmodel: As for `Watch`, like all but the last.
        folder: The folder.
        request: How its files are read.
        out: The table.
        settings: Windows at a time, class fractions, seconds until a file has settled.
        say: Tells the user what is done.
        told: Lines to say first.

    Raises:
        InputError: The classifier or the table does not suit, or another process adds to the table.
        StoppedError: It was interrupted; all rows are whole, and the same call goes on.
        OSError: The folder is gone, or the disk is full or not writable.
    """
    busy = f"{source_text(out)}: another process is writing to it; stop that process or give another --out"
    with locked(out.parent / f".{out.name}.watch.lock", busy):
        for line in told:
            say(line)
        Watch(savedmodel, folder, request, out, settings, say).run(looks(folder, settings[2]))
    raise AssertionError("watching ends by an interruption")


def _record(classifier: SavedClassifier, savedmodel: Path, request: Request, prior: str | None) -> GradingRecord:
    how = {"prior": prior, "fit": request.fit, "size": request.size}
    checksum = savedmodel_sha256(version_folder(savedmodel))
    return new_record(classifier.name, checksum, classifier.labels, how, request.kind, request.options)


def _files(folder: Path, known: Iterable[Path]) -> list[Path]:
    """The known files that lie in a folder, named as from there."""
    place = folder.resolve()
    return [folder / path.name for path in known if path.parent == place]


def _check_complete(path: Path, request: Request) -> None:
    """Refuse a file that ends in the middle of a trace, which may still be written."""
    source = open_source(path, request.options, request.kind)
    cut = next((remark.text for remark in source.remarks() if remark.kind == CUT), None)
    if cut:
        raise InputError(f"{source_text(path)}: {cut}; it will be graded once it has changed and is complete")


def _line(file: GradedFile, grades: Grades) -> str:
    counts = ", ".join(f"{count} {label}" for label, count in grades.counts.items())
    return f"{file.source}: {number_of(sum(grades.counts.values()), 'gather')} graded: {counts}"
