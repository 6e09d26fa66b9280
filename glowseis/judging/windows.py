"""A gather cut into the windows that a classifier looks at."""

from dataclasses import dataclass

import numpy as np

from glowseis.survey.gather import Gather
from glowseis.survey.render import ZERO_LEVEL
from glowseis.survey.windows import cut_window, few_windows, window_places


@dataclass(frozen=True)
class Windows:
    """Windows of one gather, those without a live sample left out.

    Attributes:
        images: Grey levels, uint8 `[window, time, trace]`.
        places: First row and column of each.
        weights: How much of each holds live traces, float64 `[window]`, at most 1.
    """

    images: np.ndarray
    places: list[tuple[int, int]]
    weights: np.ndarray


def windows_of(gather: Gather, size: tuple[int, int], most: int | None = None) -> Windows:
    """Cut a gather into windows that cover what was recorded.

    Args:
        gather: The gather.
        size: Samples and traces of a window.
        most: At most so many windows, evenly spread over those that there are; all when None.

    Returns:
        The windows; a gather without a live sample has one, of weight 1.
    """
    valid = (gather.valid_samples, gather.valid_traces)
    image = gather.image[: valid[0], : valid[1]]
    places, images, weights = [], [], []
    for place in window_places(valid, size) if most is None else few_windows(valid, size, most):
        window = cut_window(image, place, size)
        live = int((window != ZERO_LEVEL).any(axis=0).sum())
        if live:
            places.append(place)
            images.append(window)
            weights.append(live * min(valid[0] - place[0], size[0]) / (size[0] * size[1]))
    if not places:
        return Windows(cut_window(image, (0, 0), size)[np.newaxis], [(0, 0)], np.ones(1))
    return Windows(np.stack(images), places, np.array(weights, np.float64))
