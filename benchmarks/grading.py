"""Speed of `glowseis classify`, from SEG-Y to grades, compared with its bare network on windows in memory.

    python -m benchmarks.grading [--sizes 112x80,448x320,896x640] [--gathers 300] [--repetitions 5] [--onnx]

Classify is all that the command does once TensorFlow is imported: loading the classifier, reading, rendering, cutting
windows, the network, `unlike`, and the table of grades. The bare network grades the same windows in the same batches.
The two alternate, and medians are compared. `--onnx` also exports the network as Keras does and times ONNX Runtime on
the same windows; it needs the packages onnx, tf2onnx and onnxruntime. The file is in the page cache.
"""

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import numpy as np
import segyio
import typer
from segyio import BinField, TraceField

from glowseis.command import import_tensorflow, run
from glowseis.errors import InputError
from glowseis.shipped import ready_model
from glowseis.survey.size import parse_size

SEED = 5


def main(
    sizes: Annotated[str, typer.Option(help="Sizes of the gathers.")] = "112x80,448x320,896x640",
    gathers: Annotated[int, typer.Option(min=1, help="Gathers to grade at each size: a line has thousands.")] = 300,
    batch: Annotated[int, typer.Option(min=1, help="Windows graded at a time; the command's default is 16.")] = 16,
    repetitions: Annotated[int, typer.Option(min=1, help="Passes each way; their medians are compared.")] = 5,
    onnx: Annotated[bool, typer.Option("--onnx", help="Time ONNX Runtime as well.")] = False,
) -> None:
    """Compare the speed of grading with that of the bare network.

    Example: python -m benchmarks.grading --sizes 448x320
    """
    wanted = [parse_size(one) for one in sizes.split(",")]
    if onnx and (missing := [name for name in ("onnx", "tf2onnx", "onnxruntime") if not find_spec(name)]):
        raise InputError(f"--onnx needs {' and '.join(missing)}; pip install onnx tf2onnx onnxruntime")
    import_tensorflow()
    print(f"{ready_model('classifier')}: {repetitions} passes of each, alternating, {os.cpu_count()} cores")
    for size in wanted:
        compare(size, gathers, batch, repetitions, onnx=onnx)


def compare(size: tuple[int, int], gathers: int, batch: int, repetitions: int, *, onnx: bool) -> None:
    """Time both ways on simulated gathers of a size, and print medians.

    Args:
        size: Samples and traces.
        gathers: Gathers to grade.
        batch: Windows at a time.
        repetitions: Passes each way.
        onnx: Whether to time ONNX Runtime as well.
    """
    from glowseis.export.classifier import SavedClassifier, load_classifier
    from glowseis.run.graded_lines import grade_sources
    from glowseis.survey.ingestion.request import Request

    classifier = load_classifier(ready_model("classifier"))
    seen: list[np.ndarray] = []
    look = SavedClassifier.look

    def watched(self: SavedClassifier, images: np.ndarray) -> Any:
        seen.append(images)
        return look(self, images)

    with tempfile.TemporaryDirectory() as name:
        path, passes = Path(name) / "line.segy", iter(range(10**6))

        def classify() -> None:
            request = Request([path], fit="")
            with contextlib.redirect_stderr(None):
                grade_sources(ready_model("classifier"), [], request, Path(name) / f"{next(passes)}.csv", batch, None)

        segy_file(path, gathers, size)
        with mock.patch.object(SavedClassifier, "look", watched):
            classify()
        given = list(seen)
        ways: dict[str, Callable[[], object]] = {
            "classify": classify,
            "network": lambda: [classifier.look(one) for one in given],
        }
        if onnx:
            ways["ONNX Runtime"] = onnx_runtime(classifier, given)
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for number in range(repetitions + 1):
            for way in sorted(ways, reverse=bool(number % 2)):
                taken = seconds(ways[way])
                if number:
                    times[way].append(taken)
    clock, work = ({way: statistics.median(one[n] for one in times[way]) for way in ways} for n in range(2))
    rates = ", ".join(f"{way} {gathers / clock[way]:.1f}" for way in ways)
    name = "x".join(map(str, size))
    print(
        f"{name:>8}, {sum(map(len, given)) / gathers:.1f} windows a gather; gathers per second: {rates}; "
        + ", ".join(
            f"of the speed of {way} classify reaches {clock[way] / clock['classify']:.1%}, by processor time "
            f"{work[way] / work['classify']:.1%}"
            for way in ways
            if way != "classify"
        ),
        flush=True,
    )


def onnx_runtime(classifier: Any, given: list[np.ndarray]) -> Callable[[], object]:
    """The network in ONNX Runtime, on as many threads as there are cores, checked against TensorFlow's."""
    import keras
    import onnxruntime

    import glowseis.models.miniception
    from glowseis.export.folders import version_folder

    network = keras.saving.load_model(version_folder(ready_model("classifier")) / "model.keras")
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "network.onnx"
        shape = keras.InputSpec(shape=(None, None, None, 1), dtype="float32")
        network.export(file, format="onnx", verbose=False, input_signature=[shape])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    asked = session.get_inputs()[0].name

    def grade() -> list[np.ndarray]:
        converted = (np.asarray(glowseis.models.miniception.from_grey_levels(one[..., np.newaxis])) for one in given)
        return [session.run(None, {asked: one})[0] for one in converted]

    ours = np.concatenate([classifier.look(one).probabilities for one in given])
    print(f"largest difference of ONNX Runtime's probabilities: {np.abs(np.concatenate(grade()) - ours).max():.1e}")
    return grade


def segy_file(path: Path, gathers: int, size: tuple[int, int]) -> None:
    """Write simulated shot gathers as SEG-Y with segyio: 4-byte IEEE numbers, offsets in the headers."""
    from glowseis.survey.simulate import acquisitions, simulate_recording

    drawn = acquisitions(*size)
    recordings = [simulate_recording(number, SEED, drawn, (40.0, 33.0, 27.0)) for number in range(gathers)]
    samples = min(len(one.amplitude) for one in recordings)
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount = 5, range(samples), sum(one.amplitude.shape[1] for one in recordings)
    first, interval_us = 0, round(1e6 * recordings[0].geometry.sample_interval_s)
    with segyio.create(str(path), spec) as file:
        file.bin.update({BinField.Interval: interval_us})
        for shot, recording in enumerate(recordings):
            traces = recording.amplitude.shape[1]
            file.trace.raw[first : first + traces] = np.ascontiguousarray(recording.amplitude[:samples].T, np.float32)
            for trace in range(traces):
                file.header[first + trace] = {
                    TraceField.FieldRecord: shot + 1,
                    TraceField.TraceNumber: trace + 1,
                    TraceField.TRACE_SAMPLE_COUNT: samples,
                    TraceField.TRACE_SAMPLE_INTERVAL: interval_us,
                    TraceField.offset: round(float(recording.geometry.offset_m[trace])),
                }
            first += traces


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall time and processor time of some work."""
    start, cpu_start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu_start


if __name__ == "__main__":
    run(main)
