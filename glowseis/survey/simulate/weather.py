"""Weather along the lines of a survey: noise depends on it, so that bad gathers cluster."""

import math
from functools import lru_cache

import numpy as np
from scipy import special

from glowseis.survey.simulate.acquisition import Acquisition, Position

_WEATHER_STREAM = 15
_SHARE_OF_LINE = 0.5
"""Share of the weather's variance between lines, because lines are sailed on different days."""
_SHOTS_ALIKE = 60.0
"""Shots over which the correlation of the rest falls to 1/e."""


def weathered(severity: float, position: Position, seed: int, acquisition: Acquisition) -> float:
    """Mix the severity that was drawn for a gather with that of the weather at its shot.

    Both are uniform over the survey, and so is the result: the shares of the labels do not change. They are mixed as
    normal deviates, the weather's with the square root of `acquisition.weather`.

    Args:
        severity: Drawn for the gather, uniform in [0, 1).
        position: Where it is recorded.
        seed: Seed of the survey.
        acquisition: Gives the weather's share, lines and shots.

    Returns:
        The severity, uniform in [0, 1] over the gathers of the survey.
    """
    weather = _weather(seed, acquisition.number, acquisition.sail_lines, acquisition.shots_per_line)
    there = weather[(position.sail_line - 1) % acquisition.sail_lines, position.shot - 1]
    if acquisition.weather >= 1.0:
        return float(special.ndtr(there))
    own = special.ndtri(min(max(severity, 1e-12), 1.0 - 1e-12))
    share = acquisition.weather
    return float(special.ndtr(math.sqrt(share) * there + math.sqrt(1.0 - share) * own))


@lru_cache(maxsize=128)
def _weather(seed: int, number: int, lines: int, shots: int) -> np.ndarray:
    """Normal deviates of the weather at every shot, `[line, shot]`: a Markov chain along a line about the line's own.

    They are converted to ranks over the survey and back: twenty lines are too few for exact shares otherwise.
    """
    random = np.random.default_rng([seed, _WEATHER_STREAM, number])
    kept = math.exp(-1.0 / _SHOTS_ALIKE)
    along = np.empty((lines, shots))
    along[:, 0] = random.standard_normal(lines)
    for shot in range(1, shots):
        along[:, shot] = kept * along[:, shot - 1] + math.sqrt(1.0 - kept**2) * random.standard_normal(lines)
    own = random.standard_normal(lines)
    state = math.sqrt(_SHARE_OF_LINE) * own[:, None] + math.sqrt(1.0 - _SHARE_OF_LINE) * along
    rank = np.empty(state.size)
    rank[np.argsort(state, axis=None)] = (np.arange(state.size) + 0.5) / state.size
    return special.ndtri(rank).reshape(state.shape)
