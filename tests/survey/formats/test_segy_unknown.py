"""What trace headers leave at 0 is unknown, and what is unknown is written as 0."""

import dataclasses

import numpy as np
import pytest
from segyio import TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.segy_writer import write_segy
from tests.support.field_files import field_file, read_segy
from tests.support.random_gathers import random_recording

PLACES = (TraceField.SourceX, TraceField.SourceY, TraceField.GroupX, TraceField.GroupY)


def test_coordinates_and_offsets_of_nothing_but_zeros_are_unknown(tmp_path):
    field_file(tmp_path / "a.sgy", trace=dict.fromkeys((*PLACES, TraceField.offset), 0))
    for recording in read_segy(tmp_path / "a.sgy"):
        geometry = recording.geometry
        assert np.isnan([geometry.source_x_m, geometry.source_y_m]).all()
        assert np.isnan([geometry.receiver_x_m, geometry.receiver_y_m]).all()
        assert np.isnan(geometry.offset_m).all() and geometry.offset_m.dtype == np.float32


def test_a_source_at_the_origin_is_known(tmp_path):
    field_file(tmp_path / "a.sgy", trace=dict.fromkeys(PLACES[:2], 0))
    geometry = next(read_segy(tmp_path / "a.sgy")).geometry
    assert (geometry.source_x_m, geometry.source_y_m) == (0, 0)
    assert np.isfinite(geometry.receiver_x_m).all() and np.isfinite(geometry.offset_m).all()


def test_unknown_offsets_come_back_unknown(tmp_path):
    recording = random_recording(1)
    offset_m = np.full_like(recording.geometry.offset_m, np.nan)
    geometry = dataclasses.replace(recording.geometry, offset_m=offset_m)
    write_segy(tmp_path / "a.segy", [dataclasses.replace(recording, geometry=geometry)])
    (back,) = read_segy(tmp_path / "a.segy")
    assert np.isnan(back.geometry.offset_m).all()
    assert back.geometry.source_x_m == pytest.approx(recording.geometry.source_x_m, abs=0.01)
    np.testing.assert_array_equal(back.amplitude, recording.amplitude)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_interval_s": np.nan}, "interval is unknown.*write HDF5"),
        ({"offset_m": np.full(24, np.inf, np.float32)}, "offset does not fit"),
    ],
)
def test_what_has_no_place_is_told(tmp_path, changes, message):
    recording = random_recording(1)
    wrong = dataclasses.replace(recording, geometry=dataclasses.replace(recording.geometry, **changes))
    with pytest.raises(InputError, match=message):
        write_segy(tmp_path / "a.segy", [wrong])
    assert not list(tmp_path.iterdir())
