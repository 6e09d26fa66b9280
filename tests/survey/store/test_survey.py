import csv
import dataclasses
import errno
import hashlib
import json
import os
import shutil
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
from glowseis.survey.store import framing
from glowseis.survey.store.example import parse, serialise
from glowseis.survey.store.index import read_index
from glowseis.survey.store.scanning import scan, verify
from glowseis.survey.store.survey import SCHEMA, open_survey, write_survey
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


def damaged(survey, change):
    shard = survey.path / survey.manifest.shards[1].file
    shard.write_bytes(change(bytearray(shard.read_bytes())))
    return shard.name


def flip(position):
    def change(content):
        content[position] ^= 1
        return content

    return change


@pytest.mark.parametrize("where", ["length", "length's checksum", "picture", "metadata", "checksum"])
def test_a_flipped_bit_is_named_with_its_record(tmp_path, where):
    survey = random_survey(tmp_path / "survey", 20, shard_bytes=20_000)
    row = survey.manifest.shards[0].records + 1
    place = survey.index.iloc[row]
    end = place.offset_bytes + 12 + place.length_bytes
    position = {
        "length": place.offset_bytes,
        "length's checksum": place.offset_bytes + 9,
        "picture": place.offset_bytes + 12 + place.image_offset_bytes + 77,
        "metadata": end - 5,
        "checksum": end + 1,
    }[where]
    name = damaged(survey, flip(int(position)))
    survey = open_survey(survey.path)
    message = f"{name}: record 1 \\(gather {place.gather_id}\\) is damaged"
    for read in (lambda: survey.read(row), lambda: survey.read_images([row]), lambda: verify(survey)):
        with pytest.raises(InputError, match=message):
            read()
    assert survey.read(row - 1).gather_id and survey.read(row + 1).gather_id


def test_a_shard_cut_short_is_named_with_its_first_missing_record(tmp_path):
    survey = random_survey(tmp_path / "survey", 20, shard_bytes=20_000)
    row = survey.manifest.shards[0].records + 2
    place = survey.index.iloc[row]
    name = damaged(survey, lambda content: content[: int(place.offset_bytes) + 100])
    message = f"{name}: record 2 \\(gather {place.gather_id}\\) is missing or cut short"
    with pytest.raises(InputError, match=message):
        open_survey(survey.path)
    with pytest.raises(InputError, match=f"record 2 \\(gather {place.gather_id}\\)"):
        verify(survey)


def test_shards_that_are_missing_too_long_or_exchanged(tmp_path):
    survey = random_survey(tmp_path / "survey", 20, shard_bytes=20_000)
    other = random_survey(tmp_path / "other", 20, shard_bytes=20_000)
    name = damaged(survey, lambda content: content + b"x")
    with pytest.raises(InputError, match=f"{name}: has .* bytes, but the manifest says"):
        open_survey(survey.path)
    (survey.path / name).unlink()
    with pytest.raises(InputError, match=f"{name}: this shard is missing"):
        open_survey(survey.path)
    with pytest.raises(InputError, match=f"{name}: this shard is missing"):
        verify(survey)
    manifest = json.loads((other.path / "manifest.json").read_text())
    manifest["shards"][0]["sha256"] = "0" * 64
    (other.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"gathers-00000\.tfrecord: differs from its checksum"):
        verify(open_survey(other.path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": SCHEMA + 1}, r"written by a newer glowseis \(schema 4, this one reads 3\); upgrade"),
        ({"schema_version": SCHEMA + 1, "unheard": []}, "written by a newer glowseis"),
        ({"schema_version": 1}, r"written by an older glowseis \(schema 1, this one reads 3\); make it again"),
        ({"size": [64, "wide"]}, "size.1"),
        ({"gathers": None}, "gathers"),
        ({"shards": [{"file": "../../etc/passwd", "records": 1, "bytes": 1, "sha256": ""}]}, "shards.0.file"),
        ({"unheard": 1}, "unheard"),
    ],
)
def test_manifests_that_cannot_be_read(tmp_path, change, message):
    survey = random_survey(tmp_path / "survey", 2)
    file = survey.path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=message):
        open_survey(survey.path)


def with_index(survey, change):
    """Change a survey's index, and its checksum with it."""
    file, manifest = survey.path / "gathers.csv", survey.path / "manifest.json"
    index = pd.read_csv(file, keep_default_na=False)
    change(index)
    index.to_csv(file, index=False)
    content = json.loads(manifest.read_text()) | {"index_sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    manifest.write_text(json.dumps(content))


def test_surveys_of_schema_2_are_read(tmp_path):
    """Their index and records say nothing of zeros and mending."""
    survey = random_survey(tmp_path / "survey", 3)
    with_index(survey, lambda index: index.drop(columns=["zero_amplitude", "mended"], inplace=True))
    manifest = survey.path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema_version": 2}))
    old = open_survey(survey.path)
    assert old.index["zero_amplitude"].tolist() == [0, 0, 0] and old.index["mended"].tolist() == ["", "", ""]
    example = tf.train.Example.FromString(serialise(random_gather(0)))
    for name in ("zero_amplitude", "mended"):
        del example.features.feature[name]
    gather = parse(example.SerializeToString())
    assert gather.zero_amplitude.shape == () and not gather.zero_amplitude.any() and gather.mended == {}
    assert np.array_equal(gather.image, random_gather(0).image)


def test_zeros_and_mending_stand_in_index_and_record(tmp_path):
    zero = np.linspace(90, 110, 24, dtype=np.float32)
    gather = dataclasses.replace(random_gather(0), zero_amplitude=zero, mended={"fill": 2, "zero_level": 24})
    write_survey(tmp_path / "survey", [gather, random_gather(1)], SIZE, {})
    survey = open_survey(tmp_path / "survey")
    assert same_gather(survey.read(0), gather) and same_gather(survey.read(1), random_gather(1))
    assert survey.index["zero_amplitude"][0] == pytest.approx(100)
    assert survey.index["mended"][0] == "fill=2 zero_level=24"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("offset_bytes", -1, "gather line3-shot1 lies where gathers-00000.tfrecord has no image of 64x32"),
        ("offset_bytes", 2**62, "gather line3-shot1 lies"),
        ("length_bytes", 2**62, "gather line3-shot1 lies"),
        ("length_bytes", 7, "gather line3-shot1 lies"),
        ("image_offset_bytes", 2**62, "gather line3-shot1 lies"),
        ("image_offset_bytes", -5, "gather line3-shot1 lies"),
        ("shard", "other.tfrecord", "gather line3-shot1 lies where other.tfrecord has no image"),
        ("offset_bytes", "far", r"gathers\.csv: cannot be read"),
    ],
)
def test_an_index_that_makes_no_sense(tmp_path, column, value, message):
    survey = random_survey(tmp_path / "survey", 3)

    def change(index):
        index[column] = index[column].astype(object)
        index.loc[1, column] = value

    with_index(survey, change)
    with pytest.raises(InputError, match=message) as caught:
        open_survey(survey.path)
    assert "\n" not in str(caught.value)


def test_hundreds_of_damaged_surveys(tmp_path):
    """Whatever is overwritten, lost or doubled: one line, or nothing that a reader would notice."""
    whole = random_survey(tmp_path / "whole", 8, shard_bytes=20_000)
    gathers = [whole.read(row) for row in range(8)]
    files = sorted(path.name for path in whole.path.iterdir())
    told = 0
    for number in range(300):
        random = np.random.default_rng(number)
        folder = tmp_path / str(number)
        shutil.copytree(whole.path, folder)
        file = folder / files[number % len(files)]
        content = file.read_bytes()
        start, length = int(random.integers(0, len(content))), int(random.integers(0, 20))
        replaced = (b"", random.bytes(length), bytes(random.choice(list(b'0123456789-.,"{}[]e'), length)))[number % 3]
        file.write_bytes(content[:start] + replaced + content[start + length :])
        try:
            survey = open_survey(folder)
            verify(survey)
            assert (survey.size, survey.labels, len(survey)) == (whole.size, whole.labels, 8)
            assert all(same_gather(survey.read(row), gather) for row, gather in enumerate(gathers))
        except InputError as wrong:
            told += 1
            assert "\n" not in str(wrong) and len(str(wrong)) < 1000
        shutil.rmtree(folder)
    assert told > 200


def test_labels_that_the_manifest_counts_otherwise(tmp_path):
    survey = random_survey(tmp_path / "survey", 3)
    file = survey.path / "manifest.json"
    for change in ({"counts": {"good": 1, "bad": 2}}, {"labels": ["good", "bad", "medium"]}, {"counts": {}}):
        content = json.loads((survey.path / "manifest.json").read_text())
        file.write_text(json.dumps(content | change))
        with pytest.raises(InputError, match=r"the labels of .* differ"):
            open_survey(survey.path)
        file.write_text(json.dumps(content))


def test_an_index_of_other_gathers_than_the_manifests(tmp_path):
    survey = random_survey(tmp_path / "survey", 3)
    with_index(survey, lambda index: index.drop(index=1, inplace=True))
    with pytest.raises(InputError, match=r"manifest.json lists 3 gathers, but gathers.csv has 2"):
        open_survey(survey.path)


def test_pictures_of_another_size_than_the_manifests(tmp_path):
    survey = random_survey(tmp_path / "survey", 3)
    file = survey.path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"size": [32, 64]}))
    turned = open_survey(survey.path)
    for read in (lambda: verify(turned), lambda: turned.read(0)):
        with pytest.raises(InputError, match=r"record 0 \(gather line3-shot0\) is an image of 64x32, .* says 32x64"):
            read()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"[" * 100_000, b"{}"])
def test_manifests_that_are_none(tmp_path, content):
    survey = random_survey(tmp_path / "survey", 2)
    (survey.path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.json: damaged"):
        open_survey(survey.path)


def test_folders_that_are_no_survey(tmp_path):
    with pytest.raises(InputError, match="no such survey"):
        open_survey(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"not a survey \(no manifest\.json\)"):
        open_survey(tmp_path)
    survey = random_survey(tmp_path / "survey", 2)
    index = survey.path / "gathers.csv"
    index.write_text(index.read_text().replace("bad", "good"))
    with pytest.raises(InputError, match=r"gathers\.csv: changed after"):
        open_survey(survey.path)
    index.unlink()
    with pytest.raises(InputError, match=r"gathers\.csv: the index is missing"):
        open_survey(survey.path)


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
