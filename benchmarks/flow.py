"""Speed and memory of the flow, compared with peers' Glow: training, scaling, throughput, input pipeline.

    python -m benchmarks.flow --peers .peers/bin/python     # everything, about 40 minutes
    python -m benchmarks.flow --only small --rounds 1       # a quick run of ours alone

Peers are normflows and FrEIA, in an environment of their own:

    python3 -m venv .peers && .peers/bin/pip install torch normflows FrEIA

Without `--peers` only ours is measured. Sections, chosen by `--only`:

    paper       training at the paper's size: 896x640, 6 levels of 15 steps, 96 channels, batch 1; all contenders
    small       training at 128x128, batch 4, 3 levels of 4 steps, 96 channels, no attention; all contenders
    depth       training with a third, all and twice the steps per level (5, 15, 30); ours
    size        training on a quarter, half and all of the image; ours
    batch       training on a quarter of the image, batch 1, 2 and 4; ours
    throughput  encode, decode and generate (encode two, interpolate, decode) at the paper's size; ours and peers
    input       the input pipeline, by `benchmarks.reading`

`--ways` chooses ways of training ours: activations stored or recomputed, each also with conditioners in bfloat16. A way
with `-xla` after its name is compiled by XLA, and measured only if it is named.

Every measurement is a process of its own, which prints its peak resident memory, framework included; what several
sections need is measured once. Contenders alternate, in rounds, each round in the reverse order of the one before, so
that other load on the machine affects all. It prints medians over all rounds, ratios of the medians of the same round,
and the peak memory. The first step, which includes tracing, is not among the timed steps.

The rate of matrix products is also measured in every round, as the better of NumPy's and TensorFlow's; a step's share
of it counts the model's own multiply-adds (`benchmarks.multiply_adds`), not recomputation. `state_mb` is the weights
and Adam's moments. `benchmarks.flow_peers` lists the differences between our flow and the peers'.

The tables are written to `--out` as CSV and, all together, as flow.md; measurements.jsonl has every process's answer.
"""

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.flow_table import (
    PAPER,
    Measurements,
    inference,
    markdown,
    marks,
    product_of,
    product_rows,
    small,
    throughput_rows,
    training_rows,
    write_csv,
)
from benchmarks.measures import OURS, PEERS, WAYS, XLA_WAYS, Answer, Task
from glowseis.command import run
from glowseis.errors import InputError
from glowseis.survey.size import parse_size

CHECKOUT = Path(__file__).parent.parent

SECTIONS = ("paper", "small", "depth", "size", "batch", "throughput", "input")


def main(
    peers: Annotated[
        Path | None, typer.Option(help="Python of an environment with torch, normflows and FrEIA.")
    ] = None,
    ways: Annotated[str, typer.Option(help="Ways of training ours, such as stored,recomputed-bfloat16.")] = ",".join(
        WAYS
    ),
    only: Annotated[str, typer.Option(help="Sections to measure, such as paper,throughput.")] = ",".join(SECTIONS),
    rounds: Annotated[int, typer.Option(min=1, help="Processes per measurement.")] = 3,
    steps: Annotated[
        int, typer.Option(min=1, help="Timed steps per process; ten times as many for the small flow.")
    ] = 3,
    cores: Annotated[int, typer.Option(min=1, help="Processor cores per process.")] = 2,
    size: Annotated[str, typer.Option(help="Samples x traces of the flow other than the small one.")] = "896x640",
    levels: Annotated[int, typer.Option(min=1, help="Its levels.")] = PAPER.levels,
    flow_steps: Annotated[int, typer.Option(min=1, help="Its steps per level.")] = PAPER.steps,
    filters: Annotated[int, typer.Option(min=4, help="Its hidden channels.")] = PAPER.filters,
    batch: Annotated[int, typer.Option(min=1, help="Images per step, except in batch and small.")] = PAPER.batch,
    out: Annotated[Path, typer.Option(help="Folder to write the tables to.")] = Path("benchmarks/out"),
) -> None:
    """Measure the flow's speed and memory; print the tables and write them.

    Example: python -m benchmarks.flow --peers .peers/bin/python --only paper,small --rounds 5
    """
    wanted = chosen("--only", only, SECTIONS, "section")
    ours = [f"ours {way}" for way in chosen("--ways", ways, (*WAYS, *XLA_WAYS), "way")]
    if peers is not None and not (peers.is_file() and os.access(peers, os.X_OK)):
        raise InputError(f"--peers {peers}: no such program; give the python of an environment with the peers")
    flow = replace(PAPER, size=parse_size(size), levels=levels, steps=flow_steps, filters=filters, cores=cores)
    flow = replace(flow, attention_levels=min(levels, PAPER.attention_levels), count=steps, batch=batch)
    _check_divisible(flow)
    contenders = ours if peers is None else [*ours, *PEERS]
    tasks = {name: _tasks(name, flow, contenders) for name in wanted}
    out.mkdir(parents=True, exist_ok=True)
    # Inherited by the processes, before their libraries count the cores.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    if peers is None:
        print("no --peers: only our flow is measured, without ratios to peers")
    measured = Measurements(_measure(tasks, flow, rounds, peers, out / "measurements.jsonl"))
    _report(measured, tasks, flow, out)


def chosen(option: str, words: str, known: Sequence[str], kind: str) -> list[str]:
    """The words of an option that names some of those that are known, separated by commas.

    Raises:
        InputError: One is not known.
    """
    wanted = [word.strip() for word in words.split(",")]
    for word in wanted:
        if word not in known:
            raise InputError(f"{option} {word}: no such {kind}; choose from {', '.join(known)}")
    return wanted


def _check_divisible(flow: Task) -> None:
    unit = 2 ** (flow.levels + 1)
    if any(side % unit for side in flow.size):
        raise InputError(
            f"--size: both sides must be divisible by {unit}, so that half the size still allows {flow.levels} levels"
        )


def _tasks(section: str, flow: Task, contenders: Sequence[str]) -> list[Task]:
    """The tasks of a section, in the order of its table."""
    height, width = flow.size
    half, quarter = (height, width // 2), (height // 2, width // 2)
    of_all = {"paper": [flow], "small": [small(flow)]}
    of_ours = {
        "depth": [replace(flow, steps=steps) for steps in (max(flow.steps // 3, 1), flow.steps, 2 * flow.steps)],
        "size": [replace(flow, size=size) for size in (quarter, half, flow.size)],
        "batch": [replace(flow, size=quarter, batch=batch) for batch in (1, 2, 4)],
    }
    if section == "throughput":
        # Decoding does not depend on how a flow is trained.
        return [
            replace(inference(flow), contender=name) for name in (OURS[0], *(one for one in contenders if one in PEERS))
        ]
    names = contenders if section in of_all else [name for name in contenders if name in OURS]
    return [replace(task, contender=name) for task in (of_all | of_ours).get(section, []) for name in names]


def _measure(
    sections: dict[str, list[Task]], flow: Task, rounds: int, peers: Path | None, log: Path
) -> dict[Task, dict[int, Answer]]:
    """Every task's answers by round; a task that fails is reported and not tried again."""
    every = [product_of(flow), *dict.fromkeys(task for tasks in sections.values() for task in tasks)]
    if len(every) == 1:
        return {}
    answers: dict[Task, dict[int, Answer]] = {task: {} for task in every}
    failed: set[Task] = set()
    with log.open("w") as file:
        for number in range(rounds):
            for task in every[:: -1 if number % 2 else 1]:
                if task in failed:
                    continue
                try:
                    answers[task][number] = _ask(task, peers)
                except ChildProcessError as wrong:
                    failed.add(task)
                    print(f"{_named(task)}: left out: {wrong}", flush=True)
                    continue
                file.write(json.dumps({"round": number, **json.loads(task.as_json()), **answers[task][number]}) + "\n")
                file.flush()
                print(f"round {number + 1}/{rounds}: {_named(task)}", file=sys.stderr, flush=True)
    return answers


def _ask(task: Task, peers: Path | None) -> Answer:
    done = _run(str(peers) if task.contender in PEERS else sys.executable, task.module, task.as_json())
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise ChildProcessError(said[-1] if said else f"ended with status {done.returncode}")
    answer: Answer = json.loads(done.stdout.splitlines()[-1])
    return answer


def _run(python: str, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run([python, "-m", module, *words], env=environment, check=False, capture_output=True, text=True)


def _reading(path: Path) -> str:
    """The output of the benchmark of the input pipeline, with each pass written to a file."""
    done = _run(sys.executable, "benchmarks.reading", "--csv", str(path))
    return done.stdout.strip() if not done.returncode else f"benchmarks.reading failed: {done.stderr[-200:]}"


def _report(measured: Measurements, sections: dict[str, list[Task]], flow: Task, out: Path) -> None:
    """Print the tables and write them."""
    tables = {}
    for name, tasks in sections.items():
        if tasks:
            tables[name] = (throughput_rows if name == "throughput" else training_rows)(measured, tasks)
    if measured.answers:
        tables["product"] = product_rows(measured, flow)
        tables["marks"] = [mark.row() for mark in marks(measured, flow)]
    text = [_machine(flow)]
    for name, rows in tables.items():
        write_csv(out / f"{name}.csv", rows)
        text.append(f"## {name}\n\n{markdown(rows)}")
    if "input" in sections:
        text.append(f"## input\n\n```\n{_reading(out / 'input.csv')}\n```")
    print("\n\n".join(text))
    (out / "flow.md").write_text("\n\n".join(["# Speed and memory of the flow", *text]) + "\n")


def _machine(flow: Task) -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=CHECKOUT,
        check=False,
        capture_output=True,
        text=True,
    ).stdout.strip()
    name = platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line for line in lines if line.startswith("model name")).split(": ")[1]
    cores = min(flow.cores, len(os.sched_getaffinity(0)))
    return f"{cores} cores of {name}, commit {commit or 'unknown'}"


def _named(task: Task) -> str:
    size = "x".join(map(str, task.size))
    about = f"{task.what} at {size}, {task.levels}x{task.steps}, batch {task.batch}"
    return task.contender if task.what == "product" else f"{task.contender}, {about}"


if __name__ == "__main__":
    run(main)
