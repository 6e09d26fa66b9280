"""What one judge says of a survey, what comes next, and how each label gets to disk; knows no web page."""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.files import read_record, write_json
from glowseis.labelling.history import History
from glowseis.labelling.order import Order, is_second_look
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.label_rows import UNSURE, read_rows
from glowseis.survey.labels.adding import Judgement, append, check_judge, form_of, now
from glowseis.survey.labels.overlay import read_overlay
from glowseis.survey.labels.traces import Marked, append_marks, channels_of, read_marks
from glowseis.survey.store.manifest import MANIFEST, read_manifest
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import number_of

MARKS = "traces"
"""The folder beside the labels in which marked traces are kept, in a file of the same name."""


class NotYetError(Exception):
    """What a judge may see only after judging was asked for too early."""


@dataclass(frozen=True)
class TakenBack:
    """What was taken back.

    Attributes:
        gather_id: The gather to show.
        line: What it was, in words.
        label: The judge's label that the gather has now; empty for none.
        note: The note of the label that was taken back; empty for none.
    """

    gather_id: str
    line: str
    label: str
    note: str = ""


class Session:
    """A judge at work. Several threads may call it; other processes may add to the same files meanwhile.

    Attributes:
        survey: The survey, with the labels of its records.
        labels: The CSV file of labels that is added to.
        marks: The CSV file of marked traces.
        judge: Who judges.
        classes: The labels that may be given beside `unsure`, the mildest first.
        added: How many judgements this session has saved to disk.
        warning: What to tell the judge before anything else; empty if nothing.

    Args:
        survey: As above.
        labels: As above.
        judge: As above.
        order: What to judge, and why.
        judged_s: When a gather that comes for a second look had last been judged, in seconds since 1970: judgements
            up to then do not count.

    Raises:
        InputError: A file cannot be read or added to, or is for another survey.
    """

    def __init__(
        self, survey: Survey, labels: Path, judge: str, order: Order, judged_s: Mapping[str, float] | None = None
    ):
        check_judge(judge)
        self.survey, self.labels, self.judge = survey, labels, judge
        self.marks = labels.parent / MARKS / labels.name
        self.added = 0
        self._order, self._judged_s = dict(order), dict(judged_s or {})
        self._lock = threading.RLock()
        # Whatever may be wrong with the files is found here. Later they are read again only if they change.
        if begun := _size(labels) > 0:
            form_of(labels)
        self.classes = read_overlay(survey, [labels] if begun else [], begun=False).classes
        self._about = labels.with_suffix(".json")
        self.warning = self._compared(begun)
        self._history = History()
        self._marked: list[Marked] = []
        self._seen: dict[Path, tuple[int, ...]] = {survey.path / MANIFEST: _state(survey.path / MANIFEST)}
        self._refresh()
        self.marked("")

    def coming(self, count: int) -> list[str]:
        """The next gathers that the judge has not judged.

        Args:
            count: How many at most.
        """
        with self._lock:
            self._refresh()
            waiting = filter(self._waits, self._order)
            return [gather_id for _, gather_id in zip(range(count), waiting, strict=False)]

    def progress(self) -> dict[str, Any]:
        """How far the judge is.

        Returns:
            `judged` of the gathers in the order and `of`, how many these are; `counts` of gathers by label;
            `minutes_per_hundred`, None at first.
        """
        with self._lock:
            self._refresh()
            return {
                "judged": sum(not self._waits(gather_id) for gather_id in self._order),
                "of": len(self._order),
                "counts": {label: self._history.counts.get(label, 0) for label in (*self.classes, UNSURE)},
                "minutes_per_hundred": self._history.minutes_per_hundred,
            }

    @property
    def last(self) -> str:
        """What names the last judgement, for `take_back`; empty if there is none."""
        with self._lock:
            self._refresh()
            return self._history.named(self._history.last)

    def label(self, gather_id: str, label: str, note: str = "", known: str = "") -> str:
        """Save a judgement, and return when it is on disk. One that is already there is not added again.

        Args:
            gather_id: The gather.
            label: One of the classes, or `unsure`.
            note: Anything else.
            known: The judge's earlier label, as far as the caller knows.

        Returns:
            A line to tell if the gather was judged elsewhere in the judge's name meanwhile; otherwise empty.

        Raises:
            InputError: There is no such gather or class; the survey was rebuilt; or the file cannot be read any more.
            OSError: The disk is full or not writable; the file stays as it was.
        """
        with self._lock:
            self._check(gather_id)
            if label not in (*self.classes, UNSURE):
                raise InputError(f"label {label!r}: choose one of {', '.join(self.classes)} or {UNSURE}")
            self._refresh()
            # What a gather had before it came for a second look is not shown, so nobody can know it.
            again = self._again(gather_id)
            earlier = known if again else self._history.label(gather_id)
            judgement = Judgement(gather_id, label, self.judge, note)
            if (label, judgement.note) == (earlier, self._history.note(gather_id)) and not again:
                # The answer was lost, and the page repeats the request.
                return ""
            if not self.added:
                write_json(self._about, {"survey": source_text(self.survey.path), "checksum": self.survey.checksum})
            self._add(judgement)
            self.added += 1
        if earlier in (known, label):
            return ""
        changed = f"was judged {earlier}" if earlier else "was taken back"
        return f"{gather_id} {changed} in another window in the meantime; now {label} counts"

    def take_back(self, shown: str, marks: int = 0, last: str = "") -> TakenBack | None:
        """Take back the last mark on the gather that is shown, or else a judgement.

        A gather that had a label before the one that is taken back has it again. Asked for the same once more, it takes
        nothing back.

        Args:
            shown: The gather that is shown; empty for none.
            marks: How many marks the caller knows on it.
            last: The judgement that the caller means, as `last` named it; the last one by default.

        Returns:
            What it was; None if there is nothing to take back.

        Raises:
            InputError: As for `label`.
            OSError: As for `label`.
        """
        with self._lock:
            self._refresh()
            there = self.marked(shown) if shown else []
            if len(there) < marks:
                line = f"{shown}: the mark had been taken back before; nothing else is taken back"
                return TakenBack(shown, line, self._label_known(shown))
            if there:
                mark = there[-1]
                self.mark(shown, mark.first_trace, mark.last_trace, "")
                line = f"{mark.kind}, traces {mark.first_trace} to {mark.last_trace}: taken back"
                return TakenBack(shown, line, self._history.label(shown))
            gather_id = last.partition(" ")[0] or self._history.last
            if not gather_id:
                return None
            self._check(gather_id)
            if last and self._history.named(gather_id) != last:
                line = f"{gather_id}: had been taken back or replaced before; nothing else is taken back"
                return TakenBack(gather_id, line, self._label_known(gather_id))
            hidden, label = self._again(gather_id), self._history.label(gather_id)
            note = "" if hidden else self._history.note(gather_id)
            # With the time at which it was given: a second look that is taken back is still to come.
            before, time = self._history.before(gather_id)
            self._add(Judgement(gather_id, before, self.judge, time=time if before else now()))
            self.added = max(self.added - 1, 0)
            line = f"{gather_id}: {'' if hidden else f'{label} '}taken back"
            known = self._label_known(gather_id)
            return TakenBack(gather_id, f"{line}; {known} counts again" if known else line, known, note)

    def mark(self, gather_id: str, first_trace: int, last_trace: int, kind: str) -> None:
        """Save a mark of traces to disk, or take one back.

        Args:
            gather_id: The gather.
            first_trace: The first of them, from 1 in the order of the recording.
            last_trace: The last of them.
            kind: What they are; empty to take a mark of just these traces back.

        Raises:
            InputError: There are no such traces, no such kind; or as for `label`.
            OSError: As for `label`.
        """
        with self._lock:
            self._check(gather_id)
            row = self.survey.index.iloc[self.survey.row(gather_id)]
            traces = int(row["recorded_traces"] if row["fit"] == "resize" else row["valid_traces"])
            if last_trace > traces:
                raise InputError(f"{gather_id} has {number_of(traces, 'trace')}; there is no trace {last_trace}")
            channels = channels_of(self.survey.read(gather_id).geometry.channel, first_trace, last_trace)
            mark = Marked(gather_id, first_trace, last_trace, kind, self.judge, channels=channels)
            append_marks(self.marks, [mark])

    def marked(self, gather_id: str) -> list[Marked]:
        """The judge's marks on a gather, in the order in which they were made.

        Args:
            gather_id: The gather.

        Raises:
            InputError: The file of marks cannot be read any more.
        """
        with self._lock:
            if self._seen.get(self.marks) != (state := _state(self.marks)):
                own = self.judge.casefold()
                self._marked = [mark for mark in read_marks(self.marks) if mark.judge.casefold() == own]
                self._seen[self.marks] = state
            return [mark for mark in self._marked if mark.gather_id == gather_id]

    def revealed(self, gather_id: str) -> dict[str, str]:
        """What a judge may know of a gather after judging it.

        Args:
            gather_id: The gather.

        Returns:
            The judge's `label`, that of the survey's `record` (perhaps empty), and the `reason` why it came.

        Raises:
            InputError: There is no such gather.
            NotYetError: It is not judged.
        """
        with self._lock:
            self._refresh()
            row = self.survey.row(gather_id)
            given = self._history.label(gather_id)
            if not given or self._again(gather_id):
                raise NotYetError(f"{gather_id}: judge it first; after that, what is known about it is shown")
            record = str(self.survey.index["label"].iat[row])
            return {"label": given, "record": record, "reason": self._order.get(gather_id, "")}

    def _label_known(self, gather_id: str) -> str:
        """The judge's label of a gather; empty if there is none, or it is not to be shown before a second look."""
        return "" if self._again(gather_id) else self._history.label(gather_id)

    def _waits(self, gather_id: str) -> bool:
        """Whether a gather is to be judged."""
        return not self._history.label(gather_id) or self._again(gather_id)

    def _again(self, gather_id: str) -> bool:
        """Whether a gather that was judged is to be judged again."""
        second = is_second_look(self._order.get(gather_id, "")) and self._history.label(gather_id) != ""
        return second and self._history.time_s(gather_id) <= self._judged_s.get(gather_id, -math.inf)

    def _compared(self, begun: bool) -> str:
        """A warning if labels were last added for another state of the survey; otherwise empty."""
        if self._about == self.labels:
            raise InputError(
                f"{source_text(self.labels)}: labels can only be added to a CSV file; give --labels another name"
            )
        if not self._about.exists():
            return ""
        told = read_record(self._about)
        if told.keys() != {"survey", "checksum"}:
            raise InputError(
                f"{source_text(self._about)}: the survey's checksum is to be kept in this file, but it holds "
                "something else; give --labels another name"
            )
        if not begun or told["checksum"] == self.survey.checksum:
            return ""
        return (
            f"{source_text(self.labels)}: {self.survey.path} was rebuilt since labels were last added; its gathers "
            "have the same names, but check a few of these labels"
        )

    def _check(self, gather_id: str) -> None:
        """Make sure that the survey is still the one that was opened, and has the gather."""
        self.survey.row(gather_id)
        file = self.survey.path / MANIFEST
        if self._seen[file] == (state := _state(file)):
            return
        try:
            same = read_manifest(self.survey.path) == self.survey.manifest
        except InputError:
            same = False
        if not same:
            raise InputError(
                f"{self.survey.path}: was rebuilt since this page was opened, so nothing is added to "
                f"{source_text(self.labels)}; stop glowseis label and start it again"
            )
        self._seen[file] = state

    def _add(self, judgement: Judgement) -> None:
        before = _state(self.labels)
        added = append(self.labels, [judgement])
        after = _state(self.labels)
        alone = after[-1] == max(before[-1], 0) + added and self._seen.get(self.labels) == before
        if alone:
            self._seen[self.labels] = after
            self._history.take(judgement.gather_id, judgement.label, judgement.time, judgement.note)
        self._refresh()

    def _refresh(self) -> None:
        """Read the labels again if another window, server or program has changed them."""
        if self._seen.get(self.labels) != (state := _state(self.labels)):
            self._history = _read_history(self.survey, self.labels, self.judge)
            self._seen[self.labels] = state


def _read_history(survey: Survey, labels: Path, judge: str) -> History:
    """A judge's rows of a file of labels."""
    history = History()
    if _size(labels) <= 0:
        return history
    keys, rows = read_rows(labels, lambda where, cell: cell)
    if nameless := [row.number for row in rows if not row.judge]:
        raise InputError(f"{source_text(labels)}, row {nameless[0]}: its judge is empty; fill it in")
    classes = {label.casefold(): label for label in read_overlay(survey, [labels], begun=False).classes}
    for row in rows:
        if row.judge.casefold() == judge.casefold():
            gather_id = str(row.key[keys.index("gather_id")])
            history.take(gather_id, classes.get(row.label.casefold(), row.label.casefold()), row.time, row.note)
    return history


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _state(path: Path) -> tuple[int, ...]:
    """What changes if a file does; its size is last."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
