"""A training that is to end the same on any devices: `python device_program.py OUT DEVICES`, or OUT with TF_CONFIG.

Twenty steps of a small flow over batches of eight, whose reduced gradients at the first step and weights at the end are
kept by the chief. Two ways of fitting: SGD of one level with activations stored, and Adam with clipping, of two levels,
the second with attention, with activations recomputed.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from glowseis.fitting.adam import FusedAdam
from glowseis.fitting.devices.cluster import from_tf_config
from glowseis.fitting.devices.devices import Devices, devices_of
from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.models.glow import Glow
from glowseis.testing import perturb

BATCH, STEPS = 8, 20

WAYS = {
    "sgd-stored": (lambda: keras.optimizers.SGD(0.01), "stored", 1),
    "clipped-recomputed": (lambda: FusedAdam(1e-3, global_clipnorm=0.5), "recomputed", 2),
}
"""Optimiser, activations, and levels."""


def devices_here(count: int) -> Devices:
    """So many logical devices of this machine's processor; those of TF_CONFIG when None are wanted."""
    if not count:
        return devices_of(from_tf_config())
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * count)
    names = [f"CPU:{number}" for number in range(count)]
    return Devices(tf.distribute.MirroredStrategy(names)) if count > 1 else Devices()


def fitted(devices: Devices, way: str) -> dict[str, np.ndarray]:
    """Weights before and after, gradients and norm of the first step."""
    optimizer, activations, levels = WAYS[way]
    keras.utils.set_random_seed(7)
    pictures = np.random.default_rng(1).random((STEPS, BATCH, 16, 16, 1)).astype("float32")
    with devices.strategy.scope():
        flow = Glow((16, 16, 1), levels=levels, steps=1, filters=8, attention_levels=levels - 1, heads=2)
        trainer = FlowTrainer(flow, activations)
        perturb(flow, 0.05)
        trainer.compile(optimizer=optimizer())
        trainer.optimizer.build(flow.trainable_variables)
    devices.on_chief(lambda: flow.adapt([pictures[0]]))
    devices.follow_chief([weight.value for weight in flow.weights])
    names = [weight.path.split("/", 1)[1] for weight in flow.trainable_weights]
    kept = {f"before|{name}": weight.numpy() for name, weight in zip(names, flow.trainable_weights, strict=True)}
    each = BATCH // devices.replicas

    def shares(step):
        parts = [pictures[step, number * each : (number + 1) * each] for number in devices.own_replicas]
        return devices.shares([tf.constant(part) for part in parts])

    _, gradients = devices.on_each(trainer.gradients)(shares(0))
    kept |= {f"gradient|{name}": gradient.numpy() for name, gradient in zip(names, gradients, strict=True)}
    optimise = devices.on_each(trainer.optimise)
    told = [[float(value) for value in optimise(shares(step))] for step in range(STEPS)]
    kept |= {"bits": np.array(told)[:, 0], "norm": np.array(told)[:, 1]}
    return kept | {f"after|{name}": weight.numpy() for name, weight in zip(names, flow.trainable_weights, strict=True)}


def main() -> None:
    """Fit in each way; the chief writes what came of it."""
    out, *count = sys.argv[1:]
    devices = devices_here(int(count[0]) if count else 0)
    for way in WAYS:
        kept = fitted(devices, way)
        if devices.is_chief:
            np.savez(Path(out) / f"{way}.npz", **{name.replace("/", "|"): value for name, value in kept.items()})


if __name__ == "__main__":
    main()
