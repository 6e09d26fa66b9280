"""The tables of the flow's benchmark: medians, ratios to the fastest peer, and the targets (marks)."""

import csv
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measures import OURS, PEERS, PRODUCT, XLA, Answer, Task

Rows = list[dict[str, object]]

PAPER = Task(OURS[0], "training")
"""The paper's flow; the marks are for it."""

SMALL = replace(PAPER, size=(128, 128), levels=3, steps=4, attention_levels=0, batch=4)
"""A flow as small as peers' examples, with conditioners like theirs."""


@dataclass(frozen=True)
class Mark:
    """A figure and its target.

    Attributes:
        name: Name of the figure.
        figure: The figure; NaN if it was not measured.
        limit: The target.
        at_least: Whether the limit is a lower one.
        applies: Whether the figure is from the flow that the mark is for.
    """

    name: str
    figure: float
    limit: float
    at_least: bool = False
    applies: bool = True

    @property
    def met(self) -> str:
        """Whether it is met."""
        if math.isnan(self.figure):
            return "not measured"
        if not self.applies:
            return "not this flow"
        return "yes" if (self.figure >= self.limit if self.at_least else self.figure <= self.limit) else "no"

    def row(self) -> dict[str, object]:
        """Its row in a table."""
        wanted = f"{'at least' if self.at_least else 'at most'} {self.limit:g}"
        return {"mark": self.name, "figure": round(self.figure, 3), "wanted": wanted, "met": self.met}


class Measurements:
    """Answers of all tasks, by round.

    Args:
        answers: The answers of every measured task, by the number of the round.
    """

    def __init__(self, answers: dict[Task, dict[int, Answer]]):
        self.answers = answers

    def median(self, task: Task, name: str) -> float:
        """Median of a figure over the rounds; if the figure is a list, of all its values."""
        return _median(value for one in self.answers.get(task, {}).values() for value in _values(one, name))

    def highest(self, task: Task, name: str) -> float:
        """Highest value of a figure over the rounds."""
        return max((one[name] for one in self.answers.get(task, {}).values() if name in one), default=math.nan)

    def ratio(self, task: Task, other: Task | None, name: str) -> float:
        """Median over the rounds of the ratio of two tasks' medians in the same round."""
        if other is None:
            return math.nan
        ours, others = self.answers.get(task, {}), self.answers.get(other, {})
        rounds = sorted(ours.keys() & others.keys())
        return _median(_median(_values(ours[n], name)) / _median(_values(others[n], name)) for n in rounds)

    def fastest_peer(self, task: Task, name: str) -> Task | None:
        """The same task for the peer with the lowest median of seconds; None if no peer was measured."""
        peers = [replace(task, contender=peer) for peer in PEERS]
        measured = [peer for peer in peers if not math.isnan(self.median(peer, name))]
        return min(measured, key=lambda peer: self.median(peer, name), default=None)

    def share(self, task: Task) -> float:
        """Rate of a step's own multiply-adds, in per cent of the machine's rate of matrix products."""
        rates = self.answers.get(product_of(task), {})
        ours = {number: one for number, one in self.answers.get(task, {}).items() if "multiply_adds" in one}
        return 100 * _median(
            one["multiply_adds"] / _median(one["steps_s"]) / rates[number]["multiply_adds_per_s"]
            for number, one in ours.items()
            if number in rates
        )


def product_of(task: Task) -> Task:
    """The measurement of the machine's rate that belongs to a task."""
    return Task(PRODUCT, "product", cores=task.cores)


def training_rows(measured: Measurements, tasks: Iterable[Task]) -> Rows:
    """A row for each training task."""
    rows: Rows = []
    for task in tasks:
        peer = measured.fastest_peer(task, "steps_s")
        figures = {
            "step_s": measured.median(task, "steps_s"),
            "of_fastest_peer": measured.ratio(task, peer, "steps_s"),
            "first_step_s": measured.median(task, "first_step_s"),
            "peak_mb": measured.highest(task, "peak_mb"),
            "state_mb": measured.highest(task, "state_mb"),
            "percent_of_product_rate": measured.share(task),
        }
        rows.append({**_about(task), **_rounded(figures)})
    return rows


def throughput_rows(measured: Measurements, tasks: Iterable[Task]) -> Rows:
    """A row for each throughput task: images per second in each direction, and their ratios to the fastest peer's."""
    rows: Rows = []
    for task in tasks:
        figures = {}
        for way in ("encode", "decode", "generate"):
            figures[f"{way}_per_s"] = task.batch / measured.median(task, f"{way}_s")
            figures[f"{way}_of_fastest_peer"] = _times_as_fast(measured, task, f"{way}_s")
        rows.append({**_about(task), **_rounded({**figures, "peak_mb": measured.highest(task, "peak_mb")})})
    return rows


def product_rows(measured: Measurements, task: Task) -> Rows:
    """One row: the machine's rate of matrix products, in 10^9 multiply-adds per second."""
    libraries = ("numpy_per_s", "tensorflow_per_s")
    figures = {name: measured.median(product_of(task), name) / 1e9 for name in libraries}
    return [{"cores": task.cores, **_rounded({f"1e9_{name}": figure for name, figure in figures.items()})}]


def marks(measured: Measurements, flow: Task) -> list[Mark]:
    """The marks, each with its figure.

    Args:
        measured: The measurements.
        flow: The flow other than the small one, as it was measured.
    """
    each = [(way, replace(flow, contender=f"ours {way}"), limit) for way, limit in _OF_TUNED.items()]
    stored, recomputed, _, lowered = (task for _, task, _ in each)
    compiled = replace(flow, contender=f"ours stored{XLA}")
    deeper, deeper_compiled = (replace(one, steps=2 * flow.steps) for one in (recomputed, compiled))
    peak = measured.highest(recomputed, "peak_mb")
    grown, state = (measured.highest(deeper, name) - measured.highest(recomputed, name) for name in _GROWING)

    def of_peers(task: Task) -> float:
        return measured.ratio(task, measured.fastest_peer(task, "steps_s"), "steps_s")

    def compile_s(task: Task) -> float:
        """The first step, without the time that a later one takes."""
        return measured.median(task, "first_step_s") - measured.median(task, "steps_s")

    found = [
        *(Mark(f"step of the fastest peer's, {way}", of_peers(task), limit) for way, task, limit in each),
        Mark("step recomputed / stored", measured.ratio(recomputed, stored, "steps_s"), 1.3),
        Mark("peak memory recomputed, GB", peak / 1000, 1.6),
        Mark("peak memory recomputed-bfloat16, GB", measured.highest(lowered, "peak_mb") / 1000, 1.6),
        Mark("peak's growth at twice the steps, beyond state_mb, % of the peak", 100 * (grown - state) / peak, 10),
        *(Mark(f"first step {way}, s", measured.median(task, "first_step_s"), 15) for way, task, _ in each),
        Mark("first step stored by XLA, s", measured.median(compiled, "first_step_s"), 90),
        Mark(
            "compile time of XLA, at twice the steps per level", compile_s(deeper_compiled) / compile_s(compiled), 1.1
        ),
        Mark("decode, times the fastest peer's", _times_as_fast(measured, inference(flow), "decode_s"), 1.6, True),
        Mark("share of the product rate stored, %", measured.share(stored), 33, True),
        Mark("share of the product rate recomputed, %", measured.share(recomputed), 33, True),
    ]
    if replace(flow, count=PAPER.count, cores=PAPER.cores) != PAPER:
        found = [replace(mark, applies=False) for mark in found]
    return [*found, Mark("step of the fastest peer's, 128x128, stored", of_peers(small(flow)), 0.7)]


_OF_TUNED = {"stored": 0.60, "recomputed": 0.85, "stored-bfloat16": 0.45, "recomputed-bfloat16": 0.60}
"""The most that a step of each way is to take of the fastest peer's."""

_GROWING = ("peak_mb", "state_mb")


def small(flow: Task) -> Task:
    """The small flow, with as many rounds as the other and ten times as many steps."""
    return replace(SMALL, count=10 * flow.count, cores=flow.cores)


def inference(flow: Task) -> Task:
    """A flow's throughput, which does not depend on how it was trained."""
    return replace(flow, what="throughput")


def _times_as_fast(measured: Measurements, task: Task, name: str) -> float:
    return 1 / measured.ratio(task, measured.fastest_peer(task, name), name)


def _about(task: Task) -> dict[str, object]:
    return {
        "contender": task.contender,
        "size": "x".join(map(str, task.size)),
        "levels_x_steps": f"{task.levels}x{task.steps}",
        "batch": task.batch,
    }


def _values(one: Answer, name: str) -> list[float]:
    value = one.get(name, [])
    return value if isinstance(value, list) else [value]


def _median(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.median(known) if known else math.nan


def _rounded(figures: dict[str, float]) -> dict[str, object]:
    return {name: float(f"{figure:.4g}") for name, figure in figures.items()}


def shown(value: object) -> str:
    """A cell as text; empty if nothing was measured."""
    return "" if isinstance(value, float) and math.isnan(value) else f"{value}"


def write_csv(path: Path, rows: Rows) -> None:
    """Write a table as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: shown(value) for name, value in row.items()} for row in rows)


def markdown(rows: Rows) -> str:
    """A table as Markdown, with aligned columns so that it is readable as text."""
    cells = [list(rows[0]), *([shown(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    head, *body = (_line(row, widths, str.ljust) for row in cells)
    return "\n".join([head, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *body])


def _line(row: Sequence[str], widths: Sequence[int], align: Callable[[str, int], str]) -> str:
    return "| " + " | ".join(align(*one) for one in zip(row, widths, strict=True)) + " |"
