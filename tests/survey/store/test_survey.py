"""Surveys on disk: written whole or not at all, and read back."""

import csv
import dataclasses
import errno
import hashlib
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.files import check_output
from glowseis.survey.formats.pictures import write_pictures
from glowseis.survey.gather import Origin
from glowseis.survey.store import framing, index, writing
from glowseis.survey.store.example import parse, serialise
from glowseis.survey.store.index import read_index
from glowseis.survey.store.scanning import scan, verify
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.commands import CHECKOUT
from tests.support.random_gathers import full_device, random_gather, random_survey, same_gather

SIZE = (64, 32)


def nothing_left(folder):
    return nothing_left_but(folder, [])


def nothing_left_but(folder, names):
    return sorted(path.name for path in folder.iterdir()) == names


def test_gathers_come_back(tmp_path):
    child = dataclasses.replace(
        random_gather(9),
        gather_id="child",
        label="",
        origin=Origin(("line3-shot0", "line3-shot1"), 0.1 + 0.2, 2**62, "demo/1", "linear"),
    )
    gathers = [random_gather(0), random_gather(1, label="schlecht, sehr"), child]
    manifest = write_survey(tmp_path / "survey", iter(gathers), SIZE, {"seed": 7})
    survey = open_survey(tmp_path / "survey")
    assert survey.manifest == manifest
    assert manifest.about == {"seed": 7} and manifest.sources == ("noise",)
    assert survey.size == SIZE and len(survey) == 3
    assert survey.labels == ("good", "schlecht, sehr") and manifest.counts == {"good": 1, "schlecht, sehr": 1}
    assert all(same_gather(survey.read(row), gather) for row, gather in enumerate(gathers))
    assert same_gather(survey.read("child"), child)
    row = survey.index.iloc[2]
    assert (row.parents, row.alpha, row.seed, row.model) == ("line3-shot0;line3-shot1", 0.1 + 0.2, 2**62, "demo/1")
    assert (row.first_offset_m, row.label) == (-150.0, "")
    verify(survey)
    assert nothing_left_but(tmp_path, ["survey"])


@pytest.mark.parametrize("label", ["=HYPERLINK(1)", "-bad", "@bad", "+", "'=1", "-1"])
def test_a_label_like_a_formula_is_marked_in_the_index_alone(tmp_path, label):
    child = dataclasses.replace(
        random_gather(1, label=label), source="=a.segy", origin=Origin(("line3-shot0",), 0.5, 3, "@demo/1", "linear")
    )
    write_survey(tmp_path / "survey", [child, random_gather(2)], SIZE, {})
    write_pictures(tmp_path / "pictures", [child])
    for file in (tmp_path / "survey" / "gathers.csv", tmp_path / "pictures" / "gathers.csv"):
        with file.open(newline="") as stream:
            row = next(csv.DictReader(stream))
        texts = [row[name] for name in ("label", "source", "model")]
        assert texts == [label if label == "-1" else f"'{label}", "'=a.segy", "'@demo/1"]
        assert read_index(file).loc[0, ["label", "source", "model"]].tolist() == [label, "=a.segy", "@demo/1"]
    survey = open_survey(tmp_path / "survey")
    assert label in survey.labels and same_gather(survey.read(0), child)
    verify(survey)


def test_an_index_of_any_size_is_not_read(tmp_path):
    survey = random_survey(tmp_path / "survey", 2)
    os.truncate(survey.path / "gathers.csv", 1 << 40)
    for read in (lambda: open_survey(survey.path), lambda: read_index(survey.path / "gathers.csv")):
        with pytest.raises(InputError, match=r"gathers\.csv: has 1,099,512 MB, too much for an index of gathers"):
            read()


def test_some_gathers_as_a_survey_of_their_own(tmp_path):
    survey = random_survey(tmp_path / "survey", 12, shard_bytes=20_000)
    rows = np.array([1, 4, 5, 11])
    part = survey.only(rows)
    assert len(part) == 4 and part.size == survey.size and part.checksum != survey.checksum
    assert part.checksum != survey.only(rows[:3]).checksum and part.checksum == survey.only(rows).checksum
    np.testing.assert_array_equal(part.read_images(range(4)), survey.read_images(rows))
    names = survey.index["gather_id"]
    assert part.read(names[5]).gather_id == part.read(2).gather_id == names[5]
    assert [part.record_name(one) for one in range(4)] == [survey.record_name(one) for one in rows]
    labels = survey.index["label"].iloc[rows]
    assert part.manifest.counts == {label: count for label, count in labels.value_counts().items() if label}
    for label in part.labels:
        np.testing.assert_array_equal(rows[part.select(labels=[label])], rows[labels == label])
    seen = {}
    scan(part, seen.__setitem__)
    assert sorted(seen) == [0, 1, 2, 3] and [seen[one].gather_id for one in range(4)] == list(names[rows])
    for read in (lambda: part.read(names[0]), lambda: part.select(ids=[names[0]]), lambda: verify(part)):
        with pytest.raises(InputError):
            read()
    with pytest.raises(IndexError):
        part.read(4)


def test_example_is_tensorflows():
    gather = random_gather(4)
    example = tf.train.Example.FromString(serialise(gather))
    assert example.features.feature["image"].bytes_list.value[0] == gather.image.tobytes()
    assert list(example.features.feature["shape"].int64_list.value) == list(SIZE)
    assert same_gather(parse(example.SerializeToString()), gather)


def test_tensorflow_reads_the_shards(tmp_path):
    survey = random_survey(tmp_path / "survey", 20, shard_bytes=20_000)
    assert len(survey.manifest.shards) > 2
    assert all(shard.bytes <= 20_000 for shard in survey.manifest.shards)
    files = [str(survey.path / shard.file) for shard in survey.manifest.shards]
    records = list(tf.data.TFRecordDataset(files).as_numpy_iterator())
    assert len(records) == 20
    wanted = {"image": tf.io.FixedLenFeature([], tf.string), "gather_id": tf.io.FixedLenFeature([], tf.string)}
    for row, record in enumerate(records):
        assert same_gather(parse(record), survey.read(row))
        parsed = tf.io.parse_single_example(record, wanted)
        assert parsed["image"].numpy() == survey.read(row).image.tobytes()


def test_select(tmp_path):
    survey = random_survey(tmp_path / "survey", 5, labels=("bad", ""))
    assert survey.select().tolist() == [0, 1, 2, 3, 4]
    assert survey.select(["bad"]).tolist() == [0, 2, 4]
    assert survey.select(ids=["line3-shot3", "line3-shot0"]).tolist() == [0, 3]
    assert survey.select(["bad"], ["line3-shot3", "line3-shot0"]).tolist() == [0]
    with pytest.raises(InputError, match=r"'medium'; choose from its labels: bad \(3\)"):
        survey.select(["medium"])
    with pytest.raises(InputError, match="no gather 'nowhere'"):
        survey.select(ids=["nowhere"])


def test_checksum_follows_the_data_alone(tmp_path):
    first, second = random_survey(tmp_path / "a"), random_survey(tmp_path / "b")
    assert first.checksum == second.checksum != random_survey(tmp_path / "c", 19).checksum


def test_a_label_called_na_stays_a_label(tmp_path):
    assert random_survey(tmp_path / "survey", 2, labels=("NA",)).select(["NA"]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("gathers", "message"),
    [
        ([], "no gathers to write"),
        ([random_gather(1), random_gather(1)], "line3-shot1 of noise is given twice"),
        ([random_gather(1, (64, 64))], "64x64 uint8, but the survey's are 64x32"),
        ([dataclasses.replace(random_gather(1), gather_id="../x")], "letters, digits"),
        ([dataclasses.replace(random_gather(1), gather_id="a;b")], "letters, digits"),
        ([random_gather(1, label="bad\r")], r"label 'bad\\r': use 1 to 100 printable"),
        ([random_gather(1, label=" bad")], "without blanks around"),
        ([random_gather(1, label="\udce9")], "label"),
        ([random_gather(1, label="b" * 101)], "label"),
        ([dataclasses.replace(random_gather(1), source="a\rb")], r"its source 'a\\rb' cannot be printed"),
    ],
)
def test_gathers_that_make_no_survey(tmp_path, gathers, message):
    with pytest.raises(InputError, match=message):
        write_survey(tmp_path / "survey", gathers, SIZE, {})
    assert nothing_left(tmp_path)


def test_output_that_exists(tmp_path):
    folder = tmp_path / "survey"
    folder.mkdir()
    check_output(folder)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not empty"):
        write_survey(folder, [random_gather(1)], SIZE, {})
    with pytest.raises(InputError, match="exists already"):
        check_output(folder / "thesis.tex")
    assert (folder / "thesis.tex").read_text() == "years of work"
    assert nothing_left_but(tmp_path, ["survey"])


def test_output_may_be_an_empty_folder_or_below_missing_ones(tmp_path):
    (tmp_path / "survey").mkdir()
    assert len(random_survey(tmp_path / "survey", 2)) == 2
    assert len(random_survey(tmp_path / "a" / "b" / "survey é", 2)) == 2


@pytest.mark.parametrize("wrong", [ValueError("in the middle"), KeyboardInterrupt(), GeneratorExit()])
def test_a_writer_that_fails_leaves_nothing(tmp_path, wrong):
    def gathers():
        yield random_gather(1)
        raise wrong

    with pytest.raises(type(wrong)):
        write_survey(tmp_path / "survey", gathers(), SIZE, {})
    assert nothing_left(tmp_path)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(framing, "open_shard", full_device)
    with pytest.raises(OSError) as caught:
        write_survey(tmp_path / "survey", (random_gather(shot) for shot in range(9)), SIZE, {})
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(tmp_path / "survey")
    assert nothing_left(tmp_path)


def test_a_killed_writer_leaves_nothing_under_the_name(tmp_path):
    script = (
        "import sys, time; sys.path[:0] = sys.argv[2:]\n"
        "from tests.support.random_gathers import random_gather\n"
        "from glowseis.survey.store.survey import write_survey\n"
        "def gathers():\n"
        "    yield random_gather(1)\n"
        "    print('half', flush=True)\n"
        "    time.sleep(60)\n"
        "write_survey(sys.argv[1], gathers(), (64, 32), {})\n"
    )
    out = tmp_path / "survey"
    words = [sys.executable, "-c", script, str(out), str(CHECKOUT)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "half\n"
        with pytest.raises(InputError, match="another process is writing"):
            write_survey(out, [random_gather(1)], SIZE, {})
        writer.send_signal(signal.SIGKILL)
    assert not out.exists()
    assert nothing_left_but(tmp_path, [".survey.lock", ".survey.writing"])
    (tmp_path / ".survey.writing" / "left.csv").write_text("half")
    (tmp_path / ".survey.writing" / "folder").mkdir()
    survey = random_survey(out, 3)
    assert len(survey) == 3
    assert nothing_left_but(tmp_path, ["survey"])
    assert nothing_left_but(out, ["gathers-00000.tfrecord", "gathers.csv", "manifest.json"])


def test_output_that_is_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "survey").symlink_to(tmp_path / "disk")
    assert len(random_survey(tmp_path / "survey", 2)) == 2
    assert (tmp_path / "survey").is_symlink() and (tmp_path / "disk" / "gathers.csv").is_file()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="exists already"):
        random_survey(tmp_path / "nowhere", 2)
    assert nothing_left_but(tmp_path, ["disk", "nowhere", "survey"])


def test_zeros_and_mending_stand_in_index_and_record(tmp_path):
    zero = np.linspace(90, 110, 24, dtype=np.float32)
    gather = dataclasses.replace(random_gather(0), zero_amplitude=zero, mended={"fill": 2, "zero_level": 24})
    write_survey(tmp_path / "survey", [gather, random_gather(1)], SIZE, {})
    survey = open_survey(tmp_path / "survey")
    assert same_gather(survey.read(0), gather) and same_gather(survey.read(1), random_gather(1))
    assert survey.index["zero_amplitude"][0] == pytest.approx(100)
    assert survey.index["mended"][0] == "fill=2 zero_level=24"


def test_memory_of_a_writer_does_not_grow(tmp_path):
    """Gathers are let go of as soon as they are written."""
    import weakref

    alive, most = [], 0

    def gathers():
        nonlocal most
        for shot in range(30):
            gather = random_gather(shot)
            alive.append(weakref.ref(gather))
            yield gather
            del gather
            most = max(most, sum(reference() is not None for reference in alive))

    write_survey(tmp_path / "survey", gathers(), SIZE, {})
    assert most <= 2


def test_pictures(tmp_path):
    from PIL import Image

    child = dataclasses.replace(
        random_gather(2), gather_id="child", origin=Origin(("line3-shot0", "line3-shot1"), 0.25, 3, "demo/1", "linear")
    )
    assert write_pictures(tmp_path / "pictures", [random_gather(0), child]) == 2
    assert nothing_left_but(tmp_path / "pictures", ["child.png", "gathers.csv", "line3-shot0.png"])
    with Image.open(tmp_path / "pictures" / "child.png") as picture:
        assert np.array_equal(np.asarray(picture), child.image[:40, :24])
        assert picture.text["parents"] == "line3-shot0;line3-shot1" and picture.text["model"] == "demo/1"
        assert (picture.text["gather_id"], picture.text["label"], picture.text["alpha"]) == ("child", "good", "0.25")
    rows = (tmp_path / "pictures" / "gathers.csv").read_text().splitlines()
    assert len(rows) == 3 and rows[2].startswith("child,good,3,2,2,") and rows[2].endswith("demo/1,linear,child.png")
    for gathers, message in (([], "no gathers"), ([child, child], "given twice")):
        with pytest.raises(InputError, match=message):
            write_pictures(tmp_path / "more", gathers)
    assert nothing_left_but(tmp_path, ["pictures"])


def test_reading_loads_no_tensorflow(tmp_path):
    survey = random_survey(tmp_path / "survey", 2)
    script = (
        "import sys; from pathlib import Path; from glowseis.survey.store.survey import open_survey\n"
        "open_survey(Path(sys.argv[1])).read(0); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(survey.path)], check=True, cwd=CHECKOUT)


def large_survey(folder, monkeypatch):
    """A survey of two gathers that counts as large, with awkward words and unknown numbers."""
    monkeypatch.setattr(writing, "MANY", 2)
    first = random_gather(0, label='=1+1, "quoted"')
    geometry = dataclasses.replace(first.geometry, offset_m=np.full_like(first.geometry.offset_m, np.nan))
    child = dataclasses.replace(
        random_gather(1),
        label="",
        source="@line, 1.segy",
        origin=Origin(("a", "b"), 0.1 + 0.2, 2**62, "-m/1", "linear"),
    )
    write_survey(folder, iter([dataclasses.replace(first, geometry=geometry), child]), SIZE, {})
    return folder


def test_a_large_survey_has_its_index_as_parquet_too(tmp_path, monkeypatch):
    folder = large_survey(tmp_path / "survey", monkeypatch)
    survey = open_survey(folder)
    pd.testing.assert_frame_equal(survey.index, read_index(folder / "gathers.csv"))
    assert survey.index["label"].tolist() == ['=1+1, "quoted"', ""] and survey.index["seed"].iat[1] == 2**62
    assert survey.index["first_offset_m"].isna().tolist() == [True, False]
    assert survey.read(1).origin.parents == ("a", "b")
    small = random_survey(tmp_path / "small", 1)
    assert not (tmp_path / "small/gathers.parquet").exists()
    assert "parquet" not in (tmp_path / "small/manifest.json").read_text() and small.manifest.parquet_sha256 is None
    monkeypatch.setattr(index, "LARGEST_BYTES", 10)
    assert len(open_survey(folder)) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "gathers.parquet: the index is missing; copy the survey again"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "gathers.parquet: changed after it was written"),
    ],
)
def test_a_damaged_parquet_index_is_told(tmp_path, monkeypatch, damage, message):
    folder = large_survey(tmp_path / "survey", monkeypatch)
    damage(folder / "gathers.parquet")
    with pytest.raises(InputError, match=message):
        open_survey(folder)


def test_parquet_that_is_none_is_told(tmp_path, monkeypatch):
    folder = large_survey(tmp_path / "survey", monkeypatch)
    (folder / "gathers.parquet").write_text("no")
    manifest = folder / "manifest.json"
    changed = hashlib.sha256(b"no").hexdigest()
    manifest.write_text(re.sub(r'("parquet_sha256": )"\w+"', rf'\1"{changed}"', manifest.read_text()))
    with pytest.raises(InputError, match=r"gathers\.parquet: cannot be read \(.*; copy the survey again"):
        open_survey(folder)
