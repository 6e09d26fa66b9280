"""The reliability diagram of a trained classifier."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glowseis.judging.calibration import BINS


def plot_reliability(calibration: Mapping[str, Any], path: Path) -> None:
    """Draw how often grades of a certain probability are right, before and after the calibration.

    Args:
        calibration: By part (`validation`, `test`), records of `glowseis.judging.calibration.Reliability` before and
            after, as they stand in a run's `result.json`.
        path: The PNG file to write.
    """
    from matplotlib.figure import Figure

    parts = [part for part in ("validation", "test") if part in calibration]
    figure = Figure(figsize=(4.4 * len(parts), 4.4), layout="constrained")
    for place, part in enumerate(parts):
        axes = figure.add_subplot(1, len(parts), place + 1)
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for when, colour in (("before", "tab:orange"), ("after", "tab:blue")):
            one = calibration[part][when]
            gathers = np.array(one["gathers"])
            there = gathers > 0
            confidence, accuracy = (np.array(one[name], float)[there] for name in ("confidence", "accuracy"))
            error = 100 * one["expected_calibration_error"]
            axes.plot(confidence, accuracy, color=colour, linewidth=1, label=f"{when}: error {error:.1f} %")
            # A point's area shows how many gathers it stands for.
            axes.scatter(confidence, accuracy, 12 + 300 * gathers[there] / gathers.sum(), color=colour, alpha=0.6)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the grade", ylabel="share of grades that are right")
        axes.set_title(f"{part}: {gathers.sum()} gathers, {BINS} bins")
        axes.set_aspect("equal")
        axes.legend(loc="upper left", frameon=False)
    figure.savefig(path, dpi=110, format="png")
