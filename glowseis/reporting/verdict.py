"""The report's first lines: which lines are accepted, and whether the grades can be relied on."""

from collections.abc import Iterator, Sequence

import pandas as pd

from glowseis.judging.decision import RARER
from glowseis.pages.table import Table
from glowseis.reporting.acceptance import BAD_RECORDS, Judgement
from glowseis.reporting.findings import Findings
from glowseis.reporting.records import ranges, sentence_start
from glowseis.survey.ingestion.report import WARNING
from glowseis.survey.wording import NAMED, first_names, number_of

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
    lines = of_lines(judgements)
    failed = [line for line, own in lines.items() if any(one.passed is False for one in own)]
    few = {line: short for line, own in lines.items() if (short := too_few(own))}
    others = {(one.line, one.cable) for one in judgements if one.short and one.line not in few}
    # A limit may lack records on a cable that has enough, because its attribute was not measured on all.
    others &= {(one.line, one.cable) for one in judgements if one.rule == BAD_RECORDS and one.short}
    unknown = [
        one
        for one in judgements
        if one.passed is None and one.line not in few and not (one.short and (one.line, one.cable) in others)
    ]
    so_far = ", as far as the rules could be judged" if unknown or others else ""
    if len(lines) == 1:
        said = _one_line(judgements, so_far)
    elif len(few) == len(lines):
        bad = sum(len(one.records) for one in judgements if one.rule == BAD_RECORDS)
        said = f"No line is judged: all {len(lines)} have too few records on a cable. Bad: {number_of(bad, 'record')}."
    else:
        said = _lines(list(lines), failed, list(few), so_far)
    if others:
        said += f" On {number_of(len(others), 'cable')} of {'it' if len(lines) == 1 else 'other lines'} "
        said += "there are too few records to judge."
    open_rules = list(dict.fromkeys(one.rule for one in unknown))
    judged = {
        one.rule for one in judgements if one.passed is not None or (one.short and (one.line, one.cable) in others)
    }
    partly = " on some cables" if len(lines) == 1 else " on some lines or cables"
    for where, rules in (
        ("" if len(lines) == 1 else " on any line", [rule for rule in open_rules if rule not in judged]),
        (partly, [rule for rule in open_rules if rule in judged]),
    ):
        if rules:
            said += f" Not judged{where}: {first_names(rules)}."
    if findings.seen:
        said += f" {findings.seen}."
    return " ".join([said, *_doubts(findings), _unlike(findings)])


def _doubts(findings: Findings) -> Iterator[str]:
    """What the grades depend on: whether files were read without warnings, and how rare bad records are."""
    warnings = [line.removeprefix(WARNING) for line in findings.told if line.startswith(WARNING)]
    if warnings:
        more = f" ({number_of(len(warnings) - 1, 'more warning')} in the messages below)" if len(warnings) > 1 else ""
        yield f"Warning: {warnings[0]}{more}."
    bad = int((findings.records["grade"] == findings.severest).sum())
    if bad:
        yield (
            f"If {findings.severest} records were {RARER} times as rare as assumed, {findings.lasting} of "
            f"the {bad} would still be graded {findings.severest}."
        )


def of_lines(judgements: Sequence[Judgement]) -> dict[str, list[Judgement]]:
    """What the rules say of each line, by its name.

    Args:
        judgements: What they say of all.
    """
    lines: dict[str, list[Judgement]] = {}
    for one in judgements:
        lines.setdefault(one.line, []).append(one)
    return lines


def too_few(own: Sequence[Judgement]) -> tuple[int, int] | None:
    """The most records that a line has on a cable, and how many are needed, if no rule of it is judged for that.

    Args:
        own: What the rules say of the line.
    """
    short = [one.short for one in own if one.short]
    return max(short) if short and all(one.passed is None for one in own) else None


def _one_line(judgements: Sequence[Judgement], so_far: str) -> str:
    name = sentence_start(judgements[0].line)
    short = too_few(judgements)
    if short:
        bad = sum(len(one.records) for one in judgements if one.rule == BAD_RECORDS)
        several = len({one.cable for one in judgements}) > 1
        count = f"at most {number_of(short[0], 'record')} on a cable" if several else number_of(short[0], "record")
        return f"{name} is not judged: it has {count}, {bad} bad; with fewer than {short[1]}, a share says little."
    broken = [one for one in judgements if one.passed is False]
    return f"{name} is not accepted: {_reasons(broken)}." if broken else f"{name} is accepted{so_far}."


def _lines(lines: Sequence[str], failed: Sequence[str], few: Sequence[str], so_far: str) -> str:
    accepted = len(lines) - len(failed) - len(few)
    if accepted == len(lines):
        return f"All {accepted} lines are accepted{so_far}."
    if len(failed) == len(lines):
        return f"No line is accepted: {_named(failed)}."
    those = f"{accepted} of {len(lines)} lines are accepted{so_far}" if accepted else "No line is accepted"
    rest = (("not accepted", failed), ("too few records to judge", few))
    return "; ".join([those, *(f"{what}: {_named(names)}" for what, names in rest if names)]) + "."


def _named(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else ""
    return ", ".join(lines[:MOST_LINES]) + more


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
    for line, own in of_lines(judgements).items():
        broken = list(dict.fromkeys(one.rule for one in own if one.passed is False))
        unknown = list(dict.fromkeys(one.rule for one in own if one.passed is None))
        word = "not accepted" if broken else "accepted, as far as judged" if unknown else "accepted"
        left = "; ".join(unknown) or "-"
        if short := too_few(own):
            word, left = "not judged", f"all: at most {number_of(short[0], 'record')} on a cable, {short[1]} needed"
        rows.append([line, word, "; ".join(broken) or "-", left])
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
    """What each rule says of each line and cable, with the shots concerned: also where a rule allows some of them.

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
            "FAIL" if one.passed is False else "pass" if one.passed else _not_judged(one),
            shots_of(one, records, MOST_RANGES) or "-",
        ]
        for one in judgements
    ]
    columns = ["line", "rule", "asks for", "found", "result", "shots concerned"]
    frame = pd.DataFrame(rows, columns=columns)
    if frame["line"].nunique() == 1:
        frame = frame.drop(columns="line")
    notes = ["A record that could not be graded counts as bad. Consecutive records follow each other by shot number."]
    if short := next((one.short for one in judgements if one.short), None):
        notes.append(f"With fewer than {short[1]} records, a share says little, so it is not judged.")
    return Table(
        name, "What each rule asks for and what was found", frame, tuple(notes), len(frame.columns), headed=True
    )


def _not_judged(one: Judgement) -> str:
    return f"not judged ({number_of(one.short[0], 'record')})" if one.short else "not judged"


def shots_of(one: Judgement, records: pd.DataFrame, most: int | None = None) -> str:
    """The shots that a rule concerns; the names of gathers where shots have no numbers.

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


def all_shots(judgements: Sequence[Judgement], records: pd.DataFrame) -> list[str]:
    """Every shot that a rule concerns, one paragraph for each rule; none if the table of rules has them all.

    Args:
        judgements: What the rules say.
        records: The records.
    """
    cut = [one for one in judgements if shots_of(one, records) != shots_of(one, records, MOST_RANGES)]
    return [f"{sentence_start(one.line)}, cable {one.cable}, {one.rule}: {shots_of(one, records)}" for one in cut]
