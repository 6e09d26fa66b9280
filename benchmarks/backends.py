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
stored, because they do not depend on it. torch runs eagerly. How each backend is called stands in
`benchmarks.backends_jax`, `backends_torch` and `backends_tensorflow`.

Columns: `products` is the precision of float32 matrix products and convolutions (`default` is what the backend does
when not told). `program_mb` is what the compiled step takes with JAX, weights and images included; `peak_mb` is the
most that the backend's allocator gave out: with torch in this row, otherwise since the process began. `moved_mb` is
what a step moves through memory (`benchmarks.moved_bytes`), `copy_gb_s` the rate of a large copy on the device, read
and written, and `share` the step's rate as a share of it; `round_trip` is the largest error of decoding what was
encoded, of grey levels in [0, 1). The peer is `benchmarks.flow_peers`'s normflows, whose conditioners are all
convolutional.
"""

import argparse
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
from collections.abc import Iterator
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

    from benchmarks.backends_shared import perturbed_flow

    machine = _machine(words.products)
    yield {"backend": keras.backend.backend(), "device": machine.device}
    size = tuple(int(side) for side in words.size.split("x"))
    images = np.random.default_rng(0).random((batch, *size, 1), np.float32)
    wanted = [name for name in words.calls.split(",") if name == "step" or not contender.startswith("recomputed")]
    if contender == PEER:
        from benchmarks.backends_torch import calls_of_peer

        calls = calls_of_peer(PEER, words, size, images)
    else:
        calls = machine.calls(perturbed_flow(words, size), contender, images)
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


def _machine(products: str) -> Any:
    """How to call the flow with Keras' backend."""
    import keras

    if keras.backend.backend() == "jax":
        from benchmarks.backends_jax import Jax

        return Jax(products)
    if keras.backend.backend() == "torch":
        from benchmarks.backends_torch import Torch

        return Torch(products)
    from benchmarks.backends_tensorflow import TensorFlow

    return TensorFlow(products)


if __name__ == "__main__":
    main()
