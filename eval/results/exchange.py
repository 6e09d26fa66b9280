"""How many recorded rare gathers random oversampling needs to do as well as an arm does with fewer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.results.replicated import Replicated
from eval.results.statistics import LEVEL, Interval
from eval.study.names import ARMS, RIVAL
from eval.study.recipe import ScarcitySection

DRAWS = 2000
"""Number of draws of surveys for an interval."""

WITHIN, BEYOND = 0.0, math.inf
"""A number at or below the smallest that was measured, and one above the largest."""


@dataclass(frozen=True)
class Exchange:
    """What an arm's gathers are worth, made from so many recorded ones.

    Attributes:
        arm: Name of the arm.
        rare: Recorded rare gathers that it had.
        f1: Its mean F1 of the rare class, in per cent.
        needed: Recorded rare gathers with which random oversampling has the same mean F1, with an interval over
            surveys; `WITHIN` or `BEYOND` outside what was measured. The interval is NaN for a single survey.
        surveys: Number of surveys.
        measured: The smallest and the largest number of gathers that random oversampling was measured with.
    """

    arm: str
    rare: int
    f1: float
    needed: Interval
    surveys: int
    measured: tuple[int, int]

    def in_words(self, value: float, unit: int = 1) -> str:
        """A number of gathers in units of so many, as text; outside what was measured, only the bound."""
        digits = ".1f" if unit > 1 else ".0f"
        if math.isnan(value):
            return "-"
        if value == WITHIN:
            return f"at most {self.measured[0] / unit:{digits}}"
        return f"more than {self.measured[1] / unit:{digits}}" if value == BEYOND else f"{value / unit:{digits}}"


def needed(counts: Sequence[int], means: Sequence[float] | np.ndarray, target: float) -> float:
    """The smallest number of gathers at which a curve reaches a value, interpolated over the logarithm of the number.

    Where a curve goes up and down, its first crossing counts, which favours the curve.

    Args:
        counts: Rising numbers of gathers.
        means: The curve's value at each.
        target: The value to reach.

    Returns:
        The number; `WITHIN` if the first value reaches it, `BEYOND` if none does.
    """
    if means[0] >= target:
        return WITHIN
    for place in range(1, len(counts)):
        if means[place] >= target:
            share = (target - means[place - 1]) / (means[place] - means[place - 1])
            low, high = math.log(counts[place - 1]), math.log(counts[place])
            return math.exp(low + share * (high - low))
    return BEYOND


def curve_values(results: Replicated, scarcity: ScarcitySection, arm: str) -> dict[int, dict[int, float]]:
    """F1 of the rare class of an arm, in per cent, by number of rare gathers and number of the survey."""
    found = {one.rare: results.values(one.name, arm) for one in scarcity.settings}
    return {
        rare: {survey: value for survey, value in values.items() if survey < scarcity.surveys}
        for rare, values in found.items()
    }


def exchange(results: Replicated, scarcity: ScarcitySection, seed: int = 0) -> list[Exchange]:
    """The exchange rate of every arm at every number of rare gathers that is finished.

    The interval draws surveys anew, with replacement, the same ones for both arms and all numbers of gathers (Efron and
    Tibshirani, An introduction to the bootstrap, 1993). It is narrow if there are few surveys.

    Args:
        results: The study's results.
        scarcity: The recipe's section.
        seed: Seed of the draws.
    """
    rival = {rare: values for rare, values in curve_values(results, scarcity, RIVAL).items() if values}
    if len(rival) < 2:
        return []
    counts = list(rival)
    complete = set.intersection(*(set(values) for values in rival.values()))
    made = []
    for arm in (arm for arm in ARMS if arm in scarcity.arms and arm != RIVAL):
        for rare, values in curve_values(results, scarcity, arm).items():
            surveys = sorted(complete & values.keys())
            if not surveys:
                continue
            own = np.array([values[survey] for survey in surveys])
            curve = np.array([[rival[count][survey] for count in counts] for survey in surveys])
            value = needed(counts, curve.mean(axis=0), float(own.mean()))
            low = high = math.nan
            if len(surveys) > 1:
                drawn = np.random.default_rng(seed).integers(0, len(surveys), (DRAWS, len(surveys)))
                every = [needed(counts, curve[one].mean(axis=0), float(own[one].mean())) for one in drawn]
                parts = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
                # No number lies between one that was reached and one that never is.
                low, high = (float(one) for one in np.quantile(every, parts, method="inverted_cdf"))
            bounds = (counts[0], counts[-1])
            made.append(Exchange(arm, rare, float(own.mean()), Interval(value, low, high), len(surveys), bounds))
    return made
