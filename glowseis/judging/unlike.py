"""How far a gather is from those that a classifier was trained on; one in a hundred similar gathers lies beyond 1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glowseis.survey.matching.statistics import STATISTICS

PERCENTILE = 99.0
"""Percentage of the gathers that set a threshold which lie within it."""

LEAST_SCORE = 3.0
"""Robust standard scores below this are ordinary."""


@dataclass(frozen=True)
class Unlikeness:
    """Distances from the training data, in a classifier's features and in simple figures of the image.

    A window's distance is the Mahalanobis distance from the nearest class mean, under one covariance of all classes
    with Ledoit and Wolf's shrinkage; a gather's is the median over its live windows. A figure's score is its distance
    from the median of training gathers, in robust standard deviations.

    Attributes:
        means: Means of each class's features, float64 `[class, feature]`.
        whitening: The matrix that makes the covariance of features the identity, float64 `[feature, feature]`.
        farthest: Distance that counts as 1, for a gather of one window and one of `windows` or more, float64 `[2]`.
        middles: Medians of the figures, float64 `[figure]`, in the order of `STATISTICS`.
        spreads: Their robust standard deviations, in the same form.
        largest_score: Score that counts as 1, in the same form as `farthest`.
        windows: Windows of a typical training gather. The figures of a smaller gather vary more; between one window and
            these, thresholds change with the square root of their number, as the spread of a mean does.

    Source: Lee et al., A simple unified framework for detecting out-of-distribution samples, NeurIPS 2018, section 2.1;
    Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004.
    """

    means: np.ndarray
    whitening: np.ndarray
    farthest: np.ndarray
    middles: np.ndarray
    spreads: np.ndarray
    largest_score: np.ndarray
    windows: float = 1.0

    def of(self, features: np.ndarray, figures: np.ndarray) -> tuple[float, str]:
        """How unlike a gather is, and in what.

        Args:
            features: Features of its live windows, `[window, feature]`.
            figures: Figures of its image, `[figure]`.

        Returns:
            The larger of its distance in features and its score, each divided by what counts as 1; and `features`, or
            the figure's name from `STATISTICS`. Above 1, do not rely on its grade.
        """
        scores, share = self.scores(figures), self._share_of_small(len(features))
        farthest, largest = (
            share * small + (1 - share) * whole for small, whole in (self.farthest, self.largest_score)
        )
        told = (float(scores.max() / largest), list(STATISTICS)[int(scores.argmax())])
        return max((float(self.distance(features) / farthest), "features"), told)

    def _share_of_small(self, windows: int) -> float:
        """Weight of the thresholds of a single window."""
        if windows >= self.windows:
            return 0.0
        least = self.windows**-0.5
        return (windows**-0.5 - least) / (1 - least)

    def distance(self, features: np.ndarray) -> float:
        """A gather's distance in features."""
        away = (np.asarray(features, np.float64)[:, np.newaxis] - self.means) @ self.whitening
        return float(np.median(np.sqrt(np.sum(away**2, axis=-1)).min(axis=1)))

    def scores(self, figures: np.ndarray) -> np.ndarray:
        """Scores of a gather's figures, float64 `[figure]`."""
        return np.abs(figures - self.middles) / self.spreads

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays to store."""
        return {name: np.asarray(value, np.float64) for name, value in vars(self).items()}


def unlikeness_from(arrays: Mapping[str, np.ndarray], classes: int) -> Unlikeness:
    """Restore it from what `Unlikeness.arrays` made.

    Args:
        arrays: The arrays by name.
        classes: Number of classes.

    Raises:
        KeyError, ValueError: They are not the arrays of an `Unlikeness`.
    """
    means, whitening = arrays["means"], arrays["whitening"]
    width = means.shape[-1]
    figures = (len(STATISTICS),)
    shapes = (means.shape, whitening.shape, arrays["middles"].shape, arrays["spreads"].shape)
    if shapes != ((classes, width), (width, width), figures, figures):
        raise ValueError(f"its distances have shapes {shapes}")
    return Unlikeness(
        means,
        whitening,
        np.broadcast_to(arrays["farthest"], 2),
        arrays["middles"],
        arrays["spreads"],
        np.broadcast_to(arrays["largest_score"], 2),
        float(arrays.get("windows", 1.0)),
    )


def fit_unlikeness(
    features: np.ndarray,
    classes: np.ndarray,
    figures: np.ndarray,
    judging: Sequence[tuple[np.ndarray, np.ndarray]],
    small: Sequence[tuple[np.ndarray, np.ndarray]],
    count: int,
) -> Unlikeness:
    """Learn what training gathers look like.

    Args:
        features: Features of windows of training gathers, `[window, feature]`.
        classes: Class of each window's gather, `[window]`.
        figures: Figures of the images of training gathers, `[gather, figure]`.
        judging: Features of the windows, and figures, of the gathers that set the thresholds; not training gathers.
        small: The same for gathers of one window, which set the thresholds for gathers of that size; `judging` sets
            them if there are none.
        count: Number of classes.

    Raises:
        ValueError: There are no windows or no gathers to judge.
    """
    from sklearn.covariance import LedoitWolf

    if not len(features) or not judging:
        raise ValueError("there are no gathers to learn from; pass at least one")
    features = np.asarray(features, np.float64)
    whole = features.mean(axis=0)
    means = np.stack(
        [features[classes == one].mean(axis=0) if (classes == one).any() else whole for one in range(count)]
    )
    covariance = LedoitWolf(assume_centered=True).fit(features - means[classes]).covariance_
    # A feature that never varies, as one after ReLU may, must not decide: no spread is smaller than this.
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, max(values.max(), 1e-12) * 1e-6)
    middles = np.median(figures, axis=0)
    spreads = np.maximum(1.4826 * np.median(np.abs(figures - middles), axis=0), list(STATISTICS.values()))
    made = Unlikeness(means, vectors / np.sqrt(values), np.ones(2), middles, spreads, np.ones(2))
    limits = np.array([_limits(made, each) for each in (small or judging, judging)])
    windows = float(np.median([len(one) for one, _ in judging]))
    return Unlikeness(means, made.whitening, limits[:, 0], middles, spreads, limits[:, 1], windows)


def _limits(made: Unlikeness, gathers: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Thresholds of distance and score; one in a hundred gathers lies beyond one of them."""
    distances = np.array([made.distance(features) for features, _ in gathers])
    scores = np.array([made.scores(figures).max() for _, figures in gathers])
    farthest = max(float(np.percentile(distances, PERCENTILE)), 1e-6)
    largest = max(float(np.percentile(scores, PERCENTILE)), LEAST_SCORE)
    either = float(np.percentile(np.maximum(distances / farthest, scores / largest), PERCENTILE))
    return max(1.0, either) * farthest, max(1.0, either) * largest
