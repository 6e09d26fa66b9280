"""Speed of ingest compared with a bare segyio read of the same SEG-Y file.

    python benchmarks/ingest.py [--gathers 200] [--samples 876] [--traces 636] [--sample-format ibm] [--repetitions 7]

The bare read is `segyio.open(...).trace.raw` in blocks of one shot. Ingest is all that the command does with a file: it
looks at headers, reads gathers, renders them and writes them as records with checksums. The two alternate, and medians
are compared; the file is in the page cache, and times are processor time, so that other processes and more cores make
no difference.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import segyio
import typer
from segyio import BinField, TraceField

from glowseis.command import run
from glowseis.survey.formats.segy import SegySource
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.gather import Recording
from glowseis.survey.render import render_recording
from glowseis.survey.size import enclosing_size
from glowseis.survey.store.survey import write_survey

CODES = {"ibm": 1, "ieee": 5}


def segy_file(path: Path, gathers: int, samples: int, traces: int, code: int) -> None:
    """Write decaying noise as SEG-Y with segyio."""
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount = code, range(samples), gathers * traces
    generator = np.random.default_rng(0)
    decay = np.exp(-np.linspace(0, 5, samples))
    with segyio.create(str(path), spec) as file:
        file.bin.update({BinField.Interval: 4000})
        for shot in range(gathers):
            block = slice(shot * traces, (shot + 1) * traces)
            file.trace.raw[block] = (generator.normal(size=(traces, samples)) * decay).astype(np.float32)
            for trace in range(block.start, block.stop):
                file.header[trace] = {
                    TraceField.FieldRecord: shot + 1,
                    TraceField.TraceNumber: trace - block.start + 1,
                    TraceField.TRACE_SAMPLE_COUNT: samples,
                    TraceField.TRACE_SAMPLE_INTERVAL: 4000,
                }


def seconds(work: Callable[[], object]) -> float:
    """Processor time of some work."""
    start_s = time.process_time()
    work()
    return time.process_time() - start_s


def main(
    gathers: Annotated[int, typer.Option(help="Shots in the file.")] = 200,
    samples: Annotated[int, typer.Option(help="Samples per trace.")] = 876,
    traces: Annotated[int, typer.Option(help="Traces per shot.")] = 636,
    sample_format: Annotated[str, typer.Option(help="ibm or ieee.")] = "ieee",
    repetitions: Annotated[int, typer.Option(help="Passes each way; their medians are compared.")] = 7,
    folder: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: the system's temporary folder.")
    ] = None,
) -> None:
    """Compare the speed of ingest with that of a bare segyio read.

    Example: python benchmarks/ingest.py --gathers 200 --sample-format ibm
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name) / "line.segy"
        segy_file(path, gathers, samples, traces, CODES[sample_format])
        size = enclosing_size([(samples, traces)])
        read: list[Recording] = []
        surveys = iter(range(10**6))

        def bare() -> None:
            with segyio.open(str(path), ignore_geometry=True) as file:
                for shot in range(gathers):
                    file.trace.raw[shot * traces : (shot + 1) * traces]

        def headers() -> None:
            list(SegySource(path, ReadOptions()).shapes())

        def reading() -> None:
            source = SegySource(path, ReadOptions())
            list(source.shapes())
            for recording in source.gathers():
                read[:] = [recording]

        def rendering() -> None:
            for _ in range(gathers):
                render_recording(read[0], *size)

        def ingest() -> None:
            source = SegySource(path, ReadOptions())
            list(source.shapes())
            rendered = (render_recording(recording, *size) for recording in source.gathers())
            write_survey(Path(name) / f"survey{next(surveys)}", rendered, size, {})

        ways = {"bare segyio": bare, "headers": headers, "read": reading, "render": rendering, "ingest": ingest}
        times: dict[str, list[float]] = {way: [] for way in ways}
        for repetition in range(repetitions + 1):
            for way, work in ways.items():
                taken_s = seconds(work)
                if repetition:
                    times[way].append(taken_s)
        speed = {way: gathers / statistics.median(taken) for way, taken in times.items()}
        print(
            f"{gathers} gathers of {samples}x{traces}, {sample_format}; gathers per second of processor time, medians"
        )
        for way, value in speed.items():
            print(f"{way:12} {value:8.1f}")
        print(f"ingest / bare segyio: {speed['ingest'] / speed['bare segyio']:.3f} per core (target: 0.25)")


if __name__ == "__main__":
    run(main)
