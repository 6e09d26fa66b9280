"""The rows of a CSV file of labels: which gathers, which label, who gave it and when."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from glowseis.errors import InputError
from glowseis.survey.cells import cell_text
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.table_text import read_table
from glowseis.survey.store.index import check_label

KEYS = ("gather_id", "file", "line", "shot", "cable")
"""Columns that identify the gathers of a row."""

OTHERS = ("label", "judge", "time", "note", "first_shot", "last_shot")
"""The other columns that are read."""

UNSURE = "unsure"
"""What a judge writes who looked at a gather and gives it no label."""

SPELLINGS = {
    "gatherid": "gather_id",
    "sail_line": "line",
    "sailline": "line",
    "class": "label",
    "shot_first": "first_shot",
    "from_shot": "first_shot",
    "shot_from": "first_shot",
    "shot_last": "last_shot",
    "to_shot": "last_shot",
    "shot_to": "last_shot",
    "interpreter": "judge",
    "labelled_by": "judge",
    "labeled_by": "judge",
    "date": "time",
    "datetime": "time",
    "timestamp": "time",
    "notes": "note",
    "comment": "note",
    "remark": "note",
}
"""Other names of columns; blanks and hyphens count as underscores."""


class ShotRange(NamedTuple):
    """Shots of a row, from the first to the last, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


Key = tuple[str | int | ShotRange, ...]


class LabelRow(NamedTuple):
    """A row of a table of labels.

    Attributes:
        number: As spreadsheets count.
        key: Its values in the key columns.
        words: The same as text, for messages.
        label: Its label, perhaps empty.
        judge: Who gave it; empty if the table does not say.
        time: When, as written; empty if the table does not say.
        note: Anything else that the judge says.
    """

    number: int
    key: Key
    words: tuple[str, ...]
    label: str
    judge: str
    time: str
    note: str

    def named(self, keys: Sequence[str]) -> str:
        """The row's gathers, as text.

        Args:
            keys: Names of the key columns.
        """
        return " ".join(f"{name} {word}" for name, word in zip(keys, self.words, strict=True))


def read_rows(path: Path, place: Callable[[str, str], str]) -> tuple[tuple[str, ...], list[LabelRow]]:
    """Read a table of labels, row by row.

    The file has a header with `label` and one or more of `gather_id`, `file`, `line`, `shot` and `cable`. Instead of
    `shot` it may have `first_shot` and `last_shot`; a row without a last shot is for one shot. `judge` and `time` are
    read; other columns are ignored, and so is anything before the header, such as a title.

    Args:
        path: The CSV file, as `read_table` takes it.
        place: Returns what a file's name in a cell means; called with the row's place and the cell.

    Returns:
        The key columns that it has, in the order of `KEYS`, and its rows in their order; empty ones are left out.

    Raises:
        InputError: It cannot be read, lacks the columns or has one twice, or a cell is wrong.
    """
    rows = _with_columns(path, read_table(path, is_header))
    keys = tuple(name for name in KEYS if name in rows)
    ranged = "first_shot" in rows
    columns = [*keys, "first_shot", "last_shot", "label", "judge", "time", "note"]
    rows = rows.loc[:, ~rows.columns.duplicated()].reindex(columns=columns, fill_value="")
    checked = {""}
    found: list[LabelRow] = []
    for number, *every in rows.itertuples(name=None):
        *cells, first, last, label, judge, time, note = every
        label, judge = cell_text(label), cell_text(judge)
        if not label and not any((*cells, first, last)):
            continue
        where = f"{source_text(path)}, row {number}"
        key: list[str | int | ShotRange] = []
        for name, cell in zip(keys, cells, strict=True):
            if name == "shot" and ranged:
                key.append(_shots(where, first, last))
            else:
                key.append(_value(where, name, cell, place))
        if label not in checked:
            try:
                check_label(label)
            except InputError as wrong:
                raise InputError(f"{where}: {wrong}") from None
            checked.add(label)
        words = tuple(cell or str(value) for cell, value in zip(cells, key, strict=True))
        found.append(LabelRow(number, tuple(key), words, label, judge, time, cell_text(note)))
    if not found:
        raise InputError(f"{source_text(path)}: has no rows below its header; add labels or leave --labels out")
    return keys, found


def _with_columns(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Name the columns of a table of labels as this module does, and make sure that they are enough."""
    there = ", ".join(map(repr, rows.columns[:12]))
    names = columns_of(list(rows.columns))
    repeated = sorted({name for name in names if name in (*KEYS, *OTHERS) and names.count(name) > 1})
    if repeated:
        raise InputError(f"{source_text(path)}: has the column {repeated[0]} twice; remove one")
    rows.columns = pd.Index(names)
    ranged = "first_shot" in names
    if ("last_shot" in names) != ranged or (ranged and "shot" in names):
        raise InputError(
            f"{source_text(path)}: its header names {there}; a range of shots needs both first_shot and last_shot, and "
            "no column shot"
        )
    if "label" not in names or not any(name in (*KEYS, "first_shot") for name in names):
        missing = "no column label" if "label" not in names else f"none of the columns {', '.join(KEYS)}"
        raise InputError(f"{source_text(path)}: has {missing} (its header names {there}); add it")
    return rows.assign(shot="") if ranged else rows


def columns_of(names: Sequence[str]) -> list[str]:
    """What columns are called here.

    Args:
        names: A table's header, in lower case.

    Returns:
        The same with other spellings replaced; one that stands beside the right name, or after another spelling of it,
        is a column of its own.
    """
    plain = ["_".join(re.split(r"[\s_-]+", name.strip())) for name in names]
    taken = set(plain)
    found = []
    for name in plain:
        meant = SPELLINGS.get(name, name)
        # The index's own name of the line is as right as `line`.
        found.append(name if meant in taken and name != "sail_line" else meant)
        taken.add(found[-1])
    return found


def is_header(names: Sequence[str]) -> bool:
    """Whether a row of a table, in lower case, names the columns of a table of labels."""
    found = columns_of(names)
    return "label" in found and any(name in (*KEYS, "first_shot") for name in found)


def _shots(where: str, first: str, last: str) -> int | ShotRange:
    start = _whole_number(where, "first_shot", first)
    end = _whole_number(where, "last_shot", last) if last else start
    if end < start:
        raise InputError(f"{where}: its last shot {end} comes before its first {start}; swap them")
    return start if end == start else ShotRange(start, end)


def _value(where: str, name: str, cell: str, place: Callable[[str, str], str]) -> str | int:
    if name in ("file", "gather_id") and cell:
        return place(where, cell) if name == "file" else composed(cell)
    return _whole_number(where, name, cell)


def _whole_number(where: str, name: str, cell: str) -> int:
    if not cell:
        raise InputError(f"{where}: its {name} is empty; fill it in or remove the row")
    # Spreadsheets may write 12.0.
    if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.0*)?", cell):
        raise InputError(f"{where}: {name} {cell!r} is not a whole number; correct it")
    return int(cell.partition(".")[0])


def composed(text: str) -> str:
    """A text with accented letters as one character each: file systems and spreadsheets differ.

    Args:
        text: Any.
    """
    return unicodedata.normalize("NFC", text)
