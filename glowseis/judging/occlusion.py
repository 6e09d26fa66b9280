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
"""A part belongs to a place that speaks if it says at least this share of what the most telling part does."""

ALONG = 0.15
"""Traces speak if their parts together say at least this share of what those of the most telling traces do."""

MOST_PLACES = 3
"""Most places that are named."""

LEAST = 0.1
"""Fall of the log-odds below which a part says nothing."""

SUREST = 1e-6
"""Probabilities are kept this far from 0 and 1, so that log-odds are finite."""

Box = tuple[slice, slice | np.ndarray]
"""Samples and traces, from 0."""

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
        places: Samples and traces, from 0, of the places that speak most, the most telling first; none if no part says
            anything.
        columns: Traces, from 0, that speak at any time, in their order; none if no part says anything.
        without: The grade's probability if these traces are covered throughout.
        without_known: The same if what was known beforehand is covered; None if nothing was.
    """

    evidence: np.ndarray
    samples: np.ndarray
    traces: np.ndarray
    probability: float
    places: list[tuple[slice, slice]]
    columns: list[slice]
    without: float
    without_known: float | None = None


def occlude(
    looker: Looker,
    gather: Gather,
    size: tuple[int, int],
    probability: Probability,
    batch: int = 16,
    parts: tuple[int, int] = PARTS,
    known: Sequence[Box] = (),
) -> Occlusion:
    """Find the parts of a gather that speak for its grade (occlusion: Zeiler and Fergus 2014, section 4.2).

    A part is covered by the grey level of zero amplitude, as a dead or muted stretch is. The places that speak most
    are rectangles about neighbouring parts that each say half as much as the most telling one, or more.

    Args:
        looker: The classifier.
        gather: The gather, as matched to the classifier.
        size: Samples and traces of a window.
        probability: The probability of the grade, or of whatever is explained.
        batch: Windows at a time.
        parts: Parts in time and across the traces; fewer where a part would be smaller than a sample or a trace.
        known: Places that are covered together, as noise bands that were measured.

    Returns:
        What each part says. Only windows that a part touches are graded again.
    """
    regrade = _Regrade(looker, gather, size, probability, batch)
    lengths = (gather.valid_samples, gather.valid_traces)
    samples, traces = (
        np.linspace(0, length, min(count, length) + 1).round().astype(np.int64)
        for length, count in zip(lengths, parts, strict=True)
    )
    boxes: list[list[Box]] = [[(slice(*row), slice(*column))] for row in _pairs(samples) for column in _pairs(traces)]
    covered = regrade(boxes).reshape(len(samples) - 1, len(traces) - 1)
    evidence = _log_odds(np.array(regrade.whole)) - _log_odds(covered)
    places, columns = _places(evidence, samples, traces), _columns(evidence, traces)
    throughout: list[Box] = [(slice(None), one) for one in columns]
    return Occlusion(
        evidence,
        samples,
        traces,
        regrade.whole,
        places,
        columns,
        float(regrade([throughout])[0]) if columns else regrade.whole,
        float(regrade([known])[0]) if known else None,
    )


def _columns(evidence: np.ndarray, traces: np.ndarray) -> list[slice]:
    """The traces that speak at any time."""
    if evidence.max() < LEAST:
        return []
    said = np.maximum(evidence, 0).sum(axis=0)
    numbers, _ = ndimage.label(said >= ALONG * said.max())
    return [slice(int(traces[part.start]), int(traces[part.stop])) for (part,) in ndimage.find_objects(numbers)]


def _places(evidence: np.ndarray, samples: np.ndarray, traces: np.ndarray) -> list[tuple[slice, slice]]:
    """The places that speak most."""
    most = float(evidence.max())
    if most < LEAST:
        return []
    numbers, count = ndimage.label(evidence >= SPEAKS * most)
    said = ndimage.sum_labels(evidence, numbers, np.arange(1, count + 1))
    found = ndimage.find_objects(numbers)
    chosen = [found[place] for place in np.argsort(-said, kind="stable")[:MOST_PLACES]]
    return [
        (
            slice(int(samples[rows.start]), int(samples[rows.stop])),
            slice(int(traces[columns.start]), int(traces[columns.stop])),
        )
        for rows, columns in chosen
    ]


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

    def __call__(self, boxes: Sequence[Sequence[Box]]) -> np.ndarray:
        """The probability with each list of boxes covered, float64 `[list]`."""
        covered = [self._covered(together) for together in boxes]
        new = {_key(image): image for windows in covered for image in windows.images}
        new = {key: image for key, image in new.items() if key not in self._seen}
        if new:
            self._seen |= dict(zip(new, self._look(np.stack(list(new.values()))), strict=True))
        return np.array([self._graded(windows) for windows in covered])

    def _covered(self, boxes: Sequence[Box]) -> Windows:
        image = self._gather.image.copy()
        for box in boxes:
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
