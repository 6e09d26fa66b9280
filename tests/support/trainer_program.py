"""Fits a saved flow with `glowseis.FlowTrainer` on the backend that KERAS_BACKEND names, without TensorFlow.

`trainer_program.py MATERIAL RESULT`: the material holds the flow's weights in order, images and, as JSON, the flow's
settings and how it is fitted. Written are the bits of each epoch and those evaluated at the end, the weights, what was
said of images that cannot be trained on, and the largest errors of decoding what was encoded: as `round trip`, and as
`adapted round trip` that of new weights, adapted to the images.
"""

import contextlib
import json
import sys
from unittest import mock

sys.modules["tensorflow"] = None

import keras  # noqa: E402
import numpy as np  # noqa: E402

import glowseis  # noqa: E402


def main() -> None:
    material, result = sys.argv[1:]
    with np.load(material) as kept:
        settings, images = json.loads(str(kept["settings"])), kept["images"]
        weights = [kept[f"weight {index}"] for index in range(len(kept.files) - 2)]
    found = {}
    for way in ({}, {"activations": "recomputed"}, {"activations": "recomputed", "conditioners": "bfloat16"}):
        name = " ".join(way.values())
        flow = glowseis.Glow(**settings["flow"])
        flow.build()
        flow.set_weights(weights)
        trainer = glowseis.FlowTrainer(flow, **way)
        trainer.compile(keras.optimizers.SGD(settings["learning_rate"]))
        if not way:
            found["wrong"] = json.dumps(said_of_wrong(trainer, images))
            check_interrupted(trainer, images)
        told = trainer.fit(images, **settings["fit"], validation_data=images).history
        assert told["loss"] == told["bits_per_dimension"] and told["val_loss"] == told["val_bits_per_dimension"]
        found[f"{name} bits"] = told["bits_per_dimension"]
        found[f"{name} evaluated"] = trainer.evaluate(images, batch_size=2, verbose=0)
        # Keras' generators yield tuples, and it makes one of a batch.
        by_generator = trainer.evaluate(((images,) for _ in range(2)), steps=1, verbose=0)
        assert np.allclose([by_generator, trainer.test_on_batch(images)[0]], found[f"{name} evaluated"], rtol=1e-5)
        found |= {f"{name} {index}": weight for index, weight in enumerate(flow.get_weights())}
    found["round trip"] = round_trip(flow, images)
    new = glowseis.Glow(**settings["flow"])
    new.adapt([images])
    found["adapted round trip"] = round_trip(new, images)
    trainer.save(result + ".keras")
    again = keras.saving.load_model(result + ".keras")
    assert again.conditioners == "bfloat16" and int(again.optimizer.iterations) == int(trainer.optimizer.iterations)
    assert np.isclose(again.evaluate(images, batch_size=2, verbose=0), found[f"{name} evaluated"], rtol=1e-6)
    np.savez(result, **found)


def round_trip(flow, images):
    def again(x):
        return flow.decode(flow.encode(x))

    if keras.backend.backend() == "jax":
        import jax

        again = jax.jit(again)
        values = [[one.value for one in some] for some in (flow.trainable_variables, flow.non_trainable_variables)]
        called = jax.eval_shape(lambda *given: flow.stateless_call(*given, images)[0], *values)
        assert called[1].shape == images.shape[:1]
    return np.max(np.abs(keras.ops.convert_to_numpy(again(images)) - images))


def said_of_wrong(trainer, good):
    """What `fit` and `evaluate` say of images that cannot be trained on; the weights stay."""
    before, said = trainer.get_weights(), []
    labelled = {"x": good, "y": np.zeros(len(good))}
    wrong = [
        labelled,
        (255 * good).astype("uint8"),
        good[..., 0],
        255 * good,
        np.where(good == good.max(), np.nan, good),
    ]
    for images in wrong:
        for use in (trainer.fit, trainer.evaluate):
            given = images if images is labelled else {"x": images}
            try:
                use(**given, batch_size=len(good), verbose=0)
            except ValueError as error:
                said.append(str(error))
    for one, other in zip(before, trainer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    return said


def check_interrupted(trainer, images):
    """The weights stay if the first step, which may be compiled for long, is interrupted."""

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    before = trainer.get_weights()
    with mock.patch.object(type(trainer), "compute_loss", interrupt), contextlib.suppress(KeyboardInterrupt):
        trainer.fit(images, verbose=0)
    for one, other in zip(before, trainer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


if __name__ == "__main__":
    main()
