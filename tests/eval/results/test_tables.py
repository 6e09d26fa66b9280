import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, precision_recall_fscore_support

from eval.results.collection import collect
from eval.results.contrasts import contrasts, pairs_of, summary
from eval.results.long_tables import COLUMNS, confusion_table, contrast_table, table1, table2, table3
from eval.results.statistics import corrected_resampled_test, holm
from eval.results.tables import tables, terminal, write_tables
from eval.study.outcome import outcome_path, read_outcome, write_outcome
from tests.support.outcomes import COUNTS, digest_of, make_outcome, make_outcomes

ARMS = ("none", "oversampling", "pixel-mixing", "flow")
KINDS = ("grouped", "stratified")
PAPER = {
    "good": "95.1 97.1 96.0 95.4 97.4 96.4",
    "medium": "90.9 88.6 89.6 92.8 88.7 90.6",
    "bad": "65.3 42.5 49.0 68.3 70.4 68.5",
}
"""The paper's table 1 as printed."""
FIGURES = ["precision", "recall", "f1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make_outcomes(folder, ARMS)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "outcomes")


def read(folder, arms=ARMS, kinds=KINDS, folds=3):
    return collect(folder, digest_of(0), kinds, arms, folds)


def rare_study(folder, flow, oversampling, folds=3, independent=True):
    """Results in which two arms have these F1 of the rare class on the independent survey, fold for fold."""
    for arm, values in {"flow": flow, "oversampling": oversampling}.items():
        for fold, value in enumerate(values):
            outcome = make_outcome("grouped", fold, arm, folds, independent)
            if independent:
                scored = outcome.independent.model_copy(update={"f1": [0.9, 0.8, value]})
                outcome = outcome.model_copy(update={"independent": scored})
            write_outcome(folder, outcome)
    return read(folder, ("flow", "oversampling"), ("grouped",), folds)


def value(frame, **wanted):
    for column, one in wanted.items():
        frame = frame[frame[column] == one]
    assert len(frame) == 1
    return frame.iloc[0]


def fail(folder, arm="flow", kind="grouped", fold=1, error="the loss is not finite"):
    nothing = {"ids": [], "classes": [], "probabilities": [], "training": {}, "independent": None}
    write_outcome(folder, make_outcome(kind, fold, arm, error=error, **nothing))


def test_table_1_is_scikit_learn_s(folder):
    table = table1(read(folder))
    assert list(table) == COLUMNS
    each = []
    for fold in range(3):
        one = read_outcome(outcome_path(folder, "grouped", fold, "flow"))
        each.append(precision_recall_fscore_support(one.truth, one.predicted, labels=[0, 1, 2])[:3])
    for number, name in enumerate(["good", "medium", "bad"]):
        for place, figure in enumerate(FIGURES):
            row = value(table, kind="grouped", arm="flow", **{"class": name, "figure": figure})
            values = np.array(each)[:, place, number]
            assert row["mean"] == pytest.approx(values.mean())
            assert row["std"] == pytest.approx(values.std(ddof=1))
            assert row["standard_error"] == pytest.approx(values.std(ddof=1) / np.sqrt(3))
            assert row["folds"] == 3


def test_table_2_is_scikit_learn_s(folder):
    table = table2(read(folder))
    outcomes = [read_outcome(outcome_path(folder, "stratified", fold, "none")) for fold in range(3)]
    weighted = [precision_recall_fscore_support(one.truth, one.predicted, average="weighted")[:3] for one in outcomes]
    for figure, wanted in zip(FIGURES, np.mean(weighted, axis=0), strict=True):
        row = value(table, kind="stratified", arm="none", figure=figure)
        assert (row["class"], row["mean"]) == ("weighted average", pytest.approx(wanted))
    accuracy = value(table, kind="stratified", arm="none", figure="accuracy")
    assert accuracy["mean"] == pytest.approx(np.mean([accuracy_score(one.truth, one.predicted) for one in outcomes]))


def test_table_3_has_the_rare_class_s_figures(folder):
    results = read(folder)
    own = table3(results)
    own = own[(own["kind"] == "grouped") & (own["arm"] == "flow")].set_index("figure")
    outcomes = [read_outcome(outcome_path(folder, "grouped", fold, "flow")) for fold in range(3)]
    truth, predicted = (np.concatenate([getattr(one, name) for one in outcomes]) for name in ("truth", "predicted"))
    hits = ((truth == 2) & (predicted == 2)).sum()
    assert own.loc["pooled_f1", "mean"] == pytest.approx(2 * hits / ((truth == 2).sum() + (predicted == 2).sum()))
    assert own.loc["pooled_f1_low", "mean"] <= own.loc["pooled_f1", "mean"] <= own.loc["pooled_f1_high", "mean"]
    areas = [average_precision_score(one.truth == 2, np.array(one.probabilities)[:, 2]) for one in outcomes]
    assert own.loc["average_precision", "mean"] == pytest.approx(np.mean(areas))
    recalls = precision_recall_fscore_support(outcomes[0].truth, outcomes[0].predicted)[1]
    assert results.scored("grouped", "flow")[0].balanced_accuracy == pytest.approx(recalls.mean())
    independent = [one.independent.f1[2] for one in outcomes]
    assert own.loc["independent_f1", ["mean", "std"]].tolist() == pytest.approx(
        [np.mean(independent), np.std(independent, ddof=1)]
    )


def test_without_an_independent_survey_nothing_is_said_of_it(tmp_path):
    make_outcomes(tmp_path, ARMS, independent=False)
    results = read(tmp_path)
    assert not table3(results)["figure"].str.contains("independent").any()
    assert set(contrast_table(results)["tested_on"]) == {"folds"}
    assert "ndependent" not in terminal(results)


@pytest.mark.slow
def test_the_paper_s_numbers_stand_beside_ours(folder, tmp_path):
    results = read(folder)
    frame = tables(results)[0].frame
    for name, printed in PAPER.items():
        rows = frame[(frame["class"] == name) & frame["arm"].str.startswith("paper")]
        assert rows["arm"].tolist() == ["paper, not augmented", "paper, augmented with 600"]
        cells = rows.iloc[:, 2:].to_numpy().ravel()
        assert " ".join(cell.split(" ± ")[0] for cell in cells) == printed
    write_tables(results, tmp_path)
    for text in ((tmp_path / "tables.md").read_text(), terminal(results)):
        assert "68.5 ± 2.84" in text
        assert re.search(r"paper, augmented with 600\W+94.4 ± 0.30\W+94.3 ± 0.30\W+94.2 ± 0.30", text)
    assert value(table1(results), arm="paper, augmented with 600", **{"class": "bad", "figure": "f1"})["mean"] == 0.685


@pytest.mark.slow
def test_order_of_folds_changes_nothing(folder, tmp_path):
    before = read(folder)
    for kind in KINDS:
        for arm in ARMS:
            for fold in range(3):
                one = read_outcome(outcome_path(folder, kind, fold, arm))
                write_outcome(tmp_path / "turned", one.model_copy(update={"fold": 2 - fold}))
    after = read(tmp_path / "turned")
    for table in (table1, table2, table3, contrast_table, confusion_table):
        pd.testing.assert_frame_equal(table(before), table(after), rtol=1e-12)
    assert terminal(before) == terminal(after)


def test_csv_holds_the_numbers_unrounded(folder, tmp_path):
    results = read(folder)
    paths = write_tables(results, tmp_path / "tables")
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {path.name for path in paths}
    for table in (table1, table2, table3):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables" / f"{table.__name__}.csv"), table(results))
    assert pd.read_csv(tmp_path / "tables" / "failures.csv").empty
    assert (tmp_path / "tables" / "tables.md").read_text().startswith(summary(results))


def test_errors_in_tables_are_no_formulas(folder, tmp_path):
    fail(folder, error="=cmd|'/c calc'!A1")
    write_tables(read(folder), tmp_path)
    assert pd.read_csv(tmp_path / "failures.csv")["error"].tolist() == ["'=cmd|'/c calc'!A1"]


@pytest.mark.slow
def test_headline_folds_come_first(folder):
    names = [table.name for table in tables(read(folder))]
    each = ["table1", "table2", "table3", "contrasts"]
    assert names == [f"{name}-{kind}" for kind in KINDS for name in each]
    assert tables(read(folder, kinds=KINDS[::-1]))[0].name == "table1-stratified"


def test_confusion_table_counts_every_gather_once(folder):
    table = confusion_table(read(folder))
    folds = table[(table["tested_on"] == "folds") & (table["kind"] == "grouped") & (table["arm"] == "flow")]
    assert folds.groupby("class", sort=False)["gathers"].sum().tolist() == list(COUNTS)
    assert set(table["tested_on"]) == {"folds", "independent"}


def test_pairs_are_all_against_the_rival_and_all_against_nothing():
    assert pairs_of(ARMS) == [
        ("pixel-mixing", "oversampling"),
        ("flow", "oversampling"),
        ("oversampling", "none"),
        ("pixel-mixing", "none"),
        ("flow", "none"),
    ]
    assert pairs_of(("none", "flow")) == [("flow", "none")]
    assert pairs_of(("flow",)) == []


@pytest.mark.parametrize("on", ["folds", "independent"])
def test_contrasts_are_paired_and_the_primary_one_is_in_no_family(folder, on):
    results = read(folder)
    primary, *others = contrasts(results, "grouped", on)
    assert (primary.first, primary.second, primary.primary) == ("flow", "oversampling", True)
    assert np.isnan(primary.holm)
    assert len(others) == 4
    assert [one.holm for one in others] == pytest.approx(holm([one.test.p for one in others]))
    f1 = {
        arm: [
            one.independent.f1[2] if on == "independent" else scored.f1[2]
            for one, scored in zip(results.of("grouped", arm), results.scored("grouped", arm), strict=True)
        ]
        for arm in ARMS
    }
    wanted = corrected_resampled_test(np.subtract(f1["flow"], f1["oversampling"]), 34 / 68)
    assert dataclasses.astuple(primary.test) == pytest.approx(dataclasses.astuple(wanted))
    assert (primary.pooled is None) == (on == "independent")


@pytest.mark.parametrize(
    ("flow", "oversampling", "verdict"),
    [
        ([0.80, 0.81, 0.82], [0.60, 0.61, 0.63], "The flow beats random oversampling: F1 of bad 81.0 against 61.3"),
        ([0.60, 0.61, 0.63], [0.80, 0.81, 0.82], "The flow is worse than random oversampling: F1 of bad 61.3"),
        (
            [0.6, 0.7, 0.5],
            [0.62, 0.62, 0.62],
            "The flow does not beat random oversampling: F1 of bad 60.0 against 62.0",
        ),
        ([0.7, 0.9, 0.5], [0.6, 0.6, 0.6], "The flow does not beat random oversampling: F1 of bad 70.0 against 60.0"),
        ([0, 0, 0], [0.6, 0.61, 0.63], "The flow is worse than random oversampling: F1 of bad 0.0 against 61.3"),
        (
            [0.6, 0.6, 0.6],
            [0.6, 0.6, 0.6],
            "The flow does not beat random oversampling: F1 of bad 60.0 against 60.0, p = 1 ",
        ),
    ],
)
def test_the_first_sentence_says_whether_the_flow_wins(tmp_path, flow, oversampling, verdict):
    assert summary(rare_study(tmp_path, flow, oversampling)).startswith(verdict)


def test_arms_that_learnt_nothing_are_called_that(tmp_path):
    results = rare_study(tmp_path, [0, 0, 0], [0, 0, 0])
    assert summary(results) == (
        "Whether the flow beats random oversampling is not known: neither learnt anything. "
        "Learnt nothing, and found no bad gather in any fold: random oversampling, the flow."
    )
    *_, table = tables(results)
    row = table.frame[table.frame["tested on"] == "independent survey"].iloc[0].tolist()
    assert row[2:] == ["neither learnt", "-", "-", "-"]
    note = "Learnt nothing, and found no bad gather, independent survey: random oversampling, the flow."
    assert all(note in one.notes for one in tables(results))
    assert contrast_table(results).query("tested_on == 'independent'")["p"].tolist() == [1.0]
    results = rare_study(tmp_path, [0, 0, 0], [0.5, 0, 0.4])
    assert summary(results).endswith(
        "found no bad gather in any fold: the flow. Higher means than the flow's 0.0: random oversampling 30.0."
    )
    assert "neither learnt" not in terminal(results)


def test_the_first_sentence_is_of_the_folds_without_an_independent_survey(tmp_path):
    results = rare_study(tmp_path, [0] * 3, [0] * 3, independent=False)
    primary = contrasts(results, "grouped", "folds")[0]
    said = summary(results)
    assert f"F1 of bad {100 * primary.first_mean:.1f} against {100 * primary.second_mean:.1f}" in said
    assert "(folds grouped by sail line)" in said


def test_the_first_sentence_says_what_is_not_known(folder, tmp_path):
    assert "the arm oversampling was left out" in summary(read(folder, ("none", "flow")))
    assert "After 2 of 4 folds the flow" in summary(rare_study(tmp_path / "two", [0.5, 0.6], [0.5, 0.7], folds=4))
    assert "is not known yet: 1 of 3 folds" in summary(rare_study(tmp_path / "one", [0.5], [0.5]))
    fail(folder)
    said = summary(read(folder))
    assert said.startswith(
        "Whether the flow beats random oversampling is not known: the arm flow failed: fold 1: the loss"
    )
    assert len(said.splitlines()) == 1


def test_the_summary_names_arms_above_the_flow(folder):
    results = read(folder)
    means = {
        arm: np.mean([one.independent.f1[2] for one in results.of("grouped", arm)])
        for arm in ("none", "oversampling", "pixel-mixing", "flow")
    }
    named = {"none": "no augmentation", "oversampling": "random oversampling", "pixel-mixing": "pixel mixing"}
    tail = summary(results).partition("Higher means")[2]
    assert any(means[arm] > means["flow"] for arm in named)
    for arm, words in named.items():
        assert (f"{words} {100 * means[arm]:.1f}" in tail) == (means[arm] > means["flow"])


@pytest.mark.slow
def test_failed_arms_are_told_and_not_averaged(folder, tmp_path):
    fail(folder, error="the loss is not finite | at step 7")
    results = read(folder)
    grouped = tables(results)[0]
    rows = grouped.frame[grouped.frame["arm"] == "flow interpolation"]
    assert rows.iloc[:, 2].tolist() == ["failed"] * 3
    assert "flow interpolation failed: fold 1: the loss is not finite | at step 7" in grouped.notes
    table = table1(results)
    assert table[(table["arm"] == "flow")]["kind"].unique().tolist() == ["stratified"]
    assert "flow" not in contrast_table(results).query("kind == 'grouped'")["first"].tolist()
    write_tables(results, tmp_path)
    failures = pd.read_csv(tmp_path / "failures.csv")
    assert failures.to_numpy().tolist() == [["grouped", "flow", 1, "the loss is not finite | at step 7"]]
    assert r"not finite \| at step 7" in (tmp_path / "tables.md").read_text()
    assert "failed: fold 1" in terminal(results)


@pytest.mark.slow
def test_partial_tables_say_how_many_folds(folder):
    for arm in ARMS:
        outcome_path(folder, "grouped", 2, arm).unlink()
    results = read(folder, (*ARMS, "smote"))
    text = terminal(results)
    assert "0 to 2 of 3 folds grouped by sail line" in text
    assert "The study is not finished: 0 to 2 of 3 folds, not the same for all arms." in text
    assert re.search(r"SMOTE +not run yet +- +-", text)
    assert value(table1(results), kind="grouped", arm="flow", **{"class": "bad", "figure": "f1"})["folds"] == 2
    assert "The study is not finished: 2 of 3 folds." in terminal(read(folder))


def test_one_fold_has_means_without_errors(tmp_path):
    make_outcomes(tmp_path, ARMS, ("grouped",), folds=3)
    for fold in (1, 2):
        for arm in ARMS:
            outcome_path(tmp_path, "grouped", fold, arm).unlink()
    results = read(tmp_path, kinds=("grouped",))
    text = terminal(results)
    assert "nan" not in text.lower()
    assert "1 of 3 folds grouped by sail line" in text


def test_one_arm_alone_has_no_contrasts(folder):
    assert [one.name for one in tables(read(folder, ("flow",), ("grouped",)))] == [
        "table1-grouped",
        "table2-grouped",
        "table3-grouped",
    ]


def test_other_classes_stand_without_the_paper(tmp_path):
    for fold in range(3):
        write_outcome(tmp_path, make_outcome("grouped", fold, "flow", labels=["good", "soso", "ugly"], rare="ugly"))
    frame = tables(read(tmp_path, ("flow",), ("grouped",)))[0].frame
    assert frame[frame["class"] != "good"]["arm"].tolist() == ["flow interpolation"] * 2
    assert len(frame[frame["class"] == "good"]) == 3


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_and_fits_the_page(folder, tmp_path):
    fail(folder, error='no "file" C:\\data_1 ~ 100 % & {more} <é> 波 $ # ^')
    write_tables(read(folder), tmp_path)
    packages = r"\usepackage{array, booktabs, graphicx}"
    page = rf"\documentclass{{article}}{packages}\begin{{document}}\input{{tables.tex}}\end{{document}}"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:]
    assert "Overfull" not in ended.stdout
