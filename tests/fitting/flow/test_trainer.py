"""The flow as a Keras model: what `fit`, its callbacks and saving do, and that the flow stays as it is."""

import importlib
import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

import glowseis.fitting
from glowseis.errors import InputError
from glowseis.fitting.classifier.trainer import ClassifierTrainer, make_classifier
from glowseis.fitting.flow.fitting import ROUND_TRIP_BOUND
from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.models.glow import Glow
from glowseis.models.grey_levels import from_levels, to_levels
from glowseis.testing import perturb
from tests.support.flow_pictures import SMALL, dequantised, gathers

TINY = {**SMALL, "levels": 1, "steps": 2, "attention_levels": 0}


def trainer_of(**settings):
    trainer = FlowTrainer(Glow(**TINY), **settings)
    trainer.compile(optimizer=keras.optimizers.Adam(1e-3))
    return trainer


@pytest.mark.slow
def test_training_does_not_follow_a_mixed_global_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trainer = FlowTrainer(Glow(**TINY))
        x = dequantised(gathers(4))
        trainer.compile(optimizer=keras.optimizers.Adam(1e-4))
        trainer.fit(x, batch_size=4, epochs=1, verbose=0)
        np.testing.assert_allclose(trainer(x), trainer.flow.bits_per_dimension(trainer.flow.log_prob(x)), rtol=1e-6)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_learns(jit_compile):
    keras.utils.set_random_seed(0)
    flow = Glow(**{**SMALL, "levels": 2, "steps": 1 if jit_compile else 2})
    trainer = FlowTrainer(flow)
    training, held_out = dequantised(gathers(32)), dequantised(gathers(8, seed=9))
    flow.adapt([training])
    trainer.compile(optimizer=keras.optimizers.Adam(2e-3), jit_compile=jit_compile)
    before = trainer.evaluate(held_out, batch_size=8, verbose=0)
    history = trainer.fit(training, batch_size=8, epochs=8, verbose=0)
    after = trainer.evaluate(held_out, batch_size=8, verbose=0)
    assert after < before - 0.3
    assert history.history["bits_per_dimension"][-1] < history.history["bits_per_dimension"][0]
    assert all(norm > 0 for norm in history.history["gradient_norm"])
    expected = np.mean(flow.bits_per_dimension(flow.log_prob(held_out)))
    np.testing.assert_allclose(after, expected, rtol=1e-4)


@pytest.mark.slow
def test_the_papers_flow_trains_and_still_inverts():
    keras.utils.set_random_seed(0)
    # A quarter of the paper's image; levels, steps and weights are the paper's.
    flow = Glow((448, 320, 1))
    flow.build()
    assert sum(int(np.prod(weight.shape)) for weight in flow.trainable_weights) == 7_794_016
    trainer = FlowTrainer(flow)
    images = gathers(1, (448, 320))
    x = dequantised(images)
    flow.adapt([x])
    trainer.compile(optimizer=keras.optimizers.Adam(1e-4))
    history = trainer.fit(x, batch_size=1, epochs=2, verbose=0).history["bits_per_dimension"]
    assert history[-1] < history[0]
    centres = from_levels(images)[..., None]
    with trainer.running():
        back = np.asarray(tf.function(lambda x: flow.decode(flow.encode(x)), autograph=False)(centres))
    assert np.abs(back - centres).max() <= ROUND_TRIP_BOUND
    np.testing.assert_array_equal(to_levels(back), images[..., None])


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"activations": "recomputed"}, {"conditioners": "bfloat16"}])
def test_a_flow_that_was_wrapped_and_compiled_is_the_flow_that_it_was(settings):
    flow, x = Glow(**TINY), dequantised(gathers(2))
    flow.build()
    perturb(flow, 0.05)

    def graph():
        traced = tf.function(lambda x: flow.decode(flow.encode(x)), autograph=False).get_concrete_function(x)
        return [operation.type for operation in traced.graph.get_operations()]

    before, values = graph(), flow.log_prob(x)
    trainer = FlowTrainer(flow, **settings)
    trainer.compile(optimizer="adam", jit_compile=True)
    trainer.compile(optimizer="adam")
    trainer(x), trainer.gradients(tf.constant(x))
    with pytest.raises(ZeroDivisionError), trainer.running():
        assert graph() != before
        raise ZeroDivisionError
    assert graph() == before
    np.testing.assert_array_equal(flow.log_prob(x), values)


@pytest.mark.slow
def test_pictures_that_cannot_be_trained_on_are_named_and_leave_no_trace():
    trainer, good = trainer_of(), dequantised(gathers(4))
    before = trainer.get_weights()
    labelled = tf.data.Dataset.from_tensor_slices((good, np.zeros(4))).batch(2)
    wrong = {
        "received integers. Use glowseis.models.grey_levels.from_levels, or dequantise": gathers(4)[..., None],
        "for images (16, 24, 1); it expects shapes (batch, *[(16, 24, 1)]) and received (batch, *[(16, 24)])": good[
            ..., 0
        ],
        "received (batch, *[(16, 24, 3)])": np.repeat(good, 3, axis=-1),
        "received something else with them": labelled,
        "these hold values outside that range, or NaN": 255 * good,
        "values outside that range": np.where(good == good.max(), np.nan, good),
    }
    for words, pictures in wrong.items():
        for use in (trainer.fit, trainer.evaluate):
            with pytest.raises(ValueError) as told:
                # In one batch: what comes before a wrong one is trained on.
                use(pictures, batch_size=None if pictures is labelled else 4, verbose=0)
            assert words in str(told.value) and "\n" not in str(told.value)
    for one, other in zip(before, trainer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    bits = trainer.fit(good, batch_size=2, verbose=0).history["bits_per_dimension"]
    assert 0 < bits[0] < 20


@pytest.mark.slow
def test_callbacks_and_saving_work_as_keras_has_them(tmp_path, capsys):
    trainer, x = trainer_of(), dequantised(gathers(4))
    path = tmp_path / "trainer.keras"
    callbacks = [keras.callbacks.EarlyStopping(patience=2), keras.callbacks.ModelCheckpoint(path, save_best_only=True)]
    told = trainer.fit(x, batch_size=2, epochs=2, validation_data=x, callbacks=callbacks, verbose=2).history
    assert told["loss"] == told["bits_per_dimension"] and told["val_loss"][1] < told["val_loss"][0] < 20
    assert f"loss: {told['loss'][0]:.4f}" in capsys.readouterr().out
    by_generator = trainer.evaluate(((x,) for _ in range(2)), steps=1, verbose=0)
    assert by_generator == pytest.approx(trainer.evaluate(x, verbose=0), rel=1e-6)
    loaded = keras.saving.load_model(path)
    assert loaded.evaluate(x, batch_size=2, verbose=0) == pytest.approx(told["val_loss"][1], rel=1e-6)
    assert int(loaded.optimizer.iterations) == 4 and loaded.optimizer.get_config() == trainer.optimizer.get_config()
    for one, other in zip(trainer.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_trainers_with_the_former_name_of_activations_are_loaded():
    config = FlowTrainer(Glow(**TINY), "recomputed").get_config()
    before = {key: value for key, value in config.items() if key != "activations"} | {"reversible": True}
    assert FlowTrainer.from_config(before).activations == "recomputed"


@pytest.mark.parametrize("precision", ["float16", "mixed_bfloat16", None])
def test_another_precision_of_conditioners_is_named(precision):
    with pytest.raises(ValueError, match="give one of float32, bfloat16"):
        FlowTrainer(Glow(**TINY), conditioners=precision)


def test_another_backend_is_named(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="Keras runs on jax here, but fitting needs TensorFlow; set KERAS_BACKEND"):
        FlowTrainer(Glow(**TINY))
    with pytest.raises(InputError, match="Keras runs on jax here"):
        ClassifierTrainer(make_classifier(2, 1, "softmax", 1), 1e-3)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs TensorFlow, which is not installed"):
        importlib.reload(glowseis.fitting)
