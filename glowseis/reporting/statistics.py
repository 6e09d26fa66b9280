"""Statistics of each sail line and cable."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from glowseis.pages.table import Table
from glowseis.reporting.records import by_line, grade_name, grades_of, level, number

MEDIANS: dict[str, tuple[str, Callable[[float], str]]] = {
    "noise_rms_median": ("noise", level),
    "signal_to_noise_db_median": ("signal to noise, dB", partial(number, form=".1f")),
    "low_rms_median": ("below 8 Hz", level),
    "peak_hz_median": ("peak, Hz", partial(number, form=".1f")),
    "dead": ("dead", partial(number, form=".3g")),
    "bands": ("noise bands", partial(number, form=".3g")),
}
"""Attributes in the table: heading, and how they are written."""


def statistics_table(records: pd.DataFrame, labels: Sequence[str]) -> Table:
    """Counts, shares, mean severity and medians of attributes, by line and cable, and of all.

    Args:
        records: The records.
        labels: Classes in order of severity.
    """
    grades = grades_of(labels, records)
    medians = {name: told for name, told in MEDIANS.items() if name in records}
    rows = [[line, str(cable), *_cells(own, grades, medians)] for line, cable, own in by_line(records)]
    if len(rows) > 1:
        rows.append(["all", "all", *_cells(records, grades, medians)])
    heads = ["records", *map(grade_name, grades), "mean severity", "unlike", *(head for head, _ in medians.values())]
    notes = ["Severity is the expected number of the class, 0 for the mildest. Unlike: records with unlike above 1."]
    if medians:
        notes.append("Attributes: medians over records, of medians or counts; levels in units of the source.")
    frame = pd.DataFrame(rows, columns=["line", "cable", *heads])
    return Table("statistics", "Statistics by sail line and cable", frame, tuple(notes))


def _cells(
    own: pd.DataFrame, grades: Sequence[str], medians: dict[str, tuple[str, Callable[[float], str]]]
) -> list[str]:
    counts = [int((own["grade"] == grade).sum()) for grade in grades]
    known = own["unlike"].dropna()
    return [
        str(len(own)),
        *(f"{count} ({100 * count / len(own):.0f} %)" for count in counts),
        number(float(own["severity"].mean()), ".2f"),
        f"{100 * (known > 1).mean():.0f} %" if len(known) else "",
        *(written(_median(own[name])) for name, (_, written) in medians.items()),
    ]


def _median(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.median()) if len(known) else math.nan
