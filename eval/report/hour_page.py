"""The page of the benchmark of the hour: what labels are worth, how many are saved, and how it was made."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from eval.budget.recipe import READY
from eval.report.drawing import COLOURS, DASHES
from eval.report.writing import REPORT
from eval.results.hour import FIGURES, Hour, verdict
from eval.results.statistics import paired_test
from eval.study.outcome import listed
from glowseis.files import whole_file
from glowseis.pages.drawing import HEIGHT_INCH, INK, WIDTH_INCH, dress, inline_svg, new_figure, plain
from glowseis.pages.page import Part, page
from glowseis.pages.pictures import Panel
from glowseis.pages.table import Table


def write_hour_page(hour: Hour, folder: Path, shared: str) -> Path:
    """Write the page of whatever is finished, in place of an older one.

    Args:
        hour: The benchmark's results.
        folder: Its folder, for `report.html`.
        shared: Digest of what all outcomes depend on.

    Returns:
        The file.

    Raises:
        OSError: The disk is full or not writable.
    """
    rare, count = hour.rare, hour.recipe.targets.count
    about = [
        f"{count} simulated surveys, each of an acquisition that the ready model never saw. A simulated judge labels "
        f"gathers, {hour.recipe.buying.at_once} at a time; classifiers are scored on another survey of the same "
        f"acquisition. F1 of {rare} is the harmonic mean, in per cent, of the share of {rare} gathers that are found "
        f"and the share of gathers graded {rare} that are {rare}.",
        *([f"{hour.left} of {len(hour.recipe.points)} points are not finished yet."] if hour.left else []),
    ]
    if hour.failed:
        told = listed(f"target {one.target} {one.arm} {one.bought}: {one.error}" for one in hour.failed)
        about.append(f"Failed, and left out: {told}.")
    figures = [("f1", "F1"), ("average_precision", "PR-AUC")]
    sections = {
        "contrasts": ("Which way is better", _shown(_contrasts(hour))),
        "means": ("Means over surveys", [Part("table", _means(hour))]),
        "each": ("Every survey at the primary budget", _shown(_each(hour))),
        "making": ("How it was made", _making(hour, shared)),
    }
    text = page(
        f"Benchmark “{hour.recipe.name}”: what an hour of labelling is worth",
        verdict(hour),
        about,
        {name: section for name, section in sections.items() if section[1]},
        [Part("panels", [_panel(hour, figure, words) for figure, words in figures])],
    )
    with whole_file(folder / REPORT, replace=True) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return folder / REPORT


def _shown(table: Table) -> list[Part]:
    return [Part("table", table)] if len(table.frame) else []


def _panel(hour: Hour, figure: str, words: str) -> Panel:
    """A figure of the rare class against the number of labels: means over targets, with bands."""
    figure_inch = HEIGHT_INCH + 0.2 * len(hour.arms)
    drawn = new_figure(WIDTH_INCH, figure_inch)
    axes = drawn.add_subplot()
    counts = sorted({n for arm in hour.arms for n in hour.points[arm] if n})
    for number, arm in enumerate(hour.arms):
        colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        own = counts if arm == READY else sorted(hour.points[arm])
        tests = [paired_test(list(hour.values(arm, n, figure).values())) for n in own]
        style = {"color": colour, "linestyle": dashes, "linewidth": 1.6}
        axes.plot(own, [one.difference for one in tests], label=plain(hour.title(arm)), **style)
        if arm in (READY, *hour.recipe.primary) and all(one.folds > 1 for one in tests):
            ends = [one.low for one in tests], [one.high for one in tests]
            axes.fill_between(own, *ends, color=colour, alpha=0.12, linewidth=0)
    axes.set_xscale("log")
    ticks = [n for n in counts if n in {one for arm in hour.recipe.arms if arm.recipe for one in arm.budgets}] or counts
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.minorticks_off()
    axes.set_xlabel("labels", color=INK)
    axes.set_ylabel(f"{words} of {plain(hour.rare)} (%)")
    axes.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False)
    dress(axes)
    caption = (
        f"{words} of {hour.rare} against the number of labels, mean over surveys; bands are 95 % intervals of the "
        "means of the ready model and of the two arms of the primary contrast."
    )
    return Panel(inline_svg(drawn, f"labels-{figure.replace('_', '-')}", caption), caption)


def _contrasts(hour: Hour) -> Table:
    rows, primary = [], (*hour.recipe.primary, hour.recipe.budget)
    for row in hour.contrasts().to_dict("records"):
        interval = "-" if np.isnan(row["low"]) else f"{row['low']:+.1f} to {row['high']:+.1f}"
        words = [str(row["labels"]), hour.title(row["first"]), hour.title(row["second"])]
        is_primary = (row["first"], row["second"], row["labels"]) == primary
        holm = "primary" if is_primary else _p(row["holm"])
        figures = [_signed(row["difference"]), interval, _p(row["p"]), holm, str(row["targets"])]
        rows.append([*words, *figures])
    heads = ["labels", "this", "minus this", "difference", "95 % interval", "p", "p by Holm", "surveys"]
    first, rival = (hour.title(one) for one in hour.recipe.primary)
    return Table(
        "contrasts",
        f"F1 of {hour.rare}, differences in points",
        pd.DataFrame(rows, columns=heads),
        (
            f"Paired t-tests over surveys. The primary contrast, {first} against {rival} at {hour.recipe.budget}, "
            "was fixed in advance; the others with the same number of labels are corrected together.",
        ),
        words=3,
    )


def _means(hour: Hour) -> Table:
    rows = []
    for row in hour.table().to_dict("records"):
        figures = []
        for one in FIGURES:
            low, high = row[f"{one}_low"], row[f"{one}_high"]
            figures.append(f"{row[one]:.1f}" + ("" if np.isnan(low) else f" [{low:.1f}, {high:.1f}]"))
        others = [f"{row['rare_labels']:.1f}", f"{row['seconds']:.0f}", str(row["targets"])]
        rows.append([hour.title(row["arm"]), str(row["labels"]), *figures, *others])
    heads = ["way", "labels", *FIGURES.values(), f"{hour.rare} labels", "seconds", "surveys"]
    title = f"Figures of {hour.rare} in per cent, mean over surveys [95 % interval]"
    return Table("means", title, pd.DataFrame(rows, columns=heads), words=1)


def _each(hour: Hour) -> Table:
    arms = [arm for arm in hour.arms if hour.values(arm, hour.recipe.budget)]
    every = {arm: hour.values(arm, hour.recipe.budget) for arm in arms}
    acquisitions = {
        target: one.acquisition
        for arm in hour.arms
        for points in hour.points[arm].values()
        for target, one in points.items()
    }
    rows = []
    for target, acquisition in sorted(acquisitions.items()):
        figures = [f"{every[arm][target]:.1f}" if target in every[arm] else "-" for arm in arms]
        rows.append([f"{target}, acquisition {acquisition}", *figures])
    heads = ["survey", *(hour.title(arm) for arm in arms)]
    return Table(
        "each", f"F1 of {hour.rare} with {hour.recipe.budget} labels", pd.DataFrame(rows, columns=heads), words=1
    )


def _making(hour: Hour, shared: str) -> list[Part]:
    every = [one for arms in hour.points.values() for found in arms.values() for one in found.values()]
    seconds = sum(sum(one.seconds.values()) for one in every)
    facts = {
        "outcomes depend on": shared,
        "hours of all outcomes": f"{seconds / 3600:.1f}",
        "commit": listed(one.commit for one in every),
        "machine": listed(one.machine for one in every),
    }
    frame = pd.DataFrame(facts.items(), columns=["item", "value"])
    return [
        Part("table", Table("provenance", "Data, code and machine", frame, words=2)),
        Part("recipe", json.dumps(hour.recipe.model_dump(mode="json"), indent=2)),
    ]


def _signed(value: float) -> str:
    return "-" if np.isnan(value) else f"{round(value, 1) + 0.0:+.1f}"


def _p(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2g}" if value >= 0.001 else "< 0.001"
