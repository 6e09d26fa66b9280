"""The report's figures: the curve, F1 by fold, precision against recall of the rare class, learning curves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from eval.report.curve_figure import PARTS, curve_means, draw_part
from eval.report.drawing import ARM_COLOURS, ARM_DASHES
from eval.report.fold_figure import fold_figures
from eval.results.collection import Results
from eval.study.names import ARMS
from eval.study.outcome import RECALLS, Outcome
from glowseis.pages.drawing import HEIGHT_INCH, WIDTH_INCH, dress, inline_svg, new_figure, plain
from glowseis.pages.page import Part
from glowseis.pages.pictures import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEARNING = {
    "loss": "training loss (nats)",
    "validation_loss": "validation loss (nats)",
    "validation_rare_f1": "validation F1 of the rare class (%)",
}
"""The entries of `Outcome.epochs` that are drawn."""


def curve_panels(curve: pd.DataFrame, chosen: int | None) -> list[Part]:
    """The paper's Figure 4, validation and test.

    Args:
        curve: As `eval.report.curve_figure.read_curve` returns it.
        chosen: The count chosen on validation gathers.
    """
    means = curve_means(curve)
    panels = []
    for part in PARTS:
        figure = new_figure()
        draw_part(figure.add_subplot(), means, part, chosen)
        caption = (
            f"F1 of each class on {part} gathers (per cent) against gathers added to the rare class; mean of "
            f"{int(means['runs'].max())} runs, with a band of one standard error either way"
        )
        if chosen is not None:
            caption += f"; {chosen} chosen on validation gathers"
        panels.append(_panel(figure, f"curve-{part}", caption + "."))
    return [Part("panels", panels)]


def fold_panels(results: Results, kind: str) -> list[Part]:
    """F1 of the rare class in every fold.

    Args:
        results: The study's results.
        kind: Kind of the folds.
    """
    return [Part("panels", [_panel(*made) for made in fold_figures(results, kind)])]


def recall_panels(outcomes: Sequence[Outcome]) -> list[Part]:
    """Precision against recall of the rare class: on the folds' pooled test gathers, and on the independent survey.

    Args:
        outcomes: All outcomes of one kind of folds that did not fail.
    """
    rare, kind = outcomes[0].rare, outcomes[0].kind
    panels = []
    arms = _by_arm(outcomes)
    figure, axes = _recall_axes(rare, len(arms))
    for arm, own in arms.items():
        recall, precision = pooled_recall_curve(own)
        axes.step(100 * recall, 100 * precision, where="pre", label=ARMS[arm].title, **_line(arm))
    _legend(axes)
    folds = max(len(own) for own in arms.values())
    caption = f"Precision against recall of {rare} (per cent), test gathers of {folds} {kind} folds pooled."
    panels.append(_panel(figure, f"recall-{kind}", caption))
    judged = [outcome for outcome in outcomes if outcome.independent]
    if judged:
        figure, axes = _recall_axes(rare, len(arms))
        recalls = np.linspace(0, 100, RECALLS)
        for arm, own in _by_arm(judged).items():
            curves = [outcome.independent.precision_at_recall for outcome in own if outcome.independent]
            axes.plot(recalls, 100 * np.mean(curves, axis=0), label=ARMS[arm].title, **_line(arm))
        _legend(axes)
        caption = (
            f"Precision against recall of {rare} (per cent), independent survey, weighted to the survey's fractions: "
            f"the highest precision at each recall or beyond, mean over the models of {folds} {kind} folds."
        )
        panels.append(_panel(figure, f"recall-{kind}-independent", caption))
    return [Part("panels", panels)]


def pooled_recall_curve(outcomes: Sequence[Outcome]) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of the rare class at every threshold, on the pooled test gathers of several folds.

    Args:
        outcomes: Outcomes of one arm.

    Returns:
        Recalls, rising from 0, and the precision between the previous recall and each, `[threshold]`.
    """
    from sklearn.metrics import precision_recall_curve

    number = outcomes[0].labels.index(outcomes[0].rare)
    truth = np.concatenate([outcome.truth == number for outcome in outcomes])
    sure = np.concatenate([np.array(outcome.probabilities)[:, number] for outcome in outcomes])
    precision, recall, _ = precision_recall_curve(truth, sure)
    return recall[::-1], precision[::-1]


def learning_panels(outcomes: Sequence[Outcome]) -> list[Part]:
    """Losses and the rare class's F1 against optimiser steps, a line per arm.

    Args:
        outcomes: All outcomes of one kind of folds that did not fail.
    """
    kind = outcomes[0].kind
    curves = {arm: learning_curve(own) for arm, own in _by_arm(outcomes).items()}
    panels = []
    for figure_name, title in LEARNING.items():
        shown = {arm: curve for arm, curve in curves.items() if figure_name in curve and len(curve)}
        if not shown:
            continue
        figure = _new_panel(len(shown))
        axes = figure.add_subplot()
        for arm, curve in shown.items():
            times = 100 if figure_name.endswith("f1") else 1
            axes.plot(curve["step"], times * curve[figure_name], label=ARMS[arm].title, **_line(arm))
        axes.set_xlabel("optimiser steps")
        axes.set_ylabel(title)
        _legend(axes)
        caption = f"{title.capitalize().replace('f1', 'F1')} against optimiser steps; mean over {kind} folds."
        panels.append(_panel(figure, f"learning-{kind}-{figure_name.replace('_', '-')}", caption))
    return [Part("panels", panels)]


def learning_curve(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Means over folds of the learning curve, a row per epoch, up to the last epoch that all folds reached.

    Args:
        outcomes: Outcomes of one arm.

    Returns:
        The columns of `Outcome.epochs`.
    """
    epochs = min(len(outcome.epochs) for outcome in outcomes)
    every = pd.concat([pd.DataFrame(outcome.epochs[:epochs]) for outcome in outcomes])
    return every.groupby(level=0).mean() if epochs else pd.DataFrame()


def _by_arm(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes of each arm, in the order of the tables."""
    found = {arm: [outcome for outcome in outcomes if outcome.arm == arm] for arm in ARMS}
    return {arm: own for arm, own in found.items() if own}


def _line(arm: str) -> dict:
    return {"color": ARM_COLOURS[arm], "linestyle": ARM_DASHES[arm], "linewidth": 1.5}


def _new_panel(lines: int) -> "Figure":
    """A figure with room for its legend below."""
    return new_figure(WIDTH_INCH, HEIGHT_INCH + 0.2 * -(-lines // 2))


def _recall_axes(rare: str, lines: int) -> "tuple[Figure, Axes]":
    figure = _new_panel(lines)
    axes = figure.add_subplot()
    axes.set_xlim(0, 101)
    axes.set_ylim(0, 101)
    axes.set_xlabel(f"recall of {plain(rare)} (%)")
    axes.set_ylabel(f"precision of {plain(rare)} (%)")
    return figure, axes


def _legend(axes: "Axes") -> None:
    """Draw the legend below the axes, where it hides nothing."""
    axes.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False)
    dress(axes)


def _panel(figure: "Figure", name: str, caption: str) -> Panel:
    return Panel(inline_svg(figure, name, caption), caption)
