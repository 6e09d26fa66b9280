"""Damaged files of every format: read as they were, read otherwise where no checksum can tell, or refused in one line.

Each format's files are read in a child process, for a library that crashes must not take the tests with it, with a
limit on memory and one on time. It is a child of a small process: HDF5 files are tried in a copy of the process first,
and copies of one that has TensorFlow take most of the time.
"""

import dataclasses
import multiprocessing
import resource
import signal
import traceback
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from glowseis.errors import InputError
from glowseis.survey.formats.hdf5_layout import write_hdf5
from glowseis.survey.formats.pictures import write_pictures
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.gather import Picture
from glowseis.survey.ingestion.label_table import read_labels
from glowseis.survey.render import render
from tests.support.random_gathers import random_gather, random_recording

OPTIONS = ReadOptions(axes="gather,time,trace", sample_interval_s=0.004)

ROOM_BYTES = 300_000_000
"""Beyond what the process had: many times the files' 30 kB, but libraries load more of themselves on the way."""

PATIENCE_S = 20

LINE = 600
"""Longest message."""

STACK = np.random.default_rng(0).normal(size=(3, 40, 24)).astype(np.float32)


def own_hdf5(path):
    write_hdf5(path, [random_recording(shot, 40 + shot, 24 - 3 * shot) for shot in range(3)])


def others_hdf5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("shots/raw", data=STACK, chunks=(1, 20, 24), compression="gzip")
        file["shots"].attrs["sample_interval_ms"] = 4.0
        file["names"] = ["a", "b", "c"]


def contiguous_hdf5(path):
    with h5py.File(path, "w") as file:
        file["data"] = STACK


def one_array(path):
    np.save(path, STACK)


def archive(path):
    np.savez(path, STACK)


def packed_archive(path):
    np.savez_compressed(path, STACK)


def own_picture(path):
    write_pictures(path.parent / "written", [random_gather(1)])
    for file in (path.parent / "written").iterdir():
        file.rename(path if file.suffix == ".png" else path.parent / file.name)


def picture(mode="L", **settings):
    def write(path):
        levels = random_gather(2, samples=60, traces=30).image
        Image.fromarray(levels).convert(mode).save(path, **settings)

    return write


def deep_picture(path):
    Image.fromarray(random_gather(2).image.astype(np.uint16) * 257).save(path)


def pages(path):
    images = [Image.fromarray(random_gather(shot).image) for shot in range(3)]
    images[0].save(path, save_all=True, append_images=images[1:])


FILES = {
    "own.h5": own_hdf5,
    "others.h5": others_hdf5,
    "contiguous.h5": contiguous_hdf5,
    "one.npy": one_array,
    "archive.npz": archive,
    "packed.npz": packed_archive,
    "own.png": own_picture,
    "palette.png": picture("P"),
    "alpha.png": picture("LA"),
    "deep.png": deep_picture,
    "grey.jpg": picture(),
    "colour.jpg": picture("RGB", progressive=True),
    "raw.tif": picture(),
    "packed.tif": picture(compression="tiff_lzw"),
    "fax.tif": picture("1", compression="group4"),
    "deep.tif": deep_picture,
    "pages.tif": pages,
}

CHECKED = {"own.h5", "archive.npz", "packed.npz", "own.png", "palette.png", "alpha.png", "deep.png"}
"""Files all of whose data have checksums: their amplitudes or levels are right or refused."""


def mutations(content, count, seed):
    """Copies of some bytes with something flipped, cut, left out, put in, zeroed or filled; most near the beginning."""
    random = np.random.default_rng(seed)
    for number in range(count):
        copy = bytearray(content)
        for _ in range(int(random.integers(1, 4))):
            reach = len(copy) if random.random() < 0.4 else min(len(copy), 2500)
            place = int(random.integers(0, max(reach, 1)))
            length = int(random.integers(1, 40))
            match number % 7:
                case 0 | 1:
                    copy[place : place + 1] = bytes([int(random.integers(256))])
                case 2:
                    copy[place:place] = random.bytes(length)
                case 3:
                    del copy[place : place + length]
                case 4:
                    del copy[place:]
                case 5:
                    copy[place : place + length] = bytes(len(copy[place : place + length]))
                case 6:
                    copy[place : place + length] = b"\xff" * len(copy[place : place + length])
        yield bytes(copy)


def contents(path):
    """What is read of a file, whole."""
    # Black and white have no middle of their own.
    options = dataclasses.replace(OPTIONS, zero_level=128.0) if path.name == "fax.tif" else OPTIONS
    source = open_source(path, options)
    shapes, _ = list(source.shapes()), source.interval_s
    made = []
    for gather in source.gathers():
        values = gather.image if isinstance(gather, Picture) else gather.amplitude
        assert values.shape == shapes[len(made)] and values.dtype in (np.uint8, np.float32)
        render(gather, 64, 32, "crop", options.zero_level)
        made.append(values)
    assert len(made) == len(shapes)
    return made


def told(wrong):
    text = str(wrong)
    assert text and "\n" not in text and len(text) < LINE, text


APART = multiprocessing.get_context("forkserver")
APART.set_forkserver_preload([__name__])


def in_a_child(work, note, *given):
    """Run in a process of its own, with limits; its traceback or what it died of goes into an error here."""
    child = APART.Process(target=limited, args=(work, note, *given))
    child.start()
    child.join()
    name = signal.Signals(-child.exitcode).name if child.exitcode < 0 else ""
    assert child.exitcode == 0, f"{note.read_text()}: {name}"


def limited(work, note, *given):
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES,) * 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        work(note, *given)
    except BaseException:
        note.write_text(note.read_text() + "\n" + traceback.format_exc())
        raise


def attack(tmp_path, name, count, seed):
    path, note = tmp_path / name, tmp_path / "note"
    note.touch()
    FILES[name](path)
    in_a_child(read_damaged, note, path, count, seed)


def read_damaged(note, path, count, seed):
    original, whole = path.read_bytes(), contents(path)
    tally = {"refused": 0, "right": 0, "other": 0}
    for number, damaged in enumerate(mutations(original, count, seed)):
        path.write_bytes(damaged)
        note.write_text(f"{path.name}, mutation {number} of seed {seed}")
        signal.alarm(PATIENCE_S)
        try:
            found = contents(path)
        except InputError as wrong:
            told(wrong)
            tally["refused"] += 1
            continue
        right = len(found) == len(whole) and all(map(np.array_equal, found, whole))
        tally["right" if right else "other"] += 1
        assert right or path.name not in CHECKED, "read otherwise in spite of checksums"
    signal.alarm(0)
    # Damage that nothing notices tests nothing.
    assert tally["refused"] > count / 8, tally


@pytest.mark.parametrize("name", FILES)
def test_damaged_files(tmp_path, name, thorough):
    attack(tmp_path, name, 120 if thorough else 40, seed=2)


@pytest.mark.slow
def test_damaged_label_tables(tmp_path):
    note = tmp_path / "note"
    note.touch()
    in_a_child(read_damaged_tables, note, tmp_path)


def read_damaged_tables(note, folder):
    path, refused = folder / "labels.csv", 0
    rows = [f"line é.segy;{shot};{shot % 3};{label}" for shot, label in enumerate(["good", "bad", "mäßig", ""] * 10)]
    original = "\r\n".join(["file;shot;cable;label", *rows]).encode("utf-8-sig")
    geometry = random_recording(1).geometry
    for number, damaged in enumerate(mutations(original, 600, 3)):
        path.write_bytes(damaged)
        note.write_text(f"mutation {number}")
        signal.alarm(PATIENCE_S)
        try:
            table = read_labels(path, [folder / "line é.segy"])
        except InputError as wrong:
            told(wrong)
            refused += 1
            continue
        for shot in range(40):
            place = dataclasses.replace(geometry, shot=shot, cable=shot % 3)
            table.find("a", folder / "line é.segy", place)
        assert all(isinstance(line, str) for line in (*table.unknown(), *table.empty()))
    signal.alarm(0)
    assert refused > 100
