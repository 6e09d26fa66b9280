"""Maps of attributes, shot by channel, small enough for a page."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glowseis.attributes.maps import attribute_maps
from glowseis.attributes.measuring import NUMBERS
from glowseis.attributes.tables import read_columns
from glowseis.pages.drawing import HEIGHT_INCH, INK, WIDTH_INCH, dress, inline_svg
from glowseis.pages.pictures import Panel
from glowseis.survey.progress import progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CELLS = 6_000_000
"""Most cells of all maps together: a cell takes a byte and a third at most on the page."""

MOST_ACROSS, MOST_DOWN = 600, 300
"""Most cells of a map in either direction: a panel shows no more."""

DOTS_AN_INCH = 150

MAPS_OF_A_CABLE = len(NUMBERS) + 1


def map_panels(folder: Path) -> tuple[dict[str, list[Panel]], list[str]]:
    """Draw the maps of all cables.

    Args:
        folder: The folder with the tables.

    Returns:
        The maps by cable, `Cable 3` or so, empty if there is only one; and the titles of those that show nothing.
    """
    cables = len({int(one) for part in read_columns(folder / "gathers.parquet", ["cable"]) for one in part["cable"]})
    shrunk = min(1.0, float(np.sqrt(MOST_CELLS / (MOST_ACROSS * MOST_DOWN * MAPS_OF_A_CABLE * max(cables, 1)))))
    most = (max(1, int(MOST_ACROSS * shrunk)), max(1, int(MOST_DOWN * shrunk)))
    panels: dict[str, list[Panel]] = {}
    empty = []
    drawn = attribute_maps(folder, most, (WIDTH_INCH * 1.1, HEIGHT_INCH))
    for one in progress(drawn, MAPS_OF_A_CABLE * cables, "drawing", unit="map"):
        if one.empty:
            empty.append(one.title)
            continue
        coloured(one.figure)
        one.figure.dpi = max(30, int(DOTS_AN_INCH * shrunk))
        cable = one.name.partition("-cable")[2]
        panel = Panel(inline_svg(one.figure, f"map-{one.name.replace('_', '-')}", one.title), one.title)
        panels.setdefault(f"Cable {cable}" if cable else "", []).append(panel)
    return panels, empty


def coloured(figure: "Figure") -> None:
    """Give a figure the page's colours, so that it follows them into the dark.

    Args:
        figure: The figure.
    """
    for axes in [one for own in figure.axes for one in (own, *own.child_axes)]:
        dress(axes)
        axes.grid(visible=False)
        axes.title.set_color(INK)
    for legend in figure.legends:
        for text in legend.get_texts():
            text.set_color(INK)
