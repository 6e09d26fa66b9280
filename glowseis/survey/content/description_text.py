"""A survey's description in words, tables and files."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glowseis.files import whole_folder
from glowseis.survey.amplitudes.mending import MENDINGS
from glowseis.survey.cells import safe_table
from glowseis.survey.content.description import Description, parents
from glowseis.survey.content.duplicates import LARGEST_DIFFERENCE, LARGEST_SHARE, LARGEST_SHIFT
from glowseis.survey.content.plots import draw
from glowseis.survey.gather import source_text
from glowseis.survey.wording import number_of

SHOWN = 20
"""Most rows of a table that are printed; the files have all of them."""

BAR = 40
"""Length of the longest bar."""


def description_lines(description: Description) -> list[str]:
    """A description as lines for a terminal; long tables are shortened, and `write_description` writes them whole.

    Args:
        description: The description.
    """
    survey, gathers = description.survey, description.gathers
    manifest = survey.manifest
    intervals = survey.index["sample_interval_s"].map(lambda value: f"{value * 1e3:g} ms")
    lines = [
        f"{source_text(survey.path)}: {len(survey)} gathers of {survey.size[0]}x{survey.size[1]}, "
        f"{number_of(len(manifest.shards), 'shard')}, "
        f"{sum(shard.bytes for shard in manifest.shards) / 1e6:.1f} MB in total, "
        f"glowseis {manifest.glowseis}",
        f"from {_listed(list(manifest.sources))}",
        f"rendering: {manifest.rendering}",
        f"fitted to the size by: {_shares(survey.index['fit'])}",
        f"sample interval: {_shares(intervals)}",
        f"recorded samples: {_shares(gathers['recorded_samples'])}",
        "",
        _table(description.by_label()),
        "",
        *_by_line(description),
        "",
        "recorded traces (widths):",
        *_widths(description),
        "",
    ]
    for name, traces in (("dead", "of one value"), ("broken", "NaN or infinite, set to zero")):
        count = int((gathers[name] > 0).sum())
        lines.append(f"{name} traces ({traces}): {int(gathers[name].sum())} in {count} gathers")
    for name, (traces_mended, count) in description.mended().items():
        lines.append(f"mended: {traces_mended} {MENDINGS.get(name, name)}, in {count} gathers")
    if largest := description.largest_zero():
        lines.append(f"zeros that were subtracted from gathers: up to {100 * largest:.3g} % of the clip")
    synthetic = int(gathers["synthetic"].sum())
    if synthetic:
        models = _listed(sorted(set(survey.index["model"]) - {""}))
        known = parents(survey)
        here = len(known & set(survey.index["gather_id"]))
        lines.append(f"synthetic: {synthetic} gathers by {models}, of {len(known)} parents, {here} of them here")
    else:
        lines.append("synthetic: none")
    return [*lines, *_duplicates(description)]


def _by_line(description: Description) -> list[str]:
    table = description.by_line()
    lines = [f"{number_of(len(table), 'sail line')} (0 = unknown):", _table(table.head(SHOWN))]
    if len(table) > SHOWN:
        lines.append(f"and {len(table) - SHOWN} more; --out writes all to sail_lines.csv")
    return lines


def _widths(description: Description) -> list[str]:
    widths = description.widths()
    names = [str(width) for width in widths.index]
    counts = widths.to_numpy()
    if len(widths) > SHOWN:
        fewest, most = widths.index.min(), widths.index.max()
        step = -(-(most - fewest + 1) // SHOWN)
        edges = np.arange(fewest, most + step + 1, step)
        counts, _ = np.histogram(description.gathers["recorded_traces"], edges - 0.5)
        names = [f"{low} to {high - 1}" for low, high in itertools.pairwise(edges.tolist())]
    wide = max(map(len, names))
    scale = BAR / max(counts.max(), 1)
    return [
        f"  {name:>{wide}} {count:7} {'#' * round(scale * count)}".rstrip()
        for name, count in zip(names, counts, strict=True)
    ]


def _duplicates(description: Description) -> list[str]:
    exact = sum(len(rows) for rows in description.exact)
    lines = [
        f"exact duplicates (equal valid pixels): {exact} gathers in {len(description.exact)} groups"
        if exact
        else "exact duplicates (equal valid pixels): none",
        f"near duplicates (less than {LARGEST_DIFFERENCE:g} grey level and {100 * LARGEST_SHARE:g} % apart, root mean "
        f"square, after a gain and up to {LARGEST_SHIFT} samples of shift): {len(description.near) or 'no'} pairs, "
        f"{description.compared} compared",
    ]
    if description.compared < description.candidates:
        lines.append(f"{description.candidates - description.compared} less likely pairs were not compared")
    table = description.duplicates()
    if len(table):
        lines.append(table.head(SHOWN).to_string(index=False))
        if len(table) > SHOWN:
            lines.append(f"and {len(table) - SHOWN} more; --out writes all to duplicates.csv")
    names, labels = (description.survey.index[column].tolist() for column in ("gather_id", "label"))
    contradictions = description.contradictions
    if contradictions:
        lines.append(f"{len(contradictions)} groups of duplicates whose labels contradict each other:")
        for rows in contradictions[:SHOWN]:
            lines.append("  " + _listed([f"{names[row]} {labels[row] or 'unlabelled'}" for row in rows]))
        if len(contradictions) > SHOWN:
            lines.append(f"  and {len(contradictions) - SHOWN} more; --out writes all to description.json")
    elif len(table):
        lines.append("no duplicates' labels contradict each other")
    return lines


def write_description(description: Description, out: Path, judged: dict[str, Any] | None = None) -> None:
    """Write a description's pictures, tables and numbers, whole or not at all.

    Args:
        description: The description.
        out: Folder to make.
        judged: What judges say of the gathers, as JSON; None if labels are the records'.

    Raises:
        InputError: The folder exists already, or a record is damaged.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    numbers = description.summary() | ({"judged": judged} if judged else {})
    with whole_folder(out) as folder:
        draw(description, folder)
        safe_table(description.by_label()).to_csv(folder / "labels.csv")
        safe_table(description.by_line()).to_csv(folder / "sail_lines.csv")
        safe_table(description.gathers).to_csv(folder / "gathers.csv", index=False)
        safe_table(description.duplicates()).to_csv(folder / "duplicates.csv", index=False)
        text = json.dumps(numbers, indent=2, allow_nan=False)
        (folder / "description.json").write_text(text + "\n", encoding="utf-8")


def _table(table: pd.DataFrame) -> str:
    return table.to_string(float_format="{:.4g}".format)


def _shares(values: pd.Series) -> str:
    """Distinct values with their counts, the most frequent first."""
    counts = values.value_counts()
    if len(counts) == 1:
        return f"{counts.index[0]} (all gathers)"
    return _listed([f"{value} ({count})" for value, count in counts.items()])


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
