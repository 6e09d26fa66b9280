"""Windows of native samples, cut from larger images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from glowseis.survey.gather import Gather
from glowseis.survey.matching.bringing import traces_taken
from glowseis.survey.render import ZERO_LEVEL


def window_starts(length: int, side: int) -> list[int]:
    """Where windows begin along one axis so that they cover it, evenly spread and overlapping as little as possible.

    Args:
        length: Samples or traces of the valid region.
        side: Samples or traces of a window.

    Returns:
        First places in rising order; only 0 if the window is as long as the region or longer.
    """
    count = max(1, -(-length // side))
    return [round(number * (length - side) / (count - 1)) if count > 1 else 0 for number in range(count)]


def window_places(valid: tuple[int, int], size: tuple[int, int]) -> list[tuple[int, int]]:
    """First rows and columns of the windows that cover an image's valid region.

    Args:
        valid: Samples and traces of the region, which begins at row 0 and column 0.
        size: Samples and traces of a window.

    Returns:
        Pairs of first row and first column, row by row.
    """
    rows, columns = (window_starts(length, side) for length, side in zip(valid, size, strict=True))
    return [(row, column) for row in rows for column in columns]


def cut_window(image: np.ndarray, place: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Cut one window out of an image; beyond the image it is mid-grey.

    Args:
        image: Grey levels, uint8 `[time, trace]`.
        place: First row and column.
        size: Samples and traces of the window.

    Returns:
        Grey levels, uint8 `[time, trace]` of that size.
    """
    window = np.full(size, ZERO_LEVEL, np.uint8)
    part = image[place[0] : place[0] + size[0], place[1] : place[1] + size[1]]
    window[: part.shape[0], : part.shape[1]] = part
    return window


def gather_window(gather: Gather, place: tuple[int, int], size: tuple[int, int]) -> Gather:
    """Cut one window out of a gather, as a gather of its own with its own traces and start time.

    Args:
        gather: The gather, not resized.
        place: First sample and trace.
        size: Samples and traces of the window.
    """
    row, column = place
    samples, traces = min(size[0], gather.valid_samples - row), min(size[1], gather.valid_traces - column)
    geometry = traces_taken(gather.geometry, slice(column, column + traces))
    if geometry.sample_interval_s > 0:
        geometry = replace(geometry, start_s=geometry.start_s + row * geometry.sample_interval_s)
    zero = gather.zero_amplitude
    return replace(
        gather,
        image=cut_window(gather.image, place, size),
        geometry=geometry,
        zero_amplitude=zero[column : column + traces] if zero.ndim else zero,
        valid_samples=samples,
        valid_traces=traces,
        fit="crop",
        recorded_shape=gather.recorded_shape or (gather.valid_samples, gather.valid_traces),
    )


def padded(gather: Gather, size: tuple[int, int]) -> Gather:
    """A gather, such as a window, as an image of a larger size: mid-grey below and on the right of it.

    Args:
        gather: The gather.
        size: Samples and traces of the image.
    """
    return gather if gather.image.shape == size else replace(gather, image=cut_window(gather.image, (0, 0), size))


def few_windows(valid: tuple[int, int], size: tuple[int, int], most: int) -> list[tuple[int, int]]:
    """The places of a few windows, spread evenly over those that cover an image's valid region.

    Args:
        valid: Samples and traces of the region, which begins at row 0 and column 0.
        size: Samples and traces of a window.
        most: The largest number of windows.

    Returns:
        Pairs of first row and first column; if several, including the first and the last window.
    """
    places = window_places(valid, size)
    if len(places) <= most:
        return places
    return [places[round(number * (len(places) - 1) / max(most - 1, 1))] for number in range(most)]


def drawn_window(valid: tuple[int, int], size: tuple[int, int], drawn: Sequence[float]) -> tuple[int, int]:
    """A random window's place in an image's valid region, all places equally likely.

    Args:
        valid: Samples and traces of the region, which begins at row 0 and column 0.
        size: Samples and traces of a window.
        drawn: Two numbers, uniform in [0, 1).

    Returns:
        First row and first column; 0 if the window is as long as the region or longer.
    """
    row, column = (
        int(float(number) * (max(length - side, 0) + 1))
        for number, length, side in zip(drawn, valid, size, strict=True)
    )
    return row, column
