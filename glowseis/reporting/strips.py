"""Grades and probabilities along sail lines, as drawings with a title on each record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from glowseis.judging.decision import UNSURE
from glowseis.pages.drawing import CLASS_COLOURS
from glowseis.reporting.records import by_line, grade_name, grades_of, number, probability_column

MOST_COLUMNS = 1500
"""Most records side by side; of more, the worst of those that share a column is shown."""

TALL, GRADE, MARK = 40, 8, 4
"""Heights of the probabilities, of the grade below and of the mark above, in units of the drawing."""

UNSURE_COLOUR, UNGRADED_COLOUR = "#8250df", "#57606a"


@dataclass(frozen=True)
class Lane:
    """A cable's records along a line.

    Attributes:
        name: The cable; empty if there is only one.
        svg: Its drawing's content, a column a record.
    """

    name: str
    svg: Markup


@dataclass(frozen=True)
class Strip:
    """A sail line.

    Attributes:
        line: The line's name.
        title: The line, and how many records have each grade.
        columns: Width of its drawings.
        height: Their height.
        lanes: One a cable.
        ticks: Shot numbers, and how far along the drawing they are, in per cent; numbers of records, from 1, where
            shots have none.
        counted: What is numbered: `shot` or `record`.
        note: What is special about it; empty if nothing is.
    """

    line: str
    title: str
    columns: int
    height: int
    lanes: list[Lane]
    ticks: list[tuple[int, float]]
    counted: str
    note: str


@dataclass(frozen=True)
class Key:
    """What a colour means, or what is left blank, if there is none."""

    colour: str
    words: str


def colours_of(labels: Sequence[str]) -> list[str]:
    """Colours of classes, the severest in red."""
    first, *between, red = CLASS_COLOURS[0], CLASS_COLOURS[1], *CLASS_COLOURS[3:], CLASS_COLOURS[2]
    return [first, *(between[place % len(between)] for place in range(len(labels) - 2)), red][-len(labels) :]


def keys(labels: Sequence[str], records: pd.DataFrame) -> list[Key]:
    """What the colours mean.

    Args:
        labels: Classes in order of severity.
        records: The records.
    """
    colours = _colours(labels)
    drawn = [Key(colours[grade], grade_name(grade)) for grade in grades_of(labels, records)]
    return [*drawn, Key("", f"blank above the colours: {labels[0]}")]


def strips(labels: Sequence[str], records: pd.DataFrame) -> list[Strip]:
    """Draw each sail line: a column a record, stacked by the probabilities of all but the mildest class.

    Args:
        labels: Classes in order of severity.
        records: The records.

    Returns:
        The lines, in the order of their names.
    """
    lines: dict[str, list[tuple[int, pd.DataFrame]]] = {}
    for line, cable, own in by_line(records):
        lines.setdefault(line, []).append((cable, own))
    return [_strip(line, cables, labels) for line, cables in lines.items()]


def _strip(line: str, cables: list[tuple[int, pd.DataFrame]], labels: Sequence[str]) -> Strip:
    together = pd.concat([own for _, own in cables])
    told = ", ".join(
        f"{int((together['grade'] == grade).sum())} {grade_name(grade)}" for grade in grades_of(labels, together)
    )
    # Cables are lined up by shot. A shot that was recorded again has several columns; without numbers, each record has.
    placed = [[*zip(own["shot"], own.groupby("shot").cumcount(), strict=True)] for _, own in cables]
    order = {one: number for number, one in enumerate(sorted({one for own in placed for one in own}))}
    shots = [shot for shot, _ in order]
    columns = min(len(shots), MOST_COLUMNS)
    lanes = []
    for (cable, own), where in zip(cables, placed, strict=True):
        place = np.array([order[one] for one in where])
        lane = _lane(own, place * columns // len(shots), labels)
        lanes.append(Lane(f"cable {cable}" if len(cables) > 1 else "", lane))
    shown = np.linspace(0, len(shots) - 1, min(5, len(shots))).round().astype(int)
    note = f"Each column shows the worst of up to {-(-len(shots) // columns)} records." if len(shots) > columns else ""
    known = bool((together["shot"] > 0).any())
    ticks = [(int(shots[one]) if known else int(one) + 1, 100 * (int(one) + 0.5) / len(shots)) for one in shown]
    counted = "shot" if known else "record"
    return Strip(line, f"{line}: {told}", columns, MARK + TALL + GRADE, lanes, ticks, counted, note)


def _lane(own: pd.DataFrame, column: np.ndarray, labels: Sequence[str]) -> Markup:
    colours = _colours(labels)
    severest = own[probability_column(labels[-1])].fillna(2.0).to_numpy()
    # The last record of a column is drawn: the worst, and what could not be graded before all.
    chosen = dict(sorted(zip(column.tolist(), range(len(own)), strict=True), key=lambda one: severest[one[1]]))
    rows = own.to_dict("records")
    return Markup("").join(_cell(rows[row], at, labels, colours) for at, row in sorted(chosen.items()))


def _cell(row: Mapping[Any, Any], at: int, labels: Sequence[str], colours: dict[str, str]) -> Markup:
    shares = [row[probability_column(label)] for label in labels]
    grade, unlike = row["grade"], row["unlike"]
    said = ", ".join(f"{label} {share:.3f}" for label, share in zip(labels, shares, strict=True))
    about = f"{said}, unlike {number(unlike, '.2f') or 'unknown'}" if grade else row["reason"]
    labelled = f", labelled {row['label']}" if row.get("label") else ""
    title = f"shot {row['shot']}, {row['gather_id']}: {grade_name(grade)}{labelled}; {about}"
    parts = [f"<g><title>{escape(title)}</title>"]
    # All of the column has the title.
    parts.append(f'<path class="none" d="M{at} 0h1v{MARK + TALL}h-1z"/>')
    if grade:
        low = float(MARK + TALL)
        for label, share in list(zip(labels, shares, strict=True))[:0:-1]:
            if height := round(TALL * share, 1):
                low = round(low - height, 1)
                parts.append(f'<path class="{_ink(colours[label])}" d="M{at} {low:g}h1v{height:g}h-1z"/>')
        if unlike > 1:
            parts.append(f'<path class="ink" d="M{at} 0h1v{MARK - 1}h-1z"/>')
    parts.append(f'<path class="{_ink(colours[grade])}" d="M{at} {MARK + TALL + 1}h1v{GRADE - 1}h-1z"/></g>')
    return Markup("".join(parts))


def _colours(labels: Sequence[str]) -> dict[str, str]:
    return {**dict(zip(labels, colours_of(labels), strict=True)), UNSURE: UNSURE_COLOUR, "": UNGRADED_COLOUR}


def _ink(colour: str) -> str:
    return f"ink-{colour[1:]}"
