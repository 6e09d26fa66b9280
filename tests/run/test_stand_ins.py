"""Unlabelled gathers that a saved classifier is sure of stand in for a class of which few are labelled."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.export.classifier import load_classifier
from glowseis.fitting.classifier.selection import renamed, select_labelled
from glowseis.recipe import StartedTraining, read_recipe
from glowseis.run import stand_ins
from glowseis.run.grading import grade_recordings
from glowseis.run.stand_ins import with_stand_ins
from glowseis.run.starting import find_start
from glowseis.survey.labels.overlay import open_survey as open_labelled
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


def test_they_need_a_saved_classifier():
    with pytest.raises(ValueError, match="stand_ins needs a saved classifier to start from"):
        StartedTraining(epochs=1, batch=4, learning_rate=1e-3, stand_ins=3)
    with pytest.raises(InputError, match="stand_ins"):
        read_recipe(Path("train/classifier.toml"), ["training.stand_ins=3"])
