"""F1 of the rare class in every fold, arm by arm: the values behind the tables' means."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eval.report.drawing import ARM_COLOURS
from eval.results.contrasts import KINDS_IN_WORDS, TestSet, rare_f1
from eval.results.long_tables import sets_scored
from eval.results.statistics import mean_of
from eval.study.names import ARMS
from glowseis.pages.drawing import INK, WIDTH_INCH, dress, new_figure, plain, write_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from eval.results.collection import Results

PICTURE = "folds"

SETS_IN_WORDS = {"folds": "test gathers of the folds", "independent": "independent survey"}

ROW_INCH = 0.42
"""Height of an arm's row."""

SPREAD = 0.5
"""Part of a row over which its folds are spread, in order from the top."""


def write_folds(results: "Results", folder: Path) -> list[Path]:
    """Draw every kind of folds and every set of scored gathers, in place of an older picture.

    Args:
        results: The study's results.
        folder: Folder for `folds.png` and `folds.svg`; made if missing.

    Returns:
        Both files; none if every arm failed.

    Raises:
        OSError: The disk is full or not writable.
    """
    kinds, sets = _drawn(results), sets_scored(results)
    if not kinds:
        return []
    figure = new_figure(WIDTH_INCH * len(sets), _height(results) * len(kinds))
    panels = figure.subplots(len(kinds), len(sets), squeeze=False, sharex=True)
    for row, kind in zip(panels, kinds, strict=True):
        for axes, on in zip(row, sets, strict=True):
            draw_folds(axes, results, kind, on)
            axes.set_title(f"{SETS_IN_WORDS[on]},\n{KINDS_IN_WORDS[kind]}", loc="left", color=INK, fontsize="medium")
        for axes in row[1:]:
            axes.tick_params(labelleft=False)
    return write_picture(figure, folder, PICTURE)


def fold_figures(results: "Results", kind: str) -> "list[tuple[Figure, str, str]]":
    """The same for one kind of folds: a figure for each set, with name and caption.

    Args:
        results: The study's results.
        kind: Kind of the folds.
    """
    made = []
    for on in sets_scored(results) if kind in _drawn(results) else ():
        figure = new_figure(WIDTH_INCH, _height(results))
        draw_folds(figure.add_subplot(), results, kind, on)
        caption = (
            f"F1 of {results.rare} (per cent), {SETS_IN_WORDS[on]}, {KINDS_IN_WORDS[kind]}: one point per fold, in "
            "order from the top; the line is the mean, with one standard error either way."
        )
        made.append((figure, f"folds-{kind}-{on}", caption))
    return made


def draw_folds(axes: "Axes", results: "Results", kind: str, on: TestSet) -> None:
    """Draw a row per arm: a point per fold, the mean and its standard error.

    Args:
        axes: Axes to draw on.
        results: The study's results.
        kind: Kind of the folds.
        on: The gathers that are scored.
    """
    names = [arm for arm in results.arms if results.of(kind, arm)]
    for row, arm in enumerate(names):
        outcomes = results.of(kind, arm)
        values = 100 * np.array([rare_f1(results, outcome, on) for outcome in outcomes])
        heights = row + SPREAD * (np.array([outcome.fold for outcome in outcomes]) / max(results.folds - 1, 1) - 0.5)
        mean = mean_of(values)
        axes.plot(values, heights, "o", color=ARM_COLOURS[arm], markersize=4, alpha=0.7, markeredgewidth=0)
        axes.vlines(mean.mean, row - 0.35, row + 0.35, color=ARM_COLOURS[arm], linewidth=2)
        if len(values) > 1:
            axes.errorbar(mean.mean, row, xerr=mean.standard_error, color=ARM_COLOURS[arm], capsize=3, linewidth=1)
    axes.set_yticks(range(len(names)), [plain(ARMS[arm].title) for arm in names], color=INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xlabel(f"F1 of {plain(results.rare)} (%)")
    dress(axes)


def _drawn(results: "Results") -> list[str]:
    return [kind for kind in results.kinds if any(results.of(kind, arm) for arm in results.arms)]


def _height(results: "Results") -> float:
    return 1.2 + ROW_INCH * len(results.arms)
