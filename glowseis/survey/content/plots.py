"""The pictures of a survey's description: labels, widths (the paper's Figure 3), examples (Figure 2), grey levels."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glowseis.survey.content.description import Description
from glowseis.survey.content.gather_plot import plot_gather

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BARS = 40
"""With more distinct widths than this, a histogram is drawn."""

MOST_EXAMPLES, EXAMPLES_A_ROW = 12, 4
"""Most labels with an example and grey levels, and examples side by side."""

PIXELS_AN_INCH = 200


def draw(description: Description, folder: Path) -> list[str]:
    """Draw a description.

    Args:
        description: What to draw.
        folder: The folder for the pictures; it must exist.

    Returns:
        The names of the files.

    Raises:
        InputError: A record is damaged.
        OSError: The disk is full or not writable.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawings = {"labels": _labels, "widths": _widths, "examples": _examples, "levels": _levels}
    names = []
    for name, drawing in drawings.items():
        # No pyplot: it needs a display, and keeps figures.
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        drawing(description, figure)
        figure.savefig(folder / f"{name}.png", dpi=PIXELS_AN_INCH)
        names.append(f"{name}.png")
    return names


def _labels(description: Description, figure: "Figure") -> None:
    counts = description.by_label()["gathers"]
    figure.set_size_inches(min(max(5.0, 0.9 * len(counts)), 40.0), 3.5)
    axes = figure.add_subplot()
    bars = axes.bar(_safe(counts.index), counts, color="0.4")
    axes.bar_label(bars, [f"{count}\n{100 * count / counts.sum():.2f} %" for count in counts])
    axes.margins(y=0.2)
    axes.set_ylabel("gathers")
    axes.set_title(f"{counts.sum()} gathers")


def _widths(description: Description, figure: "Figure") -> None:
    from matplotlib.ticker import MaxNLocator

    figure.set_size_inches(6, 3.5)
    axes = figure.add_subplot()
    widths = description.widths()
    if len(widths) <= MOST_BARS and np.ptp(widths.index) < 2 * MOST_BARS:
        axes.bar(widths.index, widths, color="0.4")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axes.hist(description.gathers["recorded_traces"], bins=MOST_BARS, color="0.4")
    axes.set_xlabel("recorded traces")
    axes.set_ylabel("gathers")
    axes.set_title("widths of the recordings")


def _examples(description: Description, figure: "Figure") -> None:
    labels = description.labels[:MOST_EXAMPLES]
    columns = min(len(labels), EXAMPLES_A_ROW)
    rows = -(-len(labels) // columns)
    figure.set_size_inches(4.2 * columns, 5.5 * rows)
    for number, label in enumerate(labels, start=1):
        axes = figure.add_subplot(rows, columns, number)
        gather = description.survey.read(description.example(label))
        plot_gather(gather, axes, title=f"{label}: {gather.gather_id}")


def _levels(description: Description, figure: "Figure") -> None:
    figure.set_size_inches(9, 3.5)
    levels_axes, clip_axes = figure.subplots(1, 2)
    labels = description.labels[:MOST_EXAMPLES]
    for label, levels in zip(_safe(labels), description.levels, strict=False):
        levels_axes.step(np.arange(256), 100 * levels / max(levels.sum(), 1), where="mid", label=label, linewidth=1)
    levels_axes.set_yscale("log")
    levels_axes.set_xlabel("grey level; 128 is zero amplitude, 0 and 255 are clipped")
    levels_axes.set_ylabel("per cent of the pixels")
    levels_axes.legend()
    gathers = description.gathers
    clip = [gathers["clip_amplitude"][gathers["label"] == label] for label in labels]
    clip_axes.hist(clip, bins=30, stacked=True, label=_safe(labels))
    clip_axes.set_xlabel("clip amplitude, in the units of the source")
    clip_axes.set_ylabel("gathers")
    clip_axes.legend()


def _safe(labels: Iterable[object]) -> list[str]:
    r"""Labels as matplotlib shows them: a dollar sign would begin a formula."""
    return [str(label).replace("$", r"\$") for label in labels]
