"""Estimates how long a study will take, from its finished arms on the same kind of machine."""

from collections.abc import Sequence

import numpy as np

from eval.running.crossval import machine
from eval.study.outcome import read_outcome
from eval.study.preparation import Study
from glowseis.errors import InputError

Todo = tuple[str, int, str]
"""Kind, fold and arm."""


def estimate(study: Study, todo: Sequence[Todo]) -> float | None:
    """Estimate how long arms will take on this machine, one after another.

    Args:
        study: The study.
        todo: The arms.

    Returns:
        Seconds, from each arm's mean over finished folds on a machine with the same description; None while one of the
        arms has no such fold.
    """
    here, taken = machine(), dict[str, list[float]]()
    for path in study.outcomes.glob("*.json"):
        try:
            outcome = read_outcome(path)
        # The error is reported where the outcome is needed.
        except InputError:
            continue
        if outcome.study == study.digest and outcome.machine == here and not outcome.error:
            taken.setdefault(outcome.arm, []).append(sum(outcome.seconds.values()))
    if any(arm not in taken for _, _, arm in todo):
        return None
    return float(sum(np.mean(taken[arm]) for _, _, arm in todo))
