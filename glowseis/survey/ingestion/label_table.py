"""Labels of gathers from a CSV file."""

import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from glowseis.errors import InputError
from glowseis.survey.cells import cell_text
from glowseis.survey.gather import Geometry, source_text
from glowseis.survey.ingestion.table_text import read_table
from glowseis.survey.severity import alike
from glowseis.survey.store.index import check_label

KEYS = ("gather_id", "file", "line", "shot", "cable")
"""Columns that identify the gathers of a row."""

OTHERS = ("label", "judge", "time", "first_shot", "last_shot")
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
    """

    number: int
    key: Key
    words: tuple[str, ...]
    label: str
    judge: str
    time: str

    def named(self, keys: Sequence[str]) -> str:
        """The row's gathers, as text.

        Args:
            keys: Names of the key columns.
        """
        return " ".join(f"{name} {word}" for name, word in zip(keys, self.words, strict=True))


@dataclass
class LabelTable:
    """Labels by the key columns of a CSV file.

    Rows that name neither a file nor a gather id apply to recorded gathers only, because a synthetic one has the line,
    shot and cable of its first parent.

    Attributes:
        path: The file.
        keys: Those of `KEYS` that it has; a gather must match a row in all of them.
        labels: Label of each combination of keys, `""` if the cell is empty.
        words: The cells of these columns, as written.
        rows: The first row of each, as spreadsheets count.
        repeated: Rows that repeat another one.
        found: Combinations that a gather matched, with the file and sail line of the first that did.
        remark: What may be wrong with the match of rows and gathers, or empty.
        seen: Lowest and highest line, shot and cable of the gathers that were looked up.
        ranges: Combinations with a range of shots, by the other values.
    """

    path: Path
    keys: tuple[str, ...]
    labels: dict[Key, str] = field(default_factory=dict)
    words: dict[Key, Sequence[str]] = field(default_factory=dict)
    rows: dict[Key, int] = field(default_factory=dict)
    repeated: list[Key] = field(default_factory=list)
    found: dict[Key, tuple[Path, int]] = field(default_factory=dict)
    remark: str = ""
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    ranges: dict[Key, list[Key]] = field(default_factory=dict)

    def find(self, gather_id: str, file: Path, geometry: Geometry, *, synthetic: bool = False) -> str | None:
        """Look up a gather.

        Args:
            gather_id: Its id.
            file: The source it came from.
            geometry: Where and when.
            synthetic: Whether it was made from others.

        Returns:
            Its label; `""` if the cell is empty, None if there is no row.

        Raises:
            InputError: The matching row has matched a gather of another file or sail line, which it does not name.
        """
        return self.match(gather_id, file, geometry.sail_line, geometry.shot, geometry.cable, synthetic=synthetic)

    def match(
        self, gather_id: str, file: Path, line: int, shot: int, cable: int, *, synthetic: bool = False
    ) -> str | None:
        """Look up a gather by its line, shot and cable; otherwise like `find`."""
        if synthetic and not self.tells_synthetic:
            return None
        numbers = {"line": line, "shot": shot, "cable": cable}
        for name, number in numbers.items():
            low, high = self.seen.get(name, (number, number))
            self.seen[name] = min(low, number), max(high, number)
        key = self.key(gather_id, file, line, shot, cable)
        label = self.labels.get(key)
        if label is not None:
            first = self.found.setdefault(key, (file, line))
            if label:
                self._check_one(key, first, (file, line))
        return label

    def key(self, gather_id: str, file: Path, line: int, shot: int, cable: int) -> Key:
        """The key of a gather's row, or of the row that it would have; the arguments are those of `match`.

        Raises:
            InputError: Two rows with different labels hold its shot.
        """
        values: dict[str, str | int] = {"line": line, "shot": shot, "cable": cable}
        if "gather_id" in self.keys:
            values["gather_id"] = _composed(gather_id)
        if "file" in self.keys:
            values["file"] = place_of(file)
        exact: Key = tuple(values[name] for name in self.keys)
        if not self.ranges:
            return exact
        fitting = [key for key in self.ranges.get(_without_shot(self.keys, exact), ()) if _holds(key, shot)]
        fitting = [exact, *fitting] if exact in self.labels else fitting
        labelled = {label: key for key in reversed(fitting) if (label := self.labels[key])}
        if len(labelled) > 1:
            one, other = sorted(labelled.values(), key=self.rows.__getitem__)[:2]
            raise InputError(
                f"{source_text(self.path)}, row {self.rows[other]}: shot {shot} is labelled {self.labels[other]!r}, in "
                f"row {self.rows[one]} {self.labels[one]!r}; keep one of them"
            )
        return next(iter(labelled.values()), fitting[0] if fitting else exact)

    @property
    def tells_synthetic(self) -> bool:
        """Whether a row can apply to a synthetic gather."""
        return "file" in self.keys or "gather_id" in self.keys

    def _check_one(self, key: Key, first: tuple[Path, int], other: tuple[Path, int]) -> None:
        """Refuse a row by shot that matches two files or sail lines without naming one."""
        if "gather_id" in self.keys or first == other:
            return
        (first_file, first_line), (file, line) = first, other
        where = f"{source_text(self.path)}, row {self.rows[key]}: {self.describe(key)} fits gathers of several"
        # A row for a whole file or a whole sail line means all of it.
        if "line" not in self.keys and first_line != line and not ("file" in self.keys and "shot" not in self.keys):
            raise InputError(f"{where} sail lines, {first_line} and {line}; add a column line that says which is meant")
        whole_line = "line" in self.keys and "shot" not in self.keys and line
        if "file" not in self.keys and first_file != file and not whole_line:
            raise InputError(
                f"{where} files, {source_text(first_file)} and {source_text(file)}; add a column file that says which "
                "is meant"
            )

    def unknown(self) -> list[str]:
        """Rows that no gather matched, as text."""
        return [self.describe(key) for key in self.labels if key not in self.found]

    def empty(self) -> list[str]:
        """Rows without a label, as text."""
        return [self.describe(key) for key, label in self.labels.items() if not label]

    def describe(self, key: Key) -> str:
        """The gathers of a row, as text.

        Args:
            key: Its keys.
        """
        return " ".join(f"{name} {value}" for name, value in zip(self.keys, self.words[key], strict=True))


def read_labels(path: Path, sources: Sequence[Path]) -> LabelTable:
    """Read labels and the columns that identify their gathers.

    The file is as `read_rows` takes it. A file of gathers is named as on the command line, by its path from the current
    folder or from the table's folder, or by its name alone. If the table names judges, only a judge's last row on the
    same gathers counts.

    Args:
        path: The CSV file.
        sources: Files of the gathers to be labelled.

    Returns:
        The labels.

    Raises:
        InputError: As `read_rows`; or it contradicts itself, or names a file that may be one of several.
    """
    keys, rows = read_rows(path, _Files(path, sources).place)
    table = LabelTable(path, keys)
    if any(row.judge for row in rows):
        last = {(row.key, row.judge): row for row in rows}
        rows = [row._replace(label="" if row.label == UNSURE else row.label) for row in last.values()]
    checked: set[str] = set()
    for row in rows:
        key, label = row.key, row.label
        where = f"{source_text(path)}, row {row.number}"
        if label not in checked and label:
            if other := alike(label, checked):
                raise InputError(f"{where}: label {label!r} is {other!r} elsewhere; use one spelling")
            checked.add(label)
        table.words.setdefault(key, row.words)
        former = table.labels.get(key)
        if former is not None and former != label and former and label:
            raise InputError(
                f"{where}: {table.describe(key)} is labelled {label!r}, in row {table.rows[key]} {former!r}; "
                "keep one of them"
            )
        if former is not None:
            table.repeated.append(key)
        elif any(isinstance(value, ShotRange) for value in key):
            table.ranges.setdefault(_without_shot(keys, key), []).append(key)
        table.labels[key] = label or former or ""
        table.rows.setdefault(key, row.number)
    if not any(table.labels.values()):
        raise InputError(
            f"{source_text(path)}: has no label in any row; fill in its column label or leave --labels out"
        )
    return table


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
    columns = [*keys, "first_shot", "last_shot", "label", "judge", "time"]
    rows = rows.loc[:, ~rows.columns.duplicated()].reindex(columns=columns, fill_value="")
    checked = {""}
    found: list[LabelRow] = []
    for number, *every in rows.itertuples(name=None):
        *cells, first, last, label, judge, time = every
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
        found.append(LabelRow(number, tuple(key), words, label, judge, time))
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


def _without_shot(keys: Sequence[str], key: Key) -> Key:
    return tuple(value for name, value in zip(keys, key, strict=True) if name != "shot")


def _holds(key: Key, shot: int) -> bool:
    return any(isinstance(value, ShotRange) and value.first <= shot <= value.last for value in key)


def _shots(where: str, first: str, last: str) -> int | ShotRange:
    start = _whole_number(where, "first_shot", first)
    end = _whole_number(where, "last_shot", last) if last else start
    if end < start:
        raise InputError(f"{where}: its last shot {end} comes before its first {start}; swap them")
    return start if end == start else ShotRange(start, end)


class _Files:
    """The sources that cells may name."""

    def __init__(self, table: Path, sources: Sequence[Path]):
        self._folder = table.parent
        self._places = {place_of(source) for source in sources}
        self._named: dict[str, set[str]] = {}
        for source in sources:
            self._named.setdefault(_composed(_text(source.name)), set()).add(place_of(source))
        self._known: dict[str, str] = {}

    def place(self, where: str, cell: str) -> str:
        """The one source that a cell means, or the cell unchanged if it means none."""
        if cell not in self._known:
            self._known[cell] = self._find(where, cell)
        return self._known[cell]

    def _find(self, where: str, cell: str) -> str:
        path = _path(cell)
        for place in (place_of(path), place_of(self._folder / path)):
            if place in self._places:
                return place
        named = self._named.get(_composed(cell), set())
        if len(named) > 1:
            raise InputError(f"{where}: {len(named)} sources are called {cell!r}; give the path of the right one")
        return next(iter(named), cell)


def _value(where: str, name: str, cell: str, place: Callable[[str, str], str]) -> str | int:
    if name in ("file", "gather_id") and cell:
        return place(where, cell) if name == "file" else _composed(cell)
    return _whole_number(where, name, cell)


def _whole_number(where: str, name: str, cell: str) -> int:
    if not cell:
        raise InputError(f"{where}: its {name} is empty; fill it in or remove the row")
    # Spreadsheets may write 12.0.
    if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.0*)?", cell):
        raise InputError(f"{where}: {name} {cell!r} is not a whole number; correct it")
    return int(cell.partition(".")[0])


def place_of(path: Path) -> str:
    """One name for a file, whatever path leads to it.

    Args:
        path: The file.
    """
    return _composed(os.path.realpath(path))


def _path(cell: str) -> Path:
    """The path that a cell names; the file system's encoding may differ from the table's UTF-8."""
    return Path(os.fsdecode(cell.encode("utf-8", "surrogateescape")))


def _text(name: str) -> str:
    """A file's name as written in a UTF-8 table."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def _composed(text: str) -> str:
    """Accented letters as one character: file systems and spreadsheets differ."""
    return unicodedata.normalize("NFC", text)
