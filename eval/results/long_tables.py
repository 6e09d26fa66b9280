"""A study's figures as long tables, a row per figure: fractions, unrounded."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from eval.results.collection import Results
from eval.results.contrasts import TestSet, contrasts
from eval.results.published import FOLDS, PUBLISHED
from eval.results.statistics import Mean, bootstrap_f1, calibration_error, mean_of

FIGURES = ("precision", "recall", "f1")
COLUMNS = ["kind", "arm", "class", "figure", "mean", "std", "standard_error", "folds"]
"""Columns of the long tables. `kind` is `published` in the paper's rows. Pooled figures have no std."""


def table1(results: Results) -> pd.DataFrame:
    """Precision, recall and F1 of each class, mean over folds: the paper's table 1, a row per figure.

    Args:
        results: The study's results.

    Returns:
        `COLUMNS`; the paper's rows first. Arms that failed have none.
    """
    rows = [
        _published(row.title, name, figure, *pair)
        for row in PUBLISHED
        for name in results.labels
        for figure, pair in zip(FIGURES, row.classes.get(name, ()), strict=False)
    ]
    for kind, arm in _finished(results):
        scored = results.scored(kind, arm)
        for number, name in enumerate(results.labels):
            for figure in FIGURES:
                rows.append(_row(kind, arm, name, figure, mean_of([getattr(one, figure)[number] for one in scored])))
    return pd.DataFrame(rows, columns=COLUMNS)


def table2(results: Results) -> pd.DataFrame:
    """Weighted averages of precision, recall and F1, and accuracy: the paper's table 2, a row per figure.

    Args:
        results: The study's results.

    Returns:
        `COLUMNS`, as for `table1`; the class is `weighted average`, or `all` for `accuracy`.
    """
    rows = [
        _published(row.title, "weighted average", figure, *pair)
        for row in PUBLISHED
        for figure, pair in zip(FIGURES, row.average, strict=True)
    ]
    for kind, arm in _finished(results):
        scored = results.scored(kind, arm)
        for figure in FIGURES:
            values = [getattr(one, f"weighted_{figure}") for one in scored]
            rows.append(_row(kind, arm, "weighted average", figure, mean_of(values)))
        rows.append(_row(kind, arm, "all", "accuracy", mean_of([one.accuracy for one in scored])))
    return pd.DataFrame(rows, columns=COLUMNS)


def table3(results: Results) -> pd.DataFrame:
    """Figures of the rare class, a row per figure.

    `f1`, `average_precision` and `balanced_accuracy` are means over folds; `pooled_f1` is from the summed counts of all
    folds, with the bootstrap interval `pooled_f1_low` to `pooled_f1_high`; `calibration_error` is from the pooled
    gathers; figures that begin with `independent_` are from the independent survey, means over the folds' models.

    Args:
        results: The study's results.

    Returns:
        `COLUMNS`, as for `table1`, without the paper's rows.
    """
    rows = []
    number = results.rare_number
    for kind, arm in _finished(results):
        outcomes, scored = results.of(kind, arm), results.scored(kind, arm)
        truth = np.concatenate([one.truth for one in outcomes])
        pooled = bootstrap_f1(truth, np.concatenate([one.predicted for one in outcomes]), number)
        probabilities = np.concatenate([np.array(one.probabilities) for one in outcomes])

        def alone(value: float, folds: int = len(outcomes)) -> Mean:
            return Mean(value, np.nan, np.nan, folds)

        figures = {
            "f1": mean_of([one.f1[number] for one in scored]),
            "pooled_f1": alone(pooled.value),
            "pooled_f1_low": alone(pooled.low),
            "pooled_f1_high": alone(pooled.high),
            "average_precision": mean_of([one.average_precision[number] for one in scored]),
        }
        judged = [one.independent for one in outcomes if one.independent]
        if results.independent:
            for figure in (*FIGURES, "average_precision"):
                figures[f"independent_{figure}"] = mean_of([getattr(one, figure)[number] for one in judged])
        rows += [_row(kind, arm, results.rare, figure, value) for figure, value in figures.items()]
        every = {
            "balanced_accuracy": mean_of([one.balanced_accuracy for one in scored]),
            "calibration_error": alone(calibration_error(truth, probabilities)),
        }
        if results.independent:
            every["independent_calibration_error"] = mean_of([one.calibration_error for one in judged])
        rows += [_row(kind, arm, "all", figure, value) for figure, value in every.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def contrast_table(results: Results) -> pd.DataFrame:
    """All contrasts, one per row; fractions.

    Args:
        results: The study's results.

    Returns:
        `kind, tested_on, first, second, primary, first_mean, second_mean, difference, low, high, p, p_holm, folds,
        pooled_difference, pooled_low, pooled_high`; see `eval.results.contrasts.Contrast`.
    """
    columns = ["kind", "tested_on", "first", "second", "primary", "first_mean", "second_mean", "difference", "low"]
    columns += ["high", "p", "p_holm", "folds", "pooled_difference", "pooled_low", "pooled_high"]
    rows = []
    for one in [one for kind in results.kinds for on in sets_scored(results) for one in contrasts(results, kind, on)]:
        pooled = [one.pooled.value, one.pooled.low, one.pooled.high] if one.pooled else [np.nan] * 3
        test = [one.test.difference, one.test.low, one.test.high, one.test.p, one.holm, one.test.folds]
        names = [one.kind, one.on, one.first, one.second, one.primary]
        rows.append([*names, one.first_mean, one.second_mean, *test, *pooled])
    return pd.DataFrame(rows, columns=columns)


def confusion_table(results: Results) -> pd.DataFrame:
    """Confusion matrices, a row per cell.

    Args:
        results: The study's results.

    Returns:
        `kind, arm, tested_on, class, graded_as, gathers`: gathers of all folds; for the independent survey, the mean
        of the folds' weights.
    """
    rows = []
    for kind, arm in _finished(results):
        matrices: dict[str, np.ndarray] = {"folds": results.confusion(kind, arm)}
        if results.independent:
            judged = [one.independent.confusion for one in results.of(kind, arm) if one.independent]
            matrices["independent"] = np.mean(judged, axis=0)
        for on, matrix in matrices.items():
            for name, counts in zip(results.labels, matrix, strict=True):
                rows += [[kind, arm, on, name, other, c] for other, c in zip(results.labels, counts, strict=True)]
    return pd.DataFrame(rows, columns=["kind", "arm", "tested_on", "class", "graded_as", "gathers"])


def failure_table(results: Results) -> pd.DataFrame:
    """What failed, one failure per row.

    Args:
        results: The study's results.

    Returns:
        `kind, arm, fold, error`.
    """
    rows = [
        [kind, arm, one.fold, one.error]
        for (kind, arm), found in results.outcomes.items()
        for one in found
        if one.error
    ]
    return pd.DataFrame(rows, columns=["kind", "arm", "fold", "error"])


def sets_scored(results: Results) -> tuple[TestSet, ...]:
    """The sets that models were scored on.

    Args:
        results: The study's results.
    """
    return ("folds", "independent") if results.independent else ("folds",)


def _finished(results: Results) -> Iterator[tuple[str, str]]:
    return ((kind, arm) for kind in results.kinds for arm in results.arms if results.of(kind, arm))


def _row(kind: str, arm: str, name: str, figure: str, value: Mean) -> list[str | float | int]:
    return [kind, arm, name, figure, value.mean, value.std, value.standard_error, value.count]


def _published(title: str, name: str, figure: str, mean: float, error: float) -> list[str | float | int]:
    # Rounded: 95.1 / 100 has more digits than the paper.
    return ["published", title, name, figure, round(mean / 100, 6), np.nan, round(error / 100, 6), FOLDS]
