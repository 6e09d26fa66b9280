"""The page of a report."""

from collections.abc import Sequence

import pandas as pd

from glowseis.pages.page import Part, page
from glowseis.pages.table import Table
from glowseis.reporting.acceptance import Judgement
from glowseis.reporting.findings import Findings
from glowseis.reporting.maps import map_panels
from glowseis.reporting.statistics import statistics_table
from glowseis.reporting.strips import Strip, keys, strips
from glowseis.reporting.verdict import all_shots, counts_table, lines_table, rules_table, verdict
from glowseis.reporting.worst import worst_parts
from glowseis.survey.wording import number_of

MOST_LINES, MOST_JUDGEMENTS = 10, 60
"""Most lines that are all drawn, and most judgements that are all in one table; of more, some are folded away."""

SPREAD = (
    "Point at a column to see its record. Each colour is as tall as the probability of its class; the strip below "
    "shows the grade; a mark above means that the record is unlike the training data."
)


def report_page(findings: Findings, judgements: Sequence[Judgement], origin: Sequence[Table]) -> str:
    """The text of the report's HTML file, which needs no other file.

    Args:
        findings: Everything that was found.
        judgements: What the acceptance rules say of it.
        origin: Tables of what it was made from.
    """
    records, labels = findings.records, findings.labels
    lines = list(dict.fromkeys(one.line for one in judgements))
    cables = sorted({one.cable for one in judgements})
    title = f"Line report: {lines[0]}" if len(lines) == 1 else f"Line report: {len(lines)} lines"
    about = [
        f"{number_of(len(records), 'record')} of {number_of(len(lines), 'line')} on {number_of(len(cables), 'cable')}, "
        f"graded by {findings.classifier}.",
        *([f"Missing: {'; '.join(findings.missing)}."] if findings.missing else []),
    ]
    graded = [
        Part("keys", keys(labels, records)),
        Part("words", SPREAD),
        *_drawn_lines(strips(labels, records), judgements),
    ]
    rules = _rules(judgements, records)
    if more := all_shots(judgements, records):
        rules.append(Part("details", ("All shots that break a rule", more)))
    count = len(findings.worst)
    named = "The gather" if count == 1 else f"The {count} gathers"
    worst = [
        Part("words", _WORST.format(severest=findings.severest)),
        *worst_parts(findings.worst, records, labels),
    ]
    notes = [Part("words", line) for line in findings.told]
    sections = {
        "grades": ("Grades along the line", graded),
        "acceptance": ("Acceptance rules", rules),
        "maps": ("Attributes, shot by channel", _maps(findings)),
        "worst": (f"{named} most likely to be {findings.severest}", worst),
        "by-line": ("Statistics", [Part("table", statistics_table(records, labels))]),
        "origin-of-it": ("Sources, model and versions", [*(Part("table", table) for table in origin), *notes]),
    }
    if not findings.worst:
        del sections["worst"]
    first = [Part("table", lines_table(judgements))] if len(lines) > 1 else []
    return page(title, verdict(judgements, findings), about, sections, first)


_WORST = (
    "Sorted by the probability of {severest}, then by noise. Time runs downwards, traces to the right as in the file; "
    "grey levels are stretched four times, so events are clipped. To explain a grade, parts of the gather are covered "
    "with zeros, one after another, and it is graded again: a part supports the grade if covering it makes that less "
    "likely."
)


def _drawn_lines(drawn: list[Strip], judgements: Sequence[Judgement]) -> list[Part]:
    """All lines; of many, those that are accepted are folded away."""
    failed = {one.line for one in judgements if one.passed is False}
    if len(drawn) <= MOST_LINES:
        return [Part("strips", drawn)]
    shown, folded = ([one for one in drawn if (one.line in failed) is wanted] for wanted in (True, False))
    parts = [Part("strips", shown)] if shown else []
    return [*parts, Part("folded", ("The lines that are accepted", [Part("strips", folded)]))] if folded else parts


def _rules(judgements: Sequence[Judgement], records: pd.DataFrame) -> list[Part]:
    """All judgements; of many, how often each rule is kept and those that are not, with all of them folded away."""
    whole = Part("table", rules_table(judgements, records, "rules"))
    if len(judgements) <= MOST_JUDGEMENTS:
        return [whole]
    failed = [one for one in judgements if one.passed is False]
    parts = [Part("table", counts_table(judgements))]
    if failed:
        parts.append(Part("table", rules_table(failed, records, "failed")))
    return [*parts, Part("folded", ("Every rule, line and cable", [whole]))]


def _maps(findings: Findings) -> list[Part]:
    if findings.tables is None:
        return [Part("words", "Nothing was measured: surveys hold pictures, each scaled by its own clip.")]
    panels, empty = map_panels(findings.tables)
    parts = [Part("panels", panels)]
    if empty:
        parts.append(Part("words", f"No maps of these, because nothing was measured or found: {'; '.join(empty)}."))
    return parts
