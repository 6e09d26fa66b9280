"""One measurement of our flow, in a process of its own: `python -m benchmarks.flow_ours TASK` (see `measures`).

Weights are drawn, then perturbed, because a flow that starts as the identity contains zeros that a processor may handle
faster. The step is the one that training runs: `FlowTrainer.optimise` with Adam as a `tf.function`; the time of the
first step runs from the start of its tracing to its result. Inference runs the flow's own methods, each as a
`tf.function`.
"""

import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measures import PRODUCT, XLA, Answer, Task, answer, multiply_adds_per_second, timed
from glowseis.command import import_tensorflow

if TYPE_CHECKING:
    from glowseis.fitting.flow.trainer import FlowTrainer

GRAPH_OPTIONS = {"function_optimization": False}
"""TensorFlow's graph optimisation as training sets it: without the pass over functions, which takes most of the time of
a first step and gains nothing for a step that is called."""

PERTURBATION = 1e-3

PRODUCT_SIDE = 1536


def measure(task: Task) -> Answer:
    """Measure one task."""
    import_tensorflow()
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options(GRAPH_OPTIONS)
    if task.contender == PRODUCT:
        return product_rate()
    trainer = make_trainer(task)
    return training(task, trainer) if task.what == "training" else throughput(task, trainer)


def make_trainer(task: Task) -> "FlowTrainer":
    """A flow with perturbed weights, in the trainer that its contender's name selects."""
    import keras

    from glowseis.fitting.flow.trainer import FlowTrainer
    from glowseis.models.glow import Glow
    from glowseis.testing import perturb

    way = task.contender.removeprefix("ours ").removesuffix(XLA)
    conditioners = "bfloat16" if way.endswith("-bfloat16") else "float32"
    keras.utils.set_random_seed(1)
    flow = Glow((*task.size, 1), task.levels, task.steps, task.filters, task.attention_levels)
    trainer = FlowTrainer(flow, way.removesuffix("-bfloat16"), conditioners)
    perturb(flow, PERTURBATION)
    return trainer


def training(task: Task, trainer: "FlowTrainer") -> Answer:
    """Seconds of the first and later steps, multiply-adds of a step, and MB of weights and Adam's moments."""
    import tensorflow as tf

    from benchmarks.multiply_adds import multiply_adds
    from glowseis.fitting.adam import FusedAdam

    xla = task.contender.endswith(XLA)
    trainer.compile(optimizer=FusedAdam(1e-4), jit_compile=xla)
    images = tf.constant(random_images(task.batch, task.size))
    optimise = tf.function(trainer.optimise, jit_compile=xla or None)

    def step() -> None:
        bits, norm = optimise(images)
        if not np.isfinite([float(bits), float(norm)]).all():
            sys.exit("training gives NaN or infinity")

    start_s = time.perf_counter()
    step()
    first_step_s = time.perf_counter() - start_s
    kept = [*trainer.flow.weights, *trainer.optimizer.variables]
    return {
        "first_step_s": first_step_s,
        "steps_s": timed(task.count, step),
        "multiply_adds": 3 * task.batch * multiply_adds(trainer.flow),
        "state_mb": sum(np.prod(one.shape) * np.dtype(one.dtype).itemsize for one in kept) / 1e6,
    }


def throughput(task: Task, trainer: "FlowTrainer") -> Answer:
    """Seconds of each pass: log-density of images, images from latents, images half-way between two others."""
    import tensorflow as tf

    flow = trainer.flow
    first, second = (tf.constant(random_images(task.batch, task.size, seed)) for seed in (0, 1))
    halves = tf.fill([task.batch], 0.5)
    log_prob, decode, interpolate = map(tf.function, (flow.log_prob, flow.decode, flow.interpolate))
    latents = tf.function(flow.encode)(first)
    passes = {
        "encode_s": lambda: log_prob(first).numpy(),
        "decode_s": lambda: decode(latents).numpy(),
        "generate_s": lambda: interpolate(first, second, halves).numpy(),
    }
    seconds = {}
    for name, run in passes.items():
        run()
        seconds[name] = timed(task.count, run)
    return seconds


def product_rate() -> Answer:
    """The machine's rate of float32 matrix products: the better of NumPy's and TensorFlow's."""
    import tensorflow as tf

    one, other = np.random.default_rng(0).random((2, PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
    of_tensorflow = tf.constant(one), tf.constant(other)
    products = {
        "numpy_per_s": lambda: one @ other,
        "tensorflow_per_s": lambda: tf.matmul(*of_tensorflow).numpy(),
    }
    rates = {name: multiply_adds_per_second(product, PRODUCT_SIDE) for name, product in products.items()}
    return {**rates, "multiply_adds_per_s": max(rates.values())}


def random_images(batch: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Images of noise in [0, 1), float32 `[batch, time, trace, 1]`."""
    return np.random.default_rng(seed).random((batch, *size, 1), np.float32)


if __name__ == "__main__":
    answer(measure)
