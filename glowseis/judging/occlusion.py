"""Which parts of a gather speak for its grade: parts are covered one after another, and the gather is graded again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from glowseis.judging.gathers import Looker, Seen
from glowseis.judging.windows import Windows, windows_of
from glowseis.survey.gather import Gather
from glowseis.survey.render import ZERO_LEVEL

PARTS = (8, 16)
"""Parts of a gather in time and across its traces."""

SPEAKS = 0.5
"""A part belongs to the place that speaks most if it speaks at least this share as much as the part that does most."""

LEAST = 0.1
"""Fall of the log-odds below which a part says nothing."""

SUREST = 1e-6
"""Probabilities are kept this far from 0 and 1, so that log-odds are finite."""

Probability = Callable[[Seen, np.ndarray], float]
"""The probability that is explained, from what a classifier says of a gather's windows, and their weights."""


@dataclass(frozen=True)
class Occlusion:
    """What parts of a gather speak for its grade.

    Attributes:
        evidence: By how much the log-odds of the grade fall if a part is covered, float64 `[time, trace]`, a part each.
        samples: First row of each part in time, and the one after the last, int64 `[part + 1]`.
        traces: First column of each part across, and the one after the last, int64 `[part + 1]`.
        probability: The grade's probability.
        place: Samples and traces, from 0, of the place that speaks most; None if no part says anything.
        without: The grade's probability if that place is covered.
    """

    evidence: np.ndarray
    samples: np.ndarray
    traces: np.ndarray
    probability: float
    place: tuple[slice, slice] | None
    without: float


def occlude(
    looker: Looker,
    gather: Gather,
    size: tuple[int, int],
    probability: Probability,
    batch: int = 16,
    parts: tuple[int, int] = PARTS,
) -> Occlusion:
    """Find the parts of a gather that speak for its grade (occlusion: Zeiler and Fergus 2014, section 4.2).

    A part is covered by the grey level of zero amplitude, as a dead or muted stretch is. The place that speaks most is
    the rectangle about the part that speaks most and its neighbours that speak half as much.

    Args:
        looker: The classifier.
        gather: The gather, as matched to the classifier.
        size: Samples and traces of a window.
        probability: The probability of the grade, or of whatever is explained.
        batch: Windows at a time.
        parts: Parts in time and across the traces; fewer where a part would be smaller than a sample or a trace.

    Returns:
        What each part says. Only windows that a part touches are graded again.
    """
    regrade = _Regrade(looker, gather, size, probability, batch)
    lengths = (gather.valid_samples, gather.valid_traces)
    samples, traces = (
        np.linspace(0, length, min(count, length) + 1).round().astype(np.int64)
        for length, count in zip(lengths, parts, strict=True)
    )
    boxes = [(slice(*row), slice(*column)) for row in _pairs(samples) for column in _pairs(traces)]
    covered = regrade(boxes).reshape(len(samples) - 1, len(traces) - 1)
    evidence = _log_odds(np.array(regrade.whole)) - _log_odds(covered)
    first = np.unravel_index(int(evidence.argmax()), evidence.shape)
    if evidence[first] < LEAST:
        return Occlusion(evidence, samples, traces, regrade.whole, None, regrade.whole)
    speaks, _ = ndimage.label(evidence >= SPEAKS * evidence[first])
    rows, columns = ndimage.find_objects((speaks == speaks[first]).astype(np.int8))[0]
    place = (
        slice(int(samples[rows.start]), int(samples[rows.stop])),
        slice(int(traces[columns.start]), int(traces[columns.stop])),
    )
    return Occlusion(evidence, samples, traces, regrade.whole, place, float(regrade([place])[0]))


class _Regrade:
    """Grades a gather with parts of it covered.

    Attributes:
        whole: The probability with nothing covered.
    """

    def __init__(
        self, looker: Looker, gather: Gather, size: tuple[int, int], probability: Probability, batch: int
    ) -> None:
        self._looker, self._gather, self._size = looker, gather, size
        self._probability, self._batch = probability, batch
        windows = windows_of(gather, size)
        self._seen = dict(zip(map(_key, windows.images), self._look(windows.images), strict=True))
        self.whole = self._graded(windows)

    def __call__(self, boxes: Sequence[tuple[slice, slice]]) -> np.ndarray:
        """The probability with each box of samples and traces covered, float64 `[box]`."""
        covered = [self._covered(box) for box in boxes]
        new = {_key(image): image for windows in covered for image in windows.images}
        new = {key: image for key, image in new.items() if key not in self._seen}
        if new:
            self._seen |= dict(zip(new, self._look(np.stack(list(new.values()))), strict=True))
        return np.array([self._graded(windows) for windows in covered])

    def _covered(self, box: tuple[slice, slice]) -> Windows:
        image = self._gather.image.copy()
        image[box] = ZERO_LEVEL
        return windows_of(replace(self._gather, image=image), self._size)

    def _look(self, images: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Probabilities of each image's classes, and their logarithms, `[class]` each."""
        seen = [self._looker.look(images[start : start + self._batch]) for start in range(0, len(images), self._batch)]
        return [pair for one in seen for pair in zip(one.probabilities, one.log_probabilities, strict=True)]

    def _graded(self, windows: Windows) -> float:
        found = [self._seen[_key(image)] for image in windows.images]
        probabilities, logarithms = (np.stack(part) for part in zip(*found, strict=True))
        return float(self._probability(Seen(probabilities, logarithms, None), windows.weights))


def _key(image: np.ndarray) -> bytes:
    return image.tobytes()


def _pairs(edges: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    kept = np.clip(probability, SUREST, 1 - SUREST)
    return np.log(kept) - np.log1p(-kept)
