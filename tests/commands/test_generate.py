"""New gathers by the command, and what they carry."""

import csv
import dataclasses
import resource
import shutil
from collections import Counter

import numpy as np
import pytest
import segyio
from PIL import Image
from segyio import TraceField

from glowseis.export.flow import load_flow
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.render import amplitudes
from glowseis.survey.store.scanning import verify
from glowseis.survey.store.survey import open_survey, write_survey
from glowseis.synthesis import draw_pairs, synthesise
from tests.support.random_gathers import random_gather, same_gather

COUNT = 9


@pytest.fixture(scope="module")
def parents(tiny):
    return open_survey(tiny.survey)


@pytest.fixture(scope="module")
def flow(trained):
    return load_flow(trained.savedmodel)


@pytest.fixture(scope="module")
def children(flow, parents):
    """Straight from the library."""
    return list(synthesise(flow, parents, "bad", COUNT, seed=5))


@pytest.fixture
def generate(tiny, trained, flow, tmp_path, monkeypatch, command):
    """The command, in an empty folder; the flow has been loaded, which takes longer than the rest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("glowseis.export.flow.load_flow", lambda path: flow)

    def call(*words, count=COUNT):
        fixed = ("generate", trained.savedmodel.parent, "--survey", tiny.survey, "--seed", "5", "--count", count)
        return command(*fixed, *words)

    return call


def test_a_model_whose_name_has_a_space_gives_ids(flow, parents):
    (made,) = synthesise(dataclasses.replace(flow, name="my flow/1"), parents, "bad", 1, seed=5)
    assert made.gather_id == "my-flow-1-seed5-000000" and made.origin.model == "my flow/1"


def content(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_child_says_how_it_was_made_and_lies_where_its_first_parent_does(parents, children):
    assert len({child.gather_id for child in children}) == COUNT
    for child in children:
        origin = child.origin
        first, second = (parents.read(name) for name in origin.parents)
        assert first.gather_id != second.gather_id and first.label == second.label == child.label == "bad"
        assert 0 <= origin.alpha < 1 and (origin.seed, origin.model, origin.path) == (5, "tiny/1", "spherical")
        assert child.source == "glowseis tiny/1"
        places = ("geometry", "clip_amplitude", "valid_samples", "valid_traces")
        assert same_gather(dataclasses.replace(first, **{name: getattr(child, name) for name in places}), first)
    widths = {child.valid_traces for child in children}
    assert len(widths) > 1


def test_a_child_is_mid_grey_outside_its_first_parents_region(children):
    for child in children:
        outside = child.image.copy()
        outside[: child.valid_samples, : child.valid_traces] = 128
        assert np.all(outside == 128)
        assert np.std(child.image[: child.valid_samples, : child.valid_traces]) > 5
    assert any(child.valid_traces < 32 for child in children)


def test_a_child_is_the_flows_interpolation_of_its_parents(flow, parents, children):
    interpolate = flow.signatures["interpolate_spherical"]
    for child in children:
        first, second = (parents.read(name).image[np.newaxis, ..., np.newaxis] for name in child.origin.parents)
        alpha = np.array([child.origin.alpha], np.float32)
        made = interpolate(first=first, second=second, alpha=alpha)["image"].numpy()[0, ..., 0]
        valid = np.s_[: child.valid_samples, : child.valid_traces]
        assert np.mean(made[valid] != child.image[valid]) < 0.01


def test_the_first_of_a_longer_draw_are_those_of_a_shorter(flow, parents, children):
    for count in (1, 6):
        for one, other in zip(synthesise(flow, parents, "bad", count, seed=5), children, strict=False):
            assert same_gather(one, other)
    other = next(synthesise(flow, parents, "bad", 1, seed=6))
    assert not np.array_equal(other.image, children[0].image)


def test_gathers_that_training_held_out_are_no_parents(flow, parents):
    held_out = set(flow.about["held_out_ids"])
    used = {name for child in synthesise(flow, parents, "bad", 60, seed=1) for name in child.origin.parents}
    assert len(held_out) == 3 and len(used) == 9 and used < set(flow.about["training_ids"]) and not used & held_out
    good = {name for child in synthesise(flow, parents, "good", 60, seed=1) for name in child.origin.parents}
    assert len(good) == 12
    # The same survey with a gather more has another checksum, and so has a part of it.
    elsewhere = dataclasses.replace(flow, about={**flow.about, "survey_checksum": "another"})
    again = {name for child in synthesise(elsewhere, parents, "bad", 60, seed=1) for name in child.origin.parents}
    assert again == used


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_interval_s": 0.004}, "a sample interval of 4 ms, but tiny/1 was trained at 8 ms"),
        ({"offset_m": -(150 + 99.0 * np.arange(28)).astype(np.float32)}, "a trace every 99 m, but tiny/1 was trained"),
    ],
)
def test_a_survey_of_another_kind_than_was_trained_on_is_refused(trained, flow, tmp_path, command, changes, message):
    gathers = []
    for shot in range(3):
        one = random_gather(shot, (32, 32), samples=30, traces=28, label="bad")
        gathers.append(dataclasses.replace(one, geometry=dataclasses.replace(one.geometry, **changes)))
    write_survey(tmp_path / "survey", gathers, (32, 32), {})
    words = ("--survey", tmp_path / "survey", "--out", tmp_path / "new.segy", "--count", 1)
    done = command("generate", trained.savedmodel, *words)
    assert done.status == 2 and len(done.error) == 1 and message in done.error[0]
    assert flow.profile.spacing_m == pytest.approx((12.5, 12.5, 12.5))


def test_pairs_and_weights_are_uniform():
    pairs = draw_pairs(np.array([3, 5, 8, 11]), 3000, seed=1)
    assert pairs[:40] == draw_pairs(np.array([3, 5, 8, 11]), 40, seed=1)
    counts = Counter((pair.first, pair.second) for pair in pairs)
    assert len(counts) == 4 * 3 and all(first != second for first, second in counts)
    assert min(counts.values()) > 180 and max(counts.values()) < 330
    np.testing.assert_allclose(
        np.quantile([pair.alpha for pair in pairs], [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.04
    )
    near = draw_pairs(np.array([3, 5, 8, 11]), 3000, seed=1, farthest=0.25)
    for one, other in zip(pairs, near, strict=True):
        assert (other.first, other.second, other.alpha) == (one.first, one.second, 0.25 * one.alpha)
    for wrong in (0.0, 1.01, float("nan")):
        with pytest.raises(ValueError, match="give a number above 0, at most 1"):
            draw_pairs(np.array([3, 5]), 1, seed=1, farthest=wrong)


def test_gathers_near_their_first_parent(generate, tmp_path):
    done = generate("--out", "near", "--farthest", "0.2")
    assert (done.status, done.error) == (0, [])
    near = open_survey(tmp_path / "near")
    assert near.manifest.about["synthetic"].endswith("spherical path, at most 0.2 of the way")
    alphas = near.index["alpha"]
    assert alphas.max() < 0.2 and alphas.nunique() > 1
    for wrong in ("0", "nan", "1.5"):
        done = generate("--out", "none", "--farthest", wrong)
        assert done.status == 2 and len(done.error) == 1 and f"--farthest {wrong}: give a number" in done.error[0]


def test_a_survey(generate, children, tmp_path):
    done = generate("--out", "new")
    assert (done.status, done.error) == (0, [])
    assert f"{COUNT} synthetic bad gathers by tiny/1" in done.out
    survey = open_survey(tmp_path / "new")
    verify(survey)
    assert len(survey) == COUNT and survey.labels == ("bad",) and survey.size == (32, 32)
    assert all(same_gather(survey.read(row), child) for row, child in enumerate(children))
    assert survey.index["parents"][0] == ";".join(children[0].origin.parents)
    assert survey.manifest.about == {"synthetic": "tiny/1, seed 5, spherical path"}
    assert generate("--out", "again").status == 0
    assert open_survey(tmp_path / "again").checksum == survey.checksum


def test_pictures(generate, children, tmp_path):
    assert generate("--out", "pictures", "--format", "pictures").status == 0
    names = [f"{child.gather_id}.png" for child in children]
    assert content(tmp_path / "pictures") == ["gathers.csv", *names]
    for child, name in zip(children, names, strict=True):
        with Image.open(tmp_path / "pictures" / name) as picture:
            assert np.array_equal(np.asarray(picture), child.image[: child.valid_samples, : child.valid_traces])
            assert picture.text["model"] == "tiny/1" and picture.text["alpha"] == repr(child.origin.alpha)
    check_table(tmp_path / "pictures" / "gathers.csv", children)


def check_table(file, children):
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(children)
    for row, child in zip(rows, children, strict=True):
        assert (row["gather_id"], row["label"]) == (child.gather_id, "bad")
        assert row["parents"] == ";".join(child.origin.parents) and float(row["alpha"]) == child.origin.alpha
        assert (row["seed"], row["model"]) == ("5", "tiny/1")
    return rows


def test_segy(generate, children, parents, tmp_path):
    assert generate("--out", "new.segy").status == 0
    assert content(tmp_path) == ["new.csv", "new.segy"]
    read = list(open_source(tmp_path / "new.segy", ReadOptions()).gathers())
    assert len({recording.gather_id for recording in read}) == len(read) == COUNT
    assert len({child.origin.parents[0] for child in children}) < COUNT
    for recording, child in zip(read, children, strict=True):
        np.testing.assert_array_equal(recording.amplitude, amplitudes(child))
        there, parent = recording.geometry, parents.read(child.origin.parents[0]).geometry
        assert (there.shot, there.sail_line, there.cable) == (parent.shot, parent.sail_line, parent.cable)
        assert there.sample_interval_s == parent.sample_interval_s
        np.testing.assert_array_equal(there.channel, parent.channel)
        for name in ("offset_m", "receiver_x_m", "receiver_y_m", "source_x_m", "source_y_m"):
            # Offsets are whole metres in SEG-Y, coordinates whole centimetres.
            nearest = 0.5 if name == "offset_m" else 0.005
            np.testing.assert_allclose(getattr(there, name), getattr(parent, name), rtol=0, atol=nearest + 1e-6)
    with segyio.open(tmp_path / "new.segy", ignore_geometry=True) as file:
        text = file.text[0].decode()
        assert (
            "SYNTHETIC" in text
            and "CLIP OF THE FIRST PARENT" in text
            and "tiny/1, seed 5" in text
            and "new.csv" in text
        )
        shots = file.attributes(TraceField.EnergySourcePoint)[:]
        records = file.attributes(TraceField.FieldRecord)[:]
    assert list(dict.fromkeys(records.tolist())) == list(range(1, COUNT + 1))
    rows = check_table(tmp_path / "new.csv", children)
    for row, child in zip(rows, children, strict=True):
        of_this = records == int(row["field_record"])
        assert of_this.sum() == child.valid_traces and np.all(shots[of_this] == child.geometry.shot)


def test_hdf5(generate, children, tmp_path):
    assert generate("--out", "new.h5").status == 0
    assert content(tmp_path) == ["new.h5"]
    read = list(open_source(tmp_path / "new.h5", ReadOptions()).gathers())
    assert len(read) == COUNT
    for recording, child in zip(read, children, strict=True):
        np.testing.assert_array_equal(recording.amplitude, amplitudes(child))
        assert (recording.gather_id, recording.label, recording.origin) == (child.gather_id, "bad", child.origin)
        for name, value in vars(child.geometry).items():
            np.testing.assert_array_equal(getattr(recording.geometry, name), value)


def test_a_labels_gathers_alone_are_parents(generate, tmp_path):
    assert generate("--out", "good", "--label", "good").status == 0
    survey = open_survey(tmp_path / "good")
    assert set(survey.index["label"]) == {"good"}
    # The tiny survey's good gathers have the even shots.
    assert all(int(name.split("shot")[1]) % 2 == 0 for names in survey.index["parents"] for name in names.split(";"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--out", "new", "--label", "ugly"),
            "no gather is labelled 'ugly'; choose from its labels: good (12)",
        ),
        (
            ("--out", "new.xyz"),
            "new.xyz: no format ends in .xyz; name a .segy, .h5 or .npy file or a folder, or give --format",
        ),
        (("--out", "new", "--survey", "nowhere"), "nowhere: no such survey"),
        (("--out", "thesis"), "thesis: the folder is not empty; give another --out or remove it"),
        (("--out", "thesis/chapter.segy"), "thesis/chapter.segy: exists already; give another --out"),
        (("--out", "thesis/data.segy"), "data.csv: exists already; give another --out"),
        (("--out", "new", "--count", "0"), "Invalid value for '--count'"),
        (("--out", "new", "--seed", "-1"), "Invalid value for '--seed'"),
        (("--out", "new", "--seed", str(2**63)), "Invalid value for '--seed'"),
        (("--out", "new", "--format", "jpeg"), "Invalid value for '--format'"),
        ((), "Missing option '--out'"),
    ],
)
def test_bad_input_is_told_in_one_line(generate, tmp_path, words, message):
    (tmp_path / "thesis").mkdir()
    for name in ("chapter.segy", "data.csv"):
        (tmp_path / "thesis" / name).write_text("years of work")
    before = content(tmp_path)
    done = generate(*words)
    assert done.status == 2 and len(done.error) == 1, done.error
    assert message in done.error[0] and done.error[0].startswith("glowseis.generate: ")
    assert content(tmp_path) == before
    assert (tmp_path / "thesis" / "data.csv").read_text() == "years of work"


def test_a_label_with_one_gather_is_told(generate, tmp_path):
    gathers = (random_gather(shot, (32, 32), samples=30, traces=30, label="bad" if shot else "good") for shot in (0, 1))
    write_survey(tmp_path / "few", gathers, (32, 32), {})
    done = generate("--out", "new", "--survey", "few")
    assert done.status == 2
    assert len(done.error) == 1 and done.error[0].startswith("glowseis.generate: few: interpolation needs at least two")
    assert "labelled 'bad'" in done.error[0] and done.error[0].endswith("there are 1; give a survey with more")
    assert content(tmp_path) == sorted(["few", *(f"few/{name}" for name in content(tmp_path / "few"))])


def test_a_savedmodel_of_another_size_is_told(generate, tmp_path):
    write_survey(tmp_path / "large", (random_gather(shot, (64, 32), label="bad") for shot in (0, 1)), (64, 32), {})
    done = generate("--out", "new", "--survey", "large")
    assert done.status == 2
    assert done.error == [
        "glowseis.generate: tiny/1: this SavedModel is for gathers of 32x32, but those of large are 64x32; train one "
        "on this survey"
    ]
    assert not (tmp_path / "new").exists()


def test_a_savedmodel_that_is_missing_is_told(command, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("generate", "savedmodels/none", "--survey", tiny.survey, "--out", "new")
    assert done.status == 2 and len(done.error) == 1 and "savedmodels/none: no SavedModel there" in done.error[0]
    assert not content(tmp_path)


def test_a_damaged_parent_is_told_and_nothing_is_half_written(generate, tiny, tmp_path, children):
    shutil.copytree(tiny.survey, tmp_path / "damaged")
    survey = open_survey(tmp_path / "damaged")
    # A parent of the last child, and of none before it in its batch or earlier.
    earlier = {name for child in children[:8] for name in child.origin.parents}
    name = next(name for name in children[8].origin.parents if name not in earlier)
    place = survey.index.iloc[survey.row(name)]
    shard = survey.path / place["shard"]
    damaged = bytearray(shard.read_bytes())
    damaged[place.offset_bytes + place.image_offset_bytes + 50] ^= 1
    shard.write_bytes(damaged)
    before = content(tmp_path)
    for out in ("new.segy", "new"):
        done = generate("--out", out, "--survey", survey.path)
        assert done.status == 2 and len(done.error) == 1
        assert place["shard"] in done.error[0] and name in done.error[0]
        assert content(tmp_path) == before


@pytest.mark.parametrize("words", [("new.segy",), ("new.h5",), ("new",), ("new", "--format", "pictures")])
def test_a_full_disk_leaves_nothing(generate, tmp_path, words):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, limits[1]))
    try:
        done = generate("--out", *words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.status == 2 and len(done.error) == 1 and "no space left to write" in done.error[0]
    assert not content(tmp_path)
