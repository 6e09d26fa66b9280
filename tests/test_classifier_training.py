"""The classifier trained: in memory, from records, by the command; stopped, resumed, refused."""

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
from conftest import finish, start
from graded_survey import LABELS, RECIPE, graded_survey

from benchmarks.resident import highest_resident_mb, reset_highest, resident_mb
from glowseis.errors import FittingError, InputError
from glowseis.fitting.classifier import (
    ClassifierFitting,
    InMemory,
    class_weights,
    fit_classifier,
    make_classifier,
    predict,
)
from glowseis.fitting.classifier_log import ClassifierRun
from glowseis.fitting.classifier_selection import select_labelled
from glowseis.fitting.classifier_trainer import ClassifierTrainer
from glowseis.fitting.stopping import Stopping
from glowseis.recipe import ClassifierRecipe, ClassifierTraining, read_recipe
from glowseis.survey.folds import make_folds, write_folds
from glowseis.survey.labelled import from_memory, from_survey, in_order, together, training_steps
from glowseis.survey.pipeline import batches, epoch_order
from glowseis.survey.records import open_survey

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
    """The recipe trained without a stop by `python -m glowseis.train`."""
    folder = tmp_path_factory.mktemp("trained")
    done = finish(start("train", graded.recipe, "--survey", graded.path, folder=folder))
    assert done.status == 0, done.error
    return SimpleNamespace(
        folder=folder, run=folder / "runs/grader", savedmodel=folder / "savedmodels/grader/1", out=done.out
    )


def recipe_of(graded, *changes):
    recipe = read_recipe(graded.recipe, list(changes))
    assert isinstance(recipe, ClassifierRecipe)
    return recipe


def everything(survey):
    return from_survey(survey, np.arange(len(survey)), LABELS)


def fitted(gathers, seed=1, validation=None, **settings):
    model = make_classifier(3, 1, "softmax", seed)
    training = ClassifierTraining(**{"epochs": 2, "batch": 16, "learning_rate": 1e-2} | settings)
    return fit_classifier(model, gathers, training, seed, validation=validation)


def same(first, second):
    return all(np.array_equal(one, other) for one, other in zip(first.get_weights(), second.get_weights(), strict=True))


def checkpoint_values(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    names = [name for name in reader.get_variable_to_shape_map() if not re.search("OBJECT_GRAPH|save_counter", name)]
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


def test_the_same_seed_gives_the_same_weights_from_memory_and_from_records(graded):
    records = everything(graded.survey)
    memory = from_memory(graded.survey.read_images(np.arange(120)), records.classes, records.ids)
    first = fitted(records).model
    assert same(first, fitted(memory).model)
    assert not same(first, fitted(memory, seed=2).model)


def test_batches_of_a_run(graded):
    rows = np.array([5, 3, 3, 80, 7, 9, 11])
    gathers = from_survey(graded.survey, rows, LABELS)
    images = graded.survey.read_images(np.arange(120))
    got = list(batches(gathers, training_steps(gathers, 3, seed=4, steps=6)))
    assert [len(image) for image, _, _ in got] == [3, 3, 1, 3, 3, 1]
    for part, epoch in ((got[:3], 0), (got[3:], 1)):
        order = epoch_order(graded.survey, rows, 4, epoch)
        np.testing.assert_array_equal(np.concatenate([image for image, _, _ in part]), images[order])
        wanted = [LABELS.index(label) for label in graded.survey.index["label"].to_numpy()[order]]
        assert np.concatenate([label for _, label, _ in part]).tolist() == wanted
    assert not np.array_equal(epoch_order(graded.survey, rows, 4, 0), epoch_order(graded.survey, rows, 4, 1))
    later = list(batches(gathers, training_steps(gathers, 3, seed=4, steps=6, first=4)))
    assert len(later) == 2
    for one, other in zip(later, got[4:], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    in_turn = np.concatenate([image for image, _, _ in in_order(gathers, 2)])
    np.testing.assert_array_equal(in_turn, images[rows])


def test_sets_together(graded):
    survey = from_survey(graded.survey, np.array([4, 2]), LABELS)
    images = np.random.default_rng(0).integers(0, 256, (3, 24, 16), dtype=np.uint8)
    both = together([survey, from_memory(images, [2, 0, 2], ["a", "b", "c"])])
    assert both.ids.tolist() == [*survey.ids, "a", "b", "c"] and both.classes.tolist() == [*survey.classes, 2, 0, 2]
    np.testing.assert_array_equal(
        both.read(np.array([3, 0, 4, 1])),
        [images[1], *graded.survey.read_images([4]), images[2], *graded.survey.read_images([2])],
    )
    with pytest.raises(InputError, match=r"its gathers are 8x8, those of .* 24x16"):
        together([survey, from_memory(images[:, :8, :8].copy(), [0, 0, 0])])


def test_a_damaged_record_is_named(graded, tmp_path):
    shutil.copytree(graded.path, tmp_path / "survey")
    survey = open_survey(tmp_path / "survey")
    shard = next((tmp_path / "survey").glob("*.tfrecord"))
    data = bytearray(shard.read_bytes())
    data[int(survey.index["offset_bytes"].iat[50]) + 300] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=f"record 50 .*gather {survey.index['gather_id'].iat[50]}.* is damaged"):
        fitted(everything(survey))


def test_it_learns_what_tells_the_classes_apart(graded):
    images = graded.survey.read_images(np.arange(120))
    classes = everything(graded.survey).classes
    said = []
    model = make_classifier(3, 1, "softmax", 1)
    training = ClassifierTraining(epochs=12, batch=8, learning_rate=1e-2)
    done = fit_classifier(
        model, (images[:80], classes[:80]), training, 1, validation=(images[80:], classes[80:]), say=said.append
    )
    found = predict(model, images[80:])
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.mean(found.argmax(axis=1) == classes[80:]) > 0.9
    assert done.steps == done.step == 120 and len(done.epochs) == len(said) == 12
    assert said[-1].startswith("epoch 12 of 12: loss ") and "validation: loss" in said[-1]
    judged = done.epochs[-1].validation
    assert judged.accuracy == np.mean(found.argmax(axis=1) == classes[80:])
    expected = -np.mean(np.log(found[np.arange(40), classes[80:]]))
    assert done.epochs[-1].validation_loss == pytest.approx(expected, rel=1e-3)


def test_the_loss_is_weighted_by_gather_and_class():
    model = make_classifier(3, 1, "softmax", 1)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    labels, weights = np.array([0, 1, 2, 2], np.int32), np.array([1, 0.5, 2, 0], np.float32)
    each = -np.log(predict(model, images)[np.arange(4), labels])
    trainer = ClassifierTrainer(model, 1e-3, class_weights=[1.0, 4.0, 3.0])
    loss, _ = trainer.optimise(images, labels, weights)
    assert float(loss) == pytest.approx(np.mean(each * weights * [1, 4, 3, 3]), rel=1e-4)
    with pytest.raises(ValueError, match="2 class weights for 3 classes"):
        ClassifierTrainer(model, 1e-3, class_weights=[1.0, 1.0])


class Keeping:
    """In an optimiser's place: the weights become their gradients."""

    def apply(self, gradients, variables):
        for gradient, variable in zip(gradients, variables, strict=True):
            variable.assign(gradient)


def a_batch(count, size=(24, 16)):
    random = np.random.default_rng(count)
    images = random.integers(0, 256, (count, *size), dtype=np.uint8)
    return images, random.integers(0, 3, count).astype(np.int32), random.uniform(0, 2, count).astype(np.float32)


@pytest.mark.parametrize("head", ["softmax", "ordinal"])
def test_a_batch_in_parts_has_the_same_gradient_loss_and_accuracy(head):
    def step(at_once, *batch):
        model = make_classifier(3, 2, head, 1)
        trainer = ClassifierTrainer(model, 1e-3, class_weights=[1.0, 4.0, 0.5], at_once=at_once)
        trainer.optimizer = Keeping()
        loss, accuracy = trainer.optimise(*batch)
        return model.get_weights(), float(loss), float(accuracy)

    # 0: nothing is worked out in parts; then one by one, with a smaller last part, and more at once than there are.
    gradients, loss, accuracy = step(0, *a_batch(13))
    assert all(np.any(gradient) for gradient in gradients)
    for at_once in (1, 5, 16):
        mine, my_loss, my_accuracy = step(at_once, *a_batch(13))
        every, wanted = (np.concatenate([one.ravel() for one in both]) for both in (mine, gradients))
        assert np.linalg.norm(every - wanted) <= 1e-6 * np.linalg.norm(wanted)
        # Of single biases, whose gradients are sums over all pixels that nearly cancel, rounding takes more.
        for one, other in zip(mine, gradients, strict=True):
            assert np.linalg.norm(one - other) <= 2e-5 * np.linalg.norm(other)
        assert my_loss == pytest.approx(loss, rel=1e-6) and my_accuracy == pytest.approx(accuracy, rel=1e-6)


def test_training_in_parts_takes_the_same_steps(graded):
    gathers = everything(graded.survey)
    settings = {"batch": 25, "class_weights": "balanced"}
    whole, parts = (fitted(gathers, validation=gathers, at_once=at_once, **settings) for at_once in (0, 8))
    assert whole.steps == parts.steps == 10 and not same(whole.model, parts.model)
    for one, other in zip(whole.epochs, parts.epochs, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-3) and other.accuracy == pytest.approx(one.accuracy)
        assert other.validation_loss == pytest.approx(one.validation_loss, rel=1e-3)
    assert same(parts.model, fitted(gathers, at_once=8, **settings).model)


def test_memory_grows_with_the_part_not_with_the_batch():
    batch = a_batch(192, (112, 80))

    def highest_mb(at_once):
        trainer = ClassifierTrainer(make_classifier(3, 4, "softmax", 1), 1e-3, at_once=at_once)
        # Traced, and what the libraries keep is taken.
        trainer.optimise(*a_batch(max(1, at_once), (112, 80)))
        reset_highest()
        before = resident_mb()
        trainer.optimise(*batch)
        return highest_resident_mb() - before

    parts, whole = highest_mb(8), highest_mb(0)
    assert whole > 200 and parts < whole / 4


def test_class_weights():
    assert class_weights("none", np.array([6, 3, 1])) is None
    balanced = class_weights("balanced", np.array([6, 3, 1]))
    np.testing.assert_allclose(balanced, [10 / 18, 10 / 9, 10 / 3])
    assert np.average(balanced, weights=[6, 3, 1]) == pytest.approx(1)
    np.testing.assert_allclose(class_weights("balanced", np.array([6, 0, 2])), [8 / 12, 0, 2])
    assert class_weights([1, 2, 3.5], np.array([6, 3, 1])) == [1, 2, 3.5]


def test_the_learning_rate_falls_by_the_epoch():
    trainer = ClassifierTrainer(make_classifier(2, 1, "softmax", 1), 1e-2, 0.5, steps_per_epoch=3)
    rates = []
    for _ in range(7):
        rates.append(float(trainer.optimizer.learning_rate))
        trainer.optimizer.iterations.assign_add(1)
    np.testing.assert_allclose(rates, [1e-2] * 3 + [5e-3] * 3 + [2.5e-3], rtol=1e-6)


class Scripted(InMemory):
    """Figures as given instead of measured ones."""

    def __init__(self, model, figures):
        super().__init__(model)
        self.figures, self.seen = iter(figures), {}

    def offer(self, step, figure):
        self.seen[step] = self._model.get_weights()
        return super().offer(step, next(self.figures))


@pytest.mark.parametrize(
    ("keep", "patience", "kept", "done"),
    [("best", 0, 4, 10), ("last", 0, 10, 10), ("best", 2, 4, 8), ("last", 2, 8, 8)],
)
def test_what_is_kept_and_when_it_stops(graded, keep, patience, kept, done):
    gathers = everything(graded.survey)
    model = make_classifier(3, 1, "softmax", 1)
    training = ClassifierTraining(epochs=5, steps_per_epoch=2, batch=4, keep=keep, patience=patience)
    state = Scripted(model, [0.9, 0.5, 0.6, 0.5, 0.55])
    result = ClassifierFitting(model, gathers, training, 1, validation=gathers).run(state)
    assert (result.step, result.steps, sorted(state.seen)) == (kept, done, list(range(2, done + 1, 2)))
    there = state.seen[kept]
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), there, strict=True))


def test_a_loss_that_is_not_finite_is_told(graded, monkeypatch):
    gathers = everything(graded.survey)
    fitting = ClassifierFitting(make_classifier(3, 1, "softmax", 1), gathers, ClassifierTraining(), 1)
    steps = iter([(1.0, 0.5), (1.0, 0.5), (np.nan, 0.5)])
    monkeypatch.setattr(fitting.trainer, "optimise", lambda *batch: next(steps))
    with pytest.raises(FittingError, match=r"step 3: the classifier's loss is nan; lower training.learning_rate"):
        fitting.run()


@pytest.mark.parametrize("in_folder", [False, True])
def test_weights_that_the_last_step_spoils_are_never_kept(graded, tmp_path, monkeypatch, in_folder):
    gathers = everything(graded.survey)
    training = ClassifierTraining(epochs=1, steps_per_epoch=3)
    fitting = ClassifierFitting(make_classifier(3, 1, "softmax", 1), gathers, training, 1)
    steps = iter(range(3))

    def optimise(*batch):
        if next(steps) == 2:
            fitting.model.weights[0].assign(fitting.model.weights[0] * np.nan)
        return 1.0, 0.5

    monkeypatch.setattr(fitting.trainer, "optimise", optimise)
    run = ClassifierRun(fitting, tmp_path, Stopping()) if in_folder else fitting
    with pytest.raises(FittingError, match="step 3: a weight of the classifier is not finite"):
        run.run()
    assert not (tmp_path / "checkpoints/last").exists() or last_step(tmp_path) < 3


@pytest.mark.parametrize("classes", [[1, 1, 1], [0, 1, 3], []])
def test_classes_that_cannot_be_trained_on(classes):
    images = np.zeros((len(classes), 8, 8), np.uint8)
    with pytest.raises(InputError, match="needs gathers of at least two of them"):
        fit_classifier(
            make_classifier(3, 1, "softmax", 1), (images, np.array(classes, np.int32)), ClassifierTraining(), 1
        )


def test_a_finished_run_says_what_it_reached(graded, trained):
    result = figures(trained.run)
    assert result["steps"] == STEPS and 1 <= result["step"] <= STEPS and result["step"] % 9 == 0
    assert "72 gathers to train on (36 good, 24 medium, 12 bad); 18 for validation, 30 for the test" in trained.out
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
    assert about["figures"]["test"]["f1"] == result["test"]["f1"] and about["recipe"]["classifier"]["alpha"] == 1


def test_a_run_that_was_killed_and_stopped_ends_with_the_same_weights(graded, trained, tmp_path):
    words = ("train", graded.recipe, "--survey", graded.path)
    run = tmp_path / "runs/grader"
    for number, wanted in ((signal.SIGKILL, 4), (signal.SIGTERM, 30)):
        process = start(*words, folder=tmp_path)
        while last_step(run) < wanted:
            assert process.poll() is None, finish(process).error
            time.sleep(0.01)
        process.send_signal(number)
        left = finish(process)
        assert left.status == (75 if number == signal.SIGTERM else -number)
        assert not (tmp_path / "savedmodels").exists() and not (run / "result.json").exists()
    assert left.error == ["glowseis.train: stopped; everything is saved, run the same command again to go on"]
    at = last_step(run)
    assert at < STEPS
    done = finish(start(*words, folder=tmp_path))
    assert done.status == 0 and f"going on after step {at} of {STEPS}" in done.out
    assert figures(run) == figures(trained.run)
    assert (run / "predictions.csv").read_bytes() == (trained.run / "predictions.csv").read_bytes()
    for one in (f"runs/grader/checkpoints/last/ckpt-{STEPS}", "savedmodels/grader/1/variables/variables"):
        mine, theirs = (checkpoint_values(folder / one) for folder in (tmp_path, trained.folder))
        assert mine.keys() == theirs.keys() and len(mine) > 40
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


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
        (["data.labels=['good','awful']"], "no gather is labelled 'awful'; labels there: good"),
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
    assert done.status == 2 and len(done.error) == 1 and "made for another survey than" in done.error[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("labels", "there"), [(("good",), "only 'good'"), (("",), "none")])
def test_a_survey_of_one_class_or_none_is_refused(graded, tmp_path, command, labels, there):
    graded_survey(tmp_path / "survey", counts=(10,), labels=labels)
    done = command("train", graded.recipe, "--survey", tmp_path / "survey", "--out", tmp_path / "run")
    assert done.status == 2 and len(done.error) == 1
    assert f"a classifier needs gathers of at least two labels; there is {there}" in done.error[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("flow.levels=3", "has flow and classifier; a recipe trains a flow or a classifier, not both"),
        ("classifier.width=3", "unknown key classifier.width; known here: alpha, head"),
        ("classifier.head=linear", "classifier.head = 'linear': input should be 'softmax' or 'ordinal'"),
        ("training.epoch=3", "unknown key training.epoch; did you mean epochs?"),
        ("data.held_out=0.1", "unknown key data.held_out; known here: labels, folds"),
        ("data.labels=['bad']", "name at least two labels, each once"),
        ("data.labels=['bad','bad']", "name at least two labels, each once"),
        ("data.validation=0", 'training.keep = "best" and training.patience need gathers to judge by'),
        ("training.class_weights=[0,0]", "training.class_weights are all 0"),
        ("training.class_weights=heavy", "training.class_weights = 'heavy'"),
        ("training.decay_per_epoch=1.5", "training.decay_per_epoch = 1.5: input should be less than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named(graded, change, message):
    with pytest.raises(InputError) as wrong:
        read_recipe(graded.recipe, [change])
    assert message in str(wrong.value)
