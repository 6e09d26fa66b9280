"""A table for people to read, on a page or elsewhere."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table for people to read.

    Attributes:
        name: A unique name, such as `table1-grouped`.
        title: What it shows, with units.
        frame: Its cells, all text; the first `words` columns hold words, the others figures.
        notes: Notes below it, a sentence or more each.
        words: Number of columns that hold words.
        headed: Whether, on a phone, words too have the head of their column.
    """

    name: str
    title: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    words: int = 1
    headed: bool = False

    @property
    def blocks(self) -> bool:
        """Whether several rows share their first cell and form blocks."""
        return self.words > 1 and not self.frame.iloc[:, 0].is_unique

    @property
    def letters(self) -> int:
        """Letters of the widest cell with a figure."""
        return max((self.letters_of(place) for place in range(self.words, len(self.frame.columns))), default=0)

    def letters_of(self, place: int) -> int:
        """Letters of a column's widest cell.

        Args:
            place: The column's number, from 0.
        """
        return int(self.frame.iloc[:, place].map(len).max())
