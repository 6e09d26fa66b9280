"""Tables that users type or export, as text: CSV files in the variants that spreadsheets write."""

import codecs
import csv
import io
import itertools
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from glowseis.errors import InputError
from glowseis.survey.gather import source_text

SEPARATORS = ",;\t"

BEFORE_HEADER = 20
"""Rows in which the header is searched for."""

END = "\x1e"
"""A row that no table contains."""

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
"""Byte order marks and their encodings; the little-endian mark of UTF-32 begins like that of UTF-16."""

SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ ,;\t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
"""A first line that tells Excel the separator of all other lines."""

WORKBOOKS = {
    "xl/": "an Excel workbook",
    "content.xml": "a LibreOffice or OpenOffice spreadsheet",
    "Index/": "a Numbers spreadsheet",
}
"""Files in the zip archives of spreadsheets."""

BEGINNINGS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel workbook in the old format or with a password",
    b"\x1f\x8b": "compressed with gzip",
    b"%PDF": "a PDF file",
    b"<?xml": "XML",
    b"<html": "a web page",
    b"<!DOCTYPE": "a web page",
    b"<table": "a web page",
    b"{\\rtf": "a text document",
    b"PAR1": "a Parquet file",
}
"""The beginnings of other files; some programs write a web page and call it .xls."""

LARGEST_BYTES = 1 << 26
"""Largest table in bytes, several million rows."""

MOST_ROWS = 1 << 22
"""Most rows of a table, including empty ones."""

AS_CSV = "save it as CSV"


def read_table(path: Path, is_header: Callable[[Sequence[str]], bool]) -> pd.DataFrame:
    """Read the rows of a CSV file as text, without blanks around the cells.

    Cells are separated by commas, semicolons or tabs, or as a first line such as `sep=;` says. The header is the first
    row that is one with any separator; blank lines, a title or comments may precede it. Cells beyond the header must be
    empty. The text is UTF-8, or UTF-16 as in Excel's "Unicode text".

    Args:
        path: The file.
        is_header: Returns whether a row, in lower case, is a header.

    Returns:
        One row per line, blank ones included, numbered as in spreadsheets; the columns are named by the header in lower
        case.

    Raises:
        InputError: It is missing, too large, a workbook or otherwise not CSV, or its rows do not fit its header.
    """
    name = source_text(path)
    text, separators = _unmarked(path)
    first, separator = _header(text, separators, is_header)
    rows = _rows(text, separator, name)
    header = _trimmed(rows[first])
    cells = [_fitted(row, header, f"{name}, row {number}") for number, row in enumerate(rows[first:], start=first + 1)]
    table = pd.DataFrame(cells[1:], columns=pd.Index([cell.lower() for cell in header]), dtype=object)
    table.index = pd.RangeIndex(first + 2, first + 1 + len(cells))
    return table


def header_of(path: Path, is_header: Callable[[Sequence[str]], bool]) -> tuple[list[str], str]:
    """The header of a CSV file, in lower case, and the separator of its cells.

    Args:
        path: The file.
        is_header: As for `read_table`.

    Raises:
        InputError: As `read_table`, as far as the header.
    """
    text, separators = _unmarked(path)
    first, separator = _header(text, separators, is_header)
    return [cell.lower() for cell in _first_rows(text, separator)[first]], separator


def _unmarked(path: Path) -> tuple[str, str]:
    """The text of a table, without marks at its beginning, and what may separate its cells."""
    name = source_text(path)
    if not path.exists():
        raise InputError(f"{name}: no such file; check its name")
    if not path.is_file():
        raise InputError(f"{name}: not a file; give --labels a CSV file")
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise InputError(
            f"{name}: has {size / 1e6:,.0f} MB; a table of labels has at most {LARGEST_BYTES / 1e6:.0f}; keep only the "
            "columns that name gathers and their labels, as CSV"
        )
    # Some programs write the byte order mark twice.
    text = _text(path, name).lstrip("\ufeff")
    said = SEPARATOR_LINE.match(text)
    if said:
        text = text[said.end() :]
    if not text.strip():
        raise InputError(f"{name}: empty; it needs a row that names its columns, and rows below it")
    return text, said.group(1) if said else SEPARATORS


def _header(text: str, separators: str, is_header: Callable[[Sequence[str]], bool]) -> tuple[int, str]:
    """The header's row, counted from 0, and its separator; if there is none, the first row that is not empty."""
    starts = {separator: _first_rows(text, separator) for separator in separators}
    for number in range(BEFORE_HEADER):
        for separator, rows in starts.items():
            if number < len(rows) and is_header([cell.lower() for cell in rows[number]]):
                return number, separator
    # No row is a header: the first is shown, split into as many cells as possible.
    filled = {
        separator: next((number for number, row in enumerate(rows) if row), 0) for separator, rows in starts.items()
    }
    separator = max(separators, key=lambda each: len(starts[each][filled[each]]) if starts[each] else 0)
    return filled[separator], separator


def _first_rows(text: str, separator: str) -> list[list[str]]:
    """The rows in which the header is searched for, up to the first that cannot be read with this separator."""
    rows: list[list[str]] = []
    try:
        for row in itertools.islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), BEFORE_HEADER):
            rows.append(_trimmed(row))
    except (csv.Error, ValueError, TypeError):
        pass
    return rows


def _rows(text: str, separator: str, name: str) -> list[list[str]]:
    """All rows."""
    # A quotation mark that is never closed swallows this last row.
    lines = io.StringIO(text if text.endswith(("\n", "\r")) else f"{text}\n", newline="")
    rows: list[list[str]] = []
    try:
        for row in csv.reader(itertools.chain(lines, [END]), delimiter=separator):
            rows.append(row)
            if len(rows) > MOST_ROWS:
                raise InputError(f"{name}: has more than {MOST_ROWS:,} rows; remove empty ones")
    except (csv.Error, ValueError, TypeError) as wrong:
        told = f"{name}, row {len(rows) + 1}: cannot be read as CSV ({wrong}); save it as CSV in UTF-8"
        raise InputError(told) from None
    if rows[-1] != [END]:
        raise InputError(
            f"{name}, row {len(rows)}: cannot be read as CSV: a quotation mark is never closed; close or remove it"
        )
    return rows[:-1]


def _fitted(row: Sequence[str], header: Sequence[str], where: str) -> list[str]:
    """A row with as many cells as the header."""
    cells = _trimmed(row)
    if len(cells) > len(header):
        raise InputError(
            f"{where}: has {len(cells)} cells, more than the header's {len(header)}; the last is {cells[-1][:40]!r}; "
            "remove it, or put cells that contain the separator in quotation marks"
        )
    return [*cells, *[""] * (len(header) - len(cells))]


def _trimmed(row: Sequence[str]) -> list[str]:
    """A row without the empty cells at its end."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(path: Path, name: str) -> str:
    """The content of a file, if it is text."""
    content = path.read_bytes()
    kind = _other_kind(path, content)
    if kind:
        raise InputError(f"{name}: {kind}, not CSV; {'unpack it' if 'gzip' in kind or 'zip' in kind else AS_CSV}")
    encoding = next((encoding for mark, encoding in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise InputError(f"{name}: not {encoding.removesuffix('-sig').upper()} text; save it as CSV in UTF-8") from None
    if "\0" in text:
        raise InputError(f"{name}: contains NUL characters, so not CSV; save it as CSV in UTF-8")
    return text


def _other_kind(path: Path, content: bytes) -> str:
    """What a file is by its content, if that is not text; empty if it may be text."""
    if content.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (OSError, ValueError, zipfile.BadZipFile):
            names = []
        inside = (what for part, what in WORKBOOKS.items() if any(one.startswith(part) for one in names))
        return next(inside, "a zip archive")
    start = content[:64].lstrip()
    return next((what for begin, what in BEGINNINGS.items() if start[: len(begin)].lower() == begin.lower()), "")
