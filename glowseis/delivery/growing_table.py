"""A table of grades that grows file by file, together with its record.

Rows of a file are appended at once and put on the disk before the record names the file. A writer that is killed
therefore leaves whole rows and perhaps a part of one, of files that the record does not name; the next one removes
them.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from glowseis.delivery.grades import SIMULATED
from glowseis.delivery.record import GradedFile, GradingRecord, found_record, read_record, whole_path, write_record
from glowseis.errors import InputError
from glowseis.files import check_output, whole_file
from glowseis.survey.cells import cell_text
from glowseis.survey.gather import source_text


class GrowingTable:
    """Rows of graded files. Only one process may write it at a time.

    Args:
        path: The CSV file; made if it is missing.
        columns: Its columns.
        record: What grades the files; its own list of files is empty.

    Attributes:
        record: What the table was made of so far.

    Raises:
        InputError: The file is there but no table of these columns, it has no record, or another model or other options
            made it.
        OSError: The disk is full or not writable.
    """

    def __init__(self, path: Path, columns: Sequence[str], record: GradingRecord):
        self._path = path
        self._header = _line(columns)
        self.record = record
        self._rows: dict[str, list[str]] = {}
        self._places: dict[str, Path] = {}
        if path.exists():
            self._take_up()
        else:
            check_output(path)
            self._rewrite()
            write_record(path, record)

    def states(self) -> dict[Path, tuple[int, int]]:
        """Length and time of the last change of the graded files, by their paths from the root."""
        return {self._place(one): (one.size_bytes, one.modified_ns) for one in self.record.files}

    def graded(self, path: Path) -> GradedFile | None:
        """What is recorded of a file whose rows are in the table; None if it was not graded.

        Args:
            path: The file.
        """
        place = whole_path(path)
        return next((one for one in self.record.files if self._place(one) == place and not one.reason), None)

    def ids(self, path: Path) -> set[str]:
        """Ids of the gathers of all other files.

        Args:
            path: The file.

        Raises:
            InputError: Another file was graded under the same name, from another folder: rows could not be told apart.
        """
        own, place = self.graded(path), whole_path(path)
        for one in self.record.files:
            if one.source == source_text(path) and self._place(one) != place and not one.reason:
                raise InputError(
                    f"{one.source}: {source_text(self._path)} has rows of {one.path} under this name; give another "
                    "--out, or name the folder by its whole path"
                )
        others = (rows for source, rows in self._rows.items() if own is None or source != own.source)
        return {_cells(row)[0] for rows in others for row in rows}

    def add(self, file: GradedFile, rows: Sequence[str]) -> None:
        """Add a file's rows, in place of those that it has.

        Args:
            file: The file.
            rows: Lines without their ends.

        Raises:
            OSError: The disk is full or not writable; the table may then end with a part of the rows.
        """
        former = self.graded(Path(file.path))
        if former:
            self._rows.pop(former.source, None)
            self._rows[file.source] = list(rows)
            self._rewrite()
        else:
            self._rows[file.source] = list(rows)
            with self._path.open("a", encoding="utf-8", newline="") as stream:
                stream.write("".join(f"{row}\n" for row in rows))
                stream.flush()
                os.fsync(stream.fileno())
        self.note(file)

    def note(self, file: GradedFile) -> None:
        """Record a file without changing its rows, because it could not be graded or has only another time.

        Args:
            file: The file.

        Raises:
            OSError: The disk is full or not writable.
        """
        place = self._place(file)
        others = [one for one in self.record.files if self._place(one) != place or (file.reason and not one.reason)]
        self.record = self.record.model_copy(update={"files": (*others, file)})
        write_record(self._path, self.record)

    def _place(self, file: GradedFile) -> Path:
        """The file's path; each is looked up on the disk once."""
        if file.path not in self._places:
            self._places[file.path] = whole_path(Path(file.path))
        return self._places[file.path]

    def _take_up(self) -> None:
        """Go on with what is there."""
        name, there = source_text(self._path), read_record(self._path)
        for what in ("model", "model_sha256", "labels", "how", "kind", "options"):
            if getattr(there, what) != getattr(self.record, what):
                raise InputError(
                    f"{name}: was made with {_words(what)} {_text(getattr(there, what))}, now "
                    f"{_text(getattr(self.record, what))}; give another --out, or the same options"
                )
        # What could not be graded is tried again.
        self.record = there.model_copy(update={"files": tuple(one for one in there.files if not one.reason)})
        text = self._path.read_bytes().decode("utf-8", "replace")
        header, *lines = text.split("\n")
        if header != self._header:
            raise InputError(f"{name}: its first line is not as glowseis wrote it; give another --out")
        known = {one.source for one in self.record.files}
        # After the last line end there is nothing, or a part of a row.
        for line in lines[:-1]:
            cells = _cells(line)
            source = cells[1] if len(cells) == len(_cells(header)) else ""
            if source not in known:
                source = source.rpartition(SIMULATED)[0]
            if source in known:
                self._rows.setdefault(source, []).append(line)
        if without := [one.source for one in self.record.files if one.source not in self._rows]:
            raise InputError(
                f"{name}: has no rows of {without[0]}, which {source_text(found_record(self._path))} names; "
                "restore the table, or give another --out"
            )
        if sum(map(len, self._rows.values())) != len(lines) - 1 or lines[-1]:
            self._rewrite()

    def _rewrite(self) -> None:
        with whole_file(self._path, replace=True) as unfinished:
            lines: Iterable[str] = (row for rows in self._rows.values() for row in rows)
            unfinished.write_text("".join(f"{line}\n" for line in (self._header, *lines)), encoding="utf-8", newline="")


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _cells(line: str) -> list[str]:
    return [cell_text(cell) for cell in next(csv.reader([line]), [])]


def _words(attribute: str) -> str:
    return {"model_sha256": "the model's checksum", "how": "settings", "kind": "--format"}.get(attribute, attribute)


def _text(value: object) -> str:
    return str(value)[:80]
