"""What every backend times in `benchmarks.backends`: the flow, its loss, its ways of training, and a copy.

It needs only Keras and its backend.
"""

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from glowseis.models.flow_trainer import training_way
from glowseis.models.glow import Glow

LEARNING_RATE = 1e-6

COPIED = 1 << 28
"""Bytes of the copies whose rate is measured."""

COPIES = 8

Calls = dict[str, Callable[[], Any]]
"""Functions without arguments, by name: a training step, forward, decode."""

_made: dict[str, Any] = {}


def perturbed_flow(words: argparse.Namespace, size: tuple[int, ...]) -> Any:
    """The flow with perturbed weights, made once a process."""
    if "flow" not in _made:
        keras.utils.set_random_seed(1)
        flow = Glow((*size, 1), words.levels, words.steps, words.filters, min(2, words.levels))
        random = np.random.default_rng(0)
        with drawing():
            flow.build()
            for weight in flow.trainable_weights:
                noise = 1e-3 * random.standard_normal(weight.shape)
                weight.assign_add(keras.ops.convert_to_tensor(noise, weight.dtype))
        _made["flow"] = flow
    return _made["flow"]


def drawing() -> contextlib.AbstractContextManager[Any]:
    """A context for drawing weights: with JAX on the CPU, where the many small programs compile quicker."""
    return keras.device("cpu:0") if keras.backend.backend() == "jax" else contextlib.nullcontext()


def mean_bits(flow: Any, x: Any) -> Any:
    """The loss: bits per dimension, the mean over the images."""
    return keras.ops.mean(flow.bits_per_dimension(flow.log_prob(x)))


@contextlib.contextmanager
def training(flow: Any, contender: str) -> Iterator[None]:
    """A context in which the flow's steps run in this way of training."""
    with contextlib.ExitStack() as contexts:
        for stack in flow.stacks:
            activations, *lowered = contender.split("-")
            with drawing():
                way = training_way(stack, activations, *lowered)
            contexts.enter_context(stack.running(way))
        yield


def rate(copy: Callable[[], Any], wait: Callable[[Any], None]) -> float:
    """GB a second of copies of `COPIED` bytes, the best of three times several in a row."""
    wait(copy())
    seconds = []
    for _ in range(3):
        start_s = time.perf_counter()
        for _ in range(COPIES):
            result = copy()
        wait(result)
        seconds.append(time.perf_counter() - start_s)
    return COPIES * 2 * COPIED / min(seconds) / 1e9
