"""A gather cut into the windows that a classifier grades."""

from dataclasses import dataclass

import numpy as np

from glowseis.survey.gather import Gather
from glowseis.survey.matching.windows import cut_window, few_windows, window_starts
from glowseis.survey.render import ZERO_LEVEL


@dataclass(frozen=True)
class Windows:
    """Windows of one gather, without those that have no live sample.

    Attributes:
        images: Grey levels, uint8 `[window, time, trace]`.
        places: First row and column of each.
        weights: Share of each that holds live traces, float64 `[window]`, at most 1.
    """

    images: np.ndarray
    places: list[tuple[int, int]]
    weights: np.ndarray


def windows_of(gather: Gather, size: tuple[int, int], most: int | None = None) -> Windows:
    """Cut a gather into windows that cover what was recorded; its mirror image gives mirrored windows.

    Args:
        gather: The gather.
        size: Samples and traces of a window.
        most: Most windows, evenly spread over those that cover it; all when None. With a limit, the windows of the
            mirror image may differ.

    Returns:
        The windows; a gather without a live sample has one, of weight 1.
    """
    valid = (gather.valid_samples, gather.valid_traces)
    image = gather.image[: valid[0], : valid[1]]
    places, images, weights = [], [], []
    for place in _mirrored_places(valid, size) if most is None else few_windows(valid, size, most):
        window = cut_window(image, place, size)
        live = int((window != ZERO_LEVEL).any(axis=0).sum())
        if live:
            places.append(place)
            images.append(window)
            weights.append(live * min(valid[0] - place[0], size[0]) / (size[0] * size[1]))
    if not places:
        return Windows(cut_window(image, (0, 0), size)[np.newaxis], [(0, 0)], np.ones(1))
    return Windows(np.stack(images), places, np.array(weights, np.float64))


def _mirrored_places(valid: tuple[int, int], size: tuple[int, int]) -> list[tuple[int, int]]:
    """First rows and columns of windows that cover a region, row by row, the same when the region is mirrored."""
    columns = _mirrored_starts(valid[1], size[1])
    return [(row, column) for row in window_starts(valid[0], size[0]) for column in columns]


def _mirrored_starts(length: int, side: int) -> list[int]:
    """Where windows begin so that they cover an axis evenly and symmetrically."""
    last, count = max(length - side, 0), max(1, -(-length // side))
    # A window in the middle may be off by half a trace; with one more window there is no middle one.
    count += count % 2 and last % 2
    half = [int(number * last / (count - 1) + 0.5) for number in range(count // 2)]
    return [*half, *[last // 2] * (count % 2), *(last - start for start in reversed(half))]
