"""HDF5 files of our own layout and of others."""

import dataclasses

import h5py
import numpy as np

from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.gather import Origin
from tests.support.random_gathers import random_recording

ALL = ReadOptions(axes="gather,trace,time", sample_interval_s=0.004)
"""What a user says of an array with all three axes."""


def recordings():
    """Gathers of several shapes, one of them synthetic, one without coordinates."""
    made = [random_recording(shot, 40 + shot, 24 - 3 * shot, label="bad" if shot else "") for shot in range(3)]
    origin = Origin(parents=("a-1", "b-2"), alpha=0.1 + 0.2, seed=2**62, model="demo/1", path="spherical")
    made[1] = dataclasses.replace(made[1], origin=origin, label="mäßig", gather_id="été-1")
    nowhere = dataclasses.replace(made[2].geometry, source_x_m=np.nan, start_s=0.25)
    nowhere.receiver_x_m[:] = np.nan
    nowhere.offset_m[:] = np.nan
    made[2] = dataclasses.replace(made[2], geometry=nowhere)
    return made


def same(one, other):
    """Whether two recordings are equal, with all that is known of them."""
    places = zip(vars(one.geometry).values(), vars(other.geometry).values(), strict=True)
    rest = (one.gather_id, one.label, one.origin) == (other.gather_id, other.label, other.origin)
    kinds = one.amplitude.dtype == other.amplitude.dtype == np.float32
    same_places = all(np.array_equal(a, b, equal_nan=True) and np.shape(a) == np.shape(b) for a, b in places)
    return rest and kinds and same_places and np.array_equal(one.amplitude, other.amplitude)


def foreign(path, amplitude, name="data", attributes=(), **settings):
    """A file of somebody else's with one array."""
    with h5py.File(path, "w") as file:
        made = file.create_dataset(name, data=amplitude, **settings)
        made.attrs.update(dict(attributes))
    return path
