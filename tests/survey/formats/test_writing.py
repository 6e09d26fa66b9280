"""Gathers written by one function, whatever the format, and read again."""

import dataclasses
import os

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats import writing
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.formats.targets import Format
from glowseis.survey.formats.writing import write_gathers
from glowseis.survey.gather import UNKNOWN_PARENT, Origin
from glowseis.survey.render import amplitudes
from glowseis.survey.store.survey import open_survey
from tests.support.random_gathers import random_gather, random_recording, same_gather

ARRAY = ReadOptions(axes="gather,time,trace", sample_interval_s=0.008)
GATHERS = [random_gather(shot, traces=20 + shot, label="good") for shot in range(3)]


def read(path, options=None):
    return list(open_source(path, options or ReadOptions()).gathers())


def child(shot, model="demo/1"):
    origin = Origin(("a", "b"), 0.5, 1, model, "spherical")
    return dataclasses.replace(random_gather(shot, label="bad"), gather_id=f"child{shot}", origin=origin)


@pytest.mark.parametrize("name", ["new.segy", "new.SGY", "new.h5", "new.hdf5"])
def test_files_hold_the_amplitudes_of_recorded_gathers(tmp_path, name):
    assert write_gathers(tmp_path / name, iter(GATHERS)) == 3
    assert [path.name for path in tmp_path.iterdir()] == [name]
    for found, gather in zip(read(tmp_path / name), GATHERS, strict=True):
        np.testing.assert_array_equal(found.amplitude, amplitudes(gather))
        assert found.geometry.shot == gather.geometry.shot and not found.origin.parents


def test_an_array_is_padded(tmp_path):
    assert write_gathers(str(tmp_path / "new.npy"), GATHERS) == 3
    array = np.load(tmp_path / "new.npy")
    assert array.shape == (3, *GATHERS[0].image.shape) and array.dtype == np.float32
    for found, gather in zip(array, GATHERS, strict=True):
        valid = amplitudes(gather)
        np.testing.assert_array_equal(found[: valid.shape[0], : valid.shape[1]], valid)
        assert not found[valid.shape[0] :].any() and not found[:, valid.shape[1] :].any()
    assert len(read(tmp_path / "new.npy", ARRAY)) == 3


def test_a_survey_and_pictures(tmp_path):
    write_gathers(tmp_path / "survey", GATHERS)
    survey = open_survey(str(tmp_path / "survey"))
    assert all(same_gather(survey.read(row), gather) for row, gather in enumerate(GATHERS))
    assert survey.manifest.about == {}
    assert write_gathers(tmp_path / "pictures", GATHERS[0], kind="pictures") == 1
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 1


@pytest.mark.parametrize("name", ["new.segy", "new.h5", "new.npy"])
@pytest.mark.parametrize("kind", [np.float32, np.int16, np.uint8])
def test_arrays_and_recordings_lose_nothing(tmp_path, name, kind):
    array = np.random.default_rng(1).integers(0, 256, (2, 40, 12)).astype(kind)
    write_gathers(tmp_path / name, array, sample_interval_s=0.004)
    found = np.stack([one.amplitude for one in read(tmp_path / name, ARRAY if name.endswith("npy") else None)])
    np.testing.assert_array_equal(found, array.astype(np.float32) - (128 if kind is np.uint8 else 0))
    write_gathers(tmp_path / "one.h5", [random_recording(1)])
    np.testing.assert_array_equal(read(tmp_path / "one.h5")[0].amplitude, random_recording(1).amplitude)


def test_simulated_gathers_are_told_as_such(tmp_path):
    gather = dataclasses.replace(GATHERS[0], source="glowseis simulator version 2.0, seed 12, acquisition 3")
    write_gathers(tmp_path / "new.segy", gather)
    assert read(tmp_path / "new.segy")[0].source.endswith("new.segy (simulated by glowseis, seed 12)")


@pytest.mark.parametrize("name", ["new.segy", "new.npy"])
@pytest.mark.parametrize(
    "gathers",
    [
        [GATHERS[0], child(1)],
        [child(1), GATHERS[0]],
        [child(1), child(2, "other/1")],
        [GATHERS[0], dataclasses.replace(child(1), origin=Origin((UNKNOWN_PARENT,)))],
    ],
)
def test_what_one_table_cannot_tell_is_refused(tmp_path, name, gathers):
    with pytest.raises(InputError, match="has another origin than"):
        write_gathers(tmp_path / name, gathers)
    assert not list(tmp_path.iterdir())


def test_the_table_of_another_array_is_refused(tmp_path):
    write_gathers(tmp_path / "new.npy", [child(1), child(2)])
    assert [one.origin for one in read(tmp_path / "new.npy", ARRAY)] == [child(1).origin] * 2
    write_gathers(tmp_path / "b.npy", [child(1)])
    (tmp_path / "b.csv").replace(tmp_path / "new.csv")
    with pytest.raises(InputError, match="its rows do not match the 2 gathers of"):
        read(tmp_path / "new.npy", ARRAY)


@pytest.mark.parametrize(
    ("name", "gathers", "kind", "message"),
    [
        ("new.xyz", GATHERS, None, "no format ends in .xyz"),
        ("new", GATHERS, "jpeg", "format 'jpeg' is unknown; choose one of segy, hdf5, numpy, pictures, survey"),
        ("new.h5", [], None, "there are no gathers to write"),
        ("new.h5", np.zeros((2, 2, 2, 2)), None, r"an array of shape \(2, 2, 2, 2\)"),
        ("new.h5", np.zeros((2, 2), complex), None, "type complex128 does not hold gathers"),
        ("new.npy", [random_recording(1), random_recording(2, samples=60)], None, "an array needs gathers of one size"),
        ("there.segy", GATHERS, None, "there.segy: exists already"),
        ("other.segy", [child(1)], None, "other.csv: exists already"),
        ("other.npy", [child(1)], None, "other.csv: exists already"),
    ],
)
def test_bad_input_is_told_and_nothing_is_left(tmp_path, name, gathers, kind, message):
    for there in ("there.segy", "other.csv"):
        (tmp_path / there).touch()
    with pytest.raises(InputError, match=message):
        write_gathers(tmp_path / name, gathers, kind=kind)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "there.segy"]


@pytest.mark.parametrize("name", ["new.segy", "new.npy"])
@pytest.mark.parametrize("wrong", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_synthetic_gathers_have_no_name_before_their_table(tmp_path, monkeypatch, name, wrong):
    """Killed between the two, a file without it would come back as recorded."""
    named, rename = [], os.rename

    def fail(source, target):
        # What is removed is moved away first.
        if not target.name.endswith(".writing"):
            named.append(target.name)
        if target.name == name:
            raise wrong
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(type(wrong)):
        write_gathers(tmp_path / name, [child(1), child(2)])
    assert named == ["new.csv", name] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["segy", "numpy"])
def test_a_file_and_its_table_have_different_names(tmp_path, kind):
    with pytest.raises(InputError, match=r"new\.csv: .* has this name"):
        write_gathers(tmp_path / "new.csv", [child(1)], kind=kind)
    assert not list(tmp_path.iterdir())


FILES = [("new.segy", None), ("new.h5", None), ("new.npy", None), ("new", "pictures"), ("new", "survey")]


def numbers(samples=16, traces=8, kind=np.float64):
    return np.random.default_rng(1).normal(size=(1, samples, traces)).astype(kind)


def recorded(values):
    return [dataclasses.replace(random_recording(1), amplitude=values)]


@pytest.mark.parametrize(("name", "kind"), FILES)
@pytest.mark.parametrize(
    ("gathers", "message"),
    [
        (numbers(0, 8), "has 0 samples and 8 traces; "),
        (numbers(8, 0), "has 8 samples and 0 traces; "),
        (numbers(8, 0, np.uint8), "has 8 samples and 0 traces; "),
        (recorded(np.zeros((0, 24))), "has 0 samples and 24 traces; "),
        (numbers()[:0], "there are no gathers to write"),
        (numbers(40_000, 1), "has 40000 samples and 1 traces; give 1 to 32768 of each"),
        (numbers(kind=bool), "type bool does not hold gathers"),
        (numbers(kind=complex), "type complex128 does not hold gathers"),
        (recorded(numbers(kind=bool)[0]), "type bool is not a gather"),
        (recorded(numbers(kind=complex)[0]), "type complex128 is not a gather"),
        (recorded(numbers()), r"shape \(1, 16, 8\) and type float64 is not a gather"),
        (dataclasses.replace(GATHERS[0], image=numbers()[0]), "type float64 is not a gather"),
        (numbers() * 1e300, "has an amplitude of 3.*e.299, 32 bits hold 3.40282e.38"),
        (recorded(numbers()[0] * 1e300), "has an amplitude of 3.*e.299, 32 bits hold 3.40282e.38"),
    ],
)
def test_what_is_no_gather_is_written_nowhere(tmp_path, name, kind, gathers, message):
    with pytest.raises(InputError, match=message) as told:
        write_gathers(tmp_path / name, gathers, kind=kind, sample_interval_s=0.008)
    assert not list(tmp_path.iterdir()) and "\n" not in str(told.value)


def test_a_gather_larger_than_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "LARGEST_GATHER", 1000)
    with pytest.raises(InputError, match=r"has 40 samples and 30 traces; .* at most 1,000 numbers in all"):
        write_gathers(tmp_path / "new.h5", numbers(40, 30))


@pytest.mark.parametrize(("name", "kind"), FILES)
@pytest.mark.parametrize("interval_s", [0, -0.002, np.inf])
def test_a_sample_interval_that_is_none(tmp_path, name, kind, interval_s):
    with pytest.raises(InputError, match=f"sample_interval_s is {interval_s}; give seconds"):
        write_gathers(tmp_path / name, numbers(), kind=kind, sample_interval_s=interval_s)


@pytest.mark.parametrize(("name", "kind"), FILES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_trace_stays_broken(tmp_path, name, kind, value):
    array = numbers()
    array[0, 3, 2] = value
    write_gathers(tmp_path / name, array, kind=kind, sample_interval_s=0.008)
    if kind == "survey":
        gather = open_survey(tmp_path / name).read(0)
        assert gather.broken_traces == 1 and (gather.image[:, 2] == 128).all() and gather.image[:, 3].std()
    elif kind == "pictures":
        (path,) = (tmp_path / name).glob("*.png")
        (picture,) = read(path)
        assert (picture.image[:, 2] == 128).all() and picture.image[:, 3].std()
    else:
        (found,) = read(tmp_path / name, ARRAY if name == "new.npy" else None)
        np.testing.assert_array_equal(found.amplitude, array[0].astype(np.float32))


@pytest.mark.parametrize(("name", "kind"), FILES)
@pytest.mark.parametrize("kind_of", [np.float64, np.int64])
def test_amplitudes_that_32_bits_lose(tmp_path, name, kind, kind_of):
    """Pictures have them, as a constant is taken away before."""
    array = (1e10 + 100 * numbers(40, 12)).astype(kind_of)
    if kind:
        assert write_gathers(tmp_path / name, array, kind=kind, sample_interval_s=0.008) == 1
        return
    for gathers in (array, recorded(array[0])):
        with pytest.raises(InputError, match=r"32 bits lose its amplitudes beside the constant 1e\+10"):
            write_gathers(tmp_path / name, gathers, sample_interval_s=0.008)
    assert not list(tmp_path.iterdir())
    # All of one value, or nearly, they lose nothing.
    muted = np.where(np.arange(40)[:, np.newaxis] < 37, 0.0, numbers(40, 12))
    assert (
        write_gathers(tmp_path / name, np.concatenate([muted, array - 1e10, array * 0]), sample_interval_s=0.008) == 3
    )


def test_labels_beside_recorded_gathers_are_left_alone(tmp_path):
    (tmp_path / "other.csv").write_text("mine")
    assert write_gathers(tmp_path / "other.segy", GATHERS) == write_gathers(tmp_path / "other.npy", GATHERS) == 3
    assert (tmp_path / "other.csv").read_text() == "mine"


def test_the_formats_are_those_of_the_command():
    assert [*Format] == ["segy", "hdf5", "numpy", "pictures", "survey"]
