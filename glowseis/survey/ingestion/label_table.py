"""Labels of gathers from a CSV file, looked up by what identifies a gather."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from glowseis.errors import InputError
from glowseis.survey.gather import Geometry, source_text
from glowseis.survey.ingestion.label_rows import UNSURE, Key, ShotRange, composed, read_rows
from glowseis.survey.severity import alike


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
        judges: Who gave them; named after the file if it does not say.
        said: If it names judges, the row and the label of each judge's last word on each combination, by their names in
            lower case.
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
    judges: tuple[str, ...] = ()
    said: dict[Key, dict[str, tuple[int, str]]] = field(default_factory=dict)

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
        key, label = self._found(gather_id, file, line, shot, cable)
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
        return self._found(gather_id, file, line, shot, cable)[0]

    def _found(self, gather_id: str, file: Path, line: int, shot: int, cable: int) -> tuple[Key, str | None]:
        """The key of a gather's row, or of the row that it would have; and its label, None if there is no row."""
        values: dict[str, str | int] = {"line": line, "shot": shot, "cable": cable}
        if "gather_id" in self.keys:
            values["gather_id"] = composed(gather_id)
        if "file" in self.keys:
            values["file"] = place_of(file)
        exact: Key = tuple(values[name] for name in self.keys)
        if not self.ranges:
            return exact, self.labels.get(exact)
        fitting = [key for key in self.ranges.get(_without_shot(self.keys, exact), ()) if _holds(key, shot)]
        fitting = [exact, *fitting] if exact in self.labels else fitting
        if self.said:
            # A judge's last word on the shot counts, be it on the shot alone or on a range with it.
            last: dict[str, tuple[int, str, Key]] = {}
            for key in fitting:
                for judge, (row, label) in self.said[key].items():
                    last[judge] = max(last.get(judge, (0, "", key)), (row, label, key), key=lambda word: word[0])
            fitting = [key for *_, key in sorted(last.values(), key=lambda word: -word[0])]
            labelled = {label: key for _, label, key in last.values() if label}
        else:
            labelled = {label: key for key in reversed(fitting) if (label := self.labels[key])}
        if len(labelled) > 1:
            one, other = sorted(labelled.values(), key=self.rows.__getitem__)[:2]
            raise InputError(
                f"{source_text(self.path)}, row {self.rows[other]}: shot {shot} is labelled {self.labels[other]!r}, in "
                f"row {self.rows[one]} {self.labels[one]!r}; keep one of them"
            )
        for label, key in labelled.items():
            return key, label
        return (fitting[0], "") if fitting else (exact, None)

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
    folder or from the table's folder, or by its name alone. If the table names judges, only a judge's last row on a
    gather counts. `unsure` is no label.

    Args:
        path: The CSV file.
        sources: Files of the gathers to be labelled.

    Returns:
        The labels.

    Raises:
        InputError: As `read_rows`; or it contradicts itself, or names a file that may be one of several.
    """
    keys, rows = read_rows(path, _Files(path, sources).place)
    judges = {row.judge.casefold(): row.judge for row in rows if row.judge}
    table = LabelTable(path, keys, judges=tuple(judges.values()) or (path.stem,))
    rows = [row._replace(label="" if row.label.casefold() == UNSURE else row.label) for row in rows]
    if judges:
        for row in rows:
            table.said.setdefault(row.key, {})[row.judge.casefold()] = (row.number, row.label)
        rows = list({(row.key, row.judge.casefold()): row for row in rows}.values())
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


def _without_shot(keys: Sequence[str], key: Key) -> Key:
    return tuple(value for name, value in zip(keys, key, strict=True) if name != "shot")


def _holds(key: Key, shot: int) -> bool:
    return any(isinstance(value, ShotRange) and value.first <= shot <= value.last for value in key)


class _Files:
    """The sources that cells may name."""

    def __init__(self, table: Path, sources: Sequence[Path]):
        self._folder = table.parent
        self._places = {place_of(source) for source in sources}
        self._named: dict[str, set[str]] = {}
        for source in sources:
            self._named.setdefault(composed(_text(source.name)), set()).add(place_of(source))
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
        named = self._named.get(composed(cell), set())
        if len(named) > 1:
            raise InputError(f"{where}: {len(named)} sources are called {cell!r}; give the path of the right one")
        return next(iter(named), cell)


def place_of(path: Path) -> str:
    """One name for a file, whatever path leads to it.

    Args:
        path: The file.
    """
    return composed(os.path.realpath(path))


def _path(cell: str) -> Path:
    """The path that a cell names; the file system's encoding may differ from the table's UTF-8."""
    return Path(os.fsdecode(cell.encode("utf-8", "surrogateescape")))


def _text(name: str) -> str:
    """A file's name as written in a UTF-8 table."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")
