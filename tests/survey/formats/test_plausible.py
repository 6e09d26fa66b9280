"""One limit for gathers of all formats, told from headers."""

import dataclasses

import h5py
import numpy as np
import pytest
from PIL import Image

from glowseis.errors import InputError
from glowseis.survey.formats import plausible, trace_gathers
from glowseis.survey.formats.hdf5_layout import write_hdf5
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from tests.support.random_gathers import random_recording

OPTIONS = ReadOptions(sample_interval_s=0.004)


def written(path):
    """A gather of 40 samples and 30 traces, in the format that the file's name says."""
    recording = random_recording(0, 40, 30)
    if path.name == "own.h5":
        write_hdf5(path, [recording])
    elif path.suffix == ".segy":
        write_segy(path, [recording])
    elif path.suffix == ".npz":
        np.savez(path, recording.amplitude)
    elif path.suffix == ".npy":
        np.save(path, recording.amplitude)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["data"] = recording.amplitude
    else:
        levels = (128 + 20 * recording.amplitude / np.abs(recording.amplitude).max()).astype(np.uint8)
        Image.fromarray(levels).save(path)
    return path


@pytest.mark.parametrize("name", ["a.segy", "a.npy", "a.npz", "a.h5", "own.h5", "a.png", "a.tif"])
def test_a_gather_may_be_so_large_and_no_larger(tmp_path, monkeypatch, name):
    path = written(tmp_path / name)
    options = dataclasses.replace(OPTIONS, axes="time,trace" if name in ("a.npy", "a.npz", "a.h5") else None)
    # The format's module, imported now, keeps its own limits.
    open_source(path, options)

    def read(largest):
        monkeypatch.setattr(plausible, "LARGEST_GATHER", largest)
        monkeypatch.setattr(trace_gathers, "LARGEST_GATHER", largest)
        return list(open_source(path, options).shapes())

    assert read(1200) == [(40, 30)]
    with pytest.raises(
        InputError, match=r"40 samples and 30 traces, 1,200 in all; at most 1,199|more than 29 consecutive traces"
    ):
        read(1199)
