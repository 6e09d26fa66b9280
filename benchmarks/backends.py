"""The flow on any Keras backend (TensorFlow, JAX or torch), with or without a GPU.

    KERAS_BACKEND=jax python -m benchmarks.backends --csv jax.csv
    KERAS_BACKEND=torch python -m benchmarks.backends --size 448x320 --batches 1,4
    KERAS_BACKEND=torch python -m benchmarks.backends --peer       # normflows beside it, if it is installed
    KERAS_BACKEND=jax python -m benchmarks.backends --ways stored,recomputed-bfloat16 --calls step

It needs only `keras` and its backend, and of glowseis only `glowseis.layers` and `glowseis.models` (with TensorFlow
`glowseis.fitting` too): neither an installed package nor typer, so that it runs from a checkout on a machine that has
nothing else. It measures in a process of its own; where that dies or takes longer than `--seconds` for one row, the row
says so, and another process goes on with the next. A table is written row by row, after the rows that it has.

A way is `stored` or `recomputed` (activations in training), with `-bfloat16` for conditioners in that precision. For
each way and batch size it times a training step (value and gradient of bits per dimension, and plain gradient descent),
forward (log-density) and decode, after a first call each, which compiles; forward and decode only where activations are
stored, because they do not depend on it. torch runs eagerly.

Columns: `products` is the precision of float32 matrix products and convolutions (`default` is what the backend does
when not told). `program_mb` is what the compiled step takes with JAX, weights and images included; `peak_mb` is the
most that the backend's allocator gave out: with torch in this row, otherwise since the process began. `moved_mb` is
what a step moves through memory (`benchmarks.moved_bytes`), `copy_gb_s` the rate of a large copy on the device, read
and written, and `share` the step's rate as a share of it; `round_trip` is the largest error of decoding what was
encoded, of grey levels in [0, 1). The peer is `benchmarks.flow_peers`'s normflows, whose conditioners are all
convolutional.
"""

import argparse
import contextlib
import csv
import json
import math
import os
import queue
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parent.parent

PEER = "normflows tuned"

WAYS = ("stored", "recomputed", "stored-bfloat16", "recomputed-bfloat16")

CALLS = ("step", "forward", "decode")

PRODUCTS = ("default", "float32", "tf32")

COLUMNS = (
    *("contender", "products", "backend", "device", "batch"),
    *(f"{name}{end}" for name in CALLS for end in ("_s", "_first_s")),
    *("trace_s", "compile_s", "program_mb", "peak_mb", "moved_mb", "copy_gb_s", "share", "bits", "round_trip", "error"),
)

LEARNING_RATE = 1e-6

Row = dict[str, Any]


def main() -> None:
    """Measure every contender at every batch size; print a table and write it."""
    words = _arguments()
    if words.child:
        for contender, batch in json.loads(words.child):
            _measure_and_tell(words, contender, batch)
        return
    left = _rows(words)
    print(f"{os.environ.get('KERAS_BACKEND', 'tensorflow')}; {words.size}, {words.levels}x{words.steps}", flush=True)
    failed = False
    while left:
        for row in _measured_in_a_process(words, left):
            left.pop(0)
            failed = failed or bool(row.get("error"))
            _tell(row)
            if words.csv:
                _append(words.csv, row)
    if failed:
        sys.exit("backends: some rows were not measured")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backends", description=main.__doc__)
    parser.add_argument("--size", default="896x640", help="samples x traces")
    parser.add_argument("--levels", type=int, default=6, help="levels of the flow")
    parser.add_argument("--steps", type=int, default=15, help="flow steps per level")
    parser.add_argument("--filters", type=int, default=96, help="hidden channels")
    parser.add_argument("--batches", default="1,4,16", help="images per step, such as 1,4,16")
    parser.add_argument("--ways", default="stored", help=f"ways of training: {', '.join(WAYS)}; or stored:8")
    parser.add_argument("--calls", default=",".join(CALLS), help="what to time")
    parser.add_argument("--products", default="default", choices=PRODUCTS, help="precision of float32 products")
    parser.add_argument("--repetitions", type=int, default=5, help="timed calls; their medians are printed")
    parser.add_argument("--peer", action="store_true", help="also measure normflows (with torch)")
    parser.add_argument("--seconds", type=float, default=1800, help="most seconds for one row")
    parser.add_argument("--csv", type=Path, help="write the table to this file, or add to it")
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
    for name, known in (("ways", WAYS), ("calls", CALLS)):
        for one in getattr(words, name).split(","):
            if not re.fullmatch(rf"({'|'.join(known)})?(:[1-9]\d*)?", one):
                parser.error(f"--{name} {one}: choose of {', '.join(known)}")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in ("tensorflow", "jax", "torch"):
        parser.error(f"KERAS_BACKEND is {backend}; choose tensorflow, jax or torch")
    if words.peer and backend != "torch":
        parser.error(f"KERAS_BACKEND is {backend}; --peer needs torch")
    return words


def _rows(words: argparse.Namespace) -> list[tuple[str, int]]:
    """Contender and batch size of each row."""
    contenders = [*filter(None, words.ways.split(",")), *([PEER] if words.peer else [])]
    rows = [(*contender.split(":"), "") for contender in contenders]
    batches = words.batches.split(",")
    return [(name, int(batch)) for name, own, *_ in rows for batch in ([own] if own else batches)]


def _measured_in_a_process(words: argparse.Namespace, left: list[tuple[str, int]]) -> Iterator[Row]:
    """Rows of these contenders and batch sizes, up to and with the first that fails."""
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]))
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.backends", *sys.argv[1:], "--child", json.dumps(left)],
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in child.stdout or ():
            lines.put(line)
        lines.put("")

    threading.Thread(target=listen, daemon=True).start()
    try:
        for contender, batch in list(left):
            row: Row = {"contender": contender, "products": words.products, "batch": batch}
            end_s = time.monotonic() + words.seconds
            while not row.pop("done", False):
                try:
                    line = lines.get(timeout=max(0.0, end_s - time.monotonic()))
                except queue.Empty:
                    yield {**row, "error": f"took longer than {words.seconds:g} s"}
                    return
                if not line:
                    yield {**row, "error": f"its process ended with status {child.wait()}"}
                    return
                if line.startswith('{"contender"'):
                    row = json.loads(line)
            yield row
    finally:
        child.kill()
        child.wait()


def _tell(row: Row) -> None:
    def short(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    print("  ".join(f"{name} {short(row[name])}" for name in COLUMNS if row.get(name) not in (None, "")), flush=True)


def _append(path: Path, row: Row) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(row)


def _measure_and_tell(words: argparse.Namespace, contender: str, batch: int) -> None:
    """Print the row as JSON after each thing measured, the last time with `done`."""
    row: Row = {"contender": contender, "products": words.products, "batch": batch}
    try:
        for found in measure(words, contender, batch):
            row.update(found)
            print(json.dumps(row), flush=True)
    except Exception as wrong:
        row["error"] = f"{type(wrong).__name__}: {wrong}".splitlines()[0][:300]
    print(json.dumps({**row, "done": True}), flush=True)


def measure(words: argparse.Namespace, contender: str, batch: int) -> Iterator[Row]:
    """Parts of one row: seconds of first and later calls, memory, and what a step moves."""
    import keras
    import numpy as np

    machine = {"jax": Jax, "torch": Torch, "tensorflow": TensorFlow}[keras.backend.backend()](words.products)
    yield {"backend": keras.backend.backend(), "device": machine.device}
    size = tuple(int(side) for side in words.size.split("x"))
    images = np.random.default_rng(0).random((batch, *size, 1), np.float32)
    wanted = [name for name in words.calls.split(",") if name == "step" or not contender.startswith("recomputed")]
    if contender == PEER:
        calls = _calls_of_peer(words, size, images)
    else:
        calls = machine.calls(_flow(words, size), contender, images)
    found: Row = {}
    for name in wanted:
        seconds: list[float] = []
        for _ in range(words.repetitions + 1):
            start_s = time.perf_counter()
            result = calls[name]()
            machine.wait(result)
            seconds.append(time.perf_counter() - start_s)
            yield {f"{name}_first_s": seconds[0], f"{name}_s": statistics.median(seconds[1:] or [math.nan])}
        if name == "step":
            step_s = statistics.median(seconds[1:])
            found = {"bits": float(keras.ops.convert_to_numpy(result)), **machine.peak(), **machine.about_step()}
            yield found
        elif name == "decode" and contender != PEER:
            yield {"round_trip": float(np.abs(keras.ops.convert_to_numpy(result) - images).max())}
    calls.clear()
    copy_gb_s = machine.copy_gb_per_s()
    yield {"copy_gb_s": copy_gb_s}
    if "moved_mb" in found:
        yield {"share": found["moved_mb"] / 1e3 / step_s / copy_gb_s}


_made: dict[str, Any] = {}


def _flow(words: argparse.Namespace, size: tuple[int, ...]) -> Any:
    """The flow with perturbed weights, made once a process."""
    import keras
    import numpy as np

    from glowseis.models.glow import Glow

    if "flow" not in _made:
        keras.utils.set_random_seed(1)
        flow = Glow((*size, 1), words.levels, words.steps, words.filters, min(2, words.levels))
        random = np.random.default_rng(0)
        with _drawing():
            flow.build()
            for weight in flow.trainable_weights:
                noise = 1e-3 * random.standard_normal(weight.shape)
                weight.assign_add(keras.ops.convert_to_tensor(noise, weight.dtype))
        _made["flow"] = flow
    return _made["flow"]


def _drawing() -> contextlib.AbstractContextManager[Any]:
    """A context for drawing weights: with JAX on the CPU, where the many small programs compile quicker."""
    import keras

    return keras.device("cpu:0") if keras.backend.backend() == "jax" else contextlib.nullcontext()


def _bits(flow: Any, x: Any) -> Any:
    import keras

    return keras.ops.mean(flow.bits_per_dimension(flow.log_prob(x)))


@contextlib.contextmanager
def _training(flow: Any, contender: str) -> Iterator[None]:
    """A context in which the flow's steps run in this way of training."""
    from glowseis.layers.step_stack import way_through

    with contextlib.ExitStack() as contexts:
        for stack in flow.stacks:
            lowered = contender.endswith("bfloat16")
            with _drawing():
                template = stack.template.with_conditioner_of("mixed_bfloat16") if lowered else stack.template
            contexts.enter_context(stack.running(way_through(template, recomputed=contender.startswith("recomputed"))))
        yield


class Jax:
    """JAX: every call is one compiled program, of all the weights as well as the images."""

    def __init__(self, products: str):
        import jax
        import keras

        # Few positions attend to each other; which kernel a library has for that must not decide what is measured.
        keras.config.disable_flash_attention()
        precision = {"default": None, "float32": "highest", "tf32": "tensorfloat32"}[products]
        jax.config.update("jax_default_matmul_precision", precision)
        self._device = jax.devices()[0]
        self.device = self._device.device_kind
        self._about: Row = {}

    def calls(self, flow: Any, contender: str, images: Any) -> dict[str, Callable[[], Any]]:
        """Functions without arguments, by name."""
        import jax
        import keras
        import numpy as np

        variables, others = flow.trainable_variables, flow.non_trainable_variables
        x = jax.device_put(images, self._device)
        # Copies, because a step gives its arguments' memory away.
        state = [
            [jax.device_put(np.array(one.value, copy=True), self._device) for one in some]
            for some in (variables, others)
        ]

        def called(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(values: list[Any], fixed: list[Any], argument: Any) -> Any:
                pairs = [*zip(variables, values, strict=True), *zip(others, fixed, strict=True)]
                with keras.StatelessScope(pairs):
                    return function(argument)

            return run

        def update(values: list[Any], fixed: list[Any], x: Any) -> tuple[list[Any], Any]:
            bits, gradients = jax.value_and_grad(called(lambda x: _bits(flow, x)))(values, fixed, x)
            return [value - LEARNING_RATE * change for value, change in zip(values, gradients, strict=True)], bits

        programs: dict[str, Any] = {}

        def step() -> Any:
            if "step" not in programs:
                start_s = time.perf_counter()
                with _training(flow, contender):
                    lowered = jax.jit(update, donate_argnums=0).lower(*state, x)
                traced_s = time.perf_counter()
                programs["step"] = lowered.compile()
                self._about = {"trace_s": traced_s - start_s, "compile_s": time.perf_counter() - traced_s}
                self._program = programs["step"]
            state[0], bits = programs["step"](*state, x)
            return bits

        log_prob, encode, decode = (jax.jit(called(one)) for one in (flow.log_prob, flow.encode, flow.decode))

        def decoded() -> Any:
            if "latents" not in programs:
                programs["latents"] = encode(*state, x)
            return decode(*state, programs["latents"])

        return {"step": step, "forward": lambda: log_prob(*state, x), "decode": decoded}

    def wait(self, result: Any) -> None:
        """Wait for a result."""
        import jax

        jax.block_until_ready(result)

    def about_step(self) -> Row:
        """What the compiled step takes and moves."""
        from benchmarks.moved_bytes import moved_bytes

        found = self._program.memory_analysis()
        taken = found.argument_size_in_bytes + found.output_size_in_bytes + found.temp_size_in_bytes
        about = {**self._about, "program_mb": (taken - found.alias_size_in_bytes) / 1e6}
        try:
            return {**about, "moved_mb": moved_bytes(self._program.as_text()) / 1e6}
        except ValueError as wrong:
            print(f"moved_mb: {wrong}", file=sys.stderr)
            return about

    def peak(self) -> Row:
        """Peak memory since the process began; nothing on a CPU."""
        stats = self._device.memory_stats()
        return {"peak_mb": stats["peak_bytes_in_use"] / 1e6} if stats else {}

    def copy_gb_per_s(self) -> float:
        """Rate of a copy, read and written."""
        import jax

        one = jax.device_put(jax.numpy.ones(_COPIED // 4, "float32"), self._device)
        copy = jax.jit(lambda x: x + 1)
        return _rate(lambda: copy(one), jax.block_until_ready)


class Torch:
    """torch, eagerly."""

    def __init__(self, products: str):
        import torch

        if products != "default":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = products == "tf32"
        torch.backends.cudnn.benchmark = True
        self._gpu = torch.cuda.is_available()
        self.device = torch.cuda.get_device_name() if self._gpu else "cpu"
        if self._gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def calls(self, flow: Any, contender: str, images: Any) -> dict[str, Callable[[], Any]]:
        """Functions without arguments, by name."""
        import keras
        import torch

        weights = [variable.value for variable in flow.trainable_variables]
        x = keras.ops.convert_to_tensor(images)

        def step() -> Any:
            with _training(flow, contender):
                return _updated(lambda: _bits(flow, x), weights)

        latents: list[Any] = []

        @torch.no_grad()
        def decode() -> Any:
            latents[:] = latents or flow.encode(x)
            return flow.decode(latents)

        return {"step": step, "forward": torch.no_grad()(lambda: flow.log_prob(x)), "decode": decode}

    def wait(self, result: Any) -> None:
        """Wait for a result."""
        import torch

        if self._gpu:
            torch.cuda.synchronize()

    def about_step(self) -> Row:
        """Nothing."""
        return {}

    def peak(self) -> Row:
        """Peak memory of this row; nothing on a CPU."""
        import torch

        return {"peak_mb": torch.cuda.max_memory_allocated() / 1e6} if self._gpu else {}

    def copy_gb_per_s(self) -> float:
        """Rate of a copy, read and written."""
        import torch

        one = torch.ones(_COPIED // 4, device="cuda" if self._gpu else "cpu")
        other = torch.empty_like(one)
        return _rate(lambda: other.copy_(one), self.wait)


class TensorFlow:
    """TensorFlow: every call is one graph, in which a step of the flow is a function of its own, called once a step."""

    def __init__(self, products: str):
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"function_optimization": False})
        if products != "default":
            tf.config.experimental.enable_tensor_float_32_execution(products == "tf32")
        devices = tf.config.list_physical_devices("GPU")
        self._gpu = bool(devices)
        details = tf.config.experimental.get_device_details(devices[0]) if devices else {}
        self.device = details.get("device_name", "gpu") if devices else "cpu"

    def calls(self, flow: Any, contender: str, images: Any) -> dict[str, Callable[[], Any]]:
        """Functions without arguments, by name."""
        import tensorflow as tf

        from glowseis.fitting.flow.execution import Steps

        conditioners = "bfloat16" if contender.endswith("bfloat16") else "float32"
        steps = Steps(flow, activations=contender.removesuffix("-bfloat16"), conditioners=conditioners)
        variables = flow.trainable_variables
        x = tf.constant(images)

        @tf.function
        def step() -> Any:
            with steps.running(training=True), tf.GradientTape() as tape:
                bits = _bits(flow, x)
            found = tape.gradient(bits, [one.value for one in variables])
            for variable, gradient in zip(variables, found, strict=True):
                variable.assign_sub(LEARNING_RATE * gradient)
            return bits

        def called(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(argument: Any) -> Any:
                with steps.running():
                    return function(argument)

            return tf.function(run)

        log_prob, encode, decode = (called(one) for one in (flow.log_prob, flow.encode, flow.decode))
        latents: list[Any] = []

        def decoded() -> Any:
            latents[:] = latents or encode(x)
            return decode(tuple(latents))

        return {"step": step, "forward": lambda: log_prob(x), "decode": decoded}

    def wait(self, result: Any) -> None:
        """Wait for a result."""
        result.numpy()

    def about_step(self) -> Row:
        """Nothing."""
        return {}

    def peak(self) -> Row:
        """Peak memory since the process began; nothing on a CPU."""
        import tensorflow as tf

        return {"peak_mb": tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6} if self._gpu else {}

    def copy_gb_per_s(self) -> float:
        """Rate of a copy, read and written."""
        import tensorflow as tf

        one = tf.ones(_COPIED // 4)
        return _rate(lambda: one + 1, self.wait)


_COPIED = 1 << 28

_COPIES = 8


def _rate(copy: Callable[[], Any], wait: Callable[[Any], None]) -> float:
    """GB a second of copies of `_COPIED` bytes, the best of three times several in a row."""
    wait(copy())
    seconds = []
    for _ in range(3):
        start_s = time.perf_counter()
        for _ in range(_COPIES):
            result = copy()
        wait(result)
        seconds.append(time.perf_counter() - start_s)
    return _COPIES * 2 * _COPIED / min(seconds) / 1e9


def _updated(bits_of: Callable[[], Any], weights: list[Any]) -> Any:
    """One step of gradient descent with torch; its bits."""
    import torch

    bits = bits_of()
    gradients = torch.autograd.grad(bits, weights)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(LEARNING_RATE * gradient)
    return bits.detach()


def _calls_of_peer(words: argparse.Namespace, size: tuple[int, ...], images: Any) -> dict[str, Callable[[], Any]]:
    import torch
    from keras.src.backend.torch.core import get_device

    from benchmarks.flow_peers import bits_per_dimension, make_peer
    from benchmarks.measures import Task

    task = Task(PEER, "training", (size[0], size[1]), words.levels, words.steps, words.filters)
    peer = make_peer(task, get_device())
    x = torch.as_tensor(images).permute(0, 3, 1, 2).to(get_device())
    with torch.no_grad():
        # normflows' ActNorm initialises itself from the first batch.
        peer.log_prob(x - 0.5)
    weights = [weight for weight in peer.parameters() if weight.requires_grad]
    latents: list[Any] = []

    @torch.no_grad()
    def decode() -> Any:
        latents[:] = latents or peer.encode(x - 0.5)
        return peer.decode(latents)

    return {
        "step": lambda: _updated(lambda: bits_per_dimension(peer, x), weights),
        "forward": torch.no_grad()(lambda: peer.log_prob(x - 0.5)),
        "decode": decode,
    }


if __name__ == "__main__":
    main()
