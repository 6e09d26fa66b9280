"""Training the classifier: steps per second from records, compared with steps per second from memory.

    python benchmarks/classifier.py [--cases 112x80:1,448x320:4] [--gathers 2048] [--repetitions 5] [--csv FILE]

From memory: the same steps on batches that are already tensors, with nothing to read or wait for. From records: the
trainer's own path, a shuffled pass over a survey on disk. The two alternate, so that other load on the machine affects
both, and medians are compared. On a shared machine, processor time says more than wall time. The files are in the page
cache.
"""

import csv
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from glowseis.command import import_tensorflow, run
from glowseis.errors import InputError
from glowseis.survey.size import parse_size

if TYPE_CHECKING:
    from glowseis.fitting.classifier.trainer import ClassifierTrainer

LABELS = ("good", "medium", "bad")


def main(
    cases: Annotated[str, typer.Option(help="Sizes and alphas, such as 112x80:1,112x80:4.")] = (
        "112x80:1,112x80:4,448x320:1,448x320:4"
    ),
    gathers: Annotated[
        int, typer.Option(min=1, help="Gathers per pass; an eighth of it for sizes above 112x80.")
    ] = 2048,
    batch: Annotated[int, typer.Option(min=1, help="Gathers per step; an eighth of it for sizes above 112x80.")] = 64,
    repetitions: Annotated[int, typer.Option(min=1, help="Passes each way; their medians are compared.")] = 5,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every pass to this file.")] = None,
) -> None:
    """Compare the speed of training from records with that of training from memory.

    Example: python benchmarks/classifier.py --csv classifier.csv
    """
    wanted = [_case(one) for one in cases.split(",")]
    import_tensorflow()
    print(f"{repetitions} passes of each, alternating, {os.cpu_count()} cores")
    rows: list[tuple[object, ...]] = []
    for size, alpha in wanted:
        large = size[0] * size[1] > 112 * 80
        rows += compare(
            size, alpha, gathers // 8 if large else gathers, max(batch // 8, 1) if large else batch, repetitions
        )
    if csv_file:
        with csv_file.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["size", "alpha", "batch", "way", "pass", "gathers_per_second", "cpu_s_per_gather"])
            writer.writerows(rows)


def compare(size: tuple[int, int], alpha: int, gathers: int, batch: int, repetitions: int) -> list[tuple[object, ...]]:
    """Time passes from memory and from records, and print their medians.

    Args:
        size: Height in samples and width in traces.
        alpha: The classifier's width.
        gathers: Gathers per pass.
        batch: Gathers per step.
        repetitions: Passes each way.

    Returns:
        Size, alpha, batch, way, pass, gathers per second and processor seconds per gather, for every pass.
    """
    from reading import random_gathers

    from glowseis.fitting.classifier.trainer import ClassifierTrainer, make_classifier
    from glowseis.survey.batches.labelled import LabelledGathers, parents_of, training_steps, valid_regions
    from glowseis.survey.store.survey import open_survey, write_survey

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "survey"
        write_survey(path, random_gathers(gathers, *size), size, {})
        survey = open_survey(path)
        whole = LabelledGathers(
            ids=survey.index["gather_id"].to_numpy(),
            classes=(np.arange(gathers) % len(LABELS)).astype(np.int32),
            weights=np.ones(gathers, np.float32),
            size=survey.size,
            read=survey.read_images,
            parents=parents_of(survey),
            valid=valid_regions(survey),
            path=path,
        )
        trainer = ClassifierTrainer(make_classifier(len(LABELS), alpha, "softmax", seed=1), 1e-3)
        steps = -(-gathers // batch)
        records = training_steps(whole, batch, seed=1, steps=steps)
        memory = list(records)
        ways: dict[str, Iterable[Any]] = {"memory": memory, "records": records}
        passes: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for batches in ways.values():
            _pass(trainer, batches)
        for number in range(repetitions):
            for way in sorted(ways, reverse=bool(number % 2)):
                clock_s, cpu_s = _pass(trainer, ways[way])
                passes[way].append((gathers / clock_s, cpu_s / gathers))
    rates, costs = ({way: statistics.median(one[n] for one in passes[way]) for way in ways} for n in range(2))
    name = "x".join(map(str, size))
    print(
        f"{name:>8}, alpha {alpha}, batch {batch:3}: {rates['memory']:7.1f} gathers/s from memory, "
        f"{rates['records']:7.1f} from records: {rates['records'] / rates['memory']:6.1%}; "
        f"by processor time {costs['memory'] / costs['records']:6.1%}",
        flush=True,
    )
    return [(name, alpha, batch, way, number, *one) for way in ways for number, one in enumerate(passes[way])]


def _pass(trainer: "ClassifierTrainer", batches: Iterable[Any]) -> tuple[float, float]:
    """Wall time and processor time of a pass, in seconds."""
    start, cpu_start = time.perf_counter(), time.process_time()
    for one in batches:
        loss, _ = trainer.optimise(*one)
    float(loss)
    return time.perf_counter() - start, time.process_time() - cpu_start


def _case(text: str) -> tuple[tuple[int, int], int]:
    size, colon, alpha = text.partition(":")
    if not (colon and alpha.isdecimal() and int(alpha)):
        raise InputError(f"case {text!r}: write it as size:alpha, such as 112x80:4")
    return parse_size(size), int(alpha)


if __name__ == "__main__":
    run(main)
