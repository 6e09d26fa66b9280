"""A table of grades, as `classify` writes it, read back."""

import csv
from dataclasses import dataclass
from pathlib import Path

from glowseis.errors import InputError
from glowseis.judging.decision import UNSURE
from glowseis.survey.cells import cell_text
from glowseis.survey.gather import source_text

FACTS = ("gather_id", "source", "sail_line", "shot", "cable")
"""Columns of the table that describe a gather, before its grade."""

PROBABILITY = "probability_"
"""The beginning of the columns with the probabilities of classes, the mildest class first."""

SIMULATED = " (simulated by glowseis"
"""What follows a file's name in the column `source` if its gathers are simulated."""

NOT_GRADED, UNSURE_NUMBER = 0, -1
"""Numbers of gathers without a grade and of unsure ones; grades are numbered from 1, the mildest first."""


@dataclass(frozen=True)
class GradesTable:
    """Grades by gather.

    Attributes:
        path: The CSV file.
        columns: Its columns.
        labels: The classes, the mildest first.
        rows: Cells by column, in the order of the file.
    """

    path: Path
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    rows: tuple[dict[str, str], ...]

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each grade."""
        return {label: number for number, label in enumerate(self.labels, start=1)} | {UNSURE: UNSURE_NUMBER}


def read_grades(path: Path) -> GradesTable:
    """Read a table of grades.

    Args:
        path: The CSV file.

    Raises:
        InputError: It is missing, no table of grades or damaged, or has a grade that is none of its classes.
    """
    name = source_text(path)
    mend = "give the CSV file that glowseis classify wrote"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = ";" if first.count(";") > first.count(",") else ","
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            columns = tuple(cell_text(cell) for cell in next(reader, ()))
            missing = [column for column in (*FACTS, "grade") if column not in columns]
            labels = tuple(column.removeprefix(PROBABILITY) for column in columns if column.startswith(PROBABILITY))
            if missing or not labels:
                lacks = missing[0] if missing else f"{PROBABILITY}LABEL"
                raise InputError(f"{name}: not a table of grades: it has no column {lacks}; {mend}")
            rows = [_row(name, number, columns, cells) for number, cells in enumerate(reader, start=2) if cells]
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; {mend}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as wrong:
        raise InputError(f"{name}: cannot be read as CSV ({wrong}); {mend}") from None
    if not rows:
        raise InputError(f"{name}: has no grades; {mend}")
    table = GradesTable(path, columns, labels, tuple(rows))
    for number, row in enumerate(rows, start=2):
        if row["grade"] not in table.numbers:
            raise InputError(
                f"{name}, row {number}: grade {row['grade']!r} is not one of {', '.join(table.numbers)}, which its "
                "columns of probabilities name; correct it"
            )
    return table


def _row(name: str, number: int, columns: tuple[str, ...], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise InputError(
            f"{name}, row {number}: has {len(cells)} cells, but the header has {len(columns)}; grade the files again"
        )
    return dict(zip(columns, map(cell_text, cells), strict=True))
