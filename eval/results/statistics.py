"""Figures and tests of cross-validated classifiers: means over folds, pooled figures, paired tests, intervals.

Folds share training gathers and have few rare test gathers, so no single figure is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.study.outcome import RECALLS

BINS = 15
"""Bins of the expected calibration error."""

LEVEL = 0.95
"""Coverage of all intervals."""

DRAWS = 10_000
"""Number of draws for a bootstrap interval."""


@dataclass(frozen=True)
class Mean:
    """A mean over folds.

    Attributes:
        mean: The mean; NaN without values.
        std: Standard deviation, with the divisor count - 1; NaN for a single value.
        standard_error: `std / sqrt(count)`, the paper's +-.
        count: Number of values, without NaN.
    """

    mean: float
    std: float
    standard_error: float
    count: int


@dataclass(frozen=True)
class PairedTest:
    """Whether two arms differ over the same folds.

    Attributes:
        difference: Mean difference, first minus second; NaN without folds.
        low: Lower end of the difference's interval; NaN for a single fold.
        high: Its upper end.
        p: Two-sided probability of such a difference between equal arms; NaN for a single fold.
        folds: Number of folds.
    """

    difference: float
    low: float
    high: float
    p: float
    folds: int


@dataclass(frozen=True)
class Interval:
    """A figure with its interval."""

    value: float
    low: float
    high: float


def mean_of(values: Sequence[float] | np.ndarray) -> Mean:
    """Mean, standard deviation and standard error; NaN is left out.

    Args:
        values: One value per fold, in any order.
    """
    known = np.sort(np.asarray(values, np.float64))
    known = known[~np.isnan(known)]
    count = len(known)
    std = float(known.std(ddof=1)) if count > 1 else np.nan
    return Mean(float(known.mean()) if count else np.nan, std, std / np.sqrt(count) if count else np.nan, count)


def corrected_resampled_test(differences: Sequence[float] | np.ndarray, test_to_training: float) -> PairedTest:
    """The corrected resampled t-test (Nadeau & Bengio, "Inference for the generalization error", 2003).

    Training sets of folds overlap, so differences vary less than those of independent studies would; the variance of
    their mean is therefore taken as `(1/k + n_test/n_train)` times theirs, with k - 1 degrees of freedom.

    Args:
        differences: Difference between the two arms' scores in each of k folds.
        test_to_training: Test gathers per training gather of a fold, `n_test / n_train`.

    Returns:
        The test. If all differences are 0, p is 1; if all are equal but not 0, p is 0.

    Raises:
        ValueError: A difference is NaN, or the ratio is not above 0.
    """
    if not test_to_training > 0:
        raise ValueError(f"test to training is {test_to_training}; give a ratio above 0")
    return _t_test(differences, test_to_training)


def paired_test(differences: Sequence[float] | np.ndarray) -> PairedTest:
    """The paired t-test, for independent studies.

    Args:
        differences: Difference between the two arms' scores in each of them.

    Returns:
        As for `corrected_resampled_test`.

    Raises:
        ValueError: A difference is NaN.
    """
    return _t_test(differences, 0.0)


def _t_test(differences: Sequence[float] | np.ndarray, overlap: float) -> PairedTest:
    from scipy.stats import t as student

    # Sorted, so that the result does not depend on the order of the folds.
    values = np.sort(np.asarray(differences, np.float64))
    if np.isnan(values).any():
        raise ValueError(f"differences {values}: give finite ones")
    folds = len(values)
    if folds < 2:
        return PairedTest(float(values[0]) if folds else np.nan, np.nan, np.nan, np.nan, folds)
    difference = float(values.mean())
    error = float(np.sqrt((1 / folds + overlap) * values.var(ddof=1)))
    if error == 0:
        return PairedTest(difference, difference, difference, float(difference == 0), folds)
    reach = float(student.ppf((1 + LEVEL) / 2, folds - 1)) * error
    p = float(2 * student.sf(abs(difference) / error, folds - 1))
    return PairedTest(difference, difference - reach, difference + reach, p, folds)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Probabilities of a family of tests, corrected by Holm's step-down method (1979).

    Args:
        probabilities: One per test; NaN for a test that could not be made, which counts in the family as a p of 1.

    Returns:
        The corrected probabilities, in the same order; rejecting below a level keeps the family's error rate below it.
    """
    values = np.asarray(probabilities, np.float64)
    filled = np.where(np.isnan(values), 1.0, values)
    order = np.argsort(filled, kind="stable")
    stepped = np.maximum.accumulate(filled[order] * np.arange(len(values), 0, -1))
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in np.where(np.isnan(values), np.nan, corrected)]


def bootstrap_f1(
    classes: np.ndarray, predicted: np.ndarray, number: int, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """F1 of a class with its stratified bootstrap interval: gathers are resampled within each class.

    The interval shows the effect of other test gathers, not of other training.

    Args:
        classes: Numbers of the gathers' classes, `[gather]`.
        predicted: Numbers of their grades, `[gather]`.
        number: Number of the class.
        seed: Seed of the draws.
        draws: Number of draws.

    Returns:
        The F1 and its percentile interval.
    """
    graded = np.asarray(predicted) == number
    return _bootstrap(np.asarray(classes), [graded], number, seed, draws)


def bootstrap_difference(
    classes: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    number: int,
    seed: int = 0,
    draws: int = DRAWS,
) -> Interval:
    """Difference between two arms' F1 of a class, with its paired, stratified bootstrap interval.

    Args:
        classes: Numbers of the gathers' classes, `[gather]`.
        first: Numbers of one arm's grades, `[gather]`.
        second: Those of the other arm, for the same gathers in the same order.
        number: Number of the class.
        seed: Seed of the draws.
        draws: Number of draws.

    Returns:
        First minus second, and its percentile interval.
    """
    both = [np.asarray(first) == number, np.asarray(second) == number]
    return _bootstrap(np.asarray(classes), both, number, seed, draws)


def calibration_error(
    classes: Sequence[int] | np.ndarray,
    probabilities: np.ndarray,
    weights: Sequence[float] | np.ndarray | None = None,
    bins: int = BINS,
) -> float:
    """Expected calibration error of the highest probability (Guo et al., "On calibration of modern networks", 2017).

    Args:
        classes: Numbers of the gathers' classes, `[gather]`.
        probabilities: The classifier's probabilities, `[gather, class]`.
        weights: The weight of each gather, `[gather]`; equal if None.
        bins: Number of bins, of equal width, each including its upper edge.

    Returns:
        Mean distance between the bins' confidence and accuracy, weighted by their gathers; a fraction.

    Raises:
        ValueError: There are no gathers.
    """
    truth, given = np.asarray(classes), np.asarray(probabilities, np.float64)
    if not len(truth) or len(truth) != len(given):
        raise ValueError(f"{len(truth)} classes, {len(given)} probabilities: give as many of each, and at least one")
    counts = np.ones(len(truth)) if weights is None else np.asarray(weights, np.float64)
    confidence, right = given.max(axis=1), given.argmax(axis=1) == truth
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, counts * (right - confidence), minlength=bins)
    return float(np.abs(gaps).sum() / counts.sum())


def precision_at_recalls(
    positive: np.ndarray, scores: np.ndarray, weights: Sequence[float] | np.ndarray | None = None
) -> np.ndarray:
    """A precision-recall curve at fixed recalls, so that curves of several folds can be averaged.

    Args:
        positive: Whether each gather is of the class, bool `[gather]`.
        scores: The classifier's probabilities of the class, `[gather]`.
        weights: The weight of each gather, `[gather]`; equal if None.

    Returns:
        Highest precision at each of `RECALLS` recalls from 0 to 1, or beyond it, `[recall]`.

    Raises:
        ValueError: No gather is of the class.
    """
    from sklearn.metrics import precision_recall_curve

    if not np.any(positive):
        raise ValueError("no gather is of the class; there is no recall")
    precision, recall, _ = precision_recall_curve(positive, scores, sample_weight=weights)
    # scikit-learn appends an artificial point: recall 0 with precision 1. Before it, recall falls.
    highest = np.maximum.accumulate(precision[:-1])
    wanted = np.linspace(0, 1, RECALLS)
    place = len(recall) - 1 - np.searchsorted(recall[:-1][::-1], wanted - 1e-9, side="left")
    return np.asarray(highest[place - 1], np.float64)


def _bootstrap(classes: np.ndarray, graded: list[np.ndarray], number: int, seed: int, draws: int) -> Interval:
    """Bootstrap an F1 (one set of grades) or a difference (two)."""
    if not len(classes) or any(len(one) != len(classes) for one in graded):
        raise ValueError(f"{len(classes)} classes, {len(graded[0])} grades: give as many of each, and at least one")
    # A draw matters only by how many gathers of a class have each pattern of grades, so a multinomial is equivalent.
    patterns = 1 << len(graded)
    pattern = np.sum([one.astype(int) << place for place, one in enumerate(graded)], axis=0)
    every = range(max(int(classes.max()), number) + 1)
    counts = np.stack([np.bincount(pattern[classes == one], minlength=patterns) for one in every])
    sizes = counts.sum(axis=1)
    chances = counts / np.maximum(sizes, 1)[:, None]
    drawn = np.random.default_rng(seed).multinomial(sizes, chances, (draws, len(sizes)))

    def figure(sets: np.ndarray) -> np.ndarray:
        f1 = []
        for place in range(len(graded)):
            so = sets[..., np.arange(patterns) >> place & 1 == 1].sum(axis=-1)
            f1.append(2 * so[..., number] / np.maximum(so.sum(axis=-1) + sizes[number], 1))
        return np.asarray(f1[0] if len(f1) == 1 else f1[0] - f1[1], np.float64)

    low, high = np.percentile(figure(drawn), [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(figure(counts)), float(low), float(high))
