"""Tables as text: for a terminal, in Markdown and in LaTeX."""

import re

from glowseis.pages.table import Table

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
"""Width in letters above which a column of words is wrapped, and a table shrunk to fit the page, in LaTeX."""


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
    # Blocks of rows that share their first cell are set apart.
    blocks = [r"\addlinespace " if place and table.words > 1 and row[0] else "" for place, row in enumerate(rows)]
    columns = [_latex_column(table, place) for place in range(len(head))]
    wide = sum(table.letters_of(place) + 2 for place in range(len(head))) > _WIDEST
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
    r"""Text escaped for LaTeX, with plus-minus and minus signs in math mode.

    Args:
        text: Any text.
    """
    # Other letters stop LaTeX; only an error's text or a label could contain one.
    escaped = "".join(_LATEX.get(letter, letter if ord(letter) < 256 else "?") for letter in text)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped)


def _rows(table: Table) -> list[list[str]]:
    """Head and rows; if there are several columns of words, a first cell equal to the one above is left empty."""
    rows = [list(table.frame.columns), *table.frame.to_numpy().tolist()]
    if table.words < 2:
        return rows
    before = [row[0] for row in rows]
    return [["" if place and before[place - 1] == row[0] else row[0], *row[1:]] for place, row in enumerate(rows)]


def _latex_column(table: Table, place: int) -> str:
    if place >= table.words:
        return "r"
    return r">{\raggedright\arraybackslash}p{0.36\linewidth}" if table.letters_of(place) > _WRAPPED_BEYOND else "l"


def _latex_head(text: str) -> str:
    """A head with one word per line, as columns of figures are narrow."""
    words = [latex_text(word) for word in text.split()]
    return r"\shortstack{" + r" \\ ".join(words) + "}" if len(words) > 1 else words[0]


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\|<*_`\[\]])", r"\\\1", text).replace("\n", " ")


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith(".") else sentence + "."
