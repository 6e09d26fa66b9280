"""Gathers are graded window by window."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from glowseis.judging.combination import Combination
from glowseis.judging.windows import Windows, windows_of
from glowseis.survey.gather import Gather
from glowseis.survey.matching.events import event_statistics
from glowseis.survey.matching.sameness import spacing_m
from glowseis.survey.matching.statistics import image_statistics


@dataclass(frozen=True)
class Seen:
    """A classifier's output for some windows.

    Attributes:
        probabilities: float32 `[window, class]`.
        log_probabilities: Their logarithms, float32 `[window, class]`.
        features: Activations before its last layer, float32 `[window, feature]`; None if it does not give them.
    """

    probabilities: np.ndarray
    log_probabilities: np.ndarray
    features: np.ndarray | None


class Looker(Protocol):
    """A classifier, in memory or as a SavedModel."""

    def look(self, images: np.ndarray) -> Seen:
        """Look at windows, grey levels uint8 `[window, time, trace]`."""


@dataclass(frozen=True)
class Judged:
    """A gather, with the classifier's output for its windows.

    Attributes:
        gather: The gather, as matched to the classifier.
        windows: Its live windows.
        seen: The classifier's output for them.
        figures: Figures of its image, float64 `[figure]`, those of `glowseis.survey.matching.statistics`, then those of
            `glowseis.survey.matching.events`.
    """

    gather: Gather
    windows: Windows
    seen: Seen
    figures: np.ndarray

    def worst_window(self) -> tuple[slice, slice]:
        """Samples and traces, from 0, of the window with the highest severity."""
        row, column = self.windows.places[int(np.argmax(severity(self.seen.probabilities)))]
        height, width = self.windows.images.shape[1:]
        return (
            slice(row, min(row + height, self.gather.valid_samples)),
            slice(column, min(column + width, self.gather.valid_traces)),
        )


def judged(
    looker: Looker, gathers: Iterable[Gather], size: tuple[int, int], batch: int, most: int | None = None
) -> Iterator[Judged]:
    """Run a classifier on gathers, in batches of windows that span gathers.

    While it looks at a batch, in a thread of its own, the next gathers are read and those before are used.

    Args:
        looker: The classifier.
        gathers: Gathers matched to the classifier, of any size.
        size: Samples and traces of a window.
        batch: Windows at a time; memory grows with two of them, and with the windows of two gathers.
        most: Most windows per gather; all when None.

    Yields:
        The gathers, in order.
    """
    waiting: list[tuple[Gather, Windows]] = []
    looking: deque[tuple[list[tuple[Gather, Windows]], Future[Seen]]] = deque()
    count = 0
    with ThreadPoolExecutor(1) as thread:
        try:
            for gather in gathers:
                windows = windows_of(gather, size, most)
                waiting.append((gather, windows))
                count += len(windows.places)
                if count >= batch:
                    looking.append((waiting, thread.submit(_looked, looker, waiting, batch)))
                    waiting, count = [], 0
                    if len(looking) > 1:
                        yield from _apart(*looking.popleft())
            if waiting:
                looking.append((waiting, thread.submit(_looked, looker, waiting, batch)))
            while looking:
                yield from _apart(*looking.popleft())
        finally:
            # After an error or an interruption nobody waits for batches that are not begun.
            thread.shutdown(cancel_futures=True)


def gather_probabilities(seen: Seen, weights: np.ndarray, combination: Combination) -> np.ndarray:
    """Probabilities of a gather's classes, float64 `[class]`; for a single window, the window's own.

    Args:
        seen: The classifier's output for its windows.
        weights: Weight of each of them, `[window]`.
        combination: The rule that combines several windows.
    """
    if len(weights) == 1:
        return seen.probabilities[0].astype(np.float64)
    return combination.probabilities(seen.log_probabilities, weights)


def severity(probabilities: np.ndarray) -> np.ndarray:
    """Expected class number, 0 for the mildest: with three classes P(medium) + 2 P(bad).

    Args:
        probabilities: `[..., class]`, the mildest class first.

    Returns:
        float64 `[...]`.
    """
    return np.asarray(probabilities, np.float64) @ np.arange(np.shape(probabilities)[-1])


def _looked(looker: Looker, waiting: Sequence[tuple[Gather, Windows]], batch: int) -> Seen:
    """The classifier's output for the windows of some gathers."""
    images = np.concatenate([windows.images for _, windows in waiting])
    parts = [looker.look(images[start : start + batch]) for start in range(0, len(images), batch)]
    probabilities = np.concatenate([part.probabilities for part in parts])
    logarithms = np.concatenate([part.log_probabilities for part in parts])
    known = [part.features for part in parts if part.features is not None]
    return Seen(probabilities, logarithms, np.concatenate(known) if known else None)


def _apart(waiting: Sequence[tuple[Gather, Windows]], looked: "Future[Seen]") -> Iterator[Judged]:
    """Each of these gathers with its part of the output."""
    every = looked.result()
    start = 0
    for gather, windows in waiting:
        mine = slice(start, start + len(windows.places))
        start = mine.stop
        features = None if every.features is None else every.features[mine]
        seen = Seen(every.probabilities[mine], every.log_probabilities[mine], features)
        yield Judged(gather, windows, seen, figures_of(gather))


def figures_of(gather: Gather) -> np.ndarray:
    """Figures of a gather's image, in the form of `Judged.figures`."""
    valid = gather.image[: gather.valid_samples, : gather.valid_traces]
    spacing, interval_s = spacing_m(gather.geometry.offset_m[: gather.valid_traces]), gather.geometry.sample_interval_s
    # A resized image has another interval and spacing.
    known = interval_s > 0 and gather.fit != "resize"
    events = event_statistics(valid, interval_s / spacing if spacing and known else math.nan)
    return np.concatenate([image_statistics(valid), events])
