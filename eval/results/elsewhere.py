"""Figures and tests of a study of pictures: means of the arms, and each arm against random oversampling."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from eval.pictures.sets import PictureSet
from eval.results.statistics import corrected_resampled_test, holm, mean_of, paired_test
from eval.study.names import PRIMARY, RIVAL
from glowseis.errors import InputError
from glowseis.files import whole_file

KEYS = ["rare", "fold"]
"""Columns that tell trials apart."""

FIXED = ("set", "seed", "steps", "flow_steps")
"""Columns in which all rows of a file agree."""

COLUMNS = [
    *FIXED,
    *KEYS,
    "arm",
    "training",
    "rare_training",
    "made",
    "tested",
    "f1_rare",
    "average_precision_rare",
    "f1_others",
    "flow_bits",
    "flow_step",
    "seconds",
    "commit",
    "machine",
]


def read_outcomes(path: Path, fixed: Sequence[object]) -> pd.DataFrame:
    """Read the outcomes that a file holds, a row per arm and trial; none if there is no file.

    Args:
        path: The CSV file.
        fixed: What its rows must have in the columns `FIXED`.

    Raises:
        InputError: It is something else, or has other settings.
    """
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        found = pd.read_csv(path, dtype={"rare": str, "commit": str})
    except (OSError, ValueError) as wrong:
        raise InputError(f"{path}: cannot be read as CSV ({wrong}); give another --out") from None
    if list(found) != COLUMNS or found.duplicated([*KEYS, "arm"]).any():
        raise InputError(f"{path}: is not a table of outcomes of this command; give another --out")
    for name, wanted in zip(FIXED, fixed, strict=True):
        if other := set(found[name]) - {wanted}:
            raise InputError(f"{path}: has outcomes with {name} {other.pop()}, not {wanted}; give another --out")
    return found


def write_outcomes(path: Path, outcomes: pd.DataFrame) -> None:
    """Write outcomes, whole or not at all."""
    with whole_file(path, replace=True) as unfinished:
        outcomes.to_csv(unfinished, index=False, float_format="%.6g", lineterminator="\n")


def table(outcomes: pd.DataFrame, chosen: PictureSet) -> pd.DataFrame:
    """A row per arm: means and standard deviations in per cent, and its difference from random oversampling.

    The flow's contrast is the primary one; p of the others are corrected by Holm's method. Where every trial has a rare
    class of its own, the test is the paired t-test, otherwise the corrected resampled one (`eval.results.statistics`).

    Args:
        outcomes: As `read_outcomes` returns them.
        chosen: What is fixed for the pictures.
    """
    rows, tests = [], {}
    rival = outcomes[outcomes["arm"] == RIVAL].set_index(KEYS)["f1_rare"]
    arms = [arm for arm in chosen.arms if arm in set(outcomes["arm"])]
    for arm in arms:
        some = outcomes[outcomes["arm"] == arm].set_index(KEYS)
        f1, area, others = (
            mean_of(100 * some[name].to_numpy()) for name in ("f1_rare", "average_precision_rare", "f1_others")
        )
        figures = {"F1 rare": f1.mean, "sd": f1.std, "PR-AUC rare": area.mean, "sd ": area.std}
        rows.append({"arm": arm, "trials": f1.count, **figures, "F1 others": others.mean})
        differences = 100 * (some["f1_rare"] - rival).dropna().to_numpy()
        if arm != RIVAL and len(differences):
            several, shared = len(chosen.rare) > 1, 1 / (chosen.folds - 1)
            tests[arm] = paired_test(differences) if several else corrected_resampled_test(differences, shared)
    family = [arm for arm in tests if arm != PRIMARY]
    corrected = dict(zip(family, holm([tests[arm].p for arm in family]), strict=True))
    against = [
        {f"minus {RIVAL}": one.difference, "low": one.low, "high": one.high, "p": corrected.get(arm, one.p)}
        for arm, one in ((arm, tests[arm]) for arm in tests)
    ]
    beside = pd.DataFrame(against, index=list(tests)).reindex(arms).reset_index(drop=True)
    return pd.concat([pd.DataFrame(rows), beside], axis=1)
