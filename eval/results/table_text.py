"""Tables of text, as a terminal, Markdown and LaTeX show them."""

import re
from dataclasses import dataclass

import pandas as pd

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "\n": " ",
}

_WRAPPED_BEYOND, _WIDEST = 40, 84
"""Letters beyond which LaTeX wraps a column of words, and makes a table smaller so that it fits the page."""


@dataclass(frozen=True)
class Table:
    """A table to be read by people.

    Attributes:
        name: What tells it from others, such as `table1-grouped`.
        title: What it shows, with units.
        frame: Its cells, all text; as many first columns as `words` says hold words, the others figures.
        notes: What is to be known beside it, a sentence or more each.
        words: How many columns hold words.
    """

    name: str
    title: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    words: int = 1

    @property
    def blocks(self) -> bool:
        """Whether several rows share their first cell and stand together."""
        return self.words > 1 and not self.frame.iloc[:, 0].is_unique

    @property
    def letters(self) -> int:
        """Letters of the widest cell with a figure."""
        return max((_letters(self, place) for place in range(self.words, len(self.frame.columns))), default=0)


def aligned(table: Table) -> str:
    """A table for a terminal: title, aligned columns, notes.

    Args:
        table: The table.
    """
    rows = _rows(table)
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if place < table.words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([table.title, "", lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:], *table.notes])


def markdown(table: Table) -> str:
    """A table as Markdown, its title as a heading.

    Args:
        table: The table.
    """
    rules = ["---" if place < table.words else "--:" for place in range(len(table.frame.columns))]
    head, *rows = _rows(table)
    lines = ["| " + " | ".join(_markdown_text(cell) for cell in row) + " |" for row in (head, *rows)]
    lines.insert(1, "| " + " | ".join(rules) + " |")
    notes = [line for note in table.notes for line in ("", _markdown_text(note))]
    return "\n".join([f"### {table.title}", "", *lines, *notes])


def latex(table: Table) -> str:
    r"""A table as LaTeX's floating `table`, for documents with `\usepackage{array, booktabs, graphicx}`.

    Args:
        table: The table.
    """
    head, *rows = _rows(table)
    lines = [" & ".join(latex_text(cell) for cell in row) + r" \\" for row in rows]
    # A block of rows that share their first cell stands apart from the next one.
    blocks = [r"\addlinespace " if place and table.words > 1 and row[0] else "" for place, row in enumerate(rows)]
    columns = [_latex_column(table, place) for place in range(len(head))]
    wide = sum(_letters(table, place) + 2 for place in range(len(head))) > _WIDEST
    # LaTeX numbers tables itself.
    title = re.sub(r"^Table \d+\. ", "", table.title)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{3pt}",
            r"\setlength{\belowcaptionskip}{6pt}",
            rf"\caption{{{latex_text(' '.join([_closed(title), *map(_closed, table.notes)]))}}}",
            rf"\label{{tab:{table.name}}}",
            (r"\resizebox{\linewidth}{!}{" if wide else "") + rf"\begin{{tabular}}{{@{{}}{''.join(columns)}@{{}}}}",
            r"\toprule",
            " & ".join(_latex_head(cell) for cell in head) + r" \\",
            r"\midrule",
            *(block + line for block, line in zip(blocks, lines, strict=True)),
            r"\bottomrule",
            r"\end{tabular}" + ("}" if wide else ""),
            r"\end{table}",
        ]
    )


def latex_text(text: str) -> str:
    r"""Text with what LaTeX reads as a command escaped, plus-minus and minus signs as such.

    Args:
        text: Any text.
    """
    # Letters beyond these stop LaTeX, and only an error's text or a label could hold one.
    escaped = "".join(_LATEX.get(letter, letter if ord(letter) < 256 else "?") for letter in text)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped)


def _rows(table: Table) -> list[list[str]]:
    """Head and rows; where the first of several columns of words says the same as above it is left empty."""
    rows = [list(table.frame.columns), *table.frame.to_numpy().tolist()]
    if table.words < 2:
        return rows
    before = [row[0] for row in rows]
    return [["" if place and before[place - 1] == row[0] else row[0], *row[1:]] for place, row in enumerate(rows)]


def _latex_column(table: Table, place: int) -> str:
    if place >= table.words:
        return "r"
    return r">{\raggedright\arraybackslash}p{0.36\linewidth}" if _letters(table, place) > _WRAPPED_BEYOND else "l"


def _letters(table: Table, place: int) -> int:
    """Letters of a column's widest cell."""
    return int(table.frame.iloc[:, place].map(len).max())


def _latex_head(text: str) -> str:
    """A head of several words on several lines, as columns of figures are narrow."""
    words = [latex_text(word) for word in text.split()]
    return r"\shortstack{" + r" \\ ".join(words) + "}" if len(words) > 1 else words[0]


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\|<*_`\[\]])", r"\\\1", text).replace("\n", " ")


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith(".") else sentence + "."
