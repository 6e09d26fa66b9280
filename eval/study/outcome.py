"""The outcome of one arm in one fold, as a file: tables, statistics and the report are made from these alone.

The files are small and are kept (`docs/results/`), so that a study can be completed in several sessions and its tables
made again without training anything.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field, FiniteFloat, NonNegativeInt, model_validator

from eval.study.kept import Kept, read_kept, write_kept
from glowseis.errors import InputError

RECALLS = 101
"""Points of a stored precision-recall curve: recalls 0, 0.01, .., 1."""


class Independent(Kept):
    """Scores on the independent test survey, weighted to the study survey's fractions; arrays are `[class]`.

    Attributes:
        confusion: Sums of weights, `[class, graded as]`.
        precision: Of each class.
        recall: Of each class.
        f1: Of each class.
        average_precision: Of each class.
        calibration_error: Expected calibration error.
        precision_at_recall: Highest precision of the rare class at each of `RECALLS` recalls or beyond.
    """

    confusion: list[list[float]]
    precision: list[float]
    recall: list[float]
    f1: list[FiniteFloat]
    average_precision: list[float]
    calibration_error: float
    precision_at_recall: Annotated[list[float], Field(min_length=RECALLS, max_length=RECALLS)]

    @property
    def by_class(self) -> tuple[list[float], ...]:
        """All the figures per class."""
        return self.precision, self.recall, self.f1, self.average_precision


class Outcome(Kept):
    """One arm in one fold.

    Attributes:
        study: Digest of what all outcomes of a study share (`eval.study.preparation.Study.digest`).
        kind: Kind of the folds; for a study of replicates, the setting.
        fold: Number of the fold, or of the replicate, from 0.
        folds: Number of folds, or of replicates.
        arm: A name in `eval.study.names.ARMS`.
        labels: Names of the classes, in order of severity.
        rare: The rare class.
        error: Why the arm failed, in one line, with everything below empty; empty if it did not fail.
        training: Recorded training gathers by label.
        synthetic: Gathers that the arm added.
        steps: Optimiser steps.
        kept_step: The step whose weights were scored.
        ids: Ids of the fold's test gathers.
        classes: Numbers of their labels.
        probabilities: The classifier's probabilities, `[gather][class]`.
        independent: Scores on the independent survey; None without one.
        epochs: Learning curve, a dictionary per epoch: `step`, `loss`, `validation_loss`, `validation_rare_f1`.
        seconds: Time taken, by part: `flow`, `synthesis`, `classifier`.
        seed: Seed of the classifier's weights and order.
        commit: Commit of the code.
        machine: The processor in words, such as "2 cores, no GPU".
    """

    study: str
    kind: str
    fold: int
    folds: int
    arm: str
    labels: list[str]
    rare: str
    error: str = ""
    training: dict[str, NonNegativeInt] = Field(default_factory=dict)
    synthetic: int = 0
    steps: int = 0
    kept_step: int = 0
    ids: list[str] = Field(default_factory=list)
    classes: list[int] = Field(default_factory=list)
    probabilities: list[list[FiniteFloat]] = Field(default_factory=list)
    independent: Independent | None = None
    epochs: list[dict[str, float]] = Field(default_factory=list)
    seconds: dict[str, float] = Field(default_factory=dict)
    seed: int = 0
    commit: str = ""
    machine: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        judged, number = self.independent, len(self.labels)
        if self.rare not in self.labels:
            raise ValueError("its rare class is not one of its labels")
        if not len(self.ids) == len(self.classes) == len(self.probabilities):
            raise ValueError("its lists have different lengths")
        if not set(self.classes) <= set(range(number)) or {number, *map(len, self.probabilities)} != {number}:
            raise ValueError("it has other classes than its labels")
        if judged and {len(judged.confusion), *map(len, [*judged.confusion, *judged.by_class])} != {number}:
            raise ValueError("it has other classes on the independent survey than its labels")
        if not all("step" in epoch for epoch in self.epochs):
            raise ValueError("its learning curve lacks steps")
        return self

    @property
    def truth(self) -> np.ndarray:
        """Numbers of the test gathers' labels, int64 `[gather]`."""
        return np.array(self.classes, np.int64)

    @property
    def predicted(self) -> np.ndarray:
        """Numbers of the most probable classes, int64 `[gather]`."""
        return np.array(self.probabilities).reshape(-1, len(self.labels)).argmax(axis=1)


def outcome_path(folder: Path, kind: str, fold: int, arm: str) -> Path:
    """The file of an outcome."""
    return folder / f"{kind}-{fold:02d}-{arm}.json"


def write_outcome(folder: Path, outcome: Outcome) -> Path:
    """Write an outcome, whole or not at all, in place of an older one.

    Args:
        folder: Folder of the study's outcomes; made if missing.
        outcome: What to write.

    Returns:
        The file.
    """
    path = outcome_path(folder, outcome.kind, outcome.fold, outcome.arm)
    write_kept(path, outcome)
    return path


def read_outcome(path: Path) -> Outcome:
    """Read an outcome.

    Args:
        path: Its file.

    Raises:
        InputError: It is missing, damaged or of another schema.
    """
    outcome = read_kept(path, Outcome, "run its fold again")
    if outcome is None:
        raise InputError(f"{path}: no such outcome; run its fold")
    if not outcome.error and not ((outcome.ids or outcome.independent) and sum(outcome.training.values())):
        raise InputError(f"{path}: is damaged (it has no scores or training gathers); remove it and run its fold again")
    return outcome


def listed(values: Iterable[str]) -> str:
    """Commits or machines on one line, each once; an empty one becomes `unknown`."""
    return ", ".join(sorted({value or "unknown" for value in values})) or "unknown"
