"""Tables of the measures of synthetic gathers, and the file that keeps them."""

from pathlib import Path

import numpy as np
import pandas as pd

from eval.results.table_text import markdown
from glowseis.errors import InputError
from glowseis.files import whole_file
from glowseis.pages.table import Table
from glowseis.survey.cells import safe_table

GOODNESS = {
    "density": ("density", ".2f"),
    "coverage": ("coverage", ".2f"),
    "coverage_expected": ("coverage expected", ".2f"),
    "auc": ("AUC", ".2f"),
    "nearest": ("nearest training gather", ".1f"),
    "nearest_held_out": ("that of held out", ".1f"),
    "nearer": ("nearer than held out (%)", ".0%"),
    "nearest_any": ("nearest of any class", ".1f"),
    "nearer_any": ("nearer of any class (%)", ".0%"),
    "copies_any": ("copies (%)", ".0%"),
}
"""Columns of the first table, by figure: head and format."""

BANDS = {
    "low_hz": ("10 % of power below (Hz)", ".1f"),
    "middle_hz": ("50 % below", ".1f"),
    "high_hz": ("90 % below", ".1f"),
    "level": ("level", ".1f"),
    "noise_level": ("noise level", ".1f"),
    "noise_loudest": ("loudest / background", ".1f"),
    "noisy_traces_percent": ("noisy traces (%)", ".0f"),
    "noise_peak_hz": ("noise peak (Hz)", ".1f"),
    "noise_high_hz": ("noise 90 % below (Hz)", ".1f"),
    "noise_correlation": ("neighbours' correlation", ".2f"),
}
"""Columns of the second table likewise."""

KEYS = ("way", "class")

RECORDED = ("recorded, held out", "recorded, training")
"""Ways of recorded gathers, beside which the others are read; they come first."""


def quality_tables(frame: pd.DataFrame) -> list[Table]:
    """The measures as tables to read.

    Args:
        frame: A row for each way and class, with figures by name.
    """
    return [
        Table(
            "goodness",
            "Fidelity, diversity, fingerprint and memorisation of added gathers",
            _cells(frame, GOODNESS),
            (
                "Density (1 is recorded gathers' own, less is less faithful) and coverage (beside what equal "
                "distributions would have) are measured in a classifier's features against held-out recorded gathers.",
                "AUC: how well a network trained on gathers of other sail lines (of the same, if there are fewer than "
                "four) tells recorded from synthetic gathers; 0.50 if it cannot, 1.00 if always [95 % interval].",
                "Distances are root mean squares in grey levels, medians. “Nearer” is the share of pairs in which the "
                "synthetic gather lies nearer to a training gather than the held-out one: 50 % without copying, more "
                "if the held-out ones are of another survey. Of any class, a gather whose events were taken from "
                "another is near that one.",
            ),
            words=2,
        ),
        Table(
            "bands",
            "Band of whole gathers, and noise before the first arrivals; medians, levels in grey levels",
            _cells(frame, BANDS),
            ("The measures by which simulated gathers are calibrated; “-” if gathers have no quiet part.",),
            words=2,
        ),
    ]


def quality_path(folder: Path, name: str) -> Path:
    """The file of measures in a folder."""
    return folder / f"{name}.csv"


def write_quality(rows: list[dict], folder: Path, name: str, study: str) -> pd.DataFrame:
    """Write measures as CSV and as Markdown; rows of other arms that the file has of the same study stay.

    Args:
        rows: A row for each way and class.
        folder: Folder for `NAME.csv` and `NAME.md`; made if missing.
        name: Their name.
        study: What identifies the study; empty if there is none, and then nothing stays.

    Returns:
        All rows of the file.

    Raises:
        InputError: The file is damaged.
        OSError: The disk is full or not writable.
    """
    frame = pd.DataFrame(rows).assign(study=study)
    there = read_quality(quality_path(folder, name)) if study else None
    if there is not None:
        again = set(frame["way"]) - set(RECORDED)
        known = set(zip(frame["way"], frame["class"], strict=True))
        pairs = zip(there["way"], there["class"], there["study"], strict=True)
        stays = [own == study and way not in again and (way, label) not in known for way, label, own in pairs]
        frame = pd.concat([frame, there[stays]], ignore_index=True) if any(stays) else frame
    frame = frame.iloc[np.argsort(~frame["way"].isin(RECORDED), kind="stable")]
    with whole_file(quality_path(folder, name), replace=True) as unfinished:
        safe_table(frame).to_csv(unfinished, index=False, float_format="%.6g", lineterminator="\n")
    with whole_file(folder / f"{name}.md", replace=True) as unfinished:
        text = "\n\n".join(markdown(table) for table in quality_tables(frame))
        unfinished.write_text(text + "\n", encoding="utf-8")
    return frame


def read_quality(path: Path) -> pd.DataFrame | None:
    """Read measures.

    Args:
        path: Their file.

    Returns:
        A row for each way and class; None if there is no such file.

    Raises:
        InputError: The file is damaged.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        words = (*KEYS, "study")
        figures = [name for name in frame if name not in words]
        if missing := {*words, "gathers"} - set(frame):
            raise ValueError(f"it has no column {min(missing)}")
        numbers = frame[figures].replace("", "nan").astype(float).astype({"gathers": int})
        return frame[list(words)].join(numbers)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as wrong:
        raise InputError(f"{path}: is damaged ({wrong}); remove it and run python -m eval.quality again") from None


def _cells(frame: pd.DataFrame, columns: dict[str, tuple[str, str]]) -> pd.DataFrame:
    cells = {name: frame[name].astype(str) for name in (*KEYS, "gathers")}
    for name, (head, form) in columns.items():
        values = frame[name] if name in frame else pd.Series(np.nan, frame.index)
        shown = values.map(lambda value, form=form: "-" if np.isnan(value) else f"{value:{form}}".removesuffix("%"))
        if name == "auc" and name in frame:
            known = frame["auc"].notna()
            spans = frame["auc_low"].map("{:.2f}".format) + ", " + frame["auc_high"].map("{:.2f}".format)
            shown = shown.where(~known, shown + " [" + spans + "]")
        cells[head] = shown
    return pd.DataFrame(cells)
