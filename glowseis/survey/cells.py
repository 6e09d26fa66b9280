"""Users' texts in CSV files, which spreadsheets open: none may be taken for a formula."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""The beginning of a formula; after apostrophes it is one that was marked as text, or looks like one."""

NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


def safe_cell(text: str) -> str:
    """Mark a text that a spreadsheet would take for a formula with a leading apostrophe, as spreadsheets do.

    Args:
        text: The text; numbers are not marked.
    """
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def cell_text(cell: str) -> str:
    """The text of a cell that `safe_cell` wrote.

    Args:
        cell: The cell in the file; texts that were never marked, as in older files, do not change.
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def safe_table(table: "pd.DataFrame") -> "pd.DataFrame":
    """A table to write as CSV, its texts as `safe_cell` returns them.

    Args:
        table: Any table; column names and the index are cells too.

    Returns:
        A copy.
    """

    def safe(cell: object) -> object:
        return safe_cell(cell) if isinstance(cell, str) else cell

    table = table.rename(index=safe, columns=safe)
    for name in table.select_dtypes(exclude="number"):
        table[name] = table[name].map(safe)
    return table
