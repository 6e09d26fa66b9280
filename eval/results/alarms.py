"""How often gathers are said to be unlike the training data: false alarms and missed ones, for `eval.unlike`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from scipy.stats import binomtest

from eval.results.table_text import markdown
from glowseis.files import whole_file
from glowseis.judging.unlike import summary
from glowseis.pages.table import Table
from glowseis.survey.cells import safe_table
from glowseis.survey.gather import Recording
from glowseis.survey.simulate.acquisition import LINES_APART
from glowseis.survey.wording import line_name

if TYPE_CHECKING:
    from glowseis.run.grading import Graded


def alarms(
    gathers: str,
    lines: Sequence[str],
    values: Sequence[float | None],
    causes: Sequence[str],
    kept: float | None,
    judges: int,
    refused: int = 0,
) -> dict[str, object]:
    """What came of gathers of one kind.

    Args:
        gathers: What they are.
        lines: Name of each one's line.
        values: `unlike` of each.
        causes: `unlike_by` of each.
        kept: Share of grades that stayed what they were before the gathers were changed; None if they were not.
        judges: Validation gathers that set the threshold.
        refused: How many more were refused.
    """
    found = summary(lines, values, judges)
    interval = binomtest(found.survey.unlike, max(found.survey.gathers, 1)).proportion_ci(0.95, "wilson")
    by = Counter(cause for cause, value in zip(causes, values, strict=True) if value and value > 1)
    return {
        "kind": gathers,
        "gathers": found.survey.gathers,
        "refused": refused,
        "unlike": found.survey.unlike,
        "low": interval.low,
        "high": interval.high,
        "by": ", ".join(f"{cause} {count}" for cause, count in by.most_common()),
        "whole": found.survey.whole,
        "lines": len(found.lines),
        "lines_whole": sum(line.whole for line in found.lines),
        "same_grade": kept,
    }


def alarms_of(
    kind: str,
    recordings: Sequence[Recording],
    found: "Sequence[Graded | None]",
    before: "Sequence[Graded | None] | None",
    judges: int,
) -> dict[str, object]:
    """What came of recordings of one kind; an acquisition counts as a line.

    Args:
        kind: What they are.
        recordings: The recordings.
        found: Their grades; None for those that were refused.
        before: Grades of at least as many recordings before they were changed; None if they were not.
        judges: Validation gathers that set the threshold.
    """
    there = [(one, where) for one, where in zip(found, recordings, strict=True) if one]
    lines = [line_name(where.geometry.sail_line // LINES_APART, "") for _, where in there]
    pairs = [(one.number, was.number) for one, was in zip(found, before or (), strict=False) if one and was]
    same = sum(one == was for one, was in pairs) / len(pairs) if pairs else None
    values, causes = [one.unlike for one, _ in there], [one.unlike_by for one, _ in there]
    return alarms(kind, lines, values, causes, same, judges, len(found) - len(there))


def alarm_table(rows: Sequence[dict], note: str) -> Table:
    """The same for people to read.

    Args:
        rows: What `alarms` returned for each kind.
        note: Where they are from.
    """
    cells = [
        {
            "gathers": str(row["kind"]),
            "unlike by": row["by"] or "-",
            "graded": str(row["gathers"]),
            "refused": str(row["refused"]),
            "unlike > 1 (%)": "{:.1f} ({:.1f}, {:.1f})".format(
                *(100 * share for share in (row["unlike"] / max(row["gathers"], 1), row["low"], row["high"]))
            ),
            "as a whole": "unlike" if row["whole"] else "like",
            "lines unlike": f"{row['lines_whole']} of {row['lines']}",
            "same grade (%)": "-" if row["same_grade"] is None else f"{100 * row['same_grade']:.0f}",
        }
        for row in rows
    ]
    notes = ("Intervals are Wilson's, 95 %, as if gathers were independent.", note)
    return Table("unlike", "Gathers that are said to be unlike the training data", pd.DataFrame(cells), notes, 2)


def write_alarms(rows: Sequence[dict], table: Table, folder: Path) -> None:
    """Write `unlike.csv` and `unlike.md`.

    Args:
        rows: What `alarms` returned for each kind.
        table: The same for people to read.
        folder: The folder; made if missing.

    Raises:
        OSError: The disk is full or not writable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / "unlike.csv", replace=True) as unfinished:
        safe_table(pd.DataFrame(rows)).to_csv(unfinished, index=False, lineterminator="\n")
    with whole_file(folder / "unlike.md", replace=True) as unfinished:
        unfinished.write_text(markdown(table) + "\n", encoding="utf-8")
