"""Figures of a study of independent surveys: F1 of the rare class by arm, and against the number of rare gathers."""

from typing import TYPE_CHECKING

from markupsafe import Markup

from eval.report.drawing import ARM_COLOURS, ARM_DASHES
from eval.report.fold_figure import ROW_INCH, SPREAD
from eval.results.exchange import curve_values
from eval.results.replicated import Replicated
from eval.results.statistics import mean_of, paired_test
from eval.results.verdict import setting_in_words
from eval.study.names import ARMS
from eval.study.recipe import ReplicatesSection, ScarcitySection, SettingSection
from glowseis.pages.drawing import HEIGHT_INCH, INK, WIDTH_INCH, dress, inline_svg, new_figure, plain
from glowseis.pages.pictures import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def arm_panels(results: Replicated, replicates: ReplicatesSection) -> list[Panel]:
    """F1 of the rare class by arm, a panel for each setting: a point per survey, the mean, and its interval.

    Args:
        results: The study's results.
        replicates: The recipe's section.
    """
    shown = {
        setting: {arm: values for arm in ARMS if (values := results.values(setting.name, arm))}
        for setting in replicates.settings
    }
    lowest = min((value for arms in shown.values() for one in arms.values() for value in one.values()), default=0.0)
    return [
        _arms(results, setting, arms, replicates.count, max(lowest - 3, -2)) for setting, arms in shown.items() if arms
    ]


def _arms(
    results: Replicated, setting: SettingSection, arms: dict[str, dict[int, float]], count: int, lowest: float
) -> Panel:
    figure = new_figure(WIDTH_INCH, 1.2 + ROW_INCH * len(arms))
    axes = figure.add_subplot()
    for row, (arm, values) in enumerate(arms.items()):
        heights = [row + SPREAD * (survey / max(count - 1, 1) - 0.5) for survey in values]
        colour, mean = ARM_COLOURS[arm], paired_test(list(values.values()))
        axes.plot(list(values.values()), heights, "o", color=colour, markersize=4, alpha=0.6, markeredgewidth=0)
        axes.vlines(mean.difference, row - 0.35, row + 0.35, color=colour, linewidth=2)
        if mean.folds > 1:
            axes.plot([mean.low, mean.high], [row, row], "|-", color=colour, linewidth=1, markersize=6)
    axes.set_yticks(range(len(arms)), [plain(ARMS[arm].title) for arm in arms], color=INK)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlim(lowest, 102)
    axes.set_xlabel(f"F1 of {plain(results.rare)} (%)")
    where = setting_in_words(setting, results.rare)
    figure.suptitle(plain(where), x=0.01, ha="left", color=INK, fontsize="medium")
    dress(axes)
    means = ", ".join(f"{ARMS[arm].title} {mean_of(list(one.values())).mean:.1f}" for arm, one in arms.items())
    caption = (
        f"With {where}: F1 of {results.rare} on one common test survey, one point per training survey; the vertical "
        f"line is the mean, the horizontal one its 95 % interval. Means: {means}."
    )
    return Panel(_svg(figure, f"arms-{setting.name}", caption), caption)


def scarcity_panel(results: Replicated, scarcity: ScarcitySection) -> Panel:
    """F1 of the rare class against the number of recorded rare gathers: mean of each arm, and every survey.

    Args:
        results: The study's results.
        scarcity: The recipe's section.
    """
    figure = new_figure(WIDTH_INCH, HEIGHT_INCH + 0.2 * len(scarcity.arms))
    axes = figure.add_subplot()
    for arm in (arm for arm in ARMS if arm in scarcity.arms):
        found = {rare: list(one.values()) for rare, one in curve_values(results, scarcity, arm).items() if one}
        means = [sum(one) / len(one) for one in found.values()]
        style = {"color": ARM_COLOURS[arm], "linestyle": ARM_DASHES[arm], "linewidth": 1.5}
        axes.plot(list(found), means, label=ARMS[arm].title, marker="o", markersize=4, **style)
        every = [(rare, value) for rare, one in found.items() for value in one]
        if every:
            axes.plot(*zip(*every, strict=True), "o", color=style["color"], markersize=2.5, alpha=0.5)
    axes.set_xscale("log")
    axes.set_xticks(scarcity.rare, [str(number) for number in scarcity.rare])
    axes.minorticks_off()
    axes.set_xlabel(f"recorded {plain(results.rare)} gathers")
    axes.set_ylabel(f"F1 of {plain(results.rare)} (%)")
    axes.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    dress(axes)
    caption = (
        f"F1 of {results.rare} against the number of recorded {results.rare} gathers that an arm had: mean over "
        "surveys; small points are single surveys."
    )
    return Panel(_svg(figure, "scarcity-curve", caption), caption)


def _svg(figure: "Figure", name: str, caption: str) -> Markup:
    return inline_svg(figure, name.replace(".", "-"), caption)
