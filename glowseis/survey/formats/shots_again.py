"""Shot numbers that repeat later in a file: shots that are split up, or lines that each count from the beginning."""

from collections.abc import Sequence

import numpy as np

from glowseis.survey.formats.header_findings import COORDINATES, LINE_WORDS, SHOT_NUMBERS, word_name
from glowseis.survey.formats.segy_headers import Word, values

LOOKED_AT = 4096
"""Gathers at the beginning of a file that are used to decide why numbers repeat."""

UNNAMED = (
    "numbers start again, as on another sail line: pass --line-header with the word that tells lines apart, or make a "
    "file for each line"
)
FEW = 0.1
"""Most of a file's shots, as a share, that a crew records again."""

NEAR = 5
"""Most shot intervals by which the source of a shot that is recorded again is away from the earlier one."""

RESHOT = "these shots were probably recorded again"
UNCLEAR = "these shots were recorded again, or the numbers start again"
KEPT = "both are kept; the later ones get -2 at the end of their names"
ANOTHER = "if they are another sail line, pass --line-header with the word that tells lines apart"
TORN = "if shots are split up, sort the traces by shot or pass --shot-header"


def occurrences(numbers: np.ndarray) -> np.ndarray:
    """Count how often each row has occurred, up to and including itself.

    Args:
        numbers: Numbers `[row, column]`.

    Returns:
        Counts from 1, int64 `[row]`.
    """
    _, which, counts = np.unique(numbers, axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    order = np.argsort(which, kind="stable")
    first = np.repeat(np.cumsum(counts) - counts, counts)
    occurrence = np.empty(len(numbers), np.int64)
    occurrence[order] = np.arange(len(numbers)) - first + 1
    return occurrence


def advice(
    numbers: np.ndarray, first: np.ndarray, last: np.ndarray, order: str, keys: Sequence[Word], channel: Word
) -> str:
    """Explain why shot numbers repeat, and name the option that resolves it.

    A shot that is split up has one source and each of its channels once. If the source differs, or is unknown while the
    first channel is the same, it is another shot. A few such shots that are not the file's first may have been recorded
    again, and were if their sources are near the earlier ones.

    Args:
        numbers: Line, shot and cable of each gather, int64 `[gather, 3]`.
        first: Headers of their first traces, uint8 `[gather, 240]`.
        last: Headers of their last traces, in the same form.
        order: Byte order, `>` or `<`.
        keys: Words that form the gathers.
        channel: Word of the channel.

    Returns:
        The advice.
    """
    _, before, which = np.unique(numbers, axis=0, return_index=True, return_inverse=True)
    again = np.flatnonzero(occurrences(numbers) > 1)
    earlier = before[which.reshape(-1)[again]]
    source = np.stack([values(first, int(field), order) for field in COORDINATES[:2]])
    moved = (np.abs(source[:, again] - source[:, earlier]) > 1).any(axis=0)
    numbered = values(first, channel, order)
    is_placed = np.asarray(source.any(axis=0))[again]
    is_new = np.where(is_placed, moved, numbered[again] == numbered[earlier])
    if not len(again):
        return f"{TORN}; or {UNNAMED.replace('numbers', 'if numbers', 1)}"
    if 2 * np.count_nonzero(is_new) <= len(again):
        return TORN
    used = {word.byte for word in keys}
    # Another line starts with the number with which the first one does.
    is_few = len(again) <= FEW * len(numbers) and earlier.min() > 0
    steps = np.hypot(*np.diff(source))
    interval = np.median(steps[steps > 1]) if (steps > 1).any() else 0
    away = np.hypot(*(source[:, again] - source[:, earlier]))
    is_reshot = is_few and bool((is_placed & (away <= NEAR * interval)).all())
    words = LINE_WORDS if is_reshot else (*LINE_WORDS, *SHOT_NUMBERS)
    for byte in words:
        told = values(first, int(byte), order)
        apart = len(np.unique(np.column_stack([numbers, told]), axis=0)) == len(numbers)
        is_line = byte in LINE_WORDS
        if byte in used or not apart or (told != values(last, int(byte), order)).any():
            continue
        if is_line and 2 * len(np.unique(told)) > len(numbers):
            continue
        name = word_name(byte)
        option = "line-header" if is_line else "shot-header"
        mend = f"{name} holds {told.min()} to {told.max()}; try --{option} {name.removeprefix('byte ')}"
        if is_few and not is_line:
            return f"{UNCLEAR}: {KEPT}; {mend}"
        return f"numbers start again, as on another sail line: {mend}"
    if is_few:
        return f"{RESHOT if is_reshot else UNCLEAR}: {KEPT}; {ANOTHER}"
    return UNNAMED
