"""The report's first lines: which lines are accepted, and whether the grades can be relied on."""

from collections.abc import Sequence

import pandas as pd

from glowseis.pages.table import Table
from glowseis.reporting.acceptance import Judgement
from glowseis.reporting.findings import Findings
from glowseis.reporting.records import ranges, sentence_start
from glowseis.survey.wording import NAMED, first_names

MOST_RANGES = 12
"""Most ranges of shots in a cell; the list below the table has all."""


MOST_LINES = 20
"""Most lines that the first sentence names."""


def verdict(judgements: Sequence[Judgement], findings: Findings) -> str:
    """Which lines are accepted by the rules, which rules could not be judged, and whether grades can be relied on.

    Args:
        judgements: What the rules say.
        findings: What they are of.
    """
    lines = list(dict.fromkeys(one.line for one in judgements))
    failed = [line for line in lines if any(one.passed is False for one in judgements if one.line == line)]
    open_rules = list(dict.fromkeys(one.rule for one in judgements if one.passed is None))
    judged = {one.rule for one in judgements if one.passed is not None}
    so_far = ", as far as the rules could be judged" if open_rules else ""
    if len(lines) == 1:
        name = sentence_start(lines[0])
        reasons = _reasons([one for one in judgements if one.passed is False])
        said = f"{name} is not accepted: {reasons}." if failed else f"{name} is accepted{so_far}."
    elif failed:
        accepted = len(lines) - len(failed)
        more = f" and {len(failed) - MOST_LINES} more" if len(failed) > MOST_LINES else ""
        names = ", ".join(failed[:MOST_LINES]) + more
        those = f"{accepted} of {len(lines)} lines are accepted{so_far}" if accepted else "No line is accepted"
        said = f"{those}; not accepted: {names}." if accepted else f"{those}: {names}."
    else:
        said = f"All {len(lines)} lines are accepted{so_far}."
    partly = " on some cables" if len(lines) == 1 else " on some lines or cables"
    for where, rules in (
        ("" if len(lines) == 1 else " on any line", [rule for rule in open_rules if rule not in judged]),
        (partly, [rule for rule in open_rules if rule in judged]),
    ):
        if rules:
            said += f" Not judged{where}: {first_names(rules)}."
    return f"{said} {_unlike(findings)}"


def _reasons(failed: Sequence[Judgement]) -> str:
    by_rule: dict[str, list[Judgement]] = {}
    for one in failed:
        by_rule.setdefault(one.rule, []).append(one)
    texts = [own[0].brief if len(own) == 1 else f"{rule} on {len(own)} cables" for rule, own in by_rule.items()]
    return "; ".join(texts[:NAMED]) + (f"; and {len(texts) - NAMED} more rules" if len(texts) > NAMED else "")


def _unlike(findings: Findings) -> str:
    count, name = findings.unlike.survey, findings.classifier
    if not count.gathers:
        return f"It is not known whether the records are like the training data of {name}."
    told = f"{count.unlike} of {count.gathers} ({100 * count.unlike / count.gathers:.1f} %)"
    if count.whole:
        return (
            f"Do not rely on the grades: the survey is unlike the training data of {name}. {told} have unlike above 1; "
            f"chance explains at most {count.most}."
        )
    return f"Records unlike the training data of {name}: {told}."


def lines_table(judgements: Sequence[Judgement]) -> Table:
    """Whether each line is accepted, and which rules it breaks.

    Args:
        judgements: What the rules say.
    """
    rows = []
    for line in dict.fromkeys(one.line for one in judgements):
        own = [one for one in judgements if one.line == line]
        broken = list(dict.fromkeys(one.rule for one in own if one.passed is False))
        unknown = list(dict.fromkeys(one.rule for one in own if one.passed is None))
        word = "not accepted" if broken else "accepted, as far as judged" if unknown else "accepted"
        rows.append([line, word, "; ".join(broken) or "-", "; ".join(unknown) or "-"])
    frame = pd.DataFrame(rows, columns=["line", "verdict", "breaks", "not judged"])
    return Table("lines", "Lines, and the rules that they break", frame, words=4, headed=True)


def counts_table(judgements: Sequence[Judgement]) -> Table:
    """On how many lines and cables each rule is kept.

    Args:
        judgements: What the rules say.
    """
    rows = []
    for rule in dict.fromkeys(one.rule for one in judgements):
        own = [one for one in judgements if one.rule == rule]
        counts = [sum(one.passed is outcome for one in own) for outcome in (True, False, None)]
        rows.append([rule, own[0].wanted, *map(str, counts)])
    frame = pd.DataFrame(rows, columns=["rule", "asks for", "pass", "fail", "not judged"])
    return Table("rule-counts", "How many lines, cable by cable, keep each rule", frame, words=2)


def rules_table(judgements: Sequence[Judgement], records: pd.DataFrame, name: str) -> Table:
    """What each rule says of each line and cable, with the shots that break it.

    Args:
        judgements: What the rules say.
        records: The records that they are of.
        name: The table's name.
    """
    cables = len({one.cable for one in judgements}) > 1
    rows = [
        [
            f"{one.line}, cable {one.cable}" if cables else one.line,
            one.rule,
            one.wanted,
            one.found,
            "FAIL" if one.passed is False else "pass" if one.passed else "not judged",
            shots_of(one, records, MOST_RANGES) or "-",
        ]
        for one in judgements
    ]
    columns = ["line", "rule", "asks for", "found", "result", "shots that break it"]
    frame = pd.DataFrame(rows, columns=columns)
    if frame["line"].nunique() == 1:
        frame = frame.drop(columns="line")
    note = "A record that could not be graded counts as bad. Consecutive records follow each other by shot number."
    return Table(name, "What each rule asks for and what was found", frame, (note,), len(frame.columns), headed=True)


def shots_of(one: Judgement, records: pd.DataFrame, most: int | None = None) -> str:
    """The shots that break a rule; the names of gathers where shots have no numbers.

    Args:
        one: What the rule says.
        records: The records.
        most: Most ranges of shots, or gathers; all when None.
    """
    own = records.loc[one.records]
    if (own["shot"] > 0).all():
        return ranges(own["shot"].astype(int).tolist(), most)
    names = own["gather_id"].tolist()
    more = "" if most is None or len(names) <= most else f" and {len(names) - most} more"
    return ", ".join(names[:most]) + more


def all_shots(judgements: Sequence[Judgement], records: pd.DataFrame) -> str:
    """Every shot that breaks a rule, a paragraph a rule; empty if the table of rules has them all.

    Args:
        judgements: What the rules say.
        records: The records.
    """
    cut = [one for one in judgements if shots_of(one, records) != shots_of(one, records, MOST_RANGES)]
    return "\n\n".join(f"{one.line}, cable {one.cable}, {one.rule}:\n{shots_of(one, records)}" for one in cut)
