"""Surveys that were damaged or changed, or are none: each is told, with the place."""

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.survey.store.example import parse, serialise
from glowseis.survey.store.scanning import verify
from glowseis.survey.store.survey import SCHEMA, open_survey
from tests.support.random_gathers import random_gather, random_survey, same_gather


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


@pytest.mark.slow
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
    with pytest.raises(InputError, match="no such survey; make one with glowseis ingest"):
        open_survey(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"not a survey \(no manifest\.json\)"):
        open_survey(tmp_path)
    (tmp_path / "line.segy").touch()
    with pytest.raises(InputError, match=r"is a file, not a survey; make one from it with glowseis ingest"):
        open_survey(tmp_path / "line.segy")
    survey = random_survey(tmp_path / "survey", 2)
    index = survey.path / "gathers.csv"
    index.write_text(index.read_text().replace("bad", "good"))
    with pytest.raises(InputError, match=r"gathers\.csv: changed after"):
        open_survey(survey.path)
    index.unlink()
    with pytest.raises(InputError, match=r"gathers\.csv: the index is missing"):
        open_survey(survey.path)
