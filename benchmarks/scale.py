"""What many gathers take: bytes, hours and memory, computed from rates that are measured here.

    python -m benchmarks.scale [--size 896x640] [--measured 60] [--gathers 10000000]

Measured on simulated gathers, in one process, files in the page cache: `ingest` and `classify` from SEG-Y, by the
processor time of all their threads, and a survey's index when it is read back. The table multiplies: so many gathers,
so many cores, nothing else limiting. With `ingest --jobs` one process collects what the others read; its own processor
time, measured side by side with that of `ingest` alone, bounds what more processes can gain.
"""

import contextlib
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.grading import seconds, segy_file
from glowseis.command import import_tensorflow, run
from glowseis.shipped import ready_model
from glowseis.survey.size import parse_size

ROWS = 200_000
"""Rows of the index that is read back."""

CORES = (1, 16, 256)


def main(
    size: Annotated[str, typer.Option(help="Samples x traces.")] = "896x640",
    measured: Annotated[int, typer.Option(min=4, help="Gathers to measure with.")] = 60,
    gathers: Annotated[int, typer.Option(min=1, help="Gathers to compute for.")] = 10_000_000,
    repetitions: Annotated[int, typer.Option(min=1, help="Passes; the fastest counts.")] = 3,
) -> None:
    """Measure rates and sizes, and compute what many gathers take.

    Example: python -m benchmarks.scale --gathers 10000000
    """
    import_tensorflow()
    from glowseis.run.graded_lines import grade_sources
    from glowseis.survey.ingestion.ingest import ingest
    from glowseis.survey.ingestion.request import Request
    from glowseis.survey.store.survey import open_survey

    with tempfile.TemporaryDirectory() as name:
        folder, passes = Path(name), iter(range(10**6))
        path = folder / "line.segy"
        segy_file(path, measured, parse_size(size))

        def ingesting() -> None:
            ingest(Request([path], size=size), folder / f"survey{next(passes)}")

        def classifying() -> None:
            request = Request([path], fit="")
            grade_sources(ready_model("classifier"), [], request, folder / f"{next(passes)}.csv", 16, None)

        pair = [folder / f"line{number}.segy" for number in range(2)]
        for each in pair:
            segy_file(each, measured, parse_size(size))
        height, width = parse_size(size)

        def collecting(jobs: int, fit: str) -> Callable[[], object]:
            asked = Request(pair, size=size if fit == "pad" else f"{height // 2}x{width // 2}", fit=fit)
            return lambda: ingest(asked, folder / f"survey{next(passes)}", jobs=jobs)

        took = {
            "ingest": processor_seconds(ingesting, repetitions) / measured,
            "classify": processor_seconds(classifying, repetitions) / measured,
        }
        shared = {
            fit: [processor_seconds(collecting(jobs, fit), repetitions) / (2 * measured) for jobs in (1, 2)]
            for fit in ("pad", "resize")
        }
        survey = open_survey(folder / "survey0")
        sizes = {
            "SEG-Y, 4-byte samples": path.stat().st_size / measured,
            "survey": sum(shard.bytes for shard in survey.manifest.shards) / measured,
            "index": (survey.path / "gathers.csv").stat().st_size / measured,
        }
        open_s, open_bytes = index_costs(survey.path / "gathers.csv", folder / "long.csv")
    print(f"{size}, {measured} gathers measured, {os.cpu_count()} cores; for {gathers:,} gathers:\n")
    print("| what | a gather | all |\n|---|---|---|")
    for what, count in sizes.items():
        print(f"| {what} | {count / 1e3:,.1f} kB | {count * gathers / 1e12:,.3g} TB |")
    print(f"| index in memory | {open_bytes:,.0f} bytes | {open_bytes * gathers / 1e9:,.3g} GB |")
    print(f"| opening the index | {1e6 * open_s:,.1f} microseconds | {open_s * gathers:,.0f} s |\n")
    print(f"| command | core-ms a gather | {' | '.join(f'hours on {one} cores' for one in CORES)} |")
    print("|---|---|" + "---|" * len(CORES))
    for what, each_s in took.items():
        hours = [each_s * gathers / 3600 / cores for cores in CORES]
        print(f"| {what} | {1e3 * each_s:,.1f} | {' | '.join(f'{one:,.3g}' for one in hours)} |")
    moved = (sizes["SEG-Y, 4-byte samples"] + sizes["survey"]) / took["ingest"] / 1e6
    print(f"\none core of ingest reads and writes {moved:,.0f} MB/s")
    for fit, (alone_s, collecting_s) in shared.items():
        print(
            f"--fit {fit}{' to half the size' if fit == 'resize' else ''}: ingest alone takes {1e3 * alone_s:.1f} ms a "
            f"gather, and with --jobs the process that collects {1e3 * collecting_s:.1f}: at most "
            f"{alone_s / collecting_s:.1f} times as fast"
        )


def processor_seconds(work: Callable[[], object], repetitions: int) -> float:
    """Least processor time of some work, after one pass that is not counted."""
    with contextlib.redirect_stderr(None):
        work()
        return min(seconds(work)[1] for _ in range(repetitions))


def index_costs(index: Path, longer: Path) -> tuple[float, float]:
    """Seconds and bytes of memory that each row of a survey's index costs when it is read."""
    from glowseis.survey.store.index import read_index

    head, *rows = index.read_text().splitlines()
    longer.write_text("\n".join([head, *(rows[number % len(rows)] for number in range(ROWS))]) + "\n")
    read_index(index)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    table = read_index(longer)
    taken = time.perf_counter() - start
    held = float(np.sum(table.memory_usage(deep=True)))
    peak = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return taken / ROWS, max(held, peak) / ROWS


if __name__ == "__main__":
    run(main)
