"""The table beside a file that cannot hold ids and parents: how each of its synthetic gathers was made."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.survey.formats.targets import table_of
from glowseis.survey.gather import UNKNOWN_PARENT, Origin, Recording, source_text
from glowseis.survey.store.index import COLUMNS, check_words, is_id, read_index

NUMBER = "gather_number"
"""The column with the number of a row's gather in an array, from 1."""

LONGEST_HEADER = 10_000
"""Characters of the names of all columns; ours have fewer."""


def rows_by(file: Path, column: str) -> dict[int, dict[str, Any]] | None:
    """Read a table.

    Args:
        file: The table.
        column: The column that identifies a row's gather in the file.

    Returns:
        Its rows by that column; None if there is no table, or others wrote it.

    Raises:
        InputError: Two rows are about the same gather, or it begins like one of our tables but continues differently.
    """
    if not file.is_file():
        return None
    try:
        table = read_index(file)
        if not {column, *COLUMNS} <= set(table.columns):
            return None
        rows = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
        by_number = {int(row[column]): row for row in rows}
    except (ValueError, KeyError, OverflowError, OSError):
        if _begins_as_ours(file, column):
            raise InputError(f"{source_text(file)}: damaged; it cannot be read as a table; copy it again") from None
        return None
    if len(by_number) < len(rows):
        raise InputError(f"{source_text(file)}: has two rows with the same {column}; copy it again")
    return by_number


def _begins_as_ours(file: Path, column: str) -> bool:
    with contextlib.suppress(ValueError, OSError), file.open(encoding="utf-8") as lines:
        return {column, *COLUMNS} <= set(lines.readline(LONGEST_HEADER).strip().split(","))
    return False


def told_by_row(recording: Recording, row: dict[str, Any], file: Path) -> Recording:
    """Add a row's values to its gather; an id that a survey would refuse is ignored.

    Args:
        recording: The gather; if it has a label, that is kept.
        row: Its row.
        file: The table.

    Raises:
        InputError: A word in the row is not allowed in a survey.
    """
    parents = tuple(filter(None, row["parents"].split(";"))) or (UNKNOWN_PARENT,)
    found = replace(
        recording,
        gather_id=row["gather_id"] if is_id(row["gather_id"]) else recording.gather_id,
        label=recording.label or row["label"],
        origin=Origin(parents, float(row["alpha"]), int(row["seed"]), row["model"], row["path"]),
    )
    try:
        check_words(found, ())
    except InputError as wrong:
        raise InputError(f"{source_text(file)}: {wrong}") from None
    return found


def told_by_table(path: Path, count: int, recordings: Iterable[Recording]) -> Iterator[Recording]:
    """Add the values of the table beside an array, if there is one, to its gathers.

    Args:
        path: The array's file.
        count: Number of its gathers.
        recordings: The gathers.

    Raises:
        InputError: The table belongs to another file.
    """
    file = table_of(path)
    rows = rows_by(file, NUMBER)
    if rows is not None and sorted(rows) != list(range(1, count + 1)):
        raise InputError(
            f"{source_text(file)}: its rows do not match the {count} gathers of {source_text(path)}; replace it with "
            "the table of that file, or remove it"
        )
    for number, recording in enumerate(recordings, start=1):
        yield told_by_row(recording, rows[number], file) if rows else recording
