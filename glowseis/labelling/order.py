"""In which order gathers are labelled: ids, each with its reason, which the page shows after judging."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from glowseis.choosing.mixture import JUDGED, is_second_look
from glowseis.errors import InputError
from glowseis.survey.cells import cell_text
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.table_text import read_table
from glowseis.survey.labels.adding import seconds
from glowseis.survey.store.survey import Survey

Order = Sequence[tuple[str, str]]
"""Gather ids, each once, with a reason, which may be empty. One that comes for a second look (`is_second_look`) is to
be judged again by whoever judged it before."""

__all__ = ["ORDERS", "Order", "along_lines", "at_random", "from_file", "is_second_look"]


def along_lines(survey: Survey) -> Order:
    """Recorded gathers as they are stored: those without a label first, then those that a second look may change.

    Args:
        survey: The survey.
    """
    recorded = survey.index[(survey.index["parents"] == "").to_numpy()]
    unlabelled = (recorded["label"] == "").to_numpy()
    ids = recorded["gather_id"].to_numpy(object)
    return [(str(gather_id), "") for gather_id in (*ids[unlabelled], *ids[~unlabelled])]


def at_random(survey: Survey) -> Order:
    """The same gathers in an order that is drawn from the survey's checksum: the same whenever it is asked for.

    Args:
        survey: The survey.
    """
    stored = along_lines(survey)
    labelled = np.array([survey.index["label"].iat[survey.row(gather_id)] != "" for gather_id, _ in stored])
    drawn = np.random.default_rng(int(survey.checksum[:16], 16)).random(len(stored))
    return [(stored[row][0], "at random") for row in np.lexsort([drawn, labelled])]


ROUNDED_S = 1.0
"""What a spreadsheet may take off a time."""

ORDERS: dict[str, Callable[[Survey], Order]] = {"line": along_lines, "random": at_random}
"""What `--next` may name."""


def from_file(survey: Survey, path: Path) -> tuple[Order, dict[str, float]]:
    """The order of a CSV file with a column `gather_id` and perhaps `reason` and `judged`.

    Args:
        survey: The survey.
        path: The file.

    Returns:
        Its gathers, each where it is first named; and when each had last been judged, in seconds since 1970. If the
        file does not say, this is when it was last changed. Times in the future, such as local ones without their
        zone, become the present time: otherwise no new judgement would be later.

    Raises:
        InputError: It is not such a table, or names a gather that the survey lacks.
    """
    name = source_text(path)
    table = read_table(path, lambda names: "gather_id" in names)
    if "gather_id" not in table:
        raise InputError(f"{name}: has no column gather_id; add one that names the gathers to label")
    reasons, judged = (table[column] if column in table else [""] * len(table) for column in ("reason", JUDGED))
    changed_s = -math.inf if JUDGED in table else path.stat().st_mtime
    found: dict[str, str] = {}
    judged_s: dict[str, float] = {}
    now_s = time.time()
    for (number, gather_id), reason, moment in zip(table["gather_id"].items(), reasons, judged, strict=True):
        if not gather_id:
            continue
        try:
            row = survey.row(gather_id)
        except InputError as wrong:
            raise InputError(f"{name}, row {number}: {wrong}") from None
        if survey.index["parents"].iat[row]:
            continue
        try:
            judged_s.setdefault(gather_id, min(max(seconds(moment) + ROUNDED_S, changed_s), now_s))
        except ValueError:
            raise InputError(
                f"{name}, row {number}: {JUDGED} {moment!r} is not a time as ISO 8601, such as "
                "2026-05-31T14:05:00+00:00; write it so, or make the table again with glowseis next"
            ) from None
        found.setdefault(gather_id, cell_text(reason))
    if not found:
        raise InputError(f"{name}: names no recorded gather; add rows below its header")
    return list(found.items()), judged_s
