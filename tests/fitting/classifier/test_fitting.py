"""The classifier's training: batches, losses, parts of a batch, what is kept, when it stops, what it refuses."""

import shutil

import numpy as np
import pytest

from glowseis.errors import FittingError, InputError
from glowseis.fitting.classifier.balance import class_weights
from glowseis.fitting.classifier.fitting import (
    ClassifierFitting,
    InMemory,
    Watcher,
    fit_classifier,
    make_classifier,
    predict,
)
from glowseis.fitting.classifier.run import ClassifierRun
from glowseis.fitting.classifier.trainer import ClassifierTrainer
from glowseis.fitting.stopping import Stopping
from glowseis.recipe import ClassifierData, ClassifierTraining
from glowseis.survey.batches.images import batches, epoch_order
from glowseis.survey.batches.labelled import from_memory, from_survey, in_order, together, training_steps
from glowseis.survey.store.survey import open_survey
from tests.support.commands import on_backend
from tests.support.graded_survey import LABELS, graded_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """60 good, 40 medium and 20 bad gathers."""
    return graded_survey(tmp_path_factory.mktemp("graded") / "survey")


def everything(survey):
    return from_survey(survey, np.arange(len(survey)), LABELS)


def fitted(gathers, seed=1, validation=None, **settings):
    model = make_classifier(3, 1, "softmax", seed)
    training = ClassifierTraining(**{"epochs": 2, "batch": 16, "learning_rate": 1e-2} | settings)
    return fit_classifier(model, gathers, training, seed, validation=validation)


def same(first, second):
    return all(np.array_equal(one, other) for one, other in zip(first.get_weights(), second.get_weights(), strict=True))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_from_memory_and_from_records(survey):
    records = everything(survey)
    memory = from_memory(survey.read_images(np.arange(120)), records.classes, records.ids)
    assert same(fitted(records).model, fitted(memory).model)
    one, again, other = (make_classifier(3, 1, "softmax", seed) for seed in (1, 1, 2))
    assert same(one, again) and not same(one, other)


def test_batches_of_a_run(survey):
    rows = np.array([5, 3, 3, 80, 7, 9, 11])
    gathers = from_survey(survey, rows, LABELS)
    images = survey.read_images(np.arange(120))
    got = list(batches(gathers, training_steps(gathers, 3, seed=4, steps=6)))
    assert [len(image) for image, _, _ in got] == [3, 3, 1, 3, 3, 1]
    for part, epoch in ((got[:3], 0), (got[3:], 1)):
        order = epoch_order(survey, rows, 4, epoch)
        np.testing.assert_array_equal(np.concatenate([image for image, _, _ in part]), images[order])
        wanted = [LABELS.index(label) for label in survey.index["label"].to_numpy()[order]]
        assert np.concatenate([label for _, label, _ in part]).tolist() == wanted
    assert not np.array_equal(epoch_order(survey, rows, 4, 0), epoch_order(survey, rows, 4, 1))
    later = list(batches(gathers, training_steps(gathers, 3, seed=4, steps=6, first=4)))
    assert len(later) == 2
    for one, other in zip(later, got[4:], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    in_turn = np.concatenate([image for image, _, _ in in_order(gathers, 2)])
    np.testing.assert_array_equal(in_turn, images[rows])


@pytest.mark.slow
def test_training_on_windows_learns_and_judges_whole_gathers(survey):
    """The classes differ in how wide their noise is, which windows of half the size show as well."""
    gathers = everything(survey)
    data = ClassifierData(window="12x16", augment=["trace_order", "shift_time", "zero_level"])
    model = make_classifier(3, 1, "softmax", 1)
    training = ClassifierTraining(epochs=16, batch=8, learning_rate=1e-2, keep="best")
    fitting = ClassifierFitting(model, gathers, training, 1, data=data, validation=gathers)
    after_epochs = []

    class Keeping(Watcher):
        def after_epoch(self, epoch, best):
            after_epochs.append(model.get_weights())

    done = fitting.run(watcher=Keeping())
    assert done.epochs[-1].validation.accuracy > 0.9
    found = fitting.probabilities(gathers)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    images = survey.read_images(np.arange(120))
    each = np.log([predict(model, np.ascontiguousarray(images[:, row : row + 12])) for row in (0, 12)]).mean(axis=0)
    np.testing.assert_allclose(found, np.exp(each) / np.exp(each).sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-6)
    again = make_classifier(3, 1, "softmax", 1)
    fit_classifier(again, gathers, training.model_copy(update={"epochs": 2, "keep": "last"}), 1, data=data)
    assert all(map(np.array_equal, again.get_weights(), after_epochs[1]))
    assert not all(map(np.array_equal, again.get_weights(), after_epochs[0]))


def test_sets_together(survey):
    recorded = from_survey(survey, np.array([4, 2]), LABELS)
    images = np.random.default_rng(0).integers(0, 256, (3, 24, 16), dtype=np.uint8)
    both = together([recorded, from_memory(images, [2, 0, 2], ["a", "b", "c"])])
    assert both.valid.tolist() == [*recorded.valid.tolist(), *[[24, 16]] * 3]
    assert both.ids.tolist() == [*recorded.ids, "a", "b", "c"] and both.classes.tolist() == [*recorded.classes, 2, 0, 2]
    np.testing.assert_array_equal(
        both.read(np.array([3, 0, 4, 1])),
        [images[1], *survey.read_images([4]), images[2], *survey.read_images([2])],
    )
    with pytest.raises(InputError, match=r"its gathers are 8x8, those of .* 24x16"):
        together([recorded, from_memory(images[:, :8, :8].copy(), [0, 0, 0])])


def test_a_damaged_record_is_named(survey, tmp_path, monkeypatch):
    monkeypatch.setattr(ClassifierTrainer, "optimise", lambda trainer, *batch: (1.0, 0.5))
    shutil.copytree(survey.path, tmp_path / "survey")
    damaged = open_survey(tmp_path / "survey")
    shard = next((tmp_path / "survey").glob("*.tfrecord"))
    data = bytearray(shard.read_bytes())
    data[int(damaged.index["offset_bytes"].iat[50]) + 300] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=f"record 50 .*gather {damaged.index['gather_id'].iat[50]}.* is damaged"):
        fitted(everything(damaged))


@pytest.mark.slow
def test_it_learns_what_tells_the_classes_apart(survey, rewritten_graphs):
    images = survey.read_images(np.arange(120))
    classes = everything(survey).classes
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


@pytest.mark.slow
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


class Gradients:
    """In an optimiser's place: the weights become their gradients."""

    def apply(self, gradients, variables):
        for gradient, variable in zip(gradients, variables, strict=True):
            variable.assign(gradient)


def a_batch(count, size=(24, 16)):
    random = np.random.default_rng(count)
    images = random.integers(0, 256, (count, *size), dtype=np.uint8)
    return images, random.integers(0, 3, count).astype(np.int32), random.uniform(0, 2, count).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("head", "parts"), [("softmax", (1, 5)), ("ordinal", (16,))])
def test_a_batch_in_parts_has_the_same_gradient_loss_and_accuracy(head, parts):
    def step(at_once, *batch):
        model = make_classifier(3, 2, head, 1)
        trainer = ClassifierTrainer(model, 1e-3, class_weights=[1.0, 4.0, 0.5], at_once=at_once)
        trainer.optimizer = Gradients()
        loss, accuracy = trainer.optimise(*batch)
        return model.get_weights(), float(loss), float(accuracy)

    # 0: nothing is worked out in parts; then one by one, with a smaller last part, and more at once than there are.
    gradients, loss, accuracy = step(0, *a_batch(13))
    assert all(np.any(gradient) for gradient in gradients)
    for at_once in parts:
        mine, my_loss, my_accuracy = step(at_once, *a_batch(13))
        every, wanted = (np.concatenate([one.ravel() for one in both]) for both in (mine, gradients))
        assert np.linalg.norm(every - wanted) <= 1e-6 * np.linalg.norm(wanted)
        # Of single biases, whose gradients are sums over all pixels that nearly cancel, rounding takes more.
        for one, other in zip(mine, gradients, strict=True):
            assert np.linalg.norm(one - other) <= 2e-5 * np.linalg.norm(other)
        assert my_loss == pytest.approx(loss, rel=1e-6) and my_accuracy == pytest.approx(accuracy, rel=1e-6)


@pytest.mark.slow
def test_training_in_parts_takes_the_same_steps(survey):
    gathers = everything(survey)
    settings = {"batch": 25, "class_weights": "balanced"}
    whole, parts = (fitted(gathers, validation=gathers, at_once=at_once, **settings) for at_once in (0, 8))
    assert whole.steps == parts.steps == 10 and not same(whole.model, parts.model)
    for one, other in zip(whole.epochs, parts.epochs, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-3) and other.accuracy == pytest.approx(one.accuracy)
        assert other.validation_loss == pytest.approx(one.validation_loss, rel=1e-3)
    assert same(parts.model, fitted(gathers, at_once=8, **settings).model)


MEMORY = """
import tensorflow as tf
from benchmarks.resident import highest_resident_mb, reset_highest, resident_mb
from glowseis.fitting.classifier.trainer import ClassifierTrainer, make_classifier
from tests.fitting.classifier.test_fitting import a_batch

tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
batch = a_batch(192, (112, 80))
for at_once in (8, 0):
    trainer = ClassifierTrainer(make_classifier(3, 4, "softmax", 1), 1e-3, at_once=at_once)
    # Traced, and what the libraries keep is taken.
    trainer.optimise(*a_batch(max(1, at_once), (112, 80)))
    reset_highest()
    before = resident_mb()
    trainer.optimise(*batch)
    print(highest_resident_mb() - before)
"""


@pytest.mark.slow
def test_memory_grows_with_the_part_not_with_the_batch(tmp_path, warm_python):
    """In a process of its own: what other tests have left to the allocator would be taken first."""
    (tmp_path / "memory.py").write_text(MEMORY)
    done = on_backend("tensorflow", warm_python, tmp_path / "memory.py")
    assert done.returncode == 0, done.stderr
    parts, whole = map(float, done.stdout.split())
    # The allocator may take more than the parts need; half leaves room for that.
    assert whole > 200 and parts < whole / 2


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "patience", "kept", "done"),
    [("best", 0, 4, 10), ("last", 0, 10, 10), ("best", 2, 4, 8), ("last", 2, 8, 8)],
)
def test_what_is_kept_and_when_it_stops(survey, monkeypatch, keep, patience, kept, done):
    gathers = everything(survey)
    model = make_classifier(3, 1, "softmax", 1)
    training = ClassifierTraining(epochs=5, steps_per_epoch=2, batch=4, keep=keep, patience=patience)
    state = Scripted(model, [0.9, 0.5, 0.6, 0.5, 0.55])
    fitting = ClassifierFitting(model, gathers, training, 1, validation=gathers)

    def step(*batch):
        model.weights[0].assign(model.weights[0] + 1e-3)
        return 1.0, 0.5

    monkeypatch.setattr(fitting.trainer, "optimise", step)
    result = fitting.run(state)
    assert (result.step, result.steps, sorted(state.seen)) == (kept, done, list(range(2, done + 1, 2)))
    there = state.seen[kept]
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), there, strict=True))


@pytest.mark.parametrize("done", [0, 3, 8])
def test_the_last_quarter_may_train_on_other_gathers(survey, monkeypatch, done):
    """Ten steps, of which the last two see other gathers, in the passes that come then; wherever the run resumes."""
    gathers, other = from_survey(survey, np.arange(11), LABELS), from_survey(survey, np.arange(20, 31), LABELS)
    training = ClassifierTraining(epochs=5, steps_per_epoch=2, batch=4)
    model = make_classifier(3, 1, "softmax", 1)
    fitting = ClassifierFitting(model, gathers, training, 1, last_quarter=other)
    seen = []
    monkeypatch.setattr(fitting.trainer, "optimise", lambda *batch: seen.append(batch) or (1.0, 0.5))
    state = InMemory(model)
    state.step = done
    assert fitting.run(state).steps == 10
    wanted = [
        *batches(gathers, training_steps(gathers, 4, 1, 8)),
        *batches(other, training_steps(other, 4, 1, 10, first=8)),
    ]
    assert len(seen) == 10 - done
    for one, two in zip(seen, wanted[done:], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_a_loss_that_is_not_finite_is_told(survey, monkeypatch):
    gathers = everything(survey)
    fitting = ClassifierFitting(make_classifier(3, 1, "softmax", 1), gathers, ClassifierTraining(), 1)
    steps = iter([(1.0, 0.5), (1.0, 0.5), (np.nan, 0.5)])
    monkeypatch.setattr(fitting.trainer, "optimise", lambda *batch: next(steps))
    with pytest.raises(FittingError, match=r"step 3: the classifier's loss is nan; lower training.learning_rate"):
        fitting.run()


@pytest.mark.parametrize("in_folder", [False, True])
def test_weights_that_the_last_step_spoils_are_never_kept(survey, tmp_path, monkeypatch, in_folder):
    gathers = everything(survey)
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
    assert not list(tmp_path.glob("checkpoints/last/ckpt-3*"))


@pytest.mark.parametrize("classes", [[1, 1, 1], [0, 1, 3], []])
def test_classes_that_cannot_be_trained_on(classes):
    images = np.zeros((len(classes), 8, 8), np.uint8)
    with pytest.raises(InputError, match="give gathers of at least two of its classes"):
        fit_classifier(
            make_classifier(3, 1, "softmax", 1), (images, np.array(classes, np.int32)), ClassifierTraining(), 1
        )
