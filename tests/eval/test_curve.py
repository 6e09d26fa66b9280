"""`python -m eval.curve`: nested sets, runs that are kept, and a count chosen on validation gathers."""

import dataclasses
import sys

import numpy as np
import pandas as pd
import pytest

from eval.curve import text_of
from eval.running import curve_runs
from eval.running.crossval import machine
from eval.running.curve_runs import Point, choose, made_by, run_points, study_of_curve, table_of
from eval.study.arms import ARM_CLASSES
from eval.study.fold import Fold
from eval.study.preparation import prepare
from eval.study.recipe import read_study
from glowseis.errors import InputError
from glowseis.locks import locked
from glowseis.run.record import commit
from glowseis.survey.splits.fold_files import make_folds
from tests.support.small_study import study_words

LABELS = ("good", "medium", "bad")


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    return study_words(tmp_path_factory.mktemp("curve"))


@pytest.fixture(scope="module")
def fold(there, tmp_path_factory):
    out = tmp_path_factory.mktemp("division") / "study"
    return Fold(study_of(there, out, "counts=[0, 9]", "epochs=3", "patience=1"), "grouped-split", 0)


def study_of(there, out, *changes):
    recipe = read_study(there[0], [f"study.curve.{change}" for change in changes])
    return study_of_curve(prepare(recipe, out, there[2], kinds=["grouped-split"]))


def point(count, run, validation, test, **more):
    f1 = dict.fromkeys(LABELS, 0.9) | {"bad": validation}
    values = {"curve": "digest", "seed": 1, "steps": 10, "kept_step": 5, "seconds": 2.0, "commit": "", "machine": ""}
    return Point(**{**values, **more}, count=count, run=run, validation=f1, test={"bad": test})


def whole_point(count, run, curve):
    """A point with an F1 of each class in both parts."""
    one = point(count, run, 0.5, 0.5)
    return one.model_copy(update={"curve": curve, "test": one.validation})


def test_the_count_is_chosen_on_validation_gathers_alone():
    points = [point(0, 0, 0.3, 0.9), point(0, 1, 0.5, 0.9), point(200, 0, 0.6, 0.1), point(200, 1, 0.6, 0.1)]
    points += [point(400, 0, 0.9, 0.5), point(400, 1, 0.3, 0.5)]
    # 0.4, 0.6 and 0.6: of equal ones the lowest.
    assert choose(table_of(points), "bad") == 200
    assert choose(table_of(points[::-1]), "bad") == 200
    turned = [one.model_copy(update={"validation": one.test, "test": one.validation}) for one in points]
    assert choose(table_of(turned), "bad") == 0


def test_a_table_has_a_row_for_each_part_and_class():
    table = table_of([point(100, 1, 0.5, 0.25), point(0, 0, 0.75, 0.125)])
    assert list(table.columns) == ["count", "run", "part", "class", "f1"] and len(table) == 8
    assert table.iloc[0].tolist() == [0, 0, "validation", "good", 0.9]
    assert table[(table["part"] == "test")]["f1"].tolist() == [0.125, 0.25]


def test_points_of_another_division_are_of_another_curve(fold, tmp_path):
    study = fold.study
    changed = make_folds(study.survey, "grouped-split", seed=study.recipe.seed + 1, rare="bad")
    assert changed.checksum != study.folds["grouped-split"].checksum
    other = Fold(dataclasses.replace(study, folds={"grouped-split": changed}), "grouped-split", 0)
    kept = whole_point(0, 0, curve_runs._digest(study, "none"))
    curve_runs._write(tmp_path, kept)
    assert run_points(fold, "none", [0], [0], tmp_path, lambda line: None) == [kept]
    with pytest.raises(InputError, match="belongs to a curve with other settings"):
        run_points(other, "none", [0], [0], tmp_path, lambda line: None)


def test_sets_are_nested_and_hold_nothing_that_judges(fold):
    sets = {count: fold.training_set(ARM_CLASSES["pixel-mixing"](), first=count) for count in (0, 3, 9)}
    recorded = len(fold.training)
    ids = {count: one.gathers.ids.tolist() for count, one in sets.items()}
    assert [len(ids[count]) - recorded for count in sets] == [one.synthetic for one in sets.values()] == [0, 3, 9]
    assert ids[9][: recorded + 3] == ids[3] and ids[3][:recorded] == ids[0]
    places = np.arange(recorded + 3)
    assert np.array_equal(sets[9].gathers.read(places), sets[3].gathers.read(places))
    index = fold.study.survey.index
    judging = set(index["gather_id"].iloc[np.concatenate([fold.validation, fold.test])])
    parents = {parent for one in sets[9].gathers.parents for parent in one}
    assert len(judging) + recorded == len(index) and parents
    assert not judging & (set(ids[9]) | parents)


@pytest.mark.slow
def test_points_are_fitted_once_with_a_seed_a_run(fold, tmp_path, monkeypatch):
    said = []
    first = run_points(fold, "pixel-mixing", [0, 9], [0], tmp_path, said.append)
    assert [(one.count, one.run) for one in first] == [(0, 0), (9, 0)]
    assert {(one.commit, one.machine) for one in first} == {(commit() or "", machine())}
    assert len({one.seed for one in first}) == 1 and all(set(one.test) == set(LABELS) for one in first)
    epoch = -(-len(fold.training) // 8)
    # At most three epochs, and an epoch without a lower validation loss ends it.
    assert all(one.steps in (epoch, 2 * epoch, 3 * epoch) for one in first)
    assert all(one.steps == 3 * epoch or one.steps == one.kept_step + epoch for one in first)
    later = run_points(fold, "pixel-mixing", [0], [0, 1], tmp_path, said.append)
    assert len(said) == 3 and [one for one in later if one in first] == first[:1]
    assert len({one.seed for one in later}) == 2
    monkeypatch.setattr(curve_runs, "_fit", None)
    assert run_points(fold, "pixel-mixing", [0, 9], [0], tmp_path, said.append) == first


def test_more_gathers_may_be_asked_for_later_but_no_other_settings(there, fold, tmp_path, monkeypatch):
    monkeypatch.setattr(
        curve_runs,
        "_fit",
        lambda fold, arm, count, run, curve: whole_point(count, run, curve),
    )
    run_points(fold, "flow", [0, 9], [0], tmp_path, lambda line: None)
    out = tmp_path / "study"
    monkeypatch.setattr(fold, "study", study_of(there, out, "counts=[20]", "runs=2", "epochs=3", "patience=1"))
    assert len(run_points(fold, "flow", [0, 20], [0], tmp_path, lambda line: None)) == 2
    monkeypatch.setattr(fold, "study", study_of(there, out, "counts=[20]", "epochs=4", "patience=1"))
    with pytest.raises(InputError, match="belongs to a curve with other settings"):
        run_points(fold, "flow", [0], [0], tmp_path, lambda line: None)
    for text in (
        "{",
        (tmp_path / "00000-00.json").read_text().replace('"validation":{"good":0.9,', '"validation":{'),
    ):
        (tmp_path / "00000-00.json").write_text(text)
        with pytest.raises(InputError, match="is damaged"):
            run_points(fold, "flow", [0], [0], tmp_path, lambda line: None)


def test_smote_draws_others_for_another_number(there, tmp_path):
    nine, twenty = (study_of(there, tmp_path / "study", f"counts=[{most}]") for most in (9, 20))
    assert curve_runs._digest(nine, "flow") == curve_runs._digest(twenty, "flow")
    assert curve_runs._digest(nine, "smote") != curve_runs._digest(twenty, "smote")


@pytest.mark.slow
def test_the_command_draws_the_curve(there, tmp_path, command, monkeypatch, warm_python):
    monkeypatch.setattr(sys, "executable", str(warm_python))
    words = [*there[:3], "--out", tmp_path / "study", "--points", tmp_path / "points"]
    words += ["--set", "study.curve.epochs=1", "--set", "study.curve.runs=1", "--set", "study.curve.counts=[4, 0]"]
    words += ["--arm", "pixel-mixing"]
    done = command("eval.curve", *words, "--jobs", "2")
    assert done.status == 0, done.error
    table = pd.read_csv(tmp_path / "study/curve-pixel-mixing-grouped.csv")
    assert len(table) == 2 * 2 * 3 and set(table["count"]) == {0, 4}
    assert all((tmp_path / f"study/curve-pixel-mixing-grouped.{form}").exists() for form in ("svg", "png"))
    assert f"chosen on validation gathers: {choose(table, 'bad')}, by F1 of bad" in done.out
    assert "4 gathers, run 0: F1 of bad" in done.out
    assert sorted(path.name for path in (tmp_path / "points").iterdir()) == [f"{count:05d}-00.json" for count in (0, 4)]
    (tmp_path / "points" / "00004-00.json").unlink()
    again = command("eval.curve", *words)
    assert again.status == 0 and "1 classifier to train, 1 finished" in again.out, again.error
    # In another folder, the scores alone are enough.
    words[words.index("--out") + 1] = tmp_path / "other"
    again = command("eval.curve", *words, "--counts", "0,4", "--runs", "1")
    assert again.status == 0 and "0 classifiers to train, 2 finished" in again.out
    assert again.out.splitlines()[-7:-2] == done.out.splitlines()[-7:-2]
    # The seconds are another run's: one of the classifiers was fitted anew.
    assert again.out.splitlines()[-2].startswith("2 classifiers, ")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--counts", "0"), "--counts 0: write numbers from 0, one of them above 0"),
        (("--counts", "0,-5"), "--counts 0,-5: write numbers from 0"),
        (("--arm", "flaw"), "--arm: no arm is called 'flaw'"),
        (("--kind", "split"), "--kind split: choose grouped or stratified"),
        (("--runs", "0"), "study.curve.runs"),
        (("--set", "study.curve.counts=[0]"), "study.curve.counts = [0]; name a number above 0 among them"),
        (("--set", "study.curve.counts=[-1, 5]"), "study.curve.counts"),
    ],
)
def test_wrong_words_are_told_in_a_line(there, tmp_path, command, more, message):
    done = command("eval.curve", *there[:3], "--out", tmp_path / "study", *more)
    assert done.status == 2 and len(done.error) == 1 and message in done.error[0]
    assert not (tmp_path / "study").exists()


def test_means_are_shown_as_text():
    points = [point(count, run, 0.5 + 0.1 * run, 0.25) for count in (0, 100) for run in (0, 1)]
    shown = text_of(
        table_of([one.model_copy(update={"test": one.validation}) for one in points]), 100, "bad"
    ).splitlines()
    assert shown[1].split()[:2] == ["validation", "good"] and shown[1].split()[-2:] == ["test", "bad"]
    assert shown[2].startswith("0 ") and shown[2].rstrip().endswith("55.0 +- 5.0")
    assert shown[-1] == "chosen on validation gathers: 100, by F1 of bad"


def test_it_is_told_what_the_points_took_and_where():
    first = point(0, 0, 0.5, 0.5, seconds=100.0, commit="b2", machine="2 cores, no GPU")
    second = first.model_copy(update={"run": 1, "seconds": 200.0, "commit": "a1"})
    said = made_by([first, second])
    assert said == "2 classifiers, 5 min of processes' time; commit: a1, b2; machine: 2 cores, no GPU"
    assert "commit: a1, unknown;" in made_by([second, first.model_copy(update={"commit": ""})])
    alone = made_by([point(0, 0, 0.5, 0.5)])
    assert alone == "1 classifier, 2 s of processes' time; commit: unknown; machine: unknown"


def test_a_second_process_is_told_to_wait(there, tmp_path, command):
    words = [*there[:3], "--out", tmp_path / "study", "--counts", "4", "--runs", "1"]
    study = prepare(read_study(there[0]), tmp_path / "study", there[2], kinds=["grouped-split"])
    with locked(study.folder / "work/grouped-split-00.lock", ""):
        done = command("eval.curve", *words)
    assert done.status == 2 and len(done.error) == 1
    assert done.error[0].endswith("study: another process is working on this curve; wait for it")
