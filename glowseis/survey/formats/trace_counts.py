"""Gathers with fewer traces than the others of their file, as where a file was cut or traces were lost."""

from collections.abc import Callable

import numpy as np

from glowseis.survey.formats.source import Remark
from glowseis.survey.wording import NAMED, first_names, number_of

ENOUGH = 4
"""Fewest gathers of a cable among which one that is shorter than all others stands out."""

FEW = 0.75
"""A gather with less than this share of the usual number of traces stands out."""

ALIKE, STEADY = 0.1, 0.75
"""Share of the usual number by which most gathers differ at most, and how many of them must: otherwise, as in files
sorted by midpoint, no number is usual."""


def shorter_gathers(traces: np.ndarray, cables: np.ndarray, named: Callable[[int], str]) -> list[Remark]:
    """Report gathers that are short while those beside them, of the same cable, are not.

    If all gathers of a cable agree, except the file's first and last, these two are reported for any trace less.

    Args:
        traces: Traces of each gather, int64 `[gather]`.
        cables: Their cable numbers, int64 `[gather]`; all the same if gathers hold all cables.
        named: Returns the id of a gather by its number.
    """
    order = np.argsort(cables, kind="stable")
    several = " of its cable" if len(np.unique(cables)) > 1 else ""
    last = len(traces) - 1
    ends: dict[int, str] = {}
    inside: dict[int, int] = {}
    for numbers in np.split(order, np.flatnonzero(np.diff(cables[order])) + 1):
        if len(numbers) < ENOUGH:
            continue
        usual, others, short = _short(traces[numbers], (numbers == 0) | (numbers == last))
        for number in numbers[short].tolist():
            if number in (0, last):
                place = "last" if number else "first"
                ends[number] = f"the {place} gather ({named(number)}) has {traces[number]} of the {usual} traces that "
                ends[number] += f"{others}{several} have"
            else:
                inside[number] = usual
    found = []
    if ends:
        text = " and ".join(ends[number] for number in sorted(ends))
        found.append(Remark("shorter", f"{text}; the file may have been cut there"))
    if inside:
        names = [f"{named(number)}: {traces[number]}" for number in sorted(inside)[:NAMED]]
        usual_text = " to ".join(dict.fromkeys(map(str, (min(inside.values()), max(inside.values())))))
        text = f"{number_of(len(inside), 'gather')} with far fewer than the {usual_text} traces that most others"
        text += f"{several} have ({first_names(names, len(inside))}); traces may be missing: compare with the shot log"
        found.append(Remark("missing", text))
    return found


def _short(traces: np.ndarray, is_end: np.ndarray) -> tuple[int, str, np.ndarray]:
    """The usual number of traces of a cable's gathers, whose it is, and which gathers are short, bool `[gather]`."""
    between = traces[~is_end]
    if (between == between[0]).all():
        return int(between[0]), "the others", traces < between[0]
    usual = int(np.sort(traces)[len(traces) // 2])
    alike = np.abs(traces - usual) <= ALIKE * usual
    beside = np.concatenate([[True], alike, [True]])
    short = (traces < FEW * usual) & beside[:-2] & beside[2:]
    return usual, "most others", short & (alike.mean() >= STEADY)
