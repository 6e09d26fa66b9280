"""Maps of attributes, shot by channel, as pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from glowseis.attributes.measuring import MARKS, NUMBERS
from glowseis.attributes.scales import limits, ticks
from glowseis.attributes.tables import read_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SHOTS, MOST_CHANNELS = 1200, 800
"""Most cells of a map in either direction; more shots or channels share one, with their mean."""

MOST_LINES = 24
"""Most sail lines that a map tells apart."""

LETTER_INCH = 0.075
"""Width of a digit in a sail line's name, with its margin."""

LEFT_INCH, RIGHT_INCH, BELOW_INCH, ABOVE_INCH, TITLE_INCH = 0.65, 1.15, 0.55, 0.1, 0.35
"""Space around a map; above it, without and with a title. In figures of equal size, maps are in the same place."""

BAR_INCH, APART_INCH = 0.13, 0.1
"""Width of the bar of colours, and how far it is from the map."""

PIXELS_AN_INCH = 150

TITLES = {
    "first_arrival_s": "first arrival (s)",
    "noise_rms": "noise window, RMS (units of the source)",
    "target_rms": "target window, RMS (units of the source)",
    "tail_rms": "last half second, RMS (units of the source)",
    "low_rms": "below 8 Hz, RMS (units of the source)",
    "signal_to_noise_db": "signal to noise (dB)",
    "peak_hz": "peak frequency (Hz)",
    "low_share": "share of the power below 10 Hz (%)",
    "limit_share": "share of the samples at the limit (%)",
}
"""What the maps of numbers show."""

SHARES = ("low_share", "limit_share")
"""Attributes that maps show in per cent."""

LOGARITHMIC = ("noise_rms", "target_rms", "tail_rms", "low_rms", "low_share", "limit_share")

COLOURS = {
    "band": ("noise band", "#4a90d9"),
    "crossfeed": ("cross-feed", "#b08d57"),
    "weak": ("weak", "#8c6bd1"),
    "wild": ("wild", "#e7298a"),
    "spiky": ("spiky", "#e8740c"),
    "reversed": ("reversed", "#1b9e77"),
    "saturated": ("saturated", "#c49a00"),
    "dead": ("dead", "#d62728"),
}
"""Marks in the map of faults, each over those before it: its name and colour, seen on white and on black."""


@dataclass(frozen=True)
class _Place:
    """Where the gathers of a cable lie in its maps.

    Attributes:
        column: Column of each gather of the run, int64 `[gather]`; -1 if it is of another cable.
        columns: How many columns there are.
        shots: The shot of each column.
        lines: First column of each sail line, by its number.
    """

    column: np.ndarray
    columns: int
    shots: np.ndarray
    lines: dict[int, int]


@dataclass(frozen=True)
class Map:
    """A map of an attribute.

    Attributes:
        name: Its name, from the attribute's and, with several cables, the cable's.
        title: What it shows, with its unit.
        figure: The map, drawn.
        empty: Whether it shows nothing: no number could be measured, or nothing is marked.
    """

    name: str
    title: str
    figure: "Figure"
    empty: bool


def draw_maps(folder: Path) -> list[str]:
    """Draw the maps of `attribute_maps` as pictures.

    Args:
        folder: The folder with the tables; the pictures are made in its folder `maps`.

    Returns:
        The names of the pictures, from the folder.

    Raises:
        OSError: The disk is full or not writable.
    """
    (folder / "maps").mkdir()
    names = []
    for one in attribute_maps(folder):
        names.append(f"maps/{one.name}.png")
        one.figure.axes[0].set_title(one.title, fontsize="medium")
        one.figure.savefig(folder / names[-1], dpi=PIXELS_AN_INCH)
    return names


def attribute_maps(
    folder: Path, most: tuple[int, int] = (MOST_SHOTS, MOST_CHANNELS), size_inch: tuple[float, float] | None = None
) -> Iterator[Map]:
    """Draw a map of each attribute and cable: shots in the order of lines and numbers to the right, channels down.

    It reads the tables of traces and gathers, with memory for the maps of one cable.

    Args:
        folder: The folder with the tables.
        most: Most cells to the right and down; more shots or channels share one, with their mean.
        size_inch: Width and height of a figure, in inches; as wide as its shots need when None, with room for a title.

    Yields:
        The maps, cable by cable.
    """
    cables, places = _places(folder / "gathers.parquet", most[0])
    for cable, place in zip(cables, places, strict=True):
        numbers, marks, channels = _grids(folder / "traces.parquet", place, most[1])
        after = f"-cable{cable}" if len(cables) > 1 else ""
        title = f"cable {cable}: " if len(cables) > 1 else ""
        for name in NUMBERS:
            yield _number_map(f"{name}{after}", f"{title}{TITLES[name]}", numbers[name], channels, place, size_inch)
        yield _mark_map(f"faults{after}", title, marks, channels, place, size_inch)


def _places(path: Path, most: int) -> tuple[list[int], list[_Place]]:
    """Cables, and where their gathers lie."""
    read = list(read_columns(path, ("sail_line", "source", "shot", "cable")))
    line, source, shot, cable = (np.concatenate([part[name] for part in read]) for name in read[0])
    # Without a number of the line each file is one.
    file = np.where(line == 0, pd.factorize(source)[0], 0)
    cables = [int(one) for one in np.unique(cable)]
    places = []
    for one in cables:
        own = np.flatnonzero(cable == one)
        own = own[np.lexsort((own, shot[own], file[own], line[own]))]
        columns = min(len(own), most)
        column = np.full(len(cable), -1, np.int64)
        column[own] = np.arange(len(own)) * columns // len(own)
        first = own[np.unique(column[own], return_index=True)[1]]
        lines: dict[int, int] = {}
        for gather in own.tolist():
            lines.setdefault(int(line[gather]), int(column[gather]))
        places.append(_Place(column, columns, shot[first], lines))
    return cables, places


def _grids(path: Path, place: _Place, most: int) -> tuple[dict[str, np.ndarray], np.ndarray, tuple[int, int]]:
    """Maps of numbers, float64 `[channel, shot]`, of the mark on top, and the first and last channel."""
    low, high = _channels(path, place)
    rows = min(high - low + 1, most)
    shape = (rows, place.columns)
    sums = {name: np.zeros(shape) for name in NUMBERS}
    counts = {name: np.zeros(shape, np.int32) for name in NUMBERS}
    top = np.zeros(shape, np.int8)
    for part in read_columns(path, ("gather", "trace", "channel", *NUMBERS, *MARKS, "band")):
        column = place.column[part["gather"] - 1]
        own = column >= 0
        row = (_numbers(part)[own] - low) * rows // (high - low + 1)
        column = column[own]
        for name in NUMBERS:
            values = part[name][own]
            known = np.isfinite(values)
            np.add.at(sums[name], (row[known], column[known]), values[known])
            np.add.at(counts[name], (row[known], column[known]), 1)
        for number, name in enumerate(COLOURS, start=1):
            marked = part[name][own].astype(bool)
            np.maximum.at(top, (row[marked], column[marked]), number)
    means = {name: np.where(counts[name] > 0, sums[name] / np.maximum(counts[name], 1), np.nan) for name in NUMBERS}
    return means, top, (low, high)


def _channels(path: Path, place: _Place) -> tuple[int, int]:
    """The first and last channel of a cable."""
    low, high = [], []
    for part in read_columns(path, ("gather", "trace", "channel")):
        own = _numbers(part)[place.column[part["gather"] - 1] >= 0]
        if len(own):
            low.append(int(own.min()))
            high.append(int(own.max()))
    return min(low, default=1), max(high, default=1)


def _numbers(part: dict[str, np.ndarray]) -> np.ndarray:
    """Channels of traces; their places in the gather where no channel, or one that cannot be, is given."""
    channel = part["channel"].astype(np.int64)
    return np.where((channel >= 1) & (channel < 100 * MOST_CHANNELS), channel, part["trace"])


def _number_map(
    name: str,
    title: str,
    grid: np.ndarray,
    channels: tuple[int, int],
    place: _Place,
    size_inch: tuple[float, float] | None,
) -> Map:
    from matplotlib.colors import LogNorm, Normalize

    figure, axes = _figure(place, size_inch)
    attribute = name.partition("-")[0]
    logarithmic = attribute in LOGARITHMIC
    grid = 100 * grid if attribute in SHARES else grid
    known = grid[np.isfinite(grid)]
    if logarithmic:
        known = known[known > 0]
    low, high = limits(known)
    norm = LogNorm(low, high) if logarithmic else Normalize(low, high)
    shown = axes.imshow(np.ma.masked_invalid(grid), cmap="viridis", norm=norm, **_placed(channels, place))
    axes.set_facecolor("0.85")
    wide, box = figure.get_figwidth(), axes.get_position()
    beside = figure.add_axes((box.x1 + APART_INCH / wide, box.y0, BAR_INCH / wide, box.height))
    bar = figure.colorbar(shown, cax=beside, extend="both")
    at, labels = ticks(low, high, logarithmic=logarithmic)
    bar.set_ticks(at, labels=labels)
    bar.minorticks_off()
    if not len(known):
        axes.text(0.5, 0.5, "could not be measured", transform=axes.transAxes, ha="center", va="center")
    _label(figure, axes, place)
    return Map(name, title, figure, not len(known))


def _mark_map(
    name: str,
    title: str,
    top: np.ndarray,
    channels: tuple[int, int],
    place: _Place,
    size_inch: tuple[float, float] | None,
) -> Map:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    figure, axes = _figure(place, size_inch)
    # What is not marked is left blank, so that the page shows through, light or dark.
    colours = ["none", *(colour for _, colour in COLOURS.values())]
    axes.imshow(top, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5, **_placed(channels, place))
    there = [number for number in range(1, len(colours)) if (top == number).any()]
    names = [text for text, _ in COLOURS.values()]
    patches = [Patch(facecolor=colours[number], edgecolor="0.5", label=names[number - 1]) for number in there]
    if patches:
        corner = axes.get_position().max
        figure.legend(handles=patches, loc="upper left", bbox_to_anchor=corner, fontsize="small", frameon=False)
    title = f"{title}faults, cross-feed and noise bands{'' if there else ': none'}"
    _label(figure, axes, place, "grey")
    return Map(name, title, figure, not there)


def _figure(place: _Place, size_inch: tuple[float, float] | None) -> "tuple[Figure, Axes]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # No pyplot: it needs a display, and keeps figures.
    wide, high = size_inch or (min(max(5.5, 2.5 + place.columns / 60), 12.0), 4.5)
    above_inch = ABOVE_INCH if size_inch else TITLE_INCH
    figure = Figure((wide, high))
    FigureCanvasAgg(figure)
    size = (_map_inch(wide) / wide, 1 - (BELOW_INCH + above_inch) / high)
    return figure, figure.add_axes((LEFT_INCH / wide, BELOW_INCH / high, *size))


def _map_inch(wide: float) -> float:
    """Width of the map in a figure of this width, in inches."""
    return wide - LEFT_INCH - RIGHT_INCH


def _placed(channels: tuple[int, int], place: _Place) -> dict[str, Any]:
    """How a grid is laid onto axes."""
    extent = (-0.5, place.columns - 0.5, channels[1] + 0.5, channels[0] - 0.5)
    return {"aspect": "auto", "interpolation": "nearest", "extent": extent}


def _label(figure: "Figure", axes: "Axes", place: _Place, colour: str = "white") -> None:
    axes.set_ylabel("channel")
    axes.set_xlabel("shot")
    several = 1 < len(place.lines) <= MOST_LINES
    free, letter = 0.0, LETTER_INCH * place.columns / _map_inch(figure.get_figwidth())
    for line, column in place.lines.items() if several else ():
        if column:
            axes.axvline(column - 0.5, color=colour, linewidth=0.8)
        if column < free:
            continue
        free = column + letter * (len(str(line)) + 0.5)
        axes.annotate(
            str(line),
            (column - 0.5, 0),
            (2, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize="x-small",
            color="white",
            bbox={"facecolor": "0.2", "edgecolor": "none", "pad": 1},
        )
    if several:
        axes.set_xlabel(f"shot; sail lines in {colour}, named where there is room")
    shown = sorted({int(one) for one in np.linspace(0, place.columns - 1, min(place.columns, 7))})
    axes.set_xticks(shown, [str(place.shots[column]) for column in shown])
