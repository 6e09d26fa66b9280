"""Batches of files of several formats, with dead, broken and lifeless gathers."""

import dataclasses

import numpy as np
import pandas as pd

from glowseis.survey.formats.segy import write_segy
from tests.support.random_gathers import random_recording

SAMPLES, TRACES = 40, 24

OPTIONS = ("--axes", "gather,time,trace", "--labels", "labels.csv", "--sample-interval", "8")
"""How a batch is read."""


def recording(shot, line=3, **changes):
    """A recording some of whose traces have another value: `trace3=0.0`."""
    made = random_recording(shot, samples=SAMPLES, traces=TRACES, label="", line=line)
    amplitude = made.amplitude.copy()
    for name, value in changes.items():
        amplitude[:, int(name.removeprefix("trace"))] = value
    return dataclasses.replace(made, amplitude=amplitude)


def write_batch(folder):
    """Three files of SEG-Y and one of NumPy in the folder `in`, which it returns, and a table of labels beside it."""
    files = folder / "in"
    files.mkdir()
    for number, name in enumerate("abc"):
        shots = [recording(10 * number + shot, line=number) for shot in range(3)]
        shots[1] = recording(10 * number + 1, line=number, trace3=0.0)
        write_segy(files / f"{name}.segy", shots)
    lifeless = np.random.default_rng(1).normal(size=(3, SAMPLES, TRACES)).astype(np.float32)
    lifeless[1] = 0
    lifeless[2, :, 4] = np.nan
    np.save(files / "d.npy", lifeless)
    rows = [
        (f"{name}-line{number}-shot{10 * number + shot}-cable2", "bad")
        for number, name in enumerate("abc")
        for shot in (0, 1)
    ]
    rows += [("d-gather2", "good"), ("d-gather9", "good")]
    pd.DataFrame(rows, columns=["gather_id", "label"]).to_csv(folder / "labels.csv", index=False)
    return files
