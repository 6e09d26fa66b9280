"""The rule that combines the probabilities of a gather's windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LARGEST_ODDS = 10.0
"""Bound of log-odds: a classifier is never as sure as it claims."""

TOP_SHARE = 0.25
"""Share of the windows with the highest log-odds of a class, over which the third figure is the mean."""

FIGURES = 3
"""Figures of a class: mean log-probability, and the largest log-odds and their mean over the top windows."""

FEWEST = 10
"""Fewest gathers of each class, with several windows, to fit the rule to."""

SPREAD = 1.0
"""Expected spread of the fitted weights about those of the mean: the regularisation."""


@dataclass(frozen=True)
class Combination:
    """The rule: a weighted sum of a few figures of each class, then softmax.

    The probabilities of a gather of one window are exactly the window's own. With fewer windows than the rule was
    fitted on, they lie between the mean and the rule, because the figures of few windows say less.

    Attributes:
        weights: Weights of each class's figures and of 1, float64 `[class, FIGURES + 1]`.
        windows: Live windows from which the rule applies in full: the median of the gathers that it was fitted on.
        fitted_on: Number of gathers that it was fitted on; 0 if it is the mean of the windows' log-probabilities.
    """

    weights: np.ndarray
    windows: float
    fitted_on: int

    def probabilities(self, log_probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Probabilities of a gather's classes.

        Args:
            log_probabilities: Those of its live windows, `[window, class]`.
            weights: Weight of each window, `[window]`.

        Returns:
            float64 `[class]`, summing to 1.
        """
        if len(log_probabilities) == 1:
            found = np.exp(np.asarray(log_probabilities[0], np.float64))
            return found / found.sum()
        figures = pooled(log_probabilities, weights)
        share = _share(len(log_probabilities), self.windows)
        logits = share * np.sum(self.weights * figures, axis=-1) + (1 - share) * figures[:, 0]
        return np.exp(_log_softmax(logits))

    def record(self) -> dict[str, Any]:
        """The rule as JSON."""
        return {"weights": self.weights.tolist(), "windows": self.windows, "fitted_on": self.fitted_on}


def mean_of_windows(classes: int) -> Combination:
    """The rule without fitting: the mean of the windows' log-probabilities, renormalised.

    Args:
        classes: Number of classes.
    """
    weights = np.zeros((classes, FIGURES + 1))
    weights[:, 0] = 1
    return Combination(weights, 1.0, 0)


def combination_from(record: Mapping[str, Any], classes: int) -> Combination:
    """Restore a rule from what `Combination.record` made.

    Args:
        record: Its JSON.
        classes: Number of classes.

    Raises:
        KeyError, TypeError, ValueError: It is not a rule.
    """
    weights = np.array(record["weights"], np.float64)
    if weights.shape != (classes, FIGURES + 1) or not np.isfinite(weights).all():
        raise ValueError(f"the rule for windows has weights of shape {weights.shape} for {classes} classes")
    return Combination(weights, float(record["windows"]), int(record["fitted_on"]))


def fit_combination(
    windows: Sequence[tuple[np.ndarray, np.ndarray]], classes: np.ndarray, fractions: np.ndarray
) -> Combination:
    """Fit the rule to gathers that were not trained on: a multinomial logistic regression, shrunk towards the mean.

    Args:
        windows: For each gather, log-probabilities `[window, class]` and weights `[window]` of its live windows.
        classes: Class of each gather, `[gather]`.
        fractions: Share of each class in the training, `[class]`; the gathers are weighted to match.

    Returns:
        The rule; the mean if a class has fewer than `FEWEST` gathers of several windows.
    """
    from scipy.optimize import minimize

    count = len(fractions)
    several = [number for number, (found, _) in enumerate(windows) if len(found) > 1]
    truth = np.asarray(classes, np.int64)[several]
    there = np.bincount(truth, minlength=count)
    if there.min() < FEWEST:
        return mean_of_windows(count)
    figures = np.stack([pooled(*windows[number]) for number in several])
    lengths = np.array([len(windows[number][0]) for number in several])
    typical = float(np.median(lengths))
    share = np.array([_share(length, typical) for length in lengths])
    counts = np.asarray(fractions, np.float64)[truth] / there[truth]
    counts *= len(truth) / counts.sum()
    start = mean_of_windows(count).weights
    target = np.eye(count)[truth]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(start.shape)
        ruled = np.einsum("gcf,cf->gc", figures, weights)
        log_probabilities = _log_softmax(share[:, np.newaxis] * ruled + (1 - share[:, np.newaxis]) * figures[..., 0])
        away = (weights - start) / SPREAD**2
        value = -np.sum(counts * log_probabilities[np.arange(len(truth)), truth])
        wrong = (counts * share)[:, np.newaxis] * (np.exp(log_probabilities) - target)
        slope = np.einsum("gc,gcf->cf", wrong, figures) + away
        return value + 0.5 * float(np.sum(away * (weights - start))), slope.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B")
    return Combination(found.x.reshape(start.shape), typical, len(truth))


def pooled(log_probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The figures of a gather's windows.

    Args:
        log_probabilities: `[window, class]`.
        weights: Weight of each window in the means, `[window]`.

    Returns:
        For each class its weighted mean log-probability, its largest log-odds, their mean over the windows where they
        are highest, and 1; float64 `[class, FIGURES + 1]`.
    """
    found = np.maximum(np.asarray(log_probabilities, np.float64), -2 * LARGEST_ODDS)
    others = np.log(np.maximum(-np.expm1(np.minimum(found, 0)), 1e-300))
    odds = np.clip(found - others, -LARGEST_ODDS, LARGEST_ODDS)
    top = np.sort(odds, axis=0)[::-1][: max(1, round(TOP_SHARE * len(odds)))]
    mean = np.average(found, axis=0, weights=weights)
    return np.stack([mean, odds.max(axis=0), top.mean(axis=0), np.ones(found.shape[1])], axis=-1)


def _share(windows: int, typical: float) -> float:
    """Share of the rule, as opposed to the mean, in a gather of this many windows."""
    return float(min(1.0, (windows - 1) / max(typical - 1, 1e-9)))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
