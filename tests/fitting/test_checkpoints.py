"""A run's state on disk: damaged in many ways, a run goes on from what is whole, or is told."""

import random

import keras
import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.fitting.checkpoints import Checkpoints


def state_in(folder, identity="run", value=0.0):
    """A state of two weights that all are `value`."""
    model = keras.Sequential([keras.layers.Dense(1)])
    model.build((None, 1))
    optimizer = keras.optimizers.SGD(momentum=0.9)
    optimizer.build(model.trainable_variables)
    checkpoints = Checkpoints(folder, model, optimizer, identity)
    model.set_weights([np.full(weight.shape, value) for weight in model.get_weights()])
    return checkpoints, model


def save(checkpoints, model, step):
    """Keep weights that are the step's number."""
    model.set_weights([np.full(weight.shape, float(step)) for weight in model.get_weights()])
    checkpoints.save(step)


@pytest.fixture
def folder(tmp_path):
    """States after steps 10 and 20; the best weights are those of step 10."""
    checkpoints, model = state_in(tmp_path)
    for step, figure in ((0, 9.0), (10, 5.0), (20, 6.0)):
        save(checkpoints, model, step)
        if checkpoints.offer(step, figure):
            checkpoints.save(step)
    return tmp_path


def restored(folder):
    """The step, the weights that it finds, and what it says."""
    checkpoints, model = state_in(folder)
    said = []
    assert checkpoints.restore(said.append)
    (value,) = {float(one) for weight in model.get_weights() for one in weight.ravel()}
    return checkpoints.step, value, said


def flip(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)


def the(folder, step, ending):
    return next((folder / "last").glob(f"ckpt-{step}.{ending}*"))


POINTERS = {
    "gone": None,
    "empty": b"",
    "no text": bytes(range(128, 256)),
    "nonsense": b"model_checkpoint_path: ckpt",
    "half": b'model_checkpoint_path: "ck',
    "another field": b'all_model_checkpoint_paths: "ckpt-20"',
    "one that is not there": b'model_checkpoint_path: "ckpt-30"',
    "the one before": b'model_checkpoint_path: "ckpt-10"',
    "elsewhere": b'model_checkpoint_path: "/nowhere/ckpt-20"\nall_model_checkpoint_paths: "/nowhere/ckpt-20"',
}


@pytest.mark.parametrize("pointer", POINTERS)
@pytest.mark.parametrize("where", ["last", "best"])
def test_whatever_the_pointer_says_a_run_goes_on_from_its_newest_state(folder, pointer, where):
    path = folder / where / "checkpoint"
    if POINTERS[pointer] is None:
        path.unlink()
    else:
        path.write_bytes(POINTERS[pointer])
    assert restored(folder) == (20, 20.0, [])
    checkpoints, model = state_in(folder)
    assert checkpoints.restore()
    checkpoints.restore_best()
    assert model.get_weights()[0] == 10 and checkpoints.best_step == 10
    save(checkpoints, model, 30)
    assert checkpoints.offer(30, 1.0)
    names = sorted(file.name for part in ("last", "best") for file in (folder / part).glob("*.index"))
    assert names == ["ckpt-10.index", "ckpt-20.index", "ckpt-30.index", "ckpt-30.index"]
    assert 'model_checkpoint_path: "ckpt-30"' in path.read_text() and restored(folder) == (30, 30.0, [])


DAMAGE = {
    "a bit of the index": lambda folder, step: flip(the(folder, step, "index")),
    "a bit of the weights": lambda folder, step: flip(the(folder, step, "data")),
    "half an index": lambda folder, step: the(folder, step, "index").write_bytes(
        the(folder, step, "index").read_bytes()[:99]
    ),
    "an empty index": lambda folder, step: the(folder, step, "index").write_bytes(b""),
    "half the weights": lambda folder, step: the(folder, step, "data").write_bytes(
        the(folder, step, "data").read_bytes()[:99]
    ),
    "no weights": lambda folder, step: the(folder, step, "data").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_run_goes_on_from_the_state_before_a_damaged_one_and_says_so(folder, damage):
    DAMAGE[damage](folder, 20)
    step, value, (said,) = restored(folder)
    assert (step, value) == (10, 10.0) and "\n" not in said
    assert "last/ckpt-20: this checkpoint cannot be read (" in said
    assert said.endswith("); resuming from the newest readable one, after step 10")
    checkpoints, model = state_in(folder)
    checkpoints.restore()
    save(checkpoints, model, 15)
    assert not list((folder / "last").glob("ckpt-20*")) and restored(folder) == (15, 15.0, [])


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_run_of_which_no_state_is_whole_is_told(folder, damage):
    for step in (10, 20):
        DAMAGE[damage](folder, step)
    with pytest.raises(InputError, match=r"last/ckpt-20: this checkpoint cannot be read .* remove the run's folder"):
        state_in(folder)[0].restore()


@pytest.mark.slow
def test_no_flipped_bit_gives_other_weights(folder):
    places = random.Random(1)
    files = [path for path in (folder / "last").glob("ckpt-20.*")]
    for path in files:
        whole = path.read_bytes()
        for _ in range(15):
            flip(path, places.random())
            assert restored(folder)[:2] in {(20, 20.0), (10, 10.0)}
            path.write_bytes(whole)


@pytest.mark.parametrize("left", ["checkpoint", "ckpt-20.data*"])
def test_a_run_whose_states_are_gone_does_not_begin_anew(folder, left):
    kept = set((folder / "last").glob(left))
    for path in set((folder / "last").iterdir()) - kept | set((folder / "best").iterdir()):
        path.unlink()
    with pytest.raises(InputError, match="the run's last state is missing; remove the run's folder to start again"):
        state_in(folder)[0].restore()


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_best_weights_that_are_lost_are_reported_before_training_goes_on(folder, damage):
    for path in (folder / "best").glob("ckpt-10.*"):
        path.unlink() if damage == "gone" else flip(path)
    with pytest.raises(InputError, match="best/ckpt-10: this checkpoint cannot be read"):
        state_in(folder)[0].restore()


def test_best_weights_that_came_after_the_last_state_leave_those_that_it_names(folder):
    """As a process leaves them that was killed between the two."""
    checkpoints, model = state_in(folder)
    checkpoints.restore()
    model.set_weights([np.full(weight.shape, 30.0) for weight in model.get_weights()])
    assert checkpoints.offer(30, 1.0)
    again, model = state_in(folder)
    assert again.restore() and (again.step, again.best_step) == (20, 10)
    again.restore_best()
    assert all((weight == 0.0).all() or (weight == 10.0).all() for weight in model.get_weights())


def test_states_of_a_classifier_from_before_they_named_their_run_are_read(tmp_path):
    save(*state_in(tmp_path, identity=""), 10)
    assert restored(tmp_path) == (10, 10.0, [])


def test_a_run_that_was_killed_in_its_first_save_begins(tmp_path):
    (tmp_path / "last" / "ckpt-0_temp").mkdir(parents=True)
    (tmp_path / "last" / "ckpt-0.data-00000-of-00001").write_bytes(b"half")
    checkpoints, model = state_in(tmp_path)
    assert not checkpoints.restore() and checkpoints.last_good == "there is no checkpoint yet"
    save(checkpoints, model, 0)
    assert restored(tmp_path) == (0, 0.0, [])


def test_the_state_of_another_run_is_told(folder):
    with pytest.raises(InputError, match="this checkpoint belongs to another run"):
        state_in(folder, identity="other")[0].restore()
