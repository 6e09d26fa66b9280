"""Unlabelled gathers that a saved classifier is sure of stand in for a class of which few are labelled."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.export.classifier import load_classifier
from glowseis.fitting.classifier.selection import renamed, select_labelled
from glowseis.recipe import ClassifierRecipe, StartedTraining, read_recipe
from glowseis.run import stand_ins
from glowseis.run.grading import grade_recordings
from glowseis.run.stand_ins import with_stand_ins
from glowseis.run.starting import find_start
from glowseis.survey.labels.overlay import open_survey as open_labelled
from glowseis.survey.splits.fold_files import make_folds, write_folds
from glowseis.survey.splits.parts import lines_of
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.graded_survey import LABELS, graded_gather

pytestmark = pytest.mark.usefixtures("eager_fitting")


@pytest.fixture(scope="module")
def half_labelled(tmp_path_factory):
    """Sixty gathers of all classes; the good and medium ones of the first half have their labels, and one bad one."""
    folder = tmp_path_factory.mktemp("half") / "survey"
    gathers = [graded_gather(2000 + shot, LABELS[shot % 3]) for shot in range(60)]
    given = [gather.label if number < 30 and gather.label != "bad" else "" for number, gather in enumerate(gathers)]
    given[2] = "bad"
    write_survey(
        folder,
        (dataclasses.replace(gather, label=label) for gather, label in zip(gathers, given, strict=True)),
        (24, 16),
        {},
    )
    return folder


@pytest.mark.slow
def test_the_surest_unlabelled_gathers_fill_a_class_up(saved, there, half_labelled, monkeypatch):
    monkeypatch.setattr(stand_ins, "SURE", 0.0)
    start, survey, told = find_start("grader", "classifier"), open_survey(half_labelled), []
    selection = select_labelled(survey, read_recipe(saved.recipe), start.labels)
    labelled = set(survey.select(list(LABELS)).tolist())
    least = 5
    filled, found = with_stand_ins(survey, selection, start, least, told.append)
    added = set(found.training.tolist()) - set(selection.training.tolist())
    given = filled.index["label"].to_numpy()
    had = int((survey.index["label"].to_numpy()[selection.training] == "bad").sum())
    assert len(added) == least - had and not added & labelled and {given[row] for row in added} == {"bad"}
    assert np.array_equal(found.validation, selection.validation)
    (kept,) = (half_labelled / "looks").glob("*.npz")
    with np.load(kept) as looks:
        bad = looks["probabilities"][:, 2]
    free = sorted(set(range(60)) - labelled)
    assert bad[sorted(added)].min() >= np.sort(bad[free])[-len(added)]
    assert f"{len(added)} unlabelled gathers that grader/1 grades bad" in told[-1]
    # The view is kept; classes that have enough get none, and unsure grades do not count.
    again = with_stand_ins(survey, selection, start, least, told.append)
    assert np.array_equal(again[1].training, found.training) and "60 gathers graded before" in told[-2]
    assert with_stand_ins(survey, selection, start, 1 - (not had), told.append) == (survey, selection)
    monkeypatch.setattr(stand_ins, "SURE", 1.1)
    assert with_stand_ins(survey, selection, start, least, told.append) == (survey, selection)
    assert "grader/1 grades no unlabelled one bad with at least 110 % (training.stand_ins)" in told[-1]


@pytest.mark.slow
def test_gathers_that_judges_could_not_label_are_none(saved, there, half_labelled, tmp_path, monkeypatch):
    monkeypatch.setattr(stand_ins, "SURE", 0.0)
    start, recipe = find_start("grader", "classifier"), read_recipe(saved.recipe)

    def added(*labels):
        survey = renamed(open_labelled(half_labelled, labels, "majority" if labels else None), {}, LABELS)
        selection = select_labelled(survey, recipe, start.labels)
        _, found = with_stand_ins(survey, selection, start, 5, lambda line: None)
        ids = survey.index["gather_id"].to_numpy()
        return [str(ids[row]) for row in np.setdiff1d(found.training, selection.training)]

    sure = added()
    files = [tmp_path / f"{judge}.csv" for judge in ("anna", "bert")]
    for file, label in zip(files, ("good", "bad"), strict=True):
        said = ["unsure", *[label] * (len(sure) - 1)]
        rows = [f"{gather_id},{one}" for gather_id, one in zip(sure, said, strict=True)]
        file.write_text("\n".join(["gather_id,label", *rows]))
    # Of one the judges are unsure, about the others they disagree.
    others = added(*files)
    assert len(sure) > 2 and len(others) == len(sure) and not set(sure) & set(others)


@pytest.mark.slow
def test_gathers_unlike_the_training_data_are_none(saved, there, half_labelled, monkeypatch):
    monkeypatch.setattr(stand_ins, "SURE", 0.0)
    start, survey, told = find_start("grader", "classifier"), open_survey(half_labelled), []
    selection = select_labelled(survey, read_recipe(saved.recipe), start.labels)
    _, before = with_stand_ins(survey, selection, start, 5, told.append)
    (kept,) = (half_labelled / "looks").glob("*.npz")
    with np.load(kept) as arrays:
        known = dict(arrays)
    found = [one.unlike for one in grade_recordings(load_classifier(start.folder), map(survey.read, range(4)))]
    assert known["unlike"][:4].tolist() == pytest.approx(found) and np.isfinite(known["unlike"]).all()
    added = np.setdiff1d(before.training, selection.training)
    far = {**known, "unlike": known["unlike"].copy()}
    far["unlike"][added] = 1.01
    np.savez(kept, **far)
    _, after = with_stand_ins(survey, selection, start, 5, told.append)
    assert len(added) > 2 and not set(added.tolist()) & set(after.training.tolist())
    assert len(after.training) == len(before.training) and "left out, unlike its training data" in told[-1]
    # What an older glowseis kept does not tell, and is looked at again.
    del far["unlike"]
    np.savez(kept, **far)
    _, again = with_stand_ins(survey, selection, start, 5, told.append)
    assert np.array_equal(again.training, before.training)
    with np.load(kept) as arrays:
        assert arrays["unlike"].tolist() == pytest.approx(known["unlike"])


@pytest.mark.slow
def test_a_training_uses_them(saved, there, half_labelled, command, monkeypatch):
    monkeypatch.setattr(stand_ins, "SURE", 0.0)
    words = ("train", saved.recipe, "--survey", half_labelled, "--set", "training.stand_ins=6")
    done = command(*words)
    assert done.status == 0, done.error
    assert "grades bad with at least 0 %" in done.out and "no training gather is bad" not in done.out
    about = json.loads(Path("savedmodels/own/1/assets.extra/glowseis.json").read_text())
    survey = open_survey(half_labelled)
    unlabelled = set(survey.index["gather_id"][survey.index["label"] == ""])
    assert 5 <= len(unlabelled & set(about["training_ids"])) <= 6
    assert not unlabelled & set(about["validation_ids"])
    # What a judge is unsure of may change them, although no label differs.
    Path("anna.csv").write_text(f"gather_id,label\n{min(unlabelled)},unsure\n")
    other = command(*words, "--labels", "anna.csv")
    assert other.status == 2 and "or with other unsure gathers (unsure was not there)" in other.error[0]
    words = ("train", saved.recipe, "--survey", half_labelled, "--set", "training.epochs=2")
    assert command(*words, "--out", "alone").status == 0
    # Where nothing stands in, that makes no difference.
    done = command(*words, "--out", "alone", "--labels", "anna.csv")
    assert done.status == 0 and "this run is done" in done.out


def looks_of(bad):
    """A classifier's view of gathers that are bad with these probabilities, and else good."""
    shares = np.stack([1 - bad, bad], axis=1)
    return SimpleNamespace(unlike=np.zeros(len(bad)), graded=np.ones(len(bad), bool), probabilities=shares)


def filled_up(monkeypatch, survey, selection, looks):
    monkeypatch.setattr(stand_ins, "load_classifier", lambda folder: None)
    monkeypatch.setattr(stand_ins, "kept_looks", lambda *given, **settings: looks)
    start = SimpleNamespace(labels=("good", "bad"), folder=None, name="robust/3")
    return with_stand_ins(survey, selection, start, 99, lambda line: None)[1]


def test_a_gather_stands_in_from_a_probability_of_95_percent_on(tmp_path, monkeypatch):
    gathers = [graded_gather(shot, ("good", "bad", "")[shot % 3]) for shot in range(30)]
    write_survey(tmp_path / "survey", gathers, (24, 16), {})
    survey = open_survey(tmp_path / "survey")
    training = StartedTraining(epochs=1, batch=4, learning_rate=1e-3, start_from="robust", stand_ins=99)
    recipe = ClassifierRecipe.model_validate({"name": "own", "classifier": {}, "data": {}, "training": training})
    selection = select_labelled(survey, recipe, ("good", "bad"))
    bad = np.where(np.arange(30) % 2, 0.96, 0.94)
    found = filled_up(monkeypatch, survey, selection, looks_of(bad))
    assert np.setdiff1d(found.training, selection.training).tolist() == list(range(5, 30, 6))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ({"test": 0.25, "validation": 0.34, "grouped": True}, "training"),
        ({"test": 0.25, "validation": 0.0, "grouped": True}, "training"),
        ({"test": 0.25, "validation": 0.34}, "any"),
        ({"folds": "grouped.json", "validation": 0.34}, "training"),
        ({"folds": "random.json", "validation": 0.34, "grouped": True}, "not those of validation"),
    ],
)
def test_none_is_on_a_line_that_judges_where_lines_stay_together(tmp_path, monkeypatch, data, lines):
    gathers = [graded_gather(shot, ("good", "bad", "")[shot // 6 % 3]) for shot in range(108)]
    gathers = [
        dataclasses.replace(one, geometry=dataclasses.replace(one.geometry, sail_line=1 + shot % 6))
        for shot, one in enumerate(gathers)
    ]
    write_survey(tmp_path / "survey", gathers, (24, 16), {})
    survey = open_survey(tmp_path / "survey")
    if "folds" in data:
        kind = "grouped" if "grouped" in data["folds"] else "stratified"
        write_folds(tmp_path / data["folds"], make_folds(survey, kind, 3, seed=1))
        data = data | {"folds": str(tmp_path / data["folds"])}
    training = StartedTraining(epochs=1, batch=4, learning_rate=1e-3, start_from="robust", stand_ins=99)
    recipe = ClassifierRecipe.model_validate({"name": "own", "classifier": {}, "data": data, "training": training})
    selection = select_labelled(survey, recipe, ("good", "bad"))
    looks = looks_of(np.full(len(survey), 0.99))
    found = filled_up(monkeypatch, survey, selection, looks)
    own = {part: {*lines_of(survey, getattr(selection, part))} for part in ("training", "validation", "test")}
    wanted = {"training": own["training"], "any": {*range(1, 7)}}.get(lines, {*range(1, 7)} - own["validation"])
    assert {*lines_of(survey, np.setdiff1d(found.training, selection.training))} == wanted


def test_they_need_a_saved_classifier():
    with pytest.raises(ValueError, match="stand_ins needs a saved classifier to start from"):
        StartedTraining(epochs=1, batch=4, learning_rate=1e-3, stand_ins=3)
    with pytest.raises(InputError, match="stand_ins"):
        read_recipe(Path("train/classifier.toml"), ["training.stand_ins=3"])
