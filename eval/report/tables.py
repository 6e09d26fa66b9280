"""The report's own tables: confusion matrices and durations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from eval.study.names import ARMS
from eval.study.outcome import Outcome
from glowseis.pages.page import Part
from glowseis.pages.table import Table


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        name: Its id on the page.
        caption: What it shows.
        labels: Names of the classes.
        rows: For each class its name, and for each grade the number of gathers, as text, and their share of the class.
    """

    name: str
    caption: str
    labels: Sequence[str]
    rows: list[tuple[str, list[tuple[str, float]]]]


def confusions(outcomes: Sequence[Outcome]) -> list[Part]:
    """Confusion matrices of each arm: on the folds' pooled test gathers, and on the independent survey.

    Args:
        outcomes: All outcomes of one kind of folds that did not fail.
    """
    matrices = []
    for arm in ARMS:
        own = [outcome for outcome in outcomes if outcome.arm == arm]
        if not own:
            continue
        labels, kind = own[0].labels, own[0].kind
        pooled = np.zeros((len(labels), len(labels)))
        for outcome in own:
            np.add.at(pooled, (outcome.truth, outcome.predicted), 1)
        name = f"confusion-{kind}-{arm}"
        caption = f"{ARMS[arm].title}: test gathers of {len(own)} {kind} folds, and their share of each class."
        matrices.append(_matrix(name, caption, labels, pooled, 0))
        judged = [outcome.independent.confusion for outcome in own if outcome.independent]
        if judged:
            caption = (
                f"{ARMS[arm].title}: independent survey, weighted to the survey's fractions; mean over the models of "
                f"{len(judged)} {kind} folds."
            )
            matrices.append(_matrix(f"{name}-independent", caption, labels, np.mean(judged, axis=0), 1))
    return [Part("matrices", matrices)]


def _matrix(name: str, caption: str, labels: Sequence[str], counts: np.ndarray, digits: int) -> Matrix:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    cells = [
        [(f"{count:.{digits}f}", share) for count, share in zip(*pair, strict=True)]
        for pair in zip(counts.tolist(), shares.tolist(), strict=True)
    ]
    return Matrix(name, caption, labels, list(zip(labels, cells, strict=True)))


def durations(outcomes: Sequence[Outcome], units: str = "folds") -> Table:
    """How long each arm took: mean over its folds by part, and the total.

    Args:
        outcomes: All outcomes that did not fail.
        units: What they are outcomes of.
    """
    parts = list(dict.fromkeys(part for outcome in outcomes for part in outcome.seconds))
    rows = []
    for arm in ARMS:
        own = [outcome for outcome in outcomes if outcome.arm == arm]
        if own:
            means = [np.mean([outcome.seconds.get(part, 0.0) for outcome in own]) for part in parts]
            steps, whole = np.mean([outcome.steps for outcome in own]), sum(sum(one.seconds.values()) for one in own)
            rows.append([ARMS[arm].title, *(f"{number:.0f}" for number in (len(own), steps, *means, whole))])
    return Table(
        "durations",
        f"Duration in seconds: mean over {units} by part, then the sum of all",
        pd.DataFrame(rows, columns=["arm", units, "steps", *parts, f"all {units}"]),
        ("Work that several arms share, such as a flow, is counted for the arm that did it.",),
    )
