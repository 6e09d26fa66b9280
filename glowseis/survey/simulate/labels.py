"""How a person would grade a gather's noise: good, medium or bad.

The rule uses the noise that was added. Swell noise counts by the root mean square that its bands add to the gather,
that is, by how loud and how wide they are. Loud narrow columns make a gather medium but never bad, so that no threshold
on amplitude alone can separate the classes. A judge is not exact: each judgement multiplies the noise by a random
factor, and gathers near a threshold may get either label.

To have exactly the requested fractions in expectation, a gather's label is drawn first and its noise afterwards,
repeatedly until the judge gives that label. That is the noise's distribution given the label, whatever the fractions.
The earth and the geometry do not depend on the label, so they reveal nothing about it.
"""

import math

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import LABELS
from glowseis.survey.simulate.plan import NoisePlan, draw_any_noise
from glowseis.survey.simulate.settings import NoiseSettings

PAPER_FRACTIONS = (66.68, 31.54, 1.76)
"""Percentages of good, medium and bad gathers (section 5.1 of the paper)."""

BAD_SWELL_MICROBAR = 1.2
MEDIUM_SWELL_MICROBAR = 0.55
MEDIUM_COLUMNS_MICROBAR = 0.55
MEDIUM_ANOMALOUS_SHARE = 0.015
ANOMALOUS_MICROBAR = 20.0
"""One per cent of anomalous traces weighs as much as this many hundredths of a microbar of swell."""
MOST_ANOMALOUS_MICROBAR = 0.6
"""Largest weight of anomalous traces: without swell they never make a gather bad."""
JUDGE_SPREAD = 0.2
"""Standard deviation of the logarithm of the factor by which a judge over- or underestimates noise."""

_MOST_DRAWS = 100_000
_TRIAL_DRAWS, _TRIAL_FOUND = 3_000, 3
_TRIAL_SEED = 1
_ALL_ON = NoiseSettings()


def check_fractions(fractions: tuple[float, float, float]) -> tuple[float, ...]:
    """Shares of good, medium and bad that sum to 1.

    Args:
        fractions: Any unit, such as per cent.

    Returns:
        The shares.

    Raises:
        InputError: They are not three finite numbers of at least 0 with a positive sum.
    """
    total = sum(fractions)
    right = len(fractions) == len(LABELS) and all(0.0 <= part < math.inf for part in fractions)
    if not (right and 0.0 < total < math.inf):
        given = ",".join(f"{part:g}" for part in fractions)
        raise InputError(f"fractions {given}: give three numbers of at least 0, not all 0, such as 66.68,31.54,1.76")
    return tuple(part / total for part in fractions)


def check_settings(shares: tuple[float, ...], traces: int, settings: NoiseSettings) -> None:
    """Make sure that every requested label can occur.

    Args:
        shares: Shares of the labels, in the order of `LABELS`.
        traces: Traces of a gather.
        settings: Factors of the kinds of noise.

    Raises:
        InputError: With these settings fewer than one gather in a thousand gets a label.
    """
    random = np.random.default_rng(_TRIAL_SEED)
    missing = {label: _TRIAL_FOUND for label, share in zip(LABELS, shares, strict=True) if share}
    for _ in range(_TRIAL_DRAWS):
        label = _judged(draw_any_noise(traces, random, settings), random)
        missing[label] = missing.get(label, 0) - 1
        if max(missing.values()) <= 0:
            return
    label = max(missing, key=lambda one: missing[one])
    raise InputError(
        f"with noise {settings.changed()} hardly any gathers are {label}; change that noise, or set "
        f"that fraction to 0 in --fractions good,medium,bad"
    )


def judge(plan: NoisePlan, swell_factor: float = 1.0, columns_factor: float = 1.0) -> str:
    """The label of a gather with this noise.

    Bad: swell, including weighted anomalous traces, above `BAD_SWELL_MICROBAR`. Otherwise medium: swell above
    `MEDIUM_SWELL_MICROBAR`, columns above `MEDIUM_COLUMNS_MICROBAR`, more anomalous traces than
    `MEDIUM_ANOMALOUS_SHARE`, or a module with cross-feed. Otherwise good. Ambient noise and what other vessels and
    the own one add play no part.

    Args:
        plan: The noise.
        swell_factor: Factor by which this judge overestimates swell and anomalies; 1 is the rule itself.
        columns_factor: The same for loud columns.

    Returns:
        One of `LABELS`.
    """
    anomalous_microbar = min(ANOMALOUS_MICROBAR * plan.anomalous_share, MOST_ANOMALOUS_MICROBAR)
    swell = (plan.swell_microbar + anomalous_microbar) * swell_factor
    if swell > BAD_SWELL_MICROBAR:
        return "bad"
    if (
        swell > MEDIUM_SWELL_MICROBAR
        or plan.columns_microbar * columns_factor > MEDIUM_COLUMNS_MICROBAR
        or plan.anomalous_share > MEDIUM_ANOMALOUS_SHARE
        or plan.crossfeed
    ):
        return "medium"
    return "good"


def draw_noise(label: str, traces: int, random: np.random.Generator, settings: NoiseSettings = _ALL_ON) -> NoisePlan:
    """Draw the noise of a gather to which a judge gives this label.

    Args:
        label: One of `LABELS`.
        traces: Traces of the gather.
        random: Source of randomness.
        settings: Factors of the kinds of noise.

    Returns:
        The noise.

    Raises:
        InputError: With these settings there is no such gather.
        ValueError: The label is unknown.
    """
    if label not in LABELS:
        raise ValueError(f"label is {label!r}; give one of {', '.join(LABELS)}")
    for _ in range(_MOST_DRAWS):
        plan = draw_any_noise(traces, random, settings)
        if _judged(plan, random) == label:
            return plan
    raise InputError(f"with noise {settings.changed()} no gather of {traces} traces was {label} in {_MOST_DRAWS} draws")


def _judged(plan: NoisePlan, random: np.random.Generator) -> str:
    """The label that one judge gives."""
    swell_factor, columns_factor = np.exp(random.normal(0.0, JUDGE_SPREAD, 2))
    return judge(plan, swell_factor, columns_factor)
