"""The classifier trained by the command: stopped, resumed, shown, refused."""

import json
import re
import shutil
import signal
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.fitting.classifier.fitting import (
    ClassifierFitting,
)
from glowseis.fitting.classifier.run import ClassifierRun
from glowseis.fitting.classifier.selection import select_labelled
from glowseis.recipe import ClassifierRecipe, read_recipe
from glowseis.run.classifier import train_classifier
from glowseis.survey.splits.fold_files import make_folds, write_folds
from glowseis.survey.store.survey import open_survey
from tests.support.commands import finish, run_here, start, stopped_after
from tests.support.graded_survey import LABELS, RECIPE, graded_survey

STEPS = 12 * 9


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A recipe and a survey of 60 good, 40 medium and 20 bad gathers."""
    folder = tmp_path_factory.mktemp("graded")
    (folder / "grader.toml").write_text(RECIPE)
    return SimpleNamespace(
        recipe=folder / "grader.toml", path=folder / "survey", survey=graded_survey(folder / "survey")
    )


@pytest.fixture(scope="module")
def trained(graded, tmp_path_factory):
    """The recipe trained without a stop by `train`."""
    folder = tmp_path_factory.mktemp("trained")
    done = run_here("train", graded.recipe, "--survey", graded.path, folder=folder)
    assert done.status == 0, done.error
    return SimpleNamespace(
        folder=folder, run=folder / "runs/grader", savedmodel=folder / "savedmodels/grader/1", out=done.out
    )


def recipe_of(graded, *changes):
    recipe = read_recipe(graded.recipe, list(changes))
    assert isinstance(recipe, ClassifierRecipe)
    return recipe


def same(first, second):
    return all(np.array_equal(one, other) for one, other in zip(first.get_weights(), second.get_weights(), strict=True))


def checkpoint_values(prefix):
    """Every variable by its name, but for counters of saves and the name of its run."""
    reader = tf.train.load_checkpoint(str(prefix))
    left_out = re.compile("OBJECT_GRAPH|save_counter|^run/")
    names = [name for name in reader.get_variable_to_shape_map() if not left_out.search(name)]
    return {name: reader.get_tensor(name) for name in names}


def figures(run):
    return {
        name: value
        for name, value in json.loads((run / "result.json").read_text()).items()
        if not name.endswith(("_s", "_sha256"))
    }


def last_step(run):
    pointer = run / "checkpoints/last/checkpoint"
    found = re.match(r'model_checkpoint_path: "ckpt-(\d+)"', pointer.read_text()) if pointer.exists() else None
    return int(found[1]) if found else -1


def test_a_finished_run_says_what_it_reached(graded, trained):
    result = figures(trained.run)
    assert result["steps"] == STEPS and 1 <= result["step"] <= STEPS and result["step"] % 9 == 0
    assert "72 training gathers (36 good, 24 medium, 12 bad), 18 validation, 30 test" in trained.out
    assert result["test"]["support"] == [15, 10, 5] and result["test"]["accuracy"] > 0.8
    assert result["test"]["text"] in trained.out and "SavedModel: savedmodels/grader/1" in trained.out
    table = pd.read_csv(trained.run / "predictions.csv")
    test = table[table["part"] == "test"]
    assert len(table) == 48 and len(test) == 30
    assert (test["label"] == test["grade"]).mean() == pytest.approx(result["test"]["accuracy"])
    np.testing.assert_allclose(table[[f"probability_{label}" for label in LABELS]].sum(axis=1), 1, atol=1e-5)
    about = json.loads((trained.savedmodel / "assets.extra/glowseis.json").read_text())
    parts = [set(about[name]) for name in ("training_ids", "validation_ids", "test_ids")]
    assert [len(part) for part in parts] == [72, 18, 30] and len(set.union(*parts)) == 120
    assert set(test["gather_id"]) == parts[2]
    assert about["kind"] == "classifier" and about["labels"] == list(LABELS) and about["image_shape"] == [24, 16, 1]
    trained_on = about["trained_on"]
    assert trained_on["labels"] == {"good": 36, "medium": 24, "bad": 12} and trained_on["window"] is None
    assert trained_on["fractions"] == pytest.approx({"good": 1 / 2, "medium": 1 / 3, "bad": 1 / 6})
    assert trained_on["interval_s"] == [0.008] * 3 and trained_on["order"] == "near"
    assert about["unlike"] and about["combination"]["fitted_on"] == 0
    assert about["figures"]["test"]["f1"] == result["test"]["f1"] and about["recipe"]["classifier"]["alpha"] == 1


@pytest.mark.slow
def test_a_run_that_was_killed_and_stopped_ends_with_the_same_weights(
    graded, trained, tmp_path, monkeypatch, command, warm_python
):
    words = ("train", graded.recipe, "--survey", graded.path, "--set", "training.checkpoint_every_s=0.05")
    run = tmp_path / "runs/grader"
    killed = start(*words, folder=tmp_path, python=warm_python)
    while last_step(run) < 4:
        assert killed.poll() is None, finish(killed).error
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert finish(killed).status == -signal.SIGKILL
    assert last_step(run) < STEPS and not (run / "result.json").exists()

    monkeypatch.chdir(tmp_path)
    with stopped_after(monkeypatch, ClassifierRun, STEPS - 5):
        stopped = command(*words)
    message = "glowseis.train: stopped; everything is saved, run the same command again to continue"
    assert (stopped.status, stopped.error) == (75, [message])
    assert last_step(run) == STEPS - 5 and not (tmp_path / "savedmodels").exists()

    done = command(*words)
    assert done.status == 0 and f"resuming after step {STEPS - 5} of {STEPS}" in done.out
    assert figures(run) == figures(trained.run)
    assert (run / "predictions.csv").read_bytes() == (trained.run / "predictions.csv").read_bytes()
    for one in (f"runs/grader/checkpoints/last/ckpt-{STEPS}", "savedmodels/grader/1/variables/variables"):
        mine, theirs = (checkpoint_values(folder / one) for folder in (tmp_path, trained.folder))
        assert mine.keys() == theirs.keys() and len(mine) > 40
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.slow
def test_a_classifier_that_is_killed_while_it_logs_its_first_epoch_goes_on(graded, trained, tmp_path, monkeypatch):
    class KilledError(BaseException):
        pass

    def killed(*_):
        raise KilledError

    monkeypatch.chdir(tmp_path)
    recipe, survey = read_recipe(graded.recipe), open_survey(graded.path)
    with monkeypatch.context() as patch:
        patch.setattr("glowseis.fitting.classifier.run.confusion_picture", killed)
        with pytest.raises(KilledError):
            train_classifier(recipe, survey, tmp_path / "run", tmp_path / "savedmodels", print, 0.0)
    train_classifier(recipe, survey, tmp_path / "run", tmp_path / "savedmodels", print, 0.0)
    assert figures(tmp_path / "run")["test"] == figures(trained.run)["test"]


def test_a_finished_run_is_not_trained_again(graded, trained, command, monkeypatch):
    monkeypatch.chdir(trained.folder)
    monkeypatch.setattr(ClassifierFitting, "run", None)
    done = command("train", graded.recipe, "--survey", graded.path)
    assert done.status == 0 and "this run is done" in done.out
    assert trained.out.split("\nvalidation, ")[1] == done.out.split("\nvalidation, ")[1]


def test_tensorboard_shows_figures_and_a_confusion_matrix(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained.run / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    values = {
        tag: {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}
        for tag in events.Tags()["tensors"]
    }
    for tag in ("loss/training", "accuracy/training", "learning_rate"):
        assert sorted(values[tag]) == list(range(1, STEPS + 1))
    ends = list(range(9, STEPS + 1, 9))
    for tag in ("loss/validation", "accuracy/validation", "f1/good", "f1/medium", "f1/bad", "confusion"):
        assert sorted(values[tag]) == ends
    best = figures(trained.run)
    assert min(values["loss/validation"], key=lambda step: values["loss/validation"][step]) == best["step"]
    assert values["f1/bad"][best["step"]] == pytest.approx(best["validation"]["f1"][2])
    width, height, picture = values["confusion"][ends[-1]]
    shape = tf.io.decode_png(picture).numpy().shape
    assert shape == (int(height), int(width), 3) and min(shape[:2]) > 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.batch=4", "holds a run of another recipe (training.batch was 8, now 4)"),
        ("classifier.head=ordinal", "holds a run of another recipe (classifier.head was 'softmax', now 'ordinal')"),
        ("data.labels=['good','bad']", "holds a run of another recipe (data.labels was []"),
    ],
)
def test_a_folder_of_another_recipe_is_refused(graded, trained, command, change, message):
    done = command("train", graded.recipe, "--survey", graded.path, "--out", trained.run, "--set", change)
    assert done.status == 2 and len(done.error) == 1 and message in done.error[0]


def test_a_run_of_before_there_was_a_setting_goes_on(graded, trained, tmp_path, command):
    shutil.copytree(trained.folder, tmp_path, dirs_exist_ok=True)
    record = tmp_path / "runs/grader/run.json"
    content = json.loads(record.read_text())
    assert content["recipe"]["training"].pop("at_once") == 0
    record.write_text(json.dumps(content))
    words = ("train", graded.recipe, "--survey", graded.path, "--out", tmp_path / "runs/grader")
    done = command(*words)
    assert done.status == 0 and "this run is done" in done.out
    done = command(*words, "--set", "training.at_once=4")
    assert done.status == 2 and "holds a run of another recipe (training.at_once was not there)" in done.error[0]


def test_a_folder_of_a_flows_run_is_refused(graded, tmp_path, command):
    record = {"run": "1", "recipe": {"name": "grader", "seed": 3, "flow": {}}, "survey_checksum": "", "versions": {}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    done = command("train", graded.recipe, "--survey", graded.path, "--out", tmp_path)
    assert done.status == 2 and len(done.error) == 1
    assert "holds a run of another recipe (classifier was not there)" in done.error[0]


def test_parts_by_a_file_of_folds(graded, tmp_path):
    folds = make_folds(graded.survey, "grouped", 4, seed=5)
    write_folds(tmp_path / "folds.json", folds)
    words = (f"data.folds={tmp_path / 'folds.json'}", "data.fold=2")
    selection = select_labelled(graded.survey, recipe_of(graded, *words))
    training, test = folds.parts(2)
    assert np.array_equal(selection.test, test) and selection.folds_checksum == folds.checksum
    assert np.array_equal(np.sort(np.concatenate([selection.training, selection.validation])), training)
    lines = graded.survey.index["sail_line"].to_numpy()
    assert len(selection.validation) and not set(lines[selection.validation]) & set(lines[selection.training])

    split = make_folds(graded.survey, "split", seed=5)
    write_folds(tmp_path / "split.json", split)
    selection = select_labelled(
        graded.survey, recipe_of(graded, f"data.folds={tmp_path / 'split.json'}", "data.validation=0")
    )
    for mine, theirs in zip((selection.training, selection.validation, selection.test), split.parts(), strict=True):
        assert np.array_equal(mine, theirs)

    two = select_labelled(graded.survey, recipe_of(graded, *words, "data.labels=['medium','bad']"))
    assert set(two.test) <= set(test) and len(two.test) < len(test)
    assert set(graded.survey.index["label"].to_numpy()[two.training]) == {"medium", "bad"}


def test_grouped_parts_share_no_sail_line(graded):
    selection = select_labelled(graded.survey, recipe_of(graded, "data.grouped=true"))
    lines = graded.survey.index["sail_line"].to_numpy()
    parts = [set(lines[rows]) for rows in (selection.training, selection.validation, selection.test)]
    assert all(parts) and len(set.union(*parts)) == sum(map(len, parts)) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.labels=['good','awful']"], "no gather is labelled 'awful'; choose from its labels: good"),
        (["data.folds=nowhere.json"], "nowhere.json: no such file; make one with python -m glowseis.folds"),
        (["training.class_weights=[1, 2]"], "training.class_weights has 2 values for the labels good, medium, bad of"),
    ],
)
def test_parts_that_cannot_be_made(graded, changes, message):
    with pytest.raises(InputError) as wrong:
        select_labelled(graded.survey, recipe_of(graded, *changes))
    assert message in str(wrong.value)


def test_folds_of_another_survey_are_refused(graded, tmp_path, command):
    other = graded_survey(tmp_path / "other", counts=(30, 20, 10))
    write_folds(tmp_path / "folds.json", make_folds(other, "stratified", 3))
    words = ("--survey", graded.path, "--out", tmp_path / "run", "--set", f"data.folds={tmp_path / 'folds.json'}")
    done = command("train", graded.recipe, *words)
    assert done.status == 2 and len(done.error) == 1 and "made for a survey other than" in done.error[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("labels", "there"), [(("good",), "only 'good'"), (("",), "none")])
def test_a_survey_of_one_class_or_none_is_refused(graded, tmp_path, command, labels, there):
    graded_survey(tmp_path / "survey", counts=(10,), labels=labels)
    done = command("train", graded.recipe, "--survey", tmp_path / "survey", "--out", tmp_path / "run")
    assert done.status == 2 and len(done.error) == 1
    assert f"a classifier needs gathers of at least two labels, and there is {there}" in done.error[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("flow.levels=3", "has flow and classifier; remove one, a recipe trains a flow or a classifier"),
        ("classifier.width=3", "unknown key classifier.width; known here: alpha, head"),
        ("classifier.head=linear", "classifier.head = 'linear': input should be 'softmax' or 'ordinal'"),
        ("training.epoch=3", "unknown key training.epoch; did you mean epochs?"),
        ("data.held_out=0.1", "unknown key data.held_out; known here: window, labels, folds"),
        ("data.labels=['bad']", "name at least two labels, each once"),
        ("data.labels=['bad','bad']", "name at least two labels, each once"),
        ("data.validation=0", 'training.keep = "best" and training.patience need validation gathers'),
        ("training.class_weights=[0,0]", "training.class_weights are all 0"),
        ("training.class_weights=heavy", "training.class_weights = 'heavy'"),
        ("training.decay_per_epoch=1.5", "training.decay_per_epoch = 1.5: input should be less than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named(graded, change, message):
    with pytest.raises(InputError) as wrong:
        read_recipe(graded.recipe, [change])
    assert message in str(wrong.value)
