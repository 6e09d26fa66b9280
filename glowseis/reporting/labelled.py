"""What judges say of the records, beside the grades: how many agree, and which differ."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from glowseis.judging.decision import UNSURE
from glowseis.pages.table import Table
from glowseis.reporting.findings import Findings
from glowseis.reporting.records import grade_name, grades_of, listed, number, probability_column
from glowseis.survey.formats.sources import source_files
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.label_table import read_labels
from glowseis.survey.ingestion.request import Request
from glowseis.survey.labels.overlay import read_overlay
from glowseis.survey.labels.telling import disputes
from glowseis.survey.store.survey import Survey, open_survey
from glowseis.survey.wording import number_of

RECORDED = "the records themselves"
"""Whose labels are where no file of labels was named."""

COLUMNS = ("gather_id", "line", "shot", "cable", "label")
"""What the table of differing records says of a record, beside its grade."""


def whose_labels(surveys: Sequence[Survey], files: Request, labels: Sequence[Path], judge: str | None) -> str:
    """Whose labels the records have, in words, such as `anna and ben (anna.csv, ben.csv)`.

    Args:
        surveys: The surveys.
        files: The files, with their table of labels.
        labels: The files of labels.
        judge: Whose label counts where judges disagree.

    Raises:
        InputError: A file of labels is wrong.
    """
    if not labels:
        return RECORDED
    named = ", ".join(map(source_text, labels))
    if files.labels is not None:
        return f"{listed(read_labels(files.labels, source_files(files.sources, files.kind)).judges)} ({named})"
    (survey,) = surveys
    overlay = read_overlay(open_survey(survey.path), labels, judge)
    several = f"; {disputes(overlay)}" if len(overlay.judges) > 1 else ""
    return f"{listed(overlay.judges)} ({named}){several}; records that nobody judged keep their own labels"


def agreement(findings: Findings) -> tuple[str, list[Table]]:
    """How far grades agree with labels.

    Args:
        findings: Everything that was found.

    Returns:
        It in words, and a table of counts and one of the records that differ; nothing if no record has a label that is
        one of the classes.
    """
    names = {label.casefold(): label for label in findings.labels}
    given = findings.records["label"].str.casefold().map(names)
    records = findings.records.assign(label=given)[given.notna()]
    others = int(((findings.records["label"] != "") & given.isna()).sum())
    if records.empty:
        return "", []
    same = records["label"] == records["grade"]
    sure = ~records["grade"].isin([UNSURE, ""])
    counts = {"otherwise": int((sure & ~same).sum()), "unsure": int((records["grade"] == UNSURE).sum())}
    counts["not graded"] = int((records["grade"] == "").sum())
    rest = "".join(f", {count} {what}" for what, count in counts.items() if count)
    told = (
        f"Labels are those of {findings.whose}. Of {number_of(len(records), 'labelled record')}, {int(same.sum())} "
        f"({100 * same.mean():.1f} %) are graded as they are labelled{rest}."
    )
    if others:
        told += f" {number_of(others, 'more record')} with labels that {findings.classifier} does not know."
    trained = int(records["trained"].sum())
    if trained:
        told += (
            f" {trained} of them trained {findings.classifier} or chose its weights, so expect less of other records."
        )
    grades = grades_of(findings.labels, records)
    crossed = pd.crosstab(records["label"], records["grade"]).reindex(
        index=[label for label in findings.labels if (records["label"] == label).any()], columns=grades, fill_value=0
    )
    cells = [[str(label), *map(str, row)] for label, row in zip(crossed.index, crossed.to_numpy(), strict=True)]
    frame = pd.DataFrame(cells, columns=["labelled", *(f"graded {grade_name(grade)}" for grade in grades)])
    tables = [Table("labels", "Records by label and grade", frame)]
    if (~same).any():
        tables.append(_differing(records[~same]))
    return told, tables


def _differing(records: pd.DataFrame) -> Table:
    """The records whose grade is not their label, first those whose label is least probable."""
    own = [float(row[probability_column(row["label"])]) for row in records.to_dict("records")]
    ordered = records.assign(own=own).sort_values("own", kind="stable")
    rows = [
        [*(str(row[name]) for name in COLUMNS), grade_name(row["grade"]), number(row["own"], ".3f")]
        for row in ordered.to_dict("records")
    ]
    heads = ["gather", "line", "shot", "cable", "labelled", "graded", "probability of the label"]
    frame = pd.DataFrame(rows, columns=heads)
    return Table("differing", "Records whose grade differs from their label", frame, words=6, headed=True)
