"""Texts of users in CSV files, which spreadsheets open: none may be taken for a formula."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a formula begins with; behind apostrophes it is one that was marked as text, or looks like it."""

NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


def safe_cell(text: str) -> str:
    """Mark a text that a spreadsheet would take for a formula by an apostrophe in front, as spreadsheets do themselves.

    Args:
        text: The text; what is a number is none to be marked.
    """
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def cell_text(cell: str) -> str:
    """The text of a cell that `safe_cell` gave.

    Args:
        cell: What is in the file; texts that were never marked, as in older files, stay as they are.
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def safe_table(table: "pd.DataFrame") -> "pd.DataFrame":
    """A table to be written as CSV, its texts as `safe_cell` gives them.

    Args:
        table: Any; column names and the index are cells as well.

    Returns:
        A copy.
    """

    def safe(cell: object) -> object:
        return safe_cell(cell) if isinstance(cell, str) else cell

    table = table.rename(index=safe, columns=safe)
    for name in table.select_dtypes(exclude="number"):
        table[name] = table[name].map(safe)
    return table
