"""The page of a report."""

from collections.abc import Sequence

import pandas as pd

from glowseis.pages.page import Folded, Part, page
from glowseis.pages.table import Table
from glowseis.reporting.acceptance import Judgement
from glowseis.reporting.findings import Findings
from glowseis.reporting.labelled import agreement
from glowseis.reporting.maps import map_panels
from glowseis.reporting.records import listed
from glowseis.reporting.statistics import statistics_table
from glowseis.reporting.strips import Strip, keys, strips
from glowseis.reporting.verdict import all_shots, counts_table, lines_table, rules_table, verdict
from glowseis.reporting.worst import worst_heading, worst_parts, worst_words
from glowseis.survey.wording import number_of

MOST_LINES = 10
"""Most lines that are all drawn; of more, some are folded away."""

SHORT_ROWS, LONG_ROWS = 12, 60
"""Most rows of a table that is never folded, and of one that is folded on phones alone."""

SPREAD = (
    "A column is a record; columns are in the order of shot numbers, without gaps for numbers that are not there. Each "
    "colour is as tall as the probability of its class, and the blank part above is the probability of "
    "{mildest}: a column that is mostly blank is {mildest}. The strip below shows the grade; if it is blank too, there "
    "is no such record. A mark above means that the record is unlike the training data."
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
        *([f"Probabilities assume {findings.expected}."] if findings.expected else []),
        *([f"Shot numbers are from the header word {listed(findings.shot_words)}."] if findings.shot_words else []),
        *([f"Noise is measured {findings.noise}."] if findings.noise else []),
        *([f"Missing: {'; '.join(findings.missing)}."] if findings.missing else []),
    ]
    graded = [
        Part("keys", keys(labels, records)),
        Part("words", SPREAD.format(mildest=labels[0])),
        Part("pointing", "Point at a column to see its figures."),
        *_drawn_lines(strips(labels, records), judgements),
    ]
    rules = _rules(judgements, records)
    if more := all_shots(judgements, records):
        rules.append(Part("folded", Folded("All shots concerned", [Part("words", one) for one in more])))
    worst = [
        *(Part("words", one) for one in worst_words(findings.worst, records, labels)),
        *worst_parts(findings.worst, records, labels),
    ]
    notes = [Part("heading", MESSAGES), *(Part("words", line) for line in findings.told)] if findings.told else []
    agreed, tables = agreement(findings)
    sections = {
        "grades": ("Grades along the line", graded),
        "labelled": ("Labels beside grades", [Part("words", agreed), *map(_table, tables)]),
        "acceptance": ("Acceptance rules", rules),
        "maps": ("Attributes, shot by channel", _maps(findings)),
        **({"worst": (worst_heading(findings.worst, records, labels), worst)} if findings.worst else {}),
        "by-line": ("Statistics", [_table(statistics_table(records, labels))]),
        "origin-of-it": ("Sources, model and versions", [*map(_table, origin), *notes]),
    }
    if not tables:
        del sections["labelled"]
    first = [_table(lines_table(judgements))] if len(lines) > 1 else []
    return page(title, verdict(judgements, findings), about, sections, first)


MESSAGES = "Messages from reading and measuring: what was found in the sources, and what was changed"


def _drawn_lines(drawn: list[Strip], judgements: Sequence[Judgement]) -> list[Part]:
    """All lines; of many, only those that are not accepted are unfolded."""
    failed = {one.line for one in judgements if one.passed is False}
    if len(drawn) <= MOST_LINES:
        return [Part("strips", drawn)]
    shown, folded = ([one for one in drawn if (one.line in failed) is wanted] for wanted in (True, False))
    parts = [Part("strips", shown)] if shown else []
    rest = "The other lines" if shown else "All lines"
    return [*parts, Part("folded", Folded(rest, [Part("strips", folded)]))] if folded else parts


def _table(table: Table) -> Part:
    """A table, folded if it is long."""
    rows, part = len(table.frame), Part("table", table)
    if rows <= SHORT_ROWS:
        return part
    return Part("folded", Folded(f"{table.title} ({number_of(rows, 'row')})", [part], rows <= LONG_ROWS))


def _rules(judgements: Sequence[Judgement], records: pd.DataFrame) -> list[Part]:
    """All judgements; of many, how often each rule is kept and those that are not, with all of them folded away."""
    whole = rules_table(judgements, records, "rules")
    if len(judgements) <= LONG_ROWS:
        return [_table(whole)]
    failed = [one for one in judgements if one.passed is False]
    parts = [Part("table", counts_table(judgements))]
    if failed:
        parts.append(_table(rules_table(failed, records, "failed")))
    return [*parts, Part("folded", Folded("Every rule, line and cable", [Part("table", whole)]))]


def _maps(findings: Findings) -> list[Part]:
    if findings.tables is None:
        return [Part("words", "Nothing was measured: surveys hold pictures, each scaled by its own clip.")]
    panels, empty = map_panels(findings.tables)
    # Of several cables, each is opened on its own.
    parts = [
        Part("folded", Folded(name or "All maps", [Part("panels", own)], not name)) for name, own in panels.items()
    ]
    if empty:
        parts.append(Part("words", f"No maps of these, because nothing was measured or found: {'; '.join(empty)}."))
    return parts
