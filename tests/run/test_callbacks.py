"""Keras callbacks named on the command line: they watch the training of flows and classifiers."""

import sys

import keras
import numpy as np
import pytest
from keras.src.utils.python_utils import is_default

from glowseis.errors import FittingError, InputError, StoppedError
from glowseis.fitting.classifier.fitting import ClassifierFitting, make_classifier
from glowseis.fitting.classifier.run import ClassifierRun
from glowseis.fitting.flow.run import FlowRun
from glowseis.fitting.stopping import Stopping
from glowseis.recipe import ClassifierTraining
from glowseis.run.callbacks import callbacks_of
from glowseis.survey.batches.labelled import from_memory

OWN = """
import keras

class Own(keras.callbacks.Callback):
    pass

made = Own()
number = 3

def log():
    return keras.callbacks.CSVLogger("log.csv")

def broken():
    raise OSError("no room")
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a module of callbacks."""
    (tmp_path / "own_callbacks.py").write_text(OWN)
    (tmp_path / "torn.py").write_text("raise ValueError('half written')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("own_callbacks", None)


class Keeping(keras.callbacks.Callback):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []
        for name in ("train_begin", "epoch_begin", "train_batch_begin", "train_batch_end", "epoch_end", "train_end"):
            setattr(self, f"on_{name}", self._keeper(name))

    def _keeper(self, name):
        return lambda number=None, logs=None: self.told.append((name, number, logs))


def fitting(validation=True, epochs=2):
    images = np.random.default_rng(1).integers(0, 256, (12, 16, 16)).astype(np.uint8)
    gathers = from_memory(images, np.resize([0, 1, 2], 12))
    training = ClassifierTraining(epochs=epochs, batch=4, learning_rate=1e-2)
    judges = gathers if validation else None
    labels = ("good", "medium", "bad")
    return ClassifierFitting(
        make_classifier(3, 1, "softmax", 1), gathers, training, 1, validation=judges, labels=labels
    )


def test_callbacks_by_import_path(here):
    own, made, log = callbacks_of(["own_callbacks.Own", "own_callbacks.made", "own_callbacks.log"])
    assert type(own) is type(made) and own is not made and isinstance(log, keras.callbacks.CSVLogger)
    assert isinstance(callbacks_of(["keras.callbacks.TerminateOnNaN"])[0], keras.callbacks.TerminateOnNaN)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Own", "give an import path, such as mlflow.keras.MlflowCallback"),
        ("own_callbacks.", "give an import path"),
        ("own_callbacks.number", r"is not a Keras callback \(its type is int\)"),
        ("builtins.dict", r"is not a Keras callback \(its type is dict\)"),
        (
            "own_callbacks.none",
            r"cannot be imported \(module 'own_callbacks' has no attribute 'none'\); correct the name",
        ),
        ("nowhere_at_all.Own", r"cannot be imported \(No module named 'nowhere_at_all'\); install its package, or run"),
        ("torn.Own", r"cannot be imported \(half written\); fix the module"),
        ("own_callbacks.broken", r"cannot be made without arguments \(no room\); name a function"),
        ("keras.callbacks.CSVLogger", "cannot be made without arguments .*'filename'"),
    ],
)
def test_what_is_no_callback_is_said_in_a_line(here, name, message):
    with pytest.raises(InputError, match=f"--callback {name}: {message}") as wrong:
        callbacks_of([name])
    assert "\n" not in str(wrong.value)


@pytest.mark.slow
def test_a_callback_watches_a_classifier_s_run(tmp_path, eager_fitting):
    watched, alone, keeping = fitting(), fitting(), Keeping()
    ClassifierRun(watched, tmp_path, Stopping()).run([keeping])
    alone.run()
    for one, other in zip(watched.model.get_weights(), alone.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    epoch = ["epoch_begin", *["train_batch_begin", "train_batch_end"] * 3, "epoch_end"]
    assert [name for name, *_ in keeping.told] == ["train_begin", *epoch, *epoch, "train_end"]
    (first, logs), (second, _) = (given for name, *given in keeping.told if name == "epoch_end")
    steps = [given[1]["loss"] for name, *given in keeping.told if name == "train_batch_end"]
    assert (first, second) == (0, 1) and logs["loss"] == pytest.approx(np.mean(steps[:3]))
    assert set(logs) == {
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        *(f"val_f1_{x}" for x in ("good", "medium", "bad")),
    }
    assert keeping.model.optimizer is watched.trainer.optimizer
    assert keeping.model.count_params() == watched.model.count_params() and not hasattr(watched.model, "optimizer")
    # A run that is done tells no epochs again.
    again = Keeping()
    ClassifierRun(fitting(), tmp_path, Stopping()).run([again])
    assert [name for name, *_ in again.told] == ["train_begin", "train_end"]


def test_keras_sees_which_hooks_do_nothing(here):
    (here / "hooked.py").write_text(
        "import keras\nclass Hooked(keras.callbacks.Callback):\n    def on_epoch_end(self, epoch, logs=None): pass\n"
    )
    (hooked,) = callbacks_of(["hooked.Hooked"])
    empty = [name for name in dir(hooked) if name.startswith("on_") and is_default(getattr(hooked, name))]
    plain = keras.callbacks.Callback()
    assert set(empty) == {name for name in dir(plain) if is_default(getattr(plain, name))} - {"on_epoch_end"} != set()


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_batch_end"])
def test_a_callback_that_raises_ends_the_training_in_a_line(here, hook):
    (here / "raising.py").write_text(
        "import keras\nclass Boom(keras.callbacks.Callback):\n"
        f"    def {hook}(self, number, logs=None):\n        raise RuntimeError('disk gone')\n"
    )
    sys.modules.pop("raising", None)
    told = keras.callbacks.CallbackList(callbacks_of(["raising.Boom"]), model=keras.Sequential())
    told.on_train_begin()
    told.on_epoch_begin(0)
    with pytest.raises(FittingError, match=rf"^--callback raising\.Boom: {hook} failed \(disk gone\); mend it"):
        told.on_epoch_end(0, {}) if hook == "on_epoch_end" else told.on_train_batch_end(0, {})


@pytest.mark.parametrize(("kind", "run"), [("flow", FlowRun), ("classifier", ClassifierRun)])
def test_train_hands_callbacks_on(kind, run, here, tiny, command, monkeypatch):
    seen = []

    def watched(self, callbacks=()):
        seen.extend(callbacks)
        raise StoppedError("enough")

    monkeypatch.setattr(run, "run", watched)
    recipe = tiny.recipe
    if kind == "classifier":
        recipe = here / "classifier.toml"
        recipe.write_text(
            'name = "c"\nseed = 1\n[data]\ntest = 0.2\nvalidation = 0.2\n[classifier]\nalpha = 1\nhead = "softmax"\n'
            "[training]\nepochs = 1\nbatch = 4\nlearning_rate = 1e-3\n"
        )
    words = ("--survey", tiny.survey, "--callback", "own_callbacks.Own", "--callback", "own_callbacks.log")
    done = command("train", recipe, *words)
    assert done.status == 75 and [type(one).__name__ for one in seen] == ["Own", "CSVLogger"], done.error
    wrong = command("train", recipe, "--survey", tiny.survey, "--callback", "own_callbacks.number")
    assert (wrong.status, len(wrong.error)) == (2, 1) and "is not a Keras callback (its type is int)" in wrong.error[0]


@pytest.mark.slow
def test_mlflow_with_its_file_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    with mlflow.start_run():
        fitting().run(callbacks=callbacks_of(["mlflow.keras.MlflowCallback"]))
    mlflow.flush_async_logging()
    (kept,) = (tmp_path / "mlruns").glob("*/*/metrics/val_f1_bad")
    assert len(kept.read_text().splitlines()) == 2
    assert list((tmp_path / "mlruns").glob("*/*/artifacts/model_summary.txt"))
