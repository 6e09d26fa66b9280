"""Reading records: glowseis's pipeline compared with a bare TFRecordDataset loop over the same bytes.

    python benchmarks/reading.py [--gathers 300] [--size 896x640] [--repetitions 9] [--csv reading.csv]

The bare loop returns unparsed records in order; ours returns decoded images in shuffled order. Both check every
record's CRC. The ways alternate, so that other load on the machine affects all, and medians are compared; a pass goes
over the records several times, because a machine with shared cores can stop a process for tenths of a second. The files
are in the page cache: a slower disk would only reduce the difference.
"""

import csv
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from glowseis.command import import_tensorflow, run
from glowseis.survey.gather import Gather, Geometry
from glowseis.survey.size import parse_size

TIMES_A_PASS = 6


def random_gathers(count: int, height: int, width: int) -> Iterator[Gather]:
    """Gathers of random grey levels."""
    generator = np.random.default_rng(0)
    metres = np.zeros(width)
    for shot in range(count):
        yield Gather(
            gather_id=f"shot{shot:05d}",
            image=generator.integers(0, 256, (height, width), np.uint8),
            label="",
            geometry=Geometry(1, shot, 1, 0.008, np.arange(width), metres, 0.0, 0.0, metres, metres),
            source="random",
            clip_amplitude=1.0,
            valid_samples=height,
            valid_traces=width,
        )


def gathers_per_second(count: int, dataset: Iterable[object]) -> float:
    """Time one pass, which goes several times over a dataset that is already built."""
    start = time.perf_counter()
    for _ in range(TIMES_A_PASS):
        for _ in dataset:
            pass
    return TIMES_A_PASS * count / (time.perf_counter() - start)


def main(
    gathers: Annotated[int, typer.Option(help="Number of random gathers.")] = 300,
    size: Annotated[str, typer.Option(help="Samples x traces.")] = "896x640",
    repetitions: Annotated[int, typer.Option(help="Passes each way; their medians are compared.")] = 9,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every pass to this file.")] = None,
) -> None:
    """Compare the pipeline's speed with a bare TFRecordDataset loop.

    Example: python benchmarks/reading.py --gathers 300 --csv reading.csv
    """
    import_tensorflow()
    import tensorflow as tf

    from glowseis.survey.batches.images import epoch_order, image_batches, training_batches
    from glowseis.survey.store.survey import open_survey, write_survey

    height, width = parse_size(size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "survey"
        write_survey(path, random_gathers(gathers, height, width), (height, width), {})
        survey = open_survey(path)
        files = [str(path / shard.file) for shard in survey.manifest.shards]
        rows = epoch_order(survey, np.arange(gathers), seed=0, epoch=0)
        start = time.perf_counter()
        ways: dict[str, Iterable[object]] = {
            "bare TFRecordDataset": tf.data.TFRecordDataset(files),
            "images, batch 1": image_batches(survey, rows, 1),
            "images, batch 8": image_batches(survey, rows, 8),
            "training, batch 1": training_batches(survey, rows, 1, seed=0, epoch=0),
            "training, batch 8": training_batches(survey, rows, 8, seed=0, epoch=0),
        }
        building_s = (time.perf_counter() - start) / 4
        for dataset in ways.values():
            gathers_per_second(gathers, dataset)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repetitions):
            for name, dataset in ways.items():
                rates[name].append(gathers_per_second(gathers, dataset))
    bare = statistics.median(rates["bare TFRecordDataset"])
    print(f"{gathers} gathers of {height}x{width}, {repetitions} passes, {os.cpu_count()} cores")
    for name, rate in rates.items():
        median = statistics.median(rate)
        print(f"{name:22} {median:8.0f} gathers/s   {median / bare:6.1%} of the bare loop")
    print(f"building one of our datasets, once per epoch: {building_s:.2f} s")
    if csv_file:
        with csv_file.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["way", "pass", "gathers_per_second"])
            writer.writerows((name, number, rate) for name in rates for number, rate in enumerate(rates[name]))


if __name__ == "__main__":
    run(main)
