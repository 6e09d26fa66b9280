"""A study that was never run, with outcomes, folds and synthetic gathers on disk, for tests of its report."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from eval.report.curve_figure import write_curve
from eval.report.writing import write_report
from eval.results.collection import collect
from eval.results.tables import write_tables
from eval.study import names
from eval.study.preparation import Study
from eval.study.recipe import read_study
from glowseis.survey.gather import Origin
from glowseis.survey.splits.fold_files import make_folds
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.curves import curve_table
from tests.support.graded_survey import graded_gather
from tests.support.outcomes import COUNTS, LABELS, make_outcomes
from tests.support.page_reader import PageReader

RECIPE = """
name = "made-up"
seed = 3

[data]
label = "bad"
held_out = 0.1

[study]
folds = 3
arms = ["none", "oversampling", "flow"]

[[phases]]
labels = ["bad"]
epochs = 3
learning_rate = 1e-3
"""

ARMS = ("none", "oversampling", "flow")
TITLES = {arm: name.title for arm, name in names.ARMS.items()}
HEADS = {"precision": "precision (%)", "recall": "recall (%)", "f1": "F1 (%)", "accuracy": "accuracy (%)"}


def reported_study(folder, *, synthetic=True, size=(40, 32), **outcomes):
    """A study and its results; `outcomes` go to `make_outcomes`."""
    (folder / "study.toml").write_text(RECIPE)
    labels = np.random.default_rng(0).permutation(np.repeat(LABELS, COUNTS))
    write_survey(folder / "survey", (graded_gather(n, label, size) for n, label in enumerate(labels)), size, {})
    survey = open_survey(folder / "survey")
    kinds = ("grouped", "stratified")
    folds = {kind: make_folds(survey, kind, 3, rare="bad") for kind in kinds}
    study = Study(read_study(folder / "study.toml"), survey, None, folds, folder / "out", folder / "outcomes")
    digest = make_outcomes(study.outcomes, ARMS, kinds, **{"study": study.digest, **outcomes})
    if synthetic:
        rows = survey.select(labels=["bad"])
        rows = rows[np.isin(rows, folds["grouped"].parts(1)[0])]
        write_survey(study.work("grouped", 1) / "synthetic" / "flow", children(survey, rows), size, {})
    return study, collect(study.outcomes, digest, kinds, ARMS, 3)


def children(survey, rows):
    """Five children, each mostly its first parent; the second one is its first parent again, but for a pixel."""
    for number in range(5):
        first, second = (survey.read(int(rows[(number + step) % len(rows)])) for step in (0, 1))
        image = (0.75 * first.image + 0.25 * second.image).astype(np.uint8)
        if number == 1:
            image = first.image.copy()
            image[0, 0] ^= 128
        origin = Origin((first.gather_id, second.gather_id), 0.25, 1, "flow/1", "spherical")
        yield dataclasses.replace(first, gather_id=f"child-{number}", image=image, origin=origin, source="flow/1")


def reported(folder):
    """The report of a study of three arms, with curve, synthetic gathers and the tables' files."""
    study, results = reported_study(folder)
    write_curve(curve_table(), 100, study.folder)
    (study.folder / "study.json").write_text(json.dumps({"versions": {"glowseis": "0.9", "keras": "3.15.7"}}))
    write_tables(results, study.folder / "tables")
    path = write_report(results, study.recipe, study, study.folder)
    text = path.read_text(encoding="utf-8")
    return SimpleNamespace(study=study, results=results, path=path, text=text, page=PageReader(text))


def check_numbers(shown, folder):
    """Every number of the CSV files stands in the tables, rounded, and no other."""
    for name in ("table1", "table2"):
        numbers = pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])
        for kind in ("grouped", "stratified"):
            head, *rows = shown[f"{name}-{kind}"]
            words = head.index("arm") + 1
            found = {(*row[:words], column): cell for row in rows for column, cell in zip(head, row, strict=True)}
            own = numbers[numbers["kind"].isin([kind, "published"])]
            for row in own.to_dict("records"):
                arm = (TITLES.get(row["arm"], row["arm"]),)
                key = (row["class"], *arm) if name == "table1" else arm
                check_cell(found.pop((*key, HEADS[row["figure"]])), row["mean"], row["standard_error"])
            left = {key: cell for key, cell in found.items() if key[-1] not in head[:words]}
            assert set(left.values()) <= {"-"}, left
    numbers = pd.read_csv(folder / "table3.csv").set_index(["kind", "arm", "figure"])
    for kind in ("grouped", "stratified"):
        head, *rows = shown[f"table3-{kind}"]
        assert len(rows) == len(ARMS)
        for row in rows:
            arm = next(arm for arm in ARMS if TITLES[arm] == row[0])
            cells = dict(zip(head, row, strict=True))
            for figure, column in {
                "f1": "F1",
                "average_precision": "PR-AUC",
                "independent_f1": "independent F1",
            }.items():
                one = numbers.loc[kind, arm, figure]
                check_cell(cells[column], one["mean"], one["standard_error"])
    numbers = pd.read_csv(folder / "confusion.csv")
    for row in numbers.to_dict("records"):
        ending = "-independent" if row["tested_on"] == "independent" else ""
        head, *rows = shown[f"confusion-{row['kind']}-{row['arm']}{ending}"]
        cell = next(one for one in rows if one[0] == row["class"])[head.index(f"as {row['graded_as']}")]
        assert float(cell.split(" ")[0]) == pytest.approx(row["gathers"], abs=0.0501)


def check_cell(cell, mean, error):
    value, *errors = cell.split(" ± ")
    assert float(value) == pytest.approx(100 * mean, abs=0.0501)
    assert [float(one) for one in errors] == [pytest.approx(100 * error, abs=0.00501)]
