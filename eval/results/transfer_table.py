"""F1 on unseen acquisitions compared with seen ones, for `eval.transfer`: intervals, and the files with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glowseis.files import whole_file, write_json
from glowseis.scoring import fraction_weights, scores

DRAWS = 1000
"""Number of resamplings of the sail lines for an interval."""

WITHIN = {"rare": 10.0, "others": 3.0}
"""Points of F1 by which the rarest class and the others may fall on unseen acquisitions."""


def compare(
    found: dict[str, dict[str, np.ndarray]], labels: tuple[str, ...], fractions: tuple[float, ...], seed: int = 1
) -> dict[str, Any]:
    """F1 of each class on unseen acquisitions, compared with seen ones.

    Args:
        found: What `eval.transfer.graded` returns for `seen` and `unseen`.
        labels: Names of the classes, in order of severity; the last is the rare one.
        fractions: Class shares that scores are weighted to.
        seed: Seed of the resampling of sail lines.

    Returns:
        Gathers and scores of each part; and rows, one per class: F1 of both and their difference, in per cent, each
        with an interval that holds 95 % of the draws, and whether the difference is within bounds.
    """
    random = np.random.default_rng(seed)
    parts: dict[str, Any] = {}
    points, draws = {}, {}
    for part, one in found.items():
        classes, probabilities = one["classes"], one["probabilities"]
        graded_as = probabilities.argmax(axis=1)
        weights = fraction_weights(classes, fractions)
        parts[part] = {
            "gathers": dict(zip(labels, np.bincount(classes, minlength=len(labels)).tolist(), strict=True)),
            "sail_lines": len(np.unique(one["lines"])),
            "scores": scores(classes, graded_as, labels, probabilities=probabilities, weights=weights).record(),
        }
        confusion = _by_line(one["lines"], classes, graded_as, len(labels))
        points[part] = 100 * _f1(confusion.sum(axis=0)[np.newaxis], fractions)[0]
        chosen = random.integers(len(confusion), size=(DRAWS, len(confusion)))
        draws[part] = 100 * _f1(confusion[chosen].sum(axis=1), fractions)
    rows = []
    for number, label in enumerate(labels):
        within = WITHIN["rare" if number == len(labels) - 1 else "others"]
        difference = points["unseen"][number] - points["seen"][number]
        drawn = {part: draws[part][:, number] for part in found}
        drawn["difference"] = drawn["unseen"] - drawn["seen"]
        row: dict[str, Any] = {"label": label}
        for name, value in (("seen", points["seen"][number]), ("unseen", points["unseen"][number])):
            row |= {name: float(value), **_interval(name, drawn[name])}
        row |= {"difference": float(difference), **_interval("difference", drawn["difference"])}
        rows.append(row | {"allowed": -within, "holds": bool(difference >= -within)})
    return {"parts": parts, "rows": rows}


def write(result: dict[str, Any], folder: Path) -> str:
    """Write a comparison as JSON, CSV and text.

    Args:
        result: What `eval.transfer.measure` returns.
        folder: The folder to write to.

    Returns:
        The text.
    """
    write_json(folder / "transfer.json", result)
    with whole_file(folder / "transfer.csv", replace=True) as path:
        pd.DataFrame(result["rows"]).to_csv(path, index=False, float_format="%.4g", lineterminator="\n")
    text = table(result)
    with whole_file(folder / "transfer.txt", replace=True) as path:
        path.write_text(text + "\n", encoding="utf-8")
    return f"{text}\n{folder / 'transfer.json'}; {folder / 'transfer.csv'}; {folder / 'transfer.txt'}"


def table(result: dict[str, Any]) -> str:
    """A comparison as lines of text, in per cent.

    Args:
        result: What `eval.transfer.measure` returns.
    """
    lines = []
    for part, section in result["surveys"].items():
        number = section["acquisitions"]
        left = min(result["parts"][part].get("acquisitions", number), number)
        what = (
            f"{f'{left} of ' if left < number else ''}{number} acquisitions from number {section['first_acquisition']}"
            if number
            else "the paper's acquisition"
        )
        gathers = ", ".join(f"{count} {label}" for label, count in result["parts"][part]["gathers"].items())
        lines.append(f"{part:6}  {what}: {gathers}, on {result['parts'][part]['sail_lines']} sail lines")
    lines += ["", f"{'F1, %':10}  {'seen':>18}  {'unseen':>18}  {'difference':>19}  allowed"]
    for row in result["rows"]:
        cells = [
            f"{row[name]:{sign}5.1f} ({row[f'{name}_low']:{sign}.1f}, {row[f'{name}_high']:{sign}.1f})"
            for name, sign in (("seen", ""), ("unseen", ""), ("difference", "+"))
        ]
        holds = "" if row["holds"] else "  missed"
        lines.append(
            f"{row['label']:10}  {cells[0]:>18}  {cells[1]:>18}  {cells[2]:>19}  {row['allowed']:+7.0f}{holds}"
        )
    lines.append(f"{result['classifier']}, simulator {result['simulator']}, commit {result['commit'] or 'unknown'}")
    return "\n".join(lines)


def _by_line(lines: np.ndarray, classes: np.ndarray, graded_as: np.ndarray, count: int) -> np.ndarray:
    """Gathers by sail line, class and grade, `[line, class, grade]`."""
    names, numbers = np.unique(lines, return_inverse=True)
    confusion = np.zeros((len(names), count, count))
    np.add.at(confusion, (numbers, classes, graded_as), 1)
    return confusion


def _f1(confusion: np.ndarray, fractions: tuple[float, ...]) -> np.ndarray:
    """F1 `[draw, class]` of confusion matrices `[draw, class, grade]`, with classes weighted to fractions."""
    share = np.asarray(fractions)[:, np.newaxis] * confusion / np.maximum(confusion.sum(axis=2, keepdims=True), 1)
    right = np.diagonal(share, axis1=1, axis2=2)
    return 2 * right / np.maximum(share.sum(axis=1) + share.sum(axis=2), 1e-12)


def _interval(name: str, drawn: np.ndarray) -> dict[str, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}
