"""Gathers with fewer traces than the others of their file, as where a file was cut or traces were lost."""

from collections.abc import Callable

import numpy as np

from glowseis.survey.formats.source import Remark
from glowseis.survey.wording import NAMED, first_names, number_of

ENOUGH = 4
"""Fewest gathers of a file in which one that is shorter than all others stands out."""

FEW = 0.75
"""A gather with less than this share of the usual number of traces stands out."""

ALIKE, STEADY = 0.1, 0.75
"""Share of the usual number by which most gathers differ at most, and how many of them must: otherwise, as in files
sorted by midpoint, no number is usual."""


def shorter_gathers(traces: np.ndarray, named: Callable[[int], str]) -> list[Remark]:
    """Report gathers that are short while those beside them are not.

    If all gathers between the first and the last agree, these two are reported for any trace less.

    Args:
        traces: Traces of each gather, int64 `[gather]`.
        named: Returns the id of a gather by its number.
    """
    if len(traces) < ENOUGH:
        return []
    usual = int(np.sort(traces)[len(traces) // 2])
    alike = np.abs(traces - usual) <= ALIKE * usual
    between = traces[1:-1]
    if (between == between[0]).all():
        usual, others = int(between[0]), "the others"
        short = traces < usual
    elif alike.mean() >= STEADY:
        others = "most others"
        beside = np.concatenate([[True], alike, [True]])
        short = (traces < FEW * usual) & beside[:-2] & beside[2:]
    else:
        return []
    last = len(traces) - 1
    ends = [
        f"the {place} gather ({named(number)}) has {traces[number]}"
        for place, number in (("first", 0), ("last", last))
        if short[number]
    ]
    inside = np.flatnonzero(short[1:-1]) + 1
    found = []
    if ends:
        text = f"{' and '.join(ends)} of the {usual} traces that {others} have; the file may have been cut there"
        found.append(Remark("shorter", text))
    if len(inside):
        names = first_names([f"{named(number)}: {traces[number]}" for number in inside[:NAMED].tolist()], len(inside))
        text = f"{number_of(len(inside), 'gather')} with far fewer than the {usual} traces that most others have "
        found.append(Remark("missing", f"{text}({names}); traces may be missing: compare with the shot log"))
    return found
