import shutil

import numpy as np
import pytest

from eval.results.collection import collect, finished, held_out_ratio
from eval.study.outcome import outcome_path, read_outcome, write_outcome
from glowseis.errors import InputError
from tests.support.outcomes import COUNTS, LABELS, digest_of, make_outcome, make_outcomes

ARMS = ("none", "oversampling", "flow")
KINDS = ("grouped", "stratified")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make_outcomes(folder, ARMS)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "outcomes")


def read(folder, **changes):
    asked = {"kinds": KINDS, "arms": ARMS, "folds": 3, **changes}
    return collect(folder, digest_of(0), **asked)


def change(folder, kind="grouped", fold=1, arm="flow", **changes):
    """Write an outcome again with other values; returns its path."""
    return write_outcome(folder, read_outcome(outcome_path(folder, kind, fold, arm)).model_copy(update=changes))


def refusal(folder, **changes):
    with pytest.raises(InputError) as refused:
        read(folder, **changes)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_results_are_whole(folder):
    results = read(folder)
    assert (results.missing, results.independent) == ("", True)
    assert (results.labels, results.rare, results.rare_number) == (tuple(LABELS), "bad", 2)
    assert [one.fold for one in results.of("stratified", "flow")] == [0, 1, 2]
    for arm in ARMS:
        assert results.confusion("grouped", arm).sum(axis=1).tolist() == list(COUNTS)
    assert results.progress("grouped") == "3 of 3 folds"


def test_arms_come_in_the_order_of_tables_and_others_are_left_aside(folder):
    assert read(folder, arms=("flow", "none"), kinds=("stratified",)).arms == ("none", "flow")


def test_order_of_gathers_and_names_of_files_do_not_matter(folder):
    before = read(folder)
    one = read_outcome(outcome_path(folder, "grouped", 1, "flow"))
    lists = {name: getattr(one, name)[::-1] for name in ("ids", "classes", "probabilities")}
    change(folder, **lists).rename(folder / "a-copy.json")
    assert read(folder).outcomes == before.outcomes


def test_scores_are_those_of_the_fold(folder):
    results = read(folder)
    (outcome, *_), (scored, *_) = results.of("grouped", "flow"), results.scored("grouped", "flow")
    right = np.argmax(outcome.probabilities, axis=1) == outcome.classes
    assert scored.accuracy == pytest.approx(right.mean())
    assert results.scores_of(outcome) is scored


def test_missing_folds_are_named(folder):
    outcome_path(folder, "stratified", 2, "none").unlink()
    assert read(folder).missing == "stratified fold 2 none"
    every = (*ARMS, "smote", "flow-all", "flow-prior", "class-weights", "pixel-mixing")
    named = [f"grouped fold 0 {arm}" for arm in ("class-weights", "pixel-mixing", "smote", "flow-all", "flow-prior")]
    assert read(folder, arms=every).missing == ", ".join(named) + " and 26 more"


def test_partial_results_say_how_many_folds(folder):
    outcome_path(folder, "stratified", 2, "none").unlink()
    results = read(folder)
    assert (results.progress("grouped"), results.progress("stratified")) == ("3 of 3 folds", "2 to 3 of 3 folds")
    assert [[one.fold for one in pair] for pair in results.paired("stratified", "flow", "none")] == [[0, 0], [1, 1]]


def test_a_fold_that_is_there_twice_is_refused(folder):
    shutil.copy(outcome_path(folder, "grouped", 1, "flow"), folder / "grouped-01-flow (copy).json")
    said = refusal(folder)
    assert "grouped fold 1 flow is also in" in said
    assert "(copy)" in said


def test_another_study_is_refused(folder):
    path = change(folder, study=digest_of(1))
    assert refusal(folder).startswith(f"{path}: is of another study")
    with pytest.raises(InputError, match="another study"):
        finished(folder, digest_of(0), "grouped", 1, "flow")


def test_other_labels_are_refused(folder):
    change(folder, labels=["fine", "medium", "bad"])
    assert "its labels are fine, medium, bad" in refusal(folder)


def test_another_rare_class_is_refused(folder):
    change(folder, rare="good")
    assert "(rare: good)" in refusal(folder)


@pytest.mark.parametrize("changes", [{"folds": 5}, {"fold": 3}, {"fold": -1}])
def test_another_number_of_folds_is_refused(folder, changes):
    path = outcome_path(folder, "grouped", 1, "flow")
    outcome = read_outcome(path).model_copy(update=changes)
    path.unlink()
    write_outcome(folder, outcome)
    assert "the study has 3" in refusal(folder)


def test_a_gather_tested_in_two_folds_is_refused(folder):
    stolen = read_outcome(outcome_path(folder, "grouped", 0, "none"))
    for arm in ARMS:
        own = read_outcome(outcome_path(folder, "grouped", 1, arm))
        change(folder, arm=arm, ids=[stolen.ids[0], *own.ids[1:]])
    assert f"gather {stolen.ids[0]} is also tested in grouped fold 0" in refusal(folder)


def test_a_gather_tested_twice_in_a_fold_is_refused(folder):
    for arm in ARMS:
        own = read_outcome(outcome_path(folder, "grouped", 1, arm))
        change(folder, arm=arm, ids=[own.ids[1], *own.ids[1:]])
    assert "tested twice" in refusal(folder)


def test_arms_tested_on_other_gathers_are_refused(folder):
    own = read_outcome(outcome_path(folder, "grouped", 1, "flow"))
    change(folder, classes=[(one + 1) % 3 for one in own.classes])
    assert "tested on other gathers than" in refusal(folder)


OWN = make_outcome("grouped", 1, "flow")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"probabilities": [[float("nan")] * 3, *OWN.probabilities[1:]]},
            "0.0: Input should be a finite",
        ),
        (
            {"probabilities": [[float("inf")] * 3, *OWN.probabilities[1:]]},
            "0.0: Input should be a finite",
        ),
        ({"probabilities": [[0.5, 0.5], *OWN.probabilities[1:]]}, "other classes than its labels"),
        ({"ids": OWN.ids[1:]}, "its lists have different lengths"),
        ({"ids": [], "classes": [], "probabilities": []}, "no test gathers"),
        ({"training": {"good": 0}}, "no scores or training gathers"),
        ({"training": {"good": -1}}, "training.good: Input should be greater than or equal to 0"),
        ({"classes": [3, *OWN.classes[1:]]}, "other classes than its labels"),
        ({"rare": "awful"}, "its rare class is not one of its labels"),
        ({"epochs": [{"loss": 1.0}]}, "its learning curve lacks steps"),
        ({"independent": OWN.independent.model_copy(update={"f1": [1.0]})}, "other classes on the independent survey"),
        ({"independent": OWN.independent.model_copy(update={"precision_at_recall": [1.0]})}, "at least 101 items"),
    ],
)
def test_an_outcome_that_does_not_hang_together_is_refused_in_a_line(folder, changes, reason):
    path = change(folder, **changes)
    assert refusal(folder).startswith(f"{path}: is damaged (") and reason in refusal(folder)
    assert refusal(folder).endswith("; remove it and run its fold again")


def test_a_damaged_outcome_is_refused(folder):
    path = outcome_path(folder, "grouped", 1, "flow")
    whole = path.read_text()
    for text in (
        whole[:100],
        whole.replace('"fold":1', '"fold":"1"'),
        whole.replace('"schema":1', '"schema":2'),
        whole.replace('"seed"', '"sead"'),
        "[1]",
        "[" * 100_000,
        "1" * 5000,
        "\xff",
    ):
        assert text != whole
        path.write_text(text, encoding="latin-1")
        assert refusal(folder).startswith(f"{path}: is damaged (")
    path.unlink()
    path.mkdir()
    assert "is damaged" in refusal(folder)


def test_no_outcome_at_all_is_refused(tmp_path):
    assert "no arm of a fold is finished" in refusal(tmp_path / "nothing")


def test_finished_is_what_is_there_and_did_not_fail(folder):
    write_outcome(folder, make_outcome("grouped", 0, "smote", error="out of memory"))
    assert finished(folder, digest_of(0), "grouped", 0, "none")
    assert not finished(folder, digest_of(0), "grouped", 0, "smote")
    assert not finished(folder, digest_of(0), "grouped", 3, "none")


def test_an_outcome_under_another_s_name_is_not_taken_for_it(folder):
    outcome_path(folder, "grouped", 0, "none").rename(outcome_path(folder, "grouped", 0, "smote"))
    with pytest.raises(InputError, match="holds grouped fold 0 none"):
        finished(folder, digest_of(0), "grouped", 0, "smote")


def test_a_failed_arm_has_no_outcomes(folder):
    write_outcome(
        folder,
        make_outcome(
            "grouped",
            1,
            "flow",
            error="the loss is not finite",
            ids=[],
            classes=[],
            probabilities=[],
            training={},
            independent=None,
        ),
    )
    results = read(folder)
    assert results.failure("grouped", "flow") == "failed: fold 1: the loss is not finite"
    assert results.of("grouped", "flow") == results.paired("grouped", "none", "flow") == []
    assert results.failure("stratified", "flow") == ""
    assert results.independent


def test_ratio_of_test_gathers_leaves_validation_out(folder):
    outcome = read(folder).of("grouped", "flow")[0]
    assert held_out_ratio([outcome]) == pytest.approx(34 / 68)
    less = outcome.model_copy(update={"training": {"good": 30, "medium": 15, "bad": 6}})
    assert held_out_ratio([outcome, less]) == pytest.approx((34 / 68 + 34 / 51) / 2)
