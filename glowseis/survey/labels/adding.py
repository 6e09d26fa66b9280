"""Rows added to a file of labels, by any number of writers at once; no row that is there is changed.

```
gather_id,label,judge,time,note
line0001-shot00012-cable1,bad,anna,2026-11-27T14:03:12Z,swell on the far half
```
"""

import csv
import io
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from glowseis.errors import InputError
from glowseis.locks import locked
from glowseis.survey.cells import safe_cell
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.label_rows import KEYS, columns_of, is_header
from glowseis.survey.ingestion.table_text import header_of
from glowseis.survey.store.index import check_label, is_id

COLUMNS = ("gather_id", "label", "judge", "time", "note")

MAJORITY = "majority"
"""What stands for most judges where a judge is named; so no judge may be called that."""

MOST_CHARACTERS = 100
"""Longest name of a judge."""


def moment(time_s: float) -> str:
    """A time in seconds since 1970 as ISO 8601 in UTC, to the microsecond; empty for minus infinity."""
    if time_s == -math.inf:
        return ""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def seconds(text: str) -> float:
    """A time as ISO 8601, in UTC if it has no zone, in seconds since 1970; minus infinity if it is empty.

    Raises:
        ValueError: It is something else.
    """
    if not text:
        return -math.inf
    try:
        read = datetime.fromisoformat(text)
        # In UTC its year may be out of range, and then the time could not be written.
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except OverflowError as wrong:
        raise ValueError(str(wrong)) from None


def now() -> str:
    """The time now, as `moment` writes it."""
    return moment(time.time())


@dataclass(frozen=True)
class Judgement:
    """What a judge says of a gather.

    Attributes:
        gather_id: The gather.
        label: Its label; `unsure` if the judge can't tell, empty to take an earlier one back.
        judge: Who says so.
        note: Anything else; line breaks become blanks.
        time: When, as ISO 8601; now by default.

    Raises:
        InputError: One of them cannot be written.
    """

    gather_id: str
    label: str
    judge: str
    note: str = ""
    time: str = field(default_factory=now)

    def __post_init__(self) -> None:
        if not is_id(self.gather_id):
            raise InputError(f"gather id {self.gather_id!r}: no gather has such an id; copy it from gathers.csv")
        if self.label:
            check_label(self.label)
        check_judge(self.judge)
        note = "".join(character if character.isprintable() else " " for character in self.note).strip()
        object.__setattr__(self, "note", note)

    def cells(self) -> dict[str, str]:
        """Its cells by column, as they stand in the file."""
        texts = (self.gather_id, self.label, self.judge, self.time, self.note)
        return {name: safe_cell(text) for name, text in zip(COLUMNS, texts, strict=True)}


def check_judge(judge: str) -> None:
    """Make sure that a text can be a judge's name.

    Args:
        judge: The name.

    Raises:
        InputError: It is empty, too long or `majority`, or has blanks around it or control characters.
    """
    if not (judge.isprintable() and judge == judge.strip() and 1 <= len(judge) <= MOST_CHARACTERS):
        raise InputError(
            f"judge {judge!r}: use 1 to {MOST_CHARACTERS} printable characters without blanks around them, such as anna"
        )
    if judge.casefold() == MAJORITY:
        raise InputError(f"judge {judge!r}: that word stands for most judges; use another name")


def append(path: Path, judgements: Sequence[Judgement]) -> int:
    """Add rows to a file of labels, and return when they are on disk.

    Args:
        path: The CSV file; missing folders are made.
        judgements: What to add, in order.

    Returns:
        By how many bytes the file grew.

    Raises:
        InputError: The file is not a table of labels in UTF-8, or lacks a column for gather, label or judge.
        OSError: The disk is full or not writable.
    """
    return append_rows(path, COLUMNS, [judgement.cells() for judgement in judgements], form_of)


def append_rows(
    path: Path,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    form: Callable[[Path], tuple[list[str], str, str]],
) -> int:
    """Add rows to a table, and return when they are on disk.

    A new file gets a header. An existing one keeps its separator, its columns in their order, and every byte that is
    there; spreadsheets may have saved it. Writers wait for each other. One that is killed leaves all of its rows, some
    whole ones, or none; a full disk leaves the file as it was, and no new one.

    Args:
        path: The CSV file; missing folders are made.
        columns: The columns of a new file.
        rows: Cells by column.
        form: Returns the columns of a file that is there, their separator and its ends of lines, or raises.

    Returns:
        By how many bytes the file grew.

    Raises:
        InputError: As `form`.
        OSError: The disk is full or not writable.
    """
    if not rows:
        return 0
    path = Path(os.path.realpath(path))
    with locked(path.parent / f".{path.name}.lock", "", wait=True):
        begun = path.exists() and path.stat().st_size > 0
        names, separator, end = form(path) if begun else (list(columns), ",", "\n")
        text = io.StringIO()
        writer = csv.DictWriter(text, names, extrasaction="ignore", delimiter=separator, lineterminator=end)
        if not begun:
            writer.writeheader()
        elif not _ends_a_row(path):
            text.write(end)
        writer.writerows(rows)
        content = text.getvalue().encode()
        _write(path, content)
    return len(content)


def form_of(path: Path) -> tuple[list[str], str, str]:
    """How rows are added to a file of labels.

    Args:
        path: The CSV file.

    Returns:
        Its columns, as `COLUMNS` calls them, their separator, and its ends of lines.

    Raises:
        InputError: It is not a table of labels in UTF-8, lacks a column for gather, label or judge, or names gathers in
            other columns too.
    """
    names, separator = header_of(path, is_header)
    columns = columns_of(names)
    missing = [column for column in ("gather_id", "label", "judge") if column not in columns]
    if missing:
        raise InputError(
            f"{source_text(path)}: has no column {missing[0]}, so labels cannot be added to it; name a new file, and "
            "give both to --labels"
        )
    others = [column for column in (*KEYS, "first_shot", "last_shot") if column in columns and column != "gather_id"]
    if others:
        raise InputError(
            f"{source_text(path)}: has a column {others[0]} beside gather_id, which new rows leave empty; remove it "
            "or name a new file"
        )
    return columns, separator, line_end(path, columns)


def line_end(path: Path, columns: Sequence[str]) -> str:
    """The ends of a table's lines, once it is sure that rows can be added to it.

    Args:
        path: The CSV file.
        columns: Its columns.

    Raises:
        InputError: It has a column twice, or is UTF-16.
    """
    name = source_text(path)
    if len(set(columns)) < len(columns):
        raise InputError(f"{name}: has a column twice; remove one")
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{name}: is UTF-16, to which nothing can be added; save it as CSV in UTF-8")
    return "\r\n" if b"\r\n" in start else "\n"


def _ends_a_row(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() in (b"\n", b"\r")


def _write(path: Path, content: bytes) -> None:
    """Add bytes to a file, all or none, and put them on the disk."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except OSError as wrong:
            os.ftruncate(descriptor, before)
            if is_new:
                os.unlink(path)
            wrong.filename = str(path)
            raise
    finally:
        os.close(descriptor)
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
