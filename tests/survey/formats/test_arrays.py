"""NumPy files as sources."""

import dataclasses
import errno
import math
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats.arrays import ArraySource
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.ingestion.ingest import ingest
from glowseis.survey.ingestion.request import Request
from glowseis.survey.render import render
from glowseis.survey.store.survey import open_survey
from tests.support.forked import exit_status

OPTIONS = ReadOptions(axes="gather,trace,time", sample_interval_s=0.004, label="bad")

AXES = ["gather,trace,time", "gather,time,trace", "time,trace,gather", "trace,gather,time"]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_gathers_in_any_order(tmp_path, axes, order, ending):
    path = tmp_path / f"Schüsse 1.{ending}"
    amplitude = np.random.default_rng(0).normal(size=(4, 12, 7))
    places = [["gather", "time", "trace"].index(name) for name in axes.split(",")]
    write = np.save if ending == "npy" else np.savez_compressed
    write(path, np.asarray(amplitude.transpose(places), order=order))
    source = open_source(path, dataclasses.replace(OPTIONS, axes=axes))
    assert isinstance(source, ArraySource) and source.interval_s == 0.004
    assert list(source.shapes()) == [(12, 7)] * 4
    read = list(source.gathers())
    assert [recording.gather_id for recording in read] == [f"Schüsse-1-gather{number}" for number in range(1, 5)]
    for number, recording in enumerate(read):
        np.testing.assert_array_equal(recording.amplitude, amplitude[number].astype(np.float32))
        assert recording.amplitude.flags.c_contiguous and recording.amplitude.dtype == np.float32
        geometry = recording.geometry
        assert (geometry.shot, geometry.cable, geometry.sail_line) == (number + 1, 1, 0)
        assert geometry.channel.tolist() == list(range(1, 8)) and np.isnan(geometry.offset_m).all()
        assert geometry.sample_interval_s == 0.004 and recording.label == "bad" and recording.source == str(path)


@pytest.mark.parametrize("kind", ["<i2", ">i4", "u1", "<f2", ">f8", "<i8", "<u8"])
def test_numbers_of_every_kind(tmp_path, kind):
    np.save(tmp_path / "a.npy", np.arange(60).reshape(5, 12).astype(kind))
    (recording,) = open_source(tmp_path / "a.npy", dataclasses.replace(OPTIONS, axes="trace,time")).gathers()
    np.testing.assert_array_equal(recording.amplitude, np.arange(60).reshape(5, 12).T)


def test_numbers_beyond_32_bits_become_infinite(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[[1e300, 1.0]]]))
    (recording,) = open_source(tmp_path / "a.npy", OPTIONS).gathers()
    assert recording.amplitude[:, 0].tolist() == [np.inf, 1.0]


def test_which_array_of_an_archive(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, shots=np.ones((2, 5, 6)), labels=np.array(["good", "bad"]))
    with pytest.raises(InputError, match="with --dataset: 'labels', 'shots'"):
        open_source(path, OPTIONS)
    assert len(list(open_source(path, dataclasses.replace(OPTIONS, dataset="shots")).gathers())) == 2
    with pytest.raises(InputError, match="has no array 'shot'; choose one with --dataset: 'labels', 'shots'"):
        open_source(path, dataclasses.replace(OPTIONS, dataset="shot"))
    with pytest.raises(InputError, match="holds text, but amplitudes are"):
        open_source(path, dataclasses.replace(OPTIONS, dataset="labels"))
    np.save(tmp_path / "b.npy", np.ones((2, 5, 6)))
    with pytest.raises(InputError, match="leave --dataset out"):
        open_source(tmp_path / "b.npy", dataclasses.replace(OPTIONS, dataset="shots"))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((2, 3, 4), complex), "holds complex numbers, but amplitudes are integers or real numbers"),
        (np.ones((2, 3, 4), bool), "holds truth values"),
        (np.ones((2, 3, 4), object), "holds Python objects"),
        (np.ones((2, 3, 4), [("a", "f4")]), "holds records"),
        (np.ones((2, 3, 4), "m8[s]"), "numbers of kind timedelta64"),
        (np.ones(5), "has 1 axes"),
        (np.ones((2, 3, 4, 1)), "has 4 axes"),
        (np.float32(5), "has 0 axes"),
        (np.ones((0, 3, 4)), "has no gathers"),
        (np.ones((2, 0, 4)), "between 1 and 32768"),
        (np.ones((1, 1, 40_000), np.int8), "between 1 and 32768"),
    ],
)
def test_arrays_that_are_no_gathers(tmp_path, array, message):
    for ending, write in (("npy", np.save), ("npz", np.savez)):
        path = tmp_path / f"a.{ending}"
        write(path, array)
        with pytest.raises(InputError, match=message):
            open_source(path, OPTIONS)


def test_what_must_be_said(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 5, 6)))
    for axes in (None, "gather,trace", "gather,gather,time", "shot,trace,time"):
        with pytest.raises(InputError, match=r"2x5x6.*: --axes gather,trace,time if these are 2 gathers of 5 traces"):
            open_source(tmp_path / "a.npy", dataclasses.replace(OPTIONS, axes=axes))
    source = open_source(tmp_path / "a.npy", dataclasses.replace(OPTIONS, sample_interval_s=None))
    with pytest.raises(InputError, match="have no sample interval; pass --sample-interval in milliseconds"):
        _ = source.interval_s


@pytest.mark.parametrize("shape", [(220, 300), (60, 60), (3, 220, 300), (1, 300, 220)])
@pytest.mark.parametrize("axes", [None, "trace", "gather,offset,time"])
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_both_orders_are_spelled_out_with_their_sizes(tmp_path, shape, axes, ending):
    """Each order that the message names must give the sizes that it says."""
    path = tmp_path / f"a.{ending}"
    (np.save if ending == "npy" else np.savez)(path, np.ones(shape, np.float32))
    with pytest.raises(InputError) as told:
        open_source(path, dataclasses.replace(OPTIONS, axes=axes))
    text = str(told.value)
    assert "\n" not in text and "x".join(map(str, shape)) in text
    named = re.findall(r"--axes (\S+) if \w+ are (?:(\d+) gathers? of )?(\d+) traces (?:of|with) (\d+) samples", text)
    assert len({each[0] for each in named}) == 2
    for order, gathers, traces, samples in named:
        source = open_source(path, dataclasses.replace(OPTIONS, axes=order))
        assert list(source.shapes()) == [(int(samples), int(traces))] * int(gathers or 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 30_000, 30_000), "30000 samples and 30000 traces, 900,000,000 in all; at most 134,217,728 are read"),
        ((2, 32_768, 4097), "4097 samples and 32768 traces, 134,250,496 in all"),
        ((5_000_000, 1, 1), "would have 5,000,000 gathers; at most 4,194,304 are read"),
    ],
)
def test_large_files_of_nothing_take_no_memory(tmp_path, shape, message):
    """A header and a length, which cost nothing, are refused before anything is read."""
    path = tmp_path / "a.npy"
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
        start = stream.tell()
    os.truncate(path, start + 8 * math.prod(shape))
    with pytest.raises(InputError, match=message):
        open_source(path, OPTIONS)


def test_a_pickle_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.system, (f"touch '{tmp_path / 'sprung'}'",)

    np.save(tmp_path / "a.npy", np.array([[Trap()]], object))
    with pytest.raises(InputError, match="holds Python objects"):
        list(open_source(tmp_path / "a.npy", dataclasses.replace(OPTIONS, axes="trace,time")).gathers())
    assert not (tmp_path / "sprung").exists()


def test_files_that_are_none(tmp_path):
    cases = [(b"", "has 0 bytes"), (b"no array", "cannot be read as a NumPy file"), (b"PK\5\6" + bytes(18), "none")]
    for content, message in cases:
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(InputError, match=message):
            open_source(tmp_path / "a.npy", OPTIONS)
    np.save(tmp_path / "b.npy", np.ones((2, 5, 6)))
    content = (tmp_path / "b.npy").read_bytes()
    for changed in (content[:-1], content + b"1"):
        (tmp_path / "b.npy").write_bytes(changed)
        with pytest.raises(InputError, match=r"has \d+ bytes, but its header says 608; copy it again"):
            open_source(tmp_path / "b.npy", OPTIONS)


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", np.zeros((50, 1000, 1000), np.int8))
    with pytest.raises(InputError, match="would take 50 MB"):
        open_source(tmp_path / "a.npz", OPTIONS)
    # A header of terabytes over a few bytes.
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive, archive.open("a.npy", "w") as member:
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 1000, 1000)}
        )
    with pytest.raises(InputError, match="its header says 4000000000128"):
        open_source(tmp_path / "b.npz", OPTIONS)


def test_memory_is_that_of_one_gather(tmp_path):
    """A map of the file takes address space alone: what is resident stays small."""
    path = tmp_path / "a.npy"
    np.lib.format.open_memmap(path, "w+", np.float32, (40, 1000, 1000)).flush()

    def work():
        before = most = anonymous_bytes()
        for recording in ArraySource(path, OPTIONS).gathers():
            del recording
            most = max(most, anonymous_bytes())
        assert most < before + 20_000_000

    assert exit_status(work) == 0


def anonymous_bytes():
    """Memory of this process that is no map of a file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def test_a_npz_file_without_its_end(tmp_path):
    np.savez(tmp_path / "a.npz", np.zeros((2, 3, 50), np.float32))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.npz: the end of this \.npz file is missing; copy"):
        open_source(tmp_path / "a.npz", OPTIONS)


@pytest.mark.parametrize("ending", ["npy", "h5", "png", "segy"])
def test_a_file_that_may_not_be_read(tmp_path, monkeypatch, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"secret")

    def refuse(name, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(name))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match=r"a\.\w+: cannot be opened \(Permission denied\); check its permissions"):
        open_source(path, OPTIONS)


@pytest.mark.parametrize("kind", ["<f8", ">f8", "<i4", "<u4", "<i8", "<f4", "<u2", "|u1"])
def test_amplitudes_far_from_zero_make_the_same_picture(tmp_path, kind):
    """Constants beside which 32 bits would lose them, and containers without a sign."""
    size, constant = {"u1": (9, 128), "u2": (900, 30_000), "f4": (900, 1e6)}.get(kind[1:], (900, 2_000_000_000))
    near = np.rint(size * np.random.default_rng(0).laplace(size=(300, 40)))
    np.save(tmp_path / "near.npy", near)
    np.save(tmp_path / "far.npy", (near + constant).astype(kind))
    options = ReadOptions(axes="time,trace", sample_interval_s=0.004)

    def brought(name):
        return render(next(iter(open_source(tmp_path / name, options).gathers())), 300, 40)

    one, other = brought("far.npy"), brought("near.npy")
    assert np.abs(one.image.astype(int) - other.image).max() <= 1
    assert abs(np.median(one.zero_amplitude) - constant) <= max(size / 10, 1e-7 * constant)


def test_a_zero_that_is_known_is_taken(tmp_path):
    envelope = np.abs(np.random.default_rng(0).normal(size=(300, 40)))
    np.save(tmp_path / "envelope.npy", envelope)
    options = ReadOptions(axes="time,trace", sample_interval_s=0.004)
    with pytest.raises(InputError, match=r"gather envelope-gather1 .* one side .*--zero-level"):
        ingest(Request([tmp_path / "envelope.npy"], options), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    ingest(Request([tmp_path / "envelope.npy"], dataclasses.replace(options, zero_level=0.0)), tmp_path / "out")
    survey = open_survey(tmp_path / "out")
    assert survey.index["zero_amplitude"][0] == 0 and survey.read(0).image.min() == 128
    assert survey.manifest.about["zero_level"] == 0
