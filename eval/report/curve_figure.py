"""The paper's Figure 4: F1 of each class against the number of augmentations, as tables and as pictures.

`curve.csv` has a row per run (`count, run, part, class, f1`), `curve_mean.csv` one per point of the curve (`count,
part, class, mean, std, standard_error, runs, chosen`). F1 is a fraction in the tables and in per cent in the pictures.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from glowseis.errors import InputError
from glowseis.files import whole_file
from glowseis.pages.drawing import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    HEIGHT_INCH,
    INK,
    WIDTH_INCH,
    dress,
    new_figure,
    plain,
    write_picture,
)
from glowseis.survey.cells import cell_text, safe_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TABLE, MEANS, PICTURE = "curve.csv", "curve_mean.csv", "curve"

PARTS = ("validation", "test")
"""In the order of the panels: the count is chosen on the first; the second is only shown."""

COLUMNS = {"count": "int64", "run": "int64", "part": "str", "class": "str", "f1": "float64"}


def curve_means(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the runs.

    Args:
        table: A row per run, as in `curve.csv`.

    Returns:
        `count, part, class, mean, std, standard_error, runs`, the classes in their order in `table`; `std` divides by
        runs - 1 and is, like the standard error, NaN for a single run.
    """
    groups = table.groupby(["count", "part", "class"], sort=False)["f1"]
    means = groups.agg(["mean", "std", "sem", "count"]).set_axis(["mean", "std", "standard_error", "runs"], axis=1)
    means = means.reset_index()
    order = {name: number for number, name in enumerate([*PARTS, *dict.fromkeys(table["class"])])}
    return means.sort_values(
        ["part", "class", "count"], key=lambda values: values.map(order) if values.name != "count" else values
    ).reset_index(drop=True)


def write_curve(table: pd.DataFrame, chosen: int, folder: Path, which: str = "") -> list[Path]:
    """Write the curve's tables and pictures, in place of older ones.

    Args:
        table: `count` (augmentations), `run`, `part` (validation or test), `class`, `f1` (a fraction).
        chosen: The count chosen on the validation curve.
        folder: Folder for the files; made if missing.
        which: What the files' names end in, such as `-oversampling-grouped`, if it is not the curve of the report.

    Returns:
        The files: both tables, then the picture as PNG and as SVG.

    Raises:
        ValueError: The table has other columns or parts, has a point twice, or lacks the chosen count.
        OSError: The disk is full or not writable.
    """
    table = _checked(table)
    if chosen not in set(table["count"]):
        raise ValueError(f"the chosen count is {chosen}, not one of the table's {sorted(set(table['count']))}")
    means = curve_means(table)
    means["chosen"] = means["count"] == chosen
    figure = new_figure(2 * WIDTH_INCH, HEIGHT_INCH)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, part in zip(panels, PARTS, strict=True):
        draw_part(axes, means, part, chosen)
    panels[1].set_ylabel("")

    files = [(folder / name).with_stem(f"{Path(name).stem}{which}") for name in (TABLE, MEANS)]
    for frame, file in zip((table, means), files, strict=True):
        with whole_file(file, replace=True) as unfinished:
            safe_table(frame).to_csv(unfinished, index=False, lineterminator="\n")
    return [*files, *write_picture(figure, folder, f"{PICTURE}{which}")]


def read_curve(folder: Path) -> pd.DataFrame | None:
    """Read a curve.

    Args:
        folder: Where `write_curve` put it.

    Returns:
        The table that `write_curve` was given; None if there is none.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / TABLE
    try:
        table = _checked(pd.read_csv(path, keep_default_na=False, na_values={"f1": ["", "nan"]}))
        return table.assign(**{"class": table["class"].map(cell_text)})
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as wrong:
        raise InputError(f"{path}: is not a complete curve ({wrong}); remove it and run the curve again") from None


def read_chosen(folder: Path) -> int | None:
    """The count that was chosen on the validation curve; None if there is no curve.

    Args:
        folder: Where `write_curve` put it.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / MEANS
    try:
        means = pd.read_csv(path)
        (chosen,) = set(means.loc[means["chosen"].astype(bool), "count"])
        return int(chosen)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as wrong:
        raise InputError(f"{path}: is not a complete curve ({wrong}); remove it and run the curve again") from None


def draw_part(axes: "Axes", means: pd.DataFrame, part: str, chosen: int | None) -> None:
    """Draw one part's curves: a line per class, a band of one standard error either way, the chosen count.

    Args:
        axes: Axes to draw on.
        means: As `curve_means` returns them.
        part: `validation` or `test`.
        chosen: The count to mark; None for none.
    """
    shown = means[means["part"] == part]
    for number, name in enumerate(dict.fromkeys(means["class"])):
        one = shown[shown["class"] == name]
        colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
        style: dict[str, Any] = {"color": colour, "marker": CLASS_MARKERS[number % len(CLASS_MARKERS)]}
        axes.plot(one["count"], 100 * one["mean"], label=plain(name), markersize=4, linewidth=1.5, **style)
        low, high = (100 * (one["mean"] + sign * one["standard_error"]) for sign in (-1, 1))
        axes.fill_between(one["count"], low, high, color=colour, alpha=0.2, linewidth=0)
    if chosen is not None:
        axes.axvline(chosen, color=INK, linestyle=":", linewidth=1)
        axes.annotate(
            f" chosen: {chosen} ",
            (chosen, 0),
            xycoords=("data", "axes fraction"),
            va="bottom",
            ha="left" if chosen <= means["count"].median() else "right",
            color=INK,
            fontsize="small",
        )
    lowest = 100 * (means["mean"] - means["standard_error"].fillna(0)).min()
    axes.set_ylim(max(0.0, lowest - 10), 100.5)
    axes.set_title(part, loc="left", color=INK)
    axes.set_xlabel("gathers added to the rare class")
    axes.set_ylabel("F1 (%)")
    axes.legend(fontsize="small", loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, columnspacing=1)
    dress(axes)


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    if set(table) != set(COLUMNS):
        raise ValueError(f"its columns are {', '.join(map(str, table))}, not {', '.join(COLUMNS)}")
    table = table[list(COLUMNS)].astype(COLUMNS)
    if set(table["part"]) != set(PARTS):
        raise ValueError(f"its parts are {', '.join(sorted(set(table['part'])))}, not {' and '.join(PARTS)}")
    if table.duplicated(["count", "run", "part", "class"]).any():
        raise ValueError("a run is there twice")
    return table
