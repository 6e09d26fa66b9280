"""Labels of gathers from a CSV file."""

import io
import os
import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from glowseis.errors import InputError
from glowseis.survey.gather import Geometry, source_text
from glowseis.survey.index import check_label

KEYS = ("gather_id", "file", "line", "shot", "cable")
"""Columns that say which gathers a row speaks of."""

ALIASES = {"sail_line": "line"}
"""What `gathers.csv` calls them."""

SEPARATORS = ",;\t"

Key = tuple[str | int, ...]


@dataclass
class LabelTable:
    """Labels by the columns that a CSV file has.

    Attributes:
        path: The file.
        keys: Those of `KEYS` that it has; a gather must match a row in all of them.
        labels: Label of each combination of keys, `""` where the cell is empty.
        words: The cells of these columns, as they are written.
        repeated: Rows that say again what another one says.
        found: Combinations that a gather matched.
    """

    path: Path
    keys: tuple[str, ...]
    labels: dict[Key, str] = field(default_factory=dict)
    words: dict[Key, Sequence[str]] = field(default_factory=dict)
    repeated: list[Key] = field(default_factory=list)
    found: set[Key] = field(default_factory=set)

    def find(self, gather_id: str, file: Path, geometry: Geometry) -> str | None:
        """Look up a gather.

        Args:
            gather_id: Its id.
            file: The source it came from.
            geometry: Where and when.

        Returns:
            Its label; `""` where the cell is empty, None where there is no row.
        """
        values: dict[str, str | int] = {"line": geometry.sail_line, "shot": geometry.shot, "cable": geometry.cable}
        values |= {"gather_id": _composed(gather_id), "file": _place(file)}
        key = tuple(values[name] for name in self.keys)
        if key in self.labels:
            self.found.add(key)
        return self.labels.get(key)

    def unknown(self) -> list[str]:
        """Rows that no gather matched, as text."""
        return [self.describe(key) for key in self.labels if key not in self.found]

    def empty(self) -> list[str]:
        """Rows without a label, as text."""
        return [self.describe(key) for key, label in self.labels.items() if not label]

    def describe(self, key: Key) -> str:
        """What a row speaks of, as text.

        Args:
            key: Its keys.
        """
        return " ".join(f"{name} {value}" for name, value in zip(self.keys, self.words[key], strict=True))


def read_labels(path: Path, sources: Sequence[Path]) -> LabelTable:
    """Read labels and the columns that say which gathers they belong to.

    The file has a header with `label` and one or more of `gather_id`, `file`, `line`, `shot` and `cable`; other columns
    are left aside. Columns are separated by commas, semicolons or tabs. A file is named as on the command line, by its
    path from the current folder or from the table's, or by its name alone.

    Args:
        path: The CSV file, UTF-8.
        sources: Files of the gathers to be labelled.

    Returns:
        The labels.

    Raises:
        InputError: It cannot be read, lacks the columns, contradicts itself, has a label that cannot be written, or
            names a file that may be one of several.
    """
    rows = _read(path)
    names = [ALIASES.get(name, name) for name in rows.columns]
    repeated = sorted({name for name in names if name in (*KEYS, "label") and names.count(name) > 1})
    if repeated:
        raise InputError(f"{source_text(path)}: has the column {repeated[0]} twice; leave one out")
    rows.columns = pd.Index(names)
    keys = tuple(name for name in KEYS if name in names)
    if "label" not in names or not keys:
        missing = "no column label" if "label" not in names else f"none of the columns {', '.join(KEYS)}"
        there = ", ".join(map(repr, names[:12]))
        raise InputError(f"{source_text(path)}: has {missing}, its header names {there}; add it")
    table = LabelTable(path, keys)
    said: dict[Key, int] = {}
    checked: set[str] = set()
    files = _Files(path, sources)
    # The header is row 1, as spreadsheets count.
    for number, row in enumerate(rows[[*keys, "label"]].itertuples(index=False, name=None), start=2):
        *cells, label = row
        if not any(row):
            continue
        where = f"{source_text(path)}, row {number}"
        key = tuple(_value(where, name, cell, files) for name, cell in zip(keys, cells, strict=True))
        if label not in checked and label:
            try:
                check_label(label)
            except InputError as wrong:
                raise InputError(f"{where}: {wrong}") from None
            alike = next((other for other in checked if other.casefold() == label.casefold()), None)
            if alike:
                raise InputError(f"{where}: label {label!r} is {alike!r} elsewhere; write both alike")
            checked.add(label)
        table.words.setdefault(key, cells)
        former = table.labels.get(key)
        if former is not None and former != label and former and label:
            raise InputError(
                f"{where}: {table.describe(key)} is labelled {label!r}, in row {said[key]} {former!r}; keep one of them"
            )
        if former is not None:
            table.repeated.append(key)
        table.labels[key] = label or former or ""
        said.setdefault(key, number)
    if not table.labels:
        raise InputError(f"{source_text(path)}: has no rows below its header; add labels or leave --labels out")
    return table


def _read(path: Path) -> pd.DataFrame:
    """A CSV file's rows as text, without blanks around the cells."""
    name = source_text(path)
    if not path.exists():
        raise InputError(f"{name}: no such file; check its name")
    if not path.is_file():
        raise InputError(f"{name}: is no file; give --labels a CSV file")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name}: is not UTF-8 text; save it as CSV in UTF-8") from None
    if "\0" in text:
        raise InputError(f"{name}: holds NUL characters, which no CSV file does; save it as CSV in UTF-8")
    text = text.lstrip("\r\n")
    header = text.partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)
    if not header.strip():
        raise InputError(f"{name}: is empty; it needs a header and rows, such as gather_id,label")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Without a header of pandas' own, a row with more cells than the first is an error and no index.
            rows = pd.read_csv(
                io.StringIO(text, newline=""),
                sep=separator,
                header=None,
                dtype=str,
                na_filter=False,
                skip_blank_lines=False,
            )
    except (ValueError, OverflowError, pd.errors.ParserWarning) as wrong:
        told = " ".join(str(wrong).split())
        raise InputError(f"{name}: cannot be read as CSV ({told}); save it as CSV in UTF-8") from None
    rows = rows.fillna("").apply(lambda column: column.str.strip())
    rows.columns = pd.Index([cell.lower() for cell in rows.iloc[0]])
    return rows.iloc[1:]


class _Files:
    """The sources that cells may name."""

    def __init__(self, table: Path, sources: Sequence[Path]):
        self._folder = table.parent
        self._places = {_place(source) for source in sources}
        self._named: dict[str, set[str]] = {}
        for source in sources:
            self._named.setdefault(_composed(source.name), set()).add(_place(source))
        self._known: dict[str, str] = {}

    def place(self, where: str, cell: str) -> str:
        """The one source that a cell means, or the cell as it is where it means none."""
        if cell not in self._known:
            self._known[cell] = self._find(where, cell)
        return self._known[cell]

    def _find(self, where: str, cell: str) -> str:
        for place in (_place(Path(cell)), _place(self._folder / cell)):
            if place in self._places:
                return place
        named = self._named.get(_composed(cell), set())
        if len(named) > 1:
            raise InputError(
                f"{where}: {len(named)} sources are called {cell!r}; write the path of the one that is meant"
            )
        return next(iter(named), cell)


def _value(where: str, name: str, cell: str, files: _Files) -> str | int:
    if not cell:
        raise InputError(f"{where}: its {name} is empty; fill it in or leave the row out")
    if name == "file":
        return files.place(where, cell)
    if name == "gather_id":
        return _composed(cell)
    # Spreadsheets like to write 12.0.
    if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.0*)?", cell):
        raise InputError(f"{where}: {name} {cell!r} is no whole number; mend it")
    return int(cell.partition(".")[0])


def _place(path: Path) -> str:
    """One name for a file, whatever way leads to it."""
    return _composed(os.path.realpath(path))


def _composed(text: str) -> str:
    """Accents as one character: file systems and spreadsheets differ."""
    return unicodedata.normalize("NFC", text)
