"""Probabilities that hold for the survey that a classifier was trained on, and how far they hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glowseis.judging.prior import reweighted

SPREAD = 1.0
"""Expected spread of the logarithm of a temperature about 0: the regularisation."""

FEWEST = 20
"""Fewest gathers to fit a temperature to."""

BINS = 10
"""Bins of a reliability diagram."""


@dataclass(frozen=True)
class Calibration:
    """Two corrections of a gather's probabilities: first for the class fractions, then for overconfidence.

    Weights, repeats and added gathers give the training other class fractions than the survey has. And networks are
    surer than they are right (Guo et al. 2017, "On calibration of modern neural networks").

    Attributes:
        trained: Class fractions that the classifier's own probabilities assume, float64 `[class]`.
        fractions: Class fractions that calibrated ones assume, those of the survey, float64 `[class]`.
        temperature: What logarithms of probabilities are divided by; above 1 makes them less sure.
        fitted_on: Number of validation gathers that the temperature was fitted on; 0 if there were too few and it is 1.
    """

    trained: np.ndarray
    fractions: np.ndarray
    temperature: float
    fitted_on: int

    def probabilities(self, found: np.ndarray) -> np.ndarray:
        """Calibrate probabilities.

        Args:
            found: The classifier's own, `[..., class]`.

        Returns:
            float64 `[..., class]`, summing to 1.
        """
        return _softened(reweighted(found, self.trained, self.fractions), self.temperature)

    def record(self) -> dict[str, Any]:
        """The calibration as JSON."""
        return {
            "trained": self.trained.tolist(),
            "fractions": self.fractions.tolist(),
            "temperature": self.temperature,
            "fitted_on": self.fitted_on,
        }


def calibration_from(record: Mapping[str, Any], classes: int) -> Calibration:
    """Restore a calibration from what `Calibration.record` made.

    Args:
        record: Its JSON.
        classes: Number of classes.

    Raises:
        KeyError, TypeError, ValueError: It is not a calibration.
    """
    trained, fractions = (np.array(record[name], np.float64) for name in ("trained", "fractions"))
    temperature = float(record["temperature"])
    if not (trained.shape == fractions.shape == (classes,) and min(trained.min(), fractions.min()) > 0):
        raise ValueError(f"the calibration has no fractions for {classes} classes")
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"the calibration's temperature is {temperature}")
    return Calibration(trained, fractions, temperature, int(record["fitted_on"]))


def fit_calibration(
    found: np.ndarray,
    classes: np.ndarray,
    trained: np.ndarray,
    fractions: np.ndarray,
    temperature: float | None = None,
) -> Calibration | None:
    """Fit a calibration to gathers that were not trained on: the temperature of the highest likelihood, drawn to 1.

    Args:
        found: The classifier's own probabilities of these gathers, `[gather, class]`.
        classes: Class of each gather, `[gather]`.
        trained: Class fractions that `found` assumes, in any unit, `[class]`.
        fractions: Class fractions to assume instead, in any unit, `[class]`; the gathers are weighted to match.
        temperature: A temperature that is kept as it is, and not fitted; fitted when None.

    Returns:
        The calibration, with temperature 1 if there are fewer than `FEWEST` gathers to fit it to; None if a class had
        no weight in the training. A class without a share in `fractions` leaves those of the training.

    Source: temperature scaling, Guo et al. 2017; corrected for prior shift, Saerens et al. 2002.
    """
    from scipy.optimize import minimize_scalar

    trained, fractions = (np.asarray(each, np.float64) / np.sum(each) for each in (trained, fractions))
    if not (trained > 0).all():
        return None
    if not (fractions > 0).all():
        fractions = trained
    truth = np.asarray(classes, np.int64)
    if temperature is not None or len(truth) < FEWEST:
        return Calibration(trained, fractions, 1.0 if temperature is None else temperature, 0)
    there = np.bincount(truth, minlength=len(fractions))
    weights = fractions[truth] / there[truth]
    weights *= len(truth) / max(weights.sum(), 1e-300)
    prior_corrected = reweighted(found, trained, fractions)

    def loss(logarithm: float) -> float:
        softened = _softened(prior_corrected, float(np.exp(logarithm)))
        likely = np.maximum(softened[np.arange(len(truth)), truth], 1e-12)
        return float(-np.sum(weights * np.log(likely)) + 0.5 * (logarithm / SPREAD) ** 2)

    best = minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded")
    return Calibration(trained, fractions, float(np.exp(best.x)), len(truth))


@dataclass(frozen=True)
class Reliability:
    """How often grades of a certain probability are right: a reliability diagram.

    Attributes:
        confidence: Mean probability of the grades in each bin, float64 `[bin]`; NaN for an empty bin.
        accuracy: Share of them that are right, likewise.
        gathers: Number of gathers in each bin, `[bin]`.
        error: Expected calibration error: the mean distance of the two over gathers, from 0 to 1.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    gathers: np.ndarray
    error: float

    def record(self) -> dict[str, Any]:
        """All figures as JSON; NaN becomes None."""
        shares = {
            name: [None if np.isnan(value) else round(float(value), 6) for value in getattr(self, name)]
            for name in ("confidence", "accuracy")
        }
        return {**shares, "gathers": self.gathers.tolist(), "expected_calibration_error": round(self.error, 6)}


def reliability(probabilities: np.ndarray, classes: np.ndarray) -> Reliability:
    """Compare the probabilities of grades with how often the grades are right.

    Args:
        probabilities: `[gather, class]`, at least one gather; the grade is the most probable class.
        classes: Class of each gather, `[gather]`.

    Returns:
        Figures of `BINS` bins of equal width from 0 to 1.

    Source: Guo et al. 2017, section 2; the error is that of Naeini et al. 2015.
    """
    sure = np.asarray(probabilities, np.float64).max(axis=-1)
    right = np.argmax(probabilities, axis=-1) == np.asarray(classes)
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    gathers = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(bins, sure, BINS) / gathers
        accuracy = np.bincount(bins, right, BINS) / gathers
    gap = np.nansum(gathers * np.abs(confidence - accuracy)) / len(sure)
    return Reliability(confidence, accuracy, gathers, float(gap))


def _softened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities to the power of 1 / temperature, renormalised."""
    if temperature == 1.0:
        return np.asarray(probabilities, np.float64)
    raised = np.asarray(probabilities, np.float64) ** (1.0 / temperature)
    return raised / raised.sum(axis=-1, keepdims=True)
