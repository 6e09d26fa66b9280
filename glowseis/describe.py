"""The command that says what is in a survey, or what a trained model is."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glowseis.command import run

if TYPE_CHECKING:
    import pandas as pd

    from glowseis.survey.content.description import Description

SHOWN = 20
"""Rows of a long table that are printed; --out writes them all."""

BAR = 40
"""Length of the longest bar."""


def main(
    survey: Annotated[
        Path,
        typer.Argument(metavar="SURVEY|MODEL", help="Folder of a survey, or of a SavedModel.", show_default=False),
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder to be made for pictures, tables and numbers.", show_default=False)
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the shards' checksums as well.")] = False,
    workers: Annotated[int, typer.Option(help="Threads that read; 0 takes one for each core.", min=0)] = 0,
) -> None:
    """Describe a survey: labels, sail lines, widths, grey levels, broken traces, synthetic gathers, duplicates.

    Every record is read once and its checksum compared. Given a SavedModel (savedmodels/NAME or NAME/VERSION), it
    prints what the model was trained on: sample interval, trace spacing, offsets, size, class fractions and so on.

    Example: python -m glowseis.describe surveys/small --out descriptions/small --verify
    """
    from glowseis.errors import InputError
    from glowseis.export.about import about_lines, savedmodel_folder

    model = None if (survey / "manifest.json").exists() else savedmodel_folder(survey)
    if model is not None:
        if out is not None or verify:
            raise InputError(f"{survey}: is a SavedModel; --out and --verify are for surveys, leave them out")
        print("\n".join(about_lines(model)))
        return

    from tqdm import tqdm

    from glowseis.files import check_output, whole_folder
    from glowseis.survey.content.description import describe
    from glowseis.survey.gather import source_text
    from glowseis.survey.store.survey import open_survey

    if out is not None:
        check_output(out)
    opened = open_survey(survey)
    with tqdm(desc="reading", total=len(opened), unit="gather", disable=None) as shown:
        description = describe(opened, verify=verify, seen=shown.update, workers=workers)
    print("\n".join(_lines(description)))
    if out is not None:
        with whole_folder(out) as folder:
            _write(description, folder)
        print(f"pictures, tables and numbers: {source_text(out)}")
    if verify:
        print(f"{len(opened)} records verified, and {len(opened.manifest.shards)} shards")


def _lines(description: "Description") -> list[str]:
    from glowseis.survey.amplitudes.mending import MENDINGS
    from glowseis.survey.content.description import parents
    from glowseis.survey.gather import source_text

    survey, gathers = description.survey, description.gathers
    manifest = survey.manifest
    intervals = survey.index["sample_interval_s"].map(lambda value: f"{value * 1e3:g} ms")
    lines = [
        f"{source_text(survey.path)}: {len(survey)} gathers of {survey.size[0]}x{survey.size[1]}, "
        f"{len(manifest.shards)} shards of {sum(shard.bytes for shard in manifest.shards) / 1e6:.1f} MB together, "
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
        lines.append(f"zeros that were taken from gathers: up to {100 * largest:.3g} % of the clip")
    synthetic = int(gathers["synthetic"].sum())
    if synthetic:
        models = _listed(sorted(set(survey.index["model"]) - {""}))
        known = parents(survey)
        here = len(known & set(survey.index["gather_id"]))
        lines.append(f"synthetic: {synthetic} gathers by {models}, of {len(known)} parents, {here} of them here")
    else:
        lines.append("synthetic: none")
    return [*lines, *_duplicates(description)]


def _by_line(description: "Description") -> list[str]:
    table = description.by_line()
    lines = [f"{len(table)} sail lines (0 where it is not known):", _table(table.head(SHOWN))]
    if len(table) > SHOWN:
        lines.append(f"and {len(table) - SHOWN} more; --out writes all to sail_lines.csv")
    return lines


def _widths(description: "Description") -> list[str]:
    import numpy as np

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


def _duplicates(description: "Description") -> list[str]:
    from glowseis.survey.content.duplicates import LARGEST_DIFFERENCE, LARGEST_SHARE, LARGEST_SHIFT

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


def _write(description: "Description", folder: Path) -> None:
    import json

    from glowseis.survey.cells import safe_table
    from glowseis.survey.content.plots import draw

    draw(description, folder)
    safe_table(description.by_label()).to_csv(folder / "labels.csv")
    safe_table(description.by_line()).to_csv(folder / "sail_lines.csv")
    safe_table(description.gathers).to_csv(folder / "gathers.csv", index=False)
    safe_table(description.duplicates()).to_csv(folder / "duplicates.csv", index=False)
    text = json.dumps(description.summary(), indent=2, allow_nan=False)
    (folder / "description.json").write_text(text + "\n", encoding="utf-8")


def _table(table: "pd.DataFrame") -> str:
    return table.to_string(float_format="{:.4g}".format)


def _shares(values: "pd.Series") -> str:
    """Different values with their numbers, the most frequent first."""
    counts = values.value_counts()
    if len(counts) == 1:
        return f"{counts.index[0]} everywhere"
    return _listed([f"{value} ({count})" for value, count in counts.items()])


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


if __name__ == "__main__":
    run(main)
