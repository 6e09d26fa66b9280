"""Lines judged by acceptance rules."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from glowseis.judging.decision import UNSURE
from glowseis.reporting.records import by_line
from glowseis.reporting.rules import Limit, Rules

BAD_RECORDS = "bad records"
"""The rule on the share of bad records."""

NEARLY = 1e-9
"""A share is above another by more than this: 1 of 20 is 5 %."""


@dataclass(frozen=True)
class Judgement:
    """What a rule says of a line's records on one cable.

    Attributes:
        line: Name of the sail line.
        cable: Number of the cable.
        rule: What the rule is called.
        wanted: What it asks for.
        found: What was found.
        brief: What was found and what is allowed, in a phrase.
        passed: Whether it is kept; None if it cannot be judged.
        records: Row numbers of the records that it concerns, such as bad ones, in the order of their shots, int64
            `[record]`; there may be some where the rule is kept.
        short: How many records could be judged, and how many are needed, if these are too few; then `passed` is None.
    """

    line: str
    cable: int
    rule: str
    wanted: str
    found: str
    brief: str
    passed: bool | None
    records: np.ndarray
    short: tuple[int, int] | None = None


def judge(records: pd.DataFrame, rules: Rules, severest: str) -> list[Judgement]:
    """Judge each sail line, cable by cable.

    Consecutive records follow each other by shot number, or in the order of the files where numbers are equal. A record
    that cannot be graded, such as one without a live trace, is bad. A limit is judged by the records on which its
    attribute could be measured. With fewer than `rules.fewest_records` records nothing is judged, except too many bad
    ones within a window.

    Args:
        records: One row a record, with `line` (its name), `shot`, `cable`, `grade` (empty if it could not be graded),
            and the columns of `glowseis.attributes.rows.GATHERS` where attributes were measured.
        rules: The rules.
        severest: The grade of bad records.

    Returns:
        For each line, in the order of their names, and cable: the share of bad records, the most within a window, and
        each limit.
    """
    found = []
    for line, cable, own in by_line(records):
        places = own.index.to_numpy(np.int64)
        limits = [(limit, *_broken(own, limit)) for limit in rules.limit]
        bad = np.isin(own["grade"], ["", severest, *([UNSURE] if rules.bad_records.unsure else [])])
        for limit, known, broken in limits:
            if limit.bad_record and _usable(limit, rules):
                bad |= known & broken
        judged = [*_bad_records(bad, rules), *(_limit(*one, rules) for one in limits)]
        found += [
            Judgement(line, cable, rule, wanted, told, brief, passed, places[broken], short)
            for rule, wanted, told, brief, passed, broken, short in judged
        ]
    return found


_Judged = tuple[str, str, str, str, bool | None, np.ndarray, tuple[int, int] | None]
"""A rule, what it asks for, what was found, both in brief, whether it is kept, which records break it, bool `[record]`,
and how many there are and should be, if they are too few."""


def _bad_records(bad: np.ndarray, rules: Rules) -> list[_Judged]:
    rule = rules.bad_records
    count, total = int(bad.sum()), len(bad)
    short = _short(total, rules)
    share = f"{count} of {total} ({100 * count / total:.1f} %)"
    window = min(rule.window, total)
    sums = np.concatenate([[0], np.cumsum(bad)])
    within = sums[window:] - sums[:-window]
    inside = np.zeros(total, bool)
    for first in np.flatnonzero(within > rule.most):
        inside[first : first + window] = True
    most = int(within.max())
    return [
        (
            BAD_RECORDS,
            f"at most {100 * rule.share:g} % of the line",
            share,
            f"bad records {share}, allowed {100 * rule.share:g} %",
            None if short else _keeps(count, total, rule.share),
            bad,
            short,
        ),
        (
            f"bad records in any {rule.window} consecutive",
            f"at most {rule.most}",
            f"{most}{f' in all {total}' if total < rule.window else ''}",
            f"{most} bad records in {window} consecutive, allowed {rule.most}",
            False if most > rule.most else None if short else True,
            bad & inside,
            short if most <= rule.most else None,
        ),
    ]


def _limit(limit: Limit, known: np.ndarray, broken: np.ndarray, rules: Rules) -> _Judged:
    bounds = [
        f"{word} {100 * bound:g} % of the traces" if limit.of_traces else f"{word} {bound:g}"
        for word, bound in (("at least", limit.min), ("at most", limit.max))
        if bound is not None
    ]
    unit = f" {limit.unit}" if limit.unit else ""
    some = f"; {100 * limit.share:g} % of the records may break it" if limit.share else ""
    wanted = f"{' and '.join(bounds)}{unit}{some}"
    nothing = np.zeros(len(known), bool)
    if not _usable(limit, rules):
        return (
            limit.title,
            wanted,
            f"not judged: amplitudes are not declared to be in {limit.unit}",
            "",
            None,
            nothing,
            None,
        )
    total, count = int(known.sum()), int((known & broken).sum())
    if not total:
        return limit.title, wanted, "not judged: could not be measured on any record", "", None, nothing, None
    some = f", measured on {total} of {len(known)}" if total < len(known) else ""
    told = f"{count} of {total} ({100 * count / total:.1f} %) break it{some}"
    brief = (
        f"{limit.title} in {count} of {total} records ({100 * count / total:.1f} %), allowed {100 * limit.share:g} %"
    )
    short = _short(total, rules)
    passed = None if short else _keeps(count, total, limit.share)
    return limit.title, wanted, told, brief, passed, known & broken, short


def _short(total: int, rules: Rules) -> tuple[int, int] | None:
    return (total, rules.fewest_records) if total < rules.fewest_records else None


def _usable(limit: Limit, rules: Rules) -> bool:
    return limit.unit in ("", rules.unit)


def _broken(own: pd.DataFrame, limit: Limit) -> tuple[np.ndarray, np.ndarray]:
    """On which records an attribute could be measured, and which break the limit."""
    if limit.attribute not in own:
        return np.zeros(len(own), bool), np.zeros(len(own), bool)
    value = own[limit.attribute].to_numpy(np.float64)
    if limit.of_traces:
        value = value / np.maximum(own["traces"].to_numpy(np.float64), 1)
    low, high = (-np.inf if limit.min is None else limit.min), (np.inf if limit.max is None else limit.max)
    known = np.isfinite(value)
    return known, known & ((value < low - NEARLY) | (value > high + NEARLY))


def _keeps(count: int, total: int, share: float) -> bool:
    return count <= share * total + NEARLY
