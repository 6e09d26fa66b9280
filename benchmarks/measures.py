"""The measurements of the flow's benchmarks, and how a measuring process gets its task and answers.

Peak resident memory belongs to a process, so every measurement gets its own: `python -m benchmarks.flow_ours TASK` or
`python -m benchmarks.flow_peers TASK`, where `TASK` is a `Task` as JSON. It prints one line of JSON. This module needs
only Python, because peers run in an environment of their own.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WAYS = ("stored", "recomputed", "stored-bfloat16", "recomputed-bfloat16")
"""What training does about activations; with `-bfloat16`, conditioners have that precision."""

XLA = "-xla"

XLA_WAYS = tuple(way + XLA for way in WAYS)
"""The same, compiled by XLA; measured only if they are named."""

OURS = tuple(f"ours {way}" for way in (*WAYS, *XLA_WAYS))

TUNED = " tuned"

PEERS = ("normflows", "FrEIA", "normflows" + TUNED, "FrEIA" + TUNED)
"""The peers as in their documentation, and with all settings that were found to make them faster."""

PRODUCT = "matrix product"
"""Not a flow: the most that the machine can do."""

Answer = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One measurement.

    Attributes:
        contender: One of `OURS`, `PEERS`, or `PRODUCT`.
        what: `training`: seconds of the first step and of `count` more. `throughput`: seconds of `count` passes each of
            encode, decode and generate. `product`: multiply-adds per second.
        size: Samples and traces of the images.
        levels: Number of scales.
        steps: Flow steps per level.
        filters: Channels of the conditioners' hidden layers.
        attention_levels: Levels with attention, in ours; peers have none.
        batch: Images per step.
        count: Number of timed steps, without the first.
        cores: Processor cores of the process.
    """

    contender: str
    what: str
    size: tuple[int, int] = (896, 640)
    levels: int = 6
    steps: int = 15
    filters: int = 96
    attention_levels: int = 2
    batch: int = 1
    count: int = 3
    cores: int = 2

    @property
    def module(self) -> str:
        """The module that measures it."""
        return "benchmarks.flow_peers" if self.contender in PEERS else "benchmarks.flow_ours"

    def as_json(self) -> str:
        """The argument of the process."""
        return json.dumps(asdict(self))


def answer(measure: Callable[[Task], Answer]) -> None:
    """Measure the task on the command line, and print the result with the process's peak memory."""
    words = json.loads(sys.argv[1])
    measured = measure(Task(**{**words, "size": tuple(words["size"])}))
    print(json.dumps({**measured, "peak_mb": highest_mb()}))


def highest_mb() -> float:
    """Peak resident memory of this process so far, framework included."""
    # Not getrusage: a process inherits its figure from its parent.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def timed(count: int, work: Callable[[], object]) -> list[float]:
    """Seconds of each of several runs of `work`, which must wait for its result."""
    seconds = []
    for _ in range(count):
        start_s = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start_s)
    return seconds


def multiply_adds_per_second(product: Callable[[], object], side: int) -> float:
    """Rate of a float32 product of two square matrices, the median of a few after one warm-up."""
    product()
    return side**3 / statistics.median(timed(7, product))
