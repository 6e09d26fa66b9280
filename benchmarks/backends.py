"""The flow on any Keras backend (TensorFlow, JAX or torch), with or without a GPU.

    KERAS_BACKEND=jax python -m benchmarks.backends --csv jax.csv
    KERAS_BACKEND=torch python -m benchmarks.backends --size 448x320 --batches 1,4
    KERAS_BACKEND=torch python -m benchmarks.backends --peer       # normflows beside it, if it is installed

It needs only `keras` and its backend, and of glowseis only `glowseis.layers` and `glowseis.models`: neither an
installed package nor typer, so that it runs from a checkout on a machine that has nothing else. Each batch size runs in
a process of its own, because some backends only report the peak memory since their start.

After a first call each, which compiles, it times forward (log-density), decode, and a training step (value and gradient
of bits per dimension, and plain gradient descent). With JAX and TensorFlow each is one compiled function, in which the
flow's step is a function that is traced once per level; torch runs eagerly. Training here stores activations. Peak
memory is what the backend's allocator reports for the device after the training step; on a CPU nothing is reported or
printed. The peer is `benchmarks.flow_peers`'s normflows, whose conditioners are all convolutional.
"""

import argparse
import contextlib
import csv
import functools
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parent.parent

OURS, PEER = "ours", "normflows tuned"

LEARNING_RATE = 1e-6


def main() -> None:
    """Measure each batch size in a process of its own; print a table and write it."""
    words = _arguments()
    if words.child:
        print(json.dumps(measure(words)))
        return
    rows = []
    for contender in (OURS, PEER) if words.peer else (OURS,):
        for batch in words.batches.split(","):
            row = _ask([*sys.argv[1:], "--child", contender, "--batches", batch])
            if not rows:
                print(f"{row['device']}, {row['backend']}; {words.size}, {words.levels}x{words.steps}")
                print(f"{'contender':15} batch  " + "  ".join(f"{name:>16}" for name in list(row)[4:]))
            rows.append(row)
            print(f"{contender:15} {batch:>5}  " + "  ".join(f"{value:16.4g}" for value in list(row.values())[4:]))
    if words.csv:
        with words.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backends", description=main.__doc__)
    parser.add_argument("--size", default="896x640", help="samples x traces")
    parser.add_argument("--levels", type=int, default=6, help="levels of the flow")
    parser.add_argument("--steps", type=int, default=15, help="flow steps per level")
    parser.add_argument("--filters", type=int, default=96, help="hidden channels")
    parser.add_argument("--batches", default="1,4,16", help="images per step, such as 1,4,16")
    parser.add_argument("--repetitions", type=int, default=5, help="timed calls; their medians are printed")
    parser.add_argument("--peer", action="store_true", help="also measure normflows (with torch)")
    parser.add_argument("--csv", type=Path, help="write the table to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", words.batches):
        parser.error(f"--batches {words.batches}: write numbers from 1, such as 1,4,16")
    unit = 2**words.levels if words.levels > 0 else 0
    sides = [int(side) for side in words.size.split("x") if side.isdecimal()]
    if (
        words.size.count("x") != 1
        or len(sides) != 2
        or not unit
        or not all(side and side % unit == 0 for side in sides)
    ):
        parser.error(f"--size {words.size}, --levels {words.levels}: give samples x traces that 2^levels divides")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in ("tensorflow", "jax", "torch"):
        parser.error(f"KERAS_BACKEND is {backend}; choose tensorflow, jax or torch")
    return words


def _ask(words: list[str]) -> dict[str, Any]:
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.backends", *words],
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "PYTHONPATH": path},
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"backends: {' '.join(words[-4:])} ended with status {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(words: argparse.Namespace) -> dict[str, Any]:
    """One row: seconds of first and later calls at one batch size, and the device's peak memory."""
    import keras
    import numpy as np

    backend = keras.backend.backend()
    size = tuple(int(side) for side in words.size.split("x"))
    images = np.random.default_rng(0).random((int(words.batches), *size, 1), np.float32)
    calls = _calls_of_peer(words, size, images) if words.child == PEER else _calls_of_ours(words, size, images)
    row: dict[str, Any] = {}
    for name, call in calls:
        seconds = [_seconds(call) for _ in range(words.repetitions + 1)]
        row[f"{name}_first_s"] = seconds[0]
        row[f"{name}_s"] = statistics.median(seconds[1:])
    device, peak_mb = _device(backend)
    about = {"contender": words.child, "backend": backend, "device": device, "batch": int(words.batches)}
    return {**about, **row, "device_peak_mb": peak_mb}


def _seconds(call: Callable[[], Any]) -> float:
    import keras

    start_s = time.perf_counter()
    result = call()
    # Fetching one number waits for the device.
    keras.ops.convert_to_numpy(keras.ops.ravel(result)[0])
    return time.perf_counter() - start_s


def _calls_of_ours(
    words: argparse.Namespace, size: tuple[int, ...], images: Any
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name and function of each direction, ready to call."""
    import keras
    import numpy as np

    from glowseis.models.glow import Glow

    keras.utils.set_random_seed(1)
    flow = Glow((*size, 1), words.levels, words.steps, words.filters, min(2, words.levels))
    flow.build()
    random = np.random.default_rng(0)
    for weight in flow.trainable_weights:
        weight.assign_add(keras.ops.convert_to_tensor(1e-3 * random.standard_normal(weight.shape), weight.dtype))
    x = keras.ops.convert_to_tensor(images)
    compiled, step, running = {"jax": _with_jax, "torch": _with_torch, "tensorflow": _with_tensorflow}[
        keras.backend.backend()
    ](flow)
    with running:
        latents = compiled(flow.encode)(x)
        log_prob, decode = compiled(flow.log_prob), compiled(flow.decode)
        yield "forward", lambda: log_prob(x)
        yield "decode", lambda: decode(latents)
        yield "step", lambda: step(x)


def _bits(flow, x):
    import keras

    return keras.ops.mean(flow.bits_per_dimension(flow.log_prob(x)))


def _step_by_step(flow, wrapper):
    """A context in which each step of the flow goes through `wrapper`, such as a compiler."""
    from glowseis.layers.step_stack import Way

    contexts = contextlib.ExitStack()
    for stack in flow.stacks:
        way = Way(wrapper(stack.template.forward), wrapper(stack.template.inverse))
        contexts.enter_context(stack.running(way))
    return contexts


def _with_jax(flow):
    """A compiler for functions of the flow, a training step `images -> bits`, and a context for both."""
    import jax
    import keras

    variables = flow.trainable_variables

    def loss(values, x):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return _bits(flow, x)

    @jax.jit
    def update(values, x):
        bits, gradients = jax.value_and_grad(loss)(values, x)
        return [value - LEARNING_RATE * gradient for value, gradient in zip(values, gradients, strict=True)], bits

    state = [variable.value for variable in variables]

    def step(x):
        state[:], bits = update(list(state), x)
        return bits

    return jax.jit, step, _step_by_step(flow, jax.jit)


def _with_tensorflow(flow):
    """A compiler for functions of the flow, a training step `images -> bits`, and a context for both."""
    import tensorflow as tf

    called = functools.partial(tf.function, experimental_attributes={"_noinline": True})
    tf.config.optimizer.set_experimental_options({"function_optimization": False})
    variables = flow.trainable_variables

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            bits = _bits(flow, x)
        for variable, gradient in zip(variables, tape.gradient(bits, [one.value for one in variables]), strict=True):
            variable.assign_sub(LEARNING_RATE * gradient)
        return bits

    return tf.function, step, _step_by_step(flow, called)


def _with_torch(flow):
    """A wrapper that runs functions of the flow without gradients, a training step `images -> bits`, and no context."""
    import torch

    weights = [variable.value for variable in flow.trainable_variables]

    def step(x):
        bits = _bits(flow, x)
        gradients = torch.autograd.grad(bits, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(LEARNING_RATE * gradient)
        return bits.detach()

    return torch.no_grad(), step, contextlib.nullcontext()


def _calls_of_peer(
    words: argparse.Namespace, size: tuple[int, ...], images: Any
) -> Iterator[tuple[str, Callable[[], Any]]]:
    import torch
    from keras.src.backend.torch.core import get_device

    from benchmarks.flow_peers import bits_per_dimension, make_peer
    from benchmarks.measures import Task

    task = Task(PEER, "training", (size[0], size[1]), words.levels, words.steps, words.filters)
    peer = make_peer(task, get_device())
    x = torch.as_tensor(images).permute(0, 3, 1, 2).to(get_device())
    weights = [weight for weight in peer.parameters() if weight.requires_grad]

    def step():
        bits = bits_per_dimension(peer, x)
        gradients = torch.autograd.grad(bits, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(LEARNING_RATE * gradient)
        return bits.detach()

    with torch.no_grad():
        peer.log_prob(x - 0.5)
        latents = peer.encode(x - 0.5)
    yield "forward", torch.no_grad()(lambda: peer.log_prob(x - 0.5))
    yield "decode", torch.no_grad()(lambda: peer.decode(latents))
    yield "step", step


def _device(backend: str) -> tuple[str, float]:
    """Name of the device, and its peak memory in MB since the process began; NaN on a CPU."""
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return device.device_kind, (device.memory_stats() or {}).get("peak_bytes_in_use", float("nan")) / 1e6
    if backend == "torch":
        import torch

        if not torch.cuda.is_available():
            return "cpu", float("nan")
        return torch.cuda.get_device_name(), torch.cuda.max_memory_allocated() / 1e6
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return "cpu", float("nan")
    name = tf.config.experimental.get_device_details(devices[0]).get("device_name", "gpu")
    return name, tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6


if __name__ == "__main__":
    main()
