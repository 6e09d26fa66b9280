"""Traces that judges marked as dead or noisy, in a file of their own beside the labels.

```
gather_id,first_trace,last_trace,kind,judge,time,first_channel,last_channel
line0001-shot00012-cable1,118,131,noisy,anna,2026-11-27T14:03:12Z,120,133
```
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.cells import cell_text, safe_cell
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.table_text import header_of, read_table
from glowseis.survey.labels.adding import append_rows, check_judge, line_end, now
from glowseis.survey.store.index import is_id

COLUMNS = ("gather_id", "first_trace", "last_trace", "kind", "judge", "time")
"""Columns that a table of marks must have."""

CHANNELS = ("first_channel", "last_channel")
"""Columns for people, which files of earlier versions lack."""

KINDS = ("dead", "noisy")
"""What traces can be marked as."""


@dataclass(frozen=True)
class Marked:
    """Neighbouring traces of a gather that a judge marked.

    Attributes:
        gather_id: The gather.
        first_trace: The first of them, counted from 1 in the order of the recording.
        last_trace: The last of them.
        kind: One of `KINDS`; empty to take the judge's earlier mark of these traces back.
        judge: Who says so.
        time: When, as ISO 8601; now by default.
        channels: First and last channel for people, as `channels_of` returns them; not read back.

    Raises:
        InputError: There are no such traces, or one of the texts cannot be written.
    """

    gather_id: str
    first_trace: int
    last_trace: int
    kind: str
    judge: str
    time: str = field(default_factory=now)
    channels: tuple[int, int] | tuple[()] = ()

    def __post_init__(self) -> None:
        if not is_id(self.gather_id):
            raise InputError(f"gather id {self.gather_id!r}: no gather has such an id; copy it from gathers.csv")
        if not 1 <= self.first_trace <= self.last_trace:
            raise InputError(
                f"traces {self.first_trace} to {self.last_trace}: the first must be at least 1 and at most the last"
            )
        if self.kind not in ("", *KINDS):
            raise InputError(f"traces marked {self.kind!r}: mark them as {' or '.join(KINDS)}")
        check_judge(self.judge)

    def cells(self) -> dict[str, str]:
        """Its cells by column, as they stand in the file."""
        *values, channels = astuple(self)
        cells = zip((*COLUMNS, *CHANNELS), (*values, *(channels or ("", ""))), strict=True)
        return {name: safe_cell(str(value)) for name, value in cells}


def channels_of(channel: np.ndarray, first_trace: int, last_trace: int) -> tuple[int, int] | tuple[()]:
    """The range of channels that some neighbouring traces have alone.

    Args:
        channel: Channel numbers of the recording `[trace]`; traces with 0 have none.
        first_trace: The first of the traces, from 1.
        last_trace: The last of them.

    Returns:
        The lowest and the highest number; nothing if they have none, or if another trace has one between these.
    """
    inside = channel[first_trace - 1 : last_trace]
    inside = inside[inside != 0]
    if not len(inside):
        return ()
    first, last = int(inside.min()), int(inside.max())
    between = np.count_nonzero((channel >= first) & (channel <= last) & (channel != 0))
    return (first, last) if between == len(inside) else ()


def append_marks(path: Path, marks: Sequence[Marked]) -> int:
    """Add marks to a file of them, as `glowseis.survey.labels.adding.append` adds labels.

    Args:
        path: The CSV file; missing folders are made.
        marks: What to add, in order.

    Returns:
        By how many bytes the file grew.

    Raises:
        InputError: The file is not a table of marks in UTF-8.
        OSError: The disk is full or not writable.
    """
    return append_rows(path, (*COLUMNS, *CHANNELS), [mark.cells() for mark in marks], _form)


def read_marks(path: Path) -> list[Marked]:
    """Read the marks of a file that hold: a judge's later mark of the same traces replaces the earlier one.

    Args:
        path: The CSV file; there are none if it is missing or empty.

    Returns:
        The marks in the order in which they were made.

    Raises:
        InputError: It is not a table of marks, or a cell is wrong.
    """
    if not path.exists() or not path.stat().st_size:
        return []
    table = read_table(path, _is_header)
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{source_text(path)}: has no column {missing[0]}, so it is not a table of marked traces")
    held: dict[tuple[str, int, int, str], Marked] = {}
    for number, gather_id, first, last, kind, judge, time in table[list(COLUMNS)].itertuples(name=None):
        if not gather_id:
            continue
        try:
            mark = Marked(gather_id, int(first), int(last), cell_text(kind), cell_text(judge), time)
        except (InputError, ValueError) as wrong:
            raise InputError(f"{source_text(path)}, row {number}: {wrong}; correct or remove it") from None
        key = (mark.gather_id, mark.first_trace, mark.last_trace, mark.judge.casefold())
        held.pop(key, None)
        if mark.kind:
            held[key] = mark
    return list(held.values())


def _is_header(names: Sequence[str]) -> bool:
    return "gather_id" in names and "first_trace" in names


def _form(path: Path) -> tuple[list[str], str, str]:
    columns, separator = header_of(path, _is_header)
    if missing := [name for name in COLUMNS if name not in columns]:
        raise InputError(
            f"{source_text(path)}: has no column {missing[0]}, so marked traces cannot be added to it; rename it"
        )
    return columns, separator, line_end(path, columns)
