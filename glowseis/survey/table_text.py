"""Tables that users type or export, as text: CSV files in the ways that spreadsheets write them."""

import codecs
import io
import re
import warnings
import zipfile
from pathlib import Path

import pandas as pd

from glowseis.errors import InputError
from glowseis.survey.gather import source_text

SEPARATORS = ",;\t"

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
"""Byte order marks and what they begin; UTF-32's little-endian one begins as UTF-16's does."""

SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ ,;\t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
"""What Excel takes in a first line for the separator of all others."""

WORKBOOKS = {
    "xl/": "is an Excel workbook",
    "content.xml": "is a LibreOffice or OpenOffice spreadsheet",
    "Index/": "is a Numbers spreadsheet",
}
"""What is in the zip archives that spreadsheets are."""

BEGINNINGS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "is an Excel workbook, of the old kind or with a password",
    b"\x1f\x8b": "is packed by gzip",
    b"%PDF": "is a PDF file",
    b"<?xml": "is XML",
    b"<html": "is a web page",
    b"<!DOCTYPE": "is a web page",
    b"<table": "is a web page",
    b"{\\rtf": "is a text document",
    b"PAR1": "is a Parquet file",
}
"""What other files begin with; some programs write a web page and call it .xls."""

AS_CSV = "save it as CSV"


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV file's rows as text, without blanks around the cells.

    Cells are separated by commas, semicolons or tabs, or by what a first line such as `sep=;` says. The text is UTF-8,
    or UTF-16 as Excel writes "Unicode text".

    Args:
        path: The file.

    Returns:
        One row a line, blank ones included; the columns are named by the first one in small letters.

    Raises:
        InputError: It is missing, a workbook or something else than CSV, or its rows do not fit its header.
    """
    name = source_text(path)
    if not path.exists():
        raise InputError(f"{name}: no such file; check its name")
    if not path.is_file():
        raise InputError(f"{name}: is no file; give --labels a CSV file")
    text = _text(path, name)
    said = SEPARATOR_LINE.match(text)
    if said:
        text = text[said.end() :]
    text = text.lstrip("\r\n")
    header = next(iter(text.splitlines()), "")
    separator = said.group(1) if said else max(SEPARATORS, key=header.count)
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


def _text(path: Path, name: str) -> str:
    """All of a file, if it is text."""
    content = path.read_bytes()
    kind = _other_kind(path, content)
    if kind:
        raise InputError(f"{name}: {kind}, not CSV; {'unpack it' if 'gzip' in kind or 'zip' in kind else AS_CSV}")
    encoding = next((encoding for mark, encoding in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise InputError(
            f"{name}: is not {encoding.removesuffix('-sig').upper()} text; save it as CSV in UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(f"{name}: holds NUL characters, which no CSV file does; save it as CSV in UTF-8")
    return text


def _other_kind(path: Path, content: bytes) -> str:
    """What a file is by its content, where that is something else than text; nothing where it may be."""
    if content.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (OSError, ValueError, zipfile.BadZipFile):
            names = []
        inside = (what for part, what in WORKBOOKS.items() if any(one.startswith(part) for one in names))
        return next(inside, "is a zip archive")
    start = content[:64].lstrip()
    return next((what for begin, what in BEGINNINGS.items() if start[: len(begin)].lower() == begin.lower()), "")
