"""Windows of gathers at places that are drawn for each."""

from collections.abc import Callable

import numpy as np

from glowseis.survey.matching.windows import cut_window, drawn_window

WINDOWS = "window"
"""The purpose for which places of windows are drawn (`glowseis.survey.batches.order.uniforms`)."""


def drawn_starts(valid: np.ndarray, size: tuple[int, int], drawn: np.ndarray) -> np.ndarray:
    """First samples and traces of a window of each gather, int64 `[gather, 2]`.

    Args:
        valid: Samples and traces of the gathers' valid regions, `[gather, 2]`.
        size: Samples and traces of a window.
        drawn: Uniform numbers in [0, 1), `[gather, 2]`.
    """
    places = [drawn_window((int(one[0]), int(one[1])), size, two) for one, two in zip(valid, drawn, strict=True)]
    return np.array(places, np.int64).reshape(-1, 2)


def remaining(valid: np.ndarray, starts: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Samples and traces of the valid regions of windows, `[window, 2]`, given those of their gathers."""
    return np.clip(valid - starts, 1, size)


def cut_each(
    read: Callable[[np.ndarray], np.ndarray], places: np.ndarray, starts: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Windows of gathers, uint8 `[window, time, trace]`, with memory for one whole image.

    Args:
        read: Returns images at some places, uint8 `[place, time, trace]`.
        places: The gather of each window; neighbours of one gather share one read.
        starts: First samples and traces, `[window, 2]`.
        size: Samples and traces of a window.
    """
    result = np.empty((len(places), *size), np.uint8)
    at, image = -1, None
    for window, place, start in zip(result, places, starts, strict=True):
        if place != at or image is None:
            at, image = place, read(np.array([place]))[0]
        window[...] = cut_window(image, (int(start[0]), int(start[1])), size)
    return result
