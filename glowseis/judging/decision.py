"""From probabilities to a grade: what mistakes cost, and when a grade is unsure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

UNSURE = "unsure"
"""The grade of a gather of which no class is probable enough."""

RARER = 10
"""Reports and deliveries say how many bad grades would remain if bad gathers were this many times as rare."""

TRUST = 20.0
"""Gathers of the severest class from which the outcomes of validation count more for the threshold than what calibrated
probabilities expect."""


@dataclass(frozen=True)
class Decision:
    """How a gather's probabilities become a grade.

    With a threshold, the severest class is graded if its probability reaches it, however probable others are; if not,
    the most probable of the others. Without one, the most probable class is graded. A grade other than by the threshold
    is unsure if no class is as probable as `unsure_below`.

    Attributes:
        threshold: Probability of the severest class from which it is graded; None for the most probable class.
        missed_cost: What a missed gather of the severest class costs, as a multiple of one that is graded so
            needlessly; None if it was not stated.
        unsure_below: Probability of the likeliest class below which a grade is unsure; 0 if none is.
    """

    threshold: float | None = None
    missed_cost: float | None = None
    unsure_below: float = 0.0

    def classes(self, probabilities: np.ndarray) -> np.ndarray:
        """The class of each gather, sure or not: int64 `[...]`, of probabilities `[..., class]`."""
        found = np.asarray(probabilities, np.float64)
        if self.threshold is None:
            return found.argmax(axis=-1)
        return np.where(self._by_threshold(found), found.shape[-1] - 1, found[..., :-1].argmax(axis=-1))

    def unsure(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether each grade is unsure: bool `[...]`, of probabilities `[..., class]`."""
        found = np.asarray(probabilities, np.float64)
        return (found.max(axis=-1) < self.unsure_below) & ~self._by_threshold(found)

    def graded(self, probabilities: np.ndarray) -> np.ndarray:
        """The class of each gather, or the number of classes if that is unsure: int64 `[...]`."""
        return np.where(self.unsure(probabilities), np.shape(probabilities)[-1], self.classes(probabilities))

    def _by_threshold(self, found: np.ndarray) -> np.ndarray:
        return found[..., -1] >= (np.inf if self.threshold is None else self.threshold)

    def record(self) -> dict[str, Any]:
        """The decision as JSON."""
        return {"threshold": self.threshold, "missed_cost": self.missed_cost, "unsure_below": self.unsure_below}


MOST_PROBABLE = Decision()
"""The most probable class, always."""


def decision_from(record: Mapping[str, Any]) -> Decision:
    """Restore a decision from what `Decision.record` made.

    Args:
        record: Its JSON.

    Raises:
        KeyError, TypeError, ValueError: It is not a decision.
    """
    threshold, cost = (None if record[name] is None else float(record[name]) for name in ("threshold", "missed_cost"))
    unsure_below = float(record["unsure_below"])
    if not (threshold is None or 0 <= threshold <= 1) or not 0 <= unsure_below <= 1:
        raise ValueError(f"the threshold is {threshold} and grades are unsure below {unsure_below}")
    return Decision(threshold, cost, unsure_below)


def fit_threshold(probabilities: np.ndarray, classes: np.ndarray, missed_cost: float) -> float:
    """The probability of the severest class from which to grade it, at the lowest cost on validation gathers.

    Calibrated probabilities call for 1 / (1 + cost) (Elkan 2001, "The foundations of cost-sensitive learning"). Few
    gathers of the severest class say little more, so the cost that calibrated probabilities expect is added to the cost
    that was observed, with the weight of `TRUST` such gathers.

    Args:
        probabilities: Calibrated, `[gather, class]`.
        classes: Class of each gather, `[gather]`.
        missed_cost: What a missed gather costs, as a multiple of a needless grading.

    Returns:
        The threshold, between 0 and 1.
    """
    severest = np.asarray(probabilities, np.float64)[:, -1]
    truly = np.asarray(classes) == np.shape(probabilities)[1] - 1
    called_for = 1.0 / (1.0 + missed_cost)
    if not truly.any():
        return called_for
    edges = np.unique(np.concatenate([severest, [0.0, 1.0]]))
    candidates = np.concatenate([(edges[1:] + edges[:-1]) / 2, [called_for]])
    weight = TRUST / truly.sum()

    def cost(threshold: float) -> float:
        graded = severest >= threshold
        observed = missed_cost * np.sum(truly & ~graded) + np.sum(~truly & graded)
        expected = missed_cost * np.sum(severest[~graded]) + np.sum(1.0 - severest[graded])
        return float(observed + weight * expected)

    # Of equally cheap thresholds, the one nearest to what calibrated probabilities call for.
    return float(min(candidates, key=lambda one: (round(cost(one), 9), abs(one - called_for))))
