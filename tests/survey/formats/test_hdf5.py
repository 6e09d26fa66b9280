"""HDF5: our own layout, and files of others."""

import dataclasses
import gc
import os
import resource
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats.hdf5 import Hdf5Source
from glowseis.survey.formats.hdf5_layout import write_hdf5
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.gather import source_text
from glowseis.survey.render import render_recording
from tests.support.forked import exit_status
from tests.support.hdf5_files import ALL, foreign, recordings, same
from tests.support.random_gathers import random_recording


def test_our_own_layout_comes_back_with_everything(tmp_path):
    path = tmp_path / "neue Schüsse é.h5"
    assert write_hdf5(path, iter(recordings()), "demo/1, seed 5") == 3
    source = open_source(path, ReadOptions())
    assert isinstance(source, Hdf5Source) and source.interval_s == 0.008
    assert list(source.shapes()) == [(40, 24), (41, 21), (42, 18)]
    read = list(source.gathers())
    assert len(read) == 3 and all(map(same, read, recordings()))
    assert {recording.source for recording in read} == {source_text(path)}
    (first, *_) = open_source(path, ReadOptions(label="good", sample_interval_s=0.002)).gathers()
    assert first.label == "good" and first.geometry.sample_interval_s == 0.002
    assert render_recording(read[1], 64, 32).origin == recordings()[1].origin


def test_our_layout_is_as_it_is_documented(tmp_path):
    """What others find with h5py alone."""
    write_hdf5(tmp_path / "a.h5", recordings(), "demo/1, seed 5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["format"] == b"glowseis gathers" and file.attrs["version"] == 1
        assert file.attrs["maker"] == b"demo/1, seed 5"
        amplitude = file["amplitude"]
        assert amplitude.shape == (3, 42, 24) and amplitude.attrs["axes"] == b"gather,time,trace"
        assert amplitude.chunks[0] == 1 and amplitude.fletcher32
        samples, traces = file["samples"][:], file["traces"][:]
        assert not amplitude[1, samples[1] :].any() and not amplitude[1, :, traces[1] :].any()
        assert file["gather_id"].asstr()[1] == "été-1" and file["label"].asstr()[1] == "mäßig"
        assert file["parents"].asstr()[1] == "a-1;b-2"
        assert file["offset_m"].attrs["units"] == b"m" and file["sample_interval_s"].attrs["units"] == b"s"
        assert np.isnan(file["offset_m"][1, 21:]).all()


@pytest.mark.slow
def test_the_same_gathers_give_the_same_file(tmp_path):
    for name in ("a.h5", "b.h5"):
        if name == "b.h5":
            # Times in HDF5 are whole seconds.
            time.sleep(1.0)
        write_hdf5(tmp_path / name, recordings(), "demo/1, seed 5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_writing_is_whole_or_not_at_all(tmp_path):
    def failing():
        yield random_recording(0)
        raise OSError(5, "broken disk")

    cases = [
        ((), InputError, "no gathers to write"),
        ((random_recording(0), random_recording(0)), InputError, "given twice"),
        ((dataclasses.replace(random_recording(0), gather_id="a/b"),), InputError, "letters"),
        ((dataclasses.replace(random_recording(0), source="é" * 5000),), InputError, "its source has 10000 bytes"),
        (failing(), OSError, "broken disk"),
    ]
    for gathers, kind, message in cases:
        with pytest.raises(kind, match=message):
            write_hdf5(tmp_path / "a.h5", gathers)
        assert not list(tmp_path.iterdir())
    (tmp_path / "a.h5").write_text("years of work")
    with pytest.raises(InputError, match="exists already"):
        write_hdf5(tmp_path / "a.h5", [random_recording(0)])
    assert (tmp_path / "a.h5").read_text() == "years of work"


@pytest.mark.parametrize("limit", [0, 600, 5_000, 20_000, 150_000])
def test_a_full_disk_leaves_nothing(tmp_path, limit, capfd):
    """The library, which cannot write, neither crashes nor complains."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_hdf5(tmp_path / "a.h5", (random_recording(shot, 60, 40) for shot in range(100)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    gc.collect()
    assert not list(tmp_path.iterdir()) and capfd.readouterr() == ("", "")
    assert write_hdf5(tmp_path / "a.h5", recordings()) == 3


@pytest.mark.slow
def test_our_layout_with_something_amiss(tmp_path):
    path = tmp_path / "a.h5"

    def damage(how):
        path.unlink(missing_ok=True)
        write_hdf5(path, recordings())
        with h5py.File(path, "r+") as file:
            how(file)
        list(Hdf5Source(path, ReadOptions()).gathers())

    def put(name, row, value):
        return lambda file: file[name].__setitem__(row, value)

    def of_another_kind(file):
        del file["shot"]
        file["shot"] = np.zeros(3)

    cases = [
        (lambda file: file.attrs.__setitem__("version", 2), "has version 2 of our layout"),
        (lambda file: file.__delitem__("offset_m"), "its array offset_m is missing"),
        (lambda file: file["cable"].resize((2,)), "its array cable is missing or of the wrong type"),
        (of_another_kind, "its array shot is missing or of the wrong type"),
        (put("samples", 1, 43), "larger than its array amplitude"),
        (put("traces", 1, 0), "between 1 and 32768"),
        (put("gather_id", 1, "a/b"), "use at most 200 letters"),
        (put("gather_id", 1, b"\xff"), "damaged"),
        (put("label", 1, "a\r"), "use 1 to 100 printable"),
        (put("sample_interval_s", 1, 0.002), ""),
    ]
    for how, message in cases[:-1]:
        with pytest.raises(InputError, match=message):
            damage(how)
    damage(cases[-1][0])
    with pytest.raises(InputError, match="sample intervals of 2 and 8 ms; pass --sample-interval"):
        _ = Hdf5Source(path, ReadOptions()).interval_s


AXES = ["gather,trace,time", "gather,time,trace", "time,trace,gather", "trace,gather,time", "time,gather,trace"]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("chunks", [None, (2, 3, 5)])
def test_arrays_of_others_in_any_order(tmp_path, axes, chunks):
    amplitude = np.random.default_rng(0).normal(size=(6, 12, 7))
    order = [["gather", "time", "trace"].index(name) for name in axes.split(",")]
    path = foreign(tmp_path / "a.hdf5", amplitude.transpose(order), "shots/raw", chunks=chunks)
    source = open_source(path, ReadOptions(axes=axes, sample_interval_s=0.004))
    assert list(source.shapes()) == [(12, 7)] * 6 and source.interval_s == 0.004
    read = list(source.gathers())
    assert [recording.gather_id for recording in read] == [f"a-gather{number}" for number in range(1, 7)]
    for number, recording in enumerate(read):
        np.testing.assert_array_equal(recording.amplitude, amplitude[number].astype(np.float32))
        assert recording.geometry.shot == number + 1 and np.isnan(recording.geometry.offset_m).all()


@pytest.mark.parametrize("kind", ["<i2", ">i4", "<u1", "<f2", ">f8", "<i8"])
def test_numbers_of_every_kind(tmp_path, kind):
    amplitude = np.arange(60).reshape(5, 12).astype(kind)
    path = foreign(tmp_path / "a.h5", amplitude)
    (recording,) = open_source(path, dataclasses.replace(ALL, axes="trace,time")).gathers()
    np.testing.assert_array_equal(recording.amplitude, np.arange(60).reshape(5, 12).T)


@pytest.mark.slow
def test_sample_intervals_of_others(tmp_path):
    amplitude = np.ones((2, 5, 6))
    path = foreign(tmp_path / "a.h5", amplitude, "shots/raw", {"sample_interval_ms": np.float32(2)})
    source = open_source(path, ReadOptions(axes="gather,trace,time"))
    assert source.interval_s == pytest.approx(0.002) and next(source.gathers()).geometry.sample_interval_s == 0.002
    with h5py.File(path, "r+") as file:
        del file["shots/raw"].attrs["sample_interval_ms"]
        file["shots"].attrs["sample_interval_s"] = 0.004
    assert open_source(path, ReadOptions(axes="gather,trace,time")).interval_s == 0.004
    assert open_source(path, dataclasses.replace(ALL, sample_interval_s=0.001)).interval_s == 0.001
    for value in (0, -1, np.nan, np.inf, "2 ms", [1.0, 2.0]):
        with h5py.File(path, "r+") as file:
            file["shots"].attrs["sample_interval_s"] = value
        with pytest.raises(InputError, match="attribute sample_interval_s of '/shots' is not a sample interval"):
            open_source(path, ALL)
    with h5py.File(path, "r+") as file:
        del file["shots"].attrs["sample_interval_s"]
    with pytest.raises(InputError, match="pass --sample-interval in milliseconds"):
        _ = open_source(path, ReadOptions(axes="gather,trace,time")).interval_s


@pytest.mark.slow
def test_which_array(tmp_path):
    path = foreign(tmp_path / "a.h5", np.ones((2, 5, 6)))
    with h5py.File(path, "r+") as file:
        file["names"] = np.array([[b"a", b"b"]])
        file["line"] = np.arange(5.0)
        file["complex"] = np.ones((3, 3), complex)
        file["same"] = h5py.SoftLink("/data")
    assert len(list(open_source(path, ALL).gathers())) == 2
    assert len(list(open_source(path, dataclasses.replace(ALL, dataset="same")).gathers())) == 2
    with h5py.File(path, "r+") as file:
        file["more/of/it"] = np.ones((3, 4))
    with pytest.raises(InputError, match=r"with --dataset; .* axes are /data \(2x5x6\), /more/of/it \(3x4\)$"):
        open_source(path, ALL)
    (recording,) = open_source(path, dataclasses.replace(ALL, dataset="/more/of/it", axes="time, trace")).gathers()
    assert recording.amplitude.shape == (3, 4)
    cases = [
        ("nothing", "is not in the file"),
        ("more", "is not an array"),
        ("line", "has 1 axes"),
        ("names", "holds .S1, not integers or real numbers"),
        ("complex", "holds complex128, not integers or real numbers"),
        ("/", "is not an array"),
    ]
    for name, message in cases:
        with pytest.raises(InputError, match=message):
            open_source(path, dataclasses.replace(ALL, dataset=name))
    for axes in (None, "", "gather,trace", "gather,trace,trace", "a,b,c"):
        with pytest.raises(InputError, match=r"2x5x6.*: --axes gather,trace,time if these are 2 gathers of 5 traces"):
            open_source(path, dataclasses.replace(ALL, dataset="data", axes=axes))


def test_our_layout_has_the_largest_gather_of_all_formats(tmp_path):
    """From a file that takes more room than it holds, refused before amplitudes are read."""
    path = tmp_path / "a.h5"
    write_hdf5(path, recordings())
    with h5py.File(path, "r+") as file:
        file["amplitude"].resize((3, 32_000, 32_000))
        for name in ("channel", "offset_m", "receiver_x_m", "receiver_y_m"):
            file[name].resize((3, 32_000))
        file["samples"][1], file["traces"][1] = 32_000, 32_000
    os.truncate(path, 1 << 32)
    with pytest.raises(InputError, match=r"32000 samples and 32000 traces, 1,024,000,000 in all; at most 134,217,728"):
        open_source(path, ReadOptions())


@pytest.mark.parametrize(
    ("shape", "chunks", "message"),
    [
        ((1, 30_000, 30_000), None, "900,000,000 in all; at most 134,217,728 are read"),
        ((300, 1000, 1000), (300, 1000, 1000), "in chunks of 300,000,000 numbers, but at most"),
        ((5_000_000, 1, 1), None, "would have 5,000,000 gathers; at most 4,194,304"),
    ],
)
def test_large_files_of_nothing_take_no_memory(tmp_path, shape, chunks, message):
    """The file's length, which costs nothing, makes its shape plausible."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", shape, "f4", chunks=chunks, compression="gzip" if chunks else None)
    os.truncate(path, 1 << 32)
    with pytest.raises(InputError, match=message):
        open_source(path, ALL)


@pytest.mark.parametrize(
    ("shape", "chunks"), [((10**6, 1000, 1000), (1, 100, 100)), ((1, 30_000, 30_000), (1, 30_000, 30_000))]
)
def test_an_array_of_nothing_takes_no_memory(tmp_path, shape, chunks):
    """A shape of terabytes whose chunks were never written, in a file of a few kilobytes."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", shape, "f4", chunks=chunks, compression="gzip")
    with pytest.raises(InputError, match=r"would take [0-9,]+ MB, but the file has 0.0 MB"):
        open_source(tmp_path / "a.h5", ALL)


def test_files_that_are_none(tmp_path):
    (tmp_path / "a.h5").write_text("no HDF5")
    (tmp_path / "empty.h5").write_bytes(b"")
    for name, message in (("a", "not an HDF5 file"), ("empty", "has 0 bytes"), ("none", "no such file")):
        with pytest.raises(InputError, match=message):
            open_source(tmp_path / f"{name}.h5", ALL)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["text"] = "no array"
    with pytest.raises(InputError, match="two or three axes are none"):
        open_source(tmp_path / "b.h5", ALL)
    foreign(tmp_path / "c.h5", np.ones((0, 5, 6)))
    with pytest.raises(InputError, match="has no gathers"):
        open_source(tmp_path / "c.h5", ALL)
    foreign(tmp_path / "d.h5", np.ones((2, 40_000, 1)))
    with pytest.raises(InputError, match="between 1 and 32768"):
        open_source(tmp_path / "d.h5", ALL)


@pytest.mark.slow
def test_memory_is_that_of_one_gather(tmp_path):
    """Written and read one by one, while a limit on memory leaves no room for all."""
    path = tmp_path / "a.h5"
    count, each_bytes = 60, 4 * 500 * 1000

    def work():
        # The library, and the chunks that it keeps, take some.
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 95_000_000,) * 2)
        write_hdf5(path, (random_recording(shot, 500, 1000) for shot in range(count)))
        total = sum(recording.amplitude.nbytes for recording in open_source(path, ReadOptions()).gathers())
        assert total == count * each_bytes

    assert exit_status(work) == 0
