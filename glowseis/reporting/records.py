"""The records of a report as a table: where each is from, how it was graded, and what was measured."""

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from glowseis.judging.decision import UNSURE


def by_line(records: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """The records of each sail line on each cable, in the order of their shots.

    Shots of one number keep the order of their files.

    Args:
        records: One row a record, with `line`, `cable` and `shot`.

    Yields:
        Name of the line, in the order of names and of numbers in them; number of the cable; its records, whose index is
        that of `records`.
    """
    groups = [
        (str(own["line"].iloc[0]), int(own["cable"].iloc[0]), own)
        for _, own in records.groupby(["line", "cable"], sort=False)
    ]
    for line, cable, own in sorted(groups, key=lambda one: (_natural(one[0]), one[1])):
        yield line, cable, own.sort_values("shot", kind="stable")


def _natural(name: str) -> list[tuple[int, str]]:
    """What sorts `line 9` before `line 12`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def probability_column(label: str) -> str:
    """The column with the probability of a class.

    Args:
        label: Its label.
    """
    return f"probability_{label}"


def grades_of(labels: Sequence[str], records: pd.DataFrame) -> list[str]:
    """The grades that a table has columns for: all labels, and `unsure` and none where some records have them.

    Args:
        labels: The labels, in order of severity.
        records: One row a record, with `grade`.
    """
    there = set(records["grade"])
    return [*labels, *(grade for grade in (UNSURE, "") if grade in there)]


def grade_name(grade: str) -> str:
    """What a page calls a grade.

    Args:
        grade: The grade; empty if the record could not be graded.
    """
    return grade or "not graded"


def number(value: float, form: str) -> str:
    """A number as text; empty if it is missing.

    Args:
        value: The number.
        form: Its format, such as `.3g`.
    """
    return "" if math.isnan(value) else format(value, form)


def level(value: float) -> str:
    """A level with three significant digits, such as `0.869`, `12.0` or `4110`; empty if it is missing.

    Args:
        value: The level.
    """
    if math.isnan(value):
        return ""
    return np.format_float_positional(value, precision=3, unique=False, fractional=False).rstrip(".")


def ranges(numbers: Sequence[int], most: int | None = None) -> str:
    """Whole numbers in words, such as `1012-1019, 1055`.

    Args:
        numbers: In ascending order.
        most: Most ranges; what is left out is counted.
    """
    runs: list[list[int]] = []
    for one in numbers:
        if runs and one - runs[-1][1] in (0, 1):
            runs[-1][1] = one
        else:
            runs.append([one, one])
    shown = runs if most is None else runs[:most]
    text = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in shown)
    left = len(numbers) - sum(1 for one in numbers if not shown or one <= shown[-1][1])
    return f"{text} and {left} more" if left else text


def sentence_start(line: str) -> str:
    """The name of a line at the start of a sentence.

    Args:
        line: Its name, as `glowseis.survey.wording.line_name` makes it.
    """
    return line.replace("line ", "Line ", 1) if line.startswith("line ") else line


def listed(things: Sequence[str]) -> str:
    """Things in a sentence, such as `a, b and c`.

    Args:
        things: At least one.
    """
    *first, last = things
    return f"{', '.join(first)} and {last}" if first else last
