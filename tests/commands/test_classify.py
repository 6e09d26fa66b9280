"""Gathers graded by the SavedModel alone, and by the command."""

import dataclasses
import itertools
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from glowseis.errors import InputError
from glowseis.export.classifier import export_classifier, load_classifier
from glowseis.export.flow import export_flow, load_flow
from glowseis.fitting.classifier.selection import ClassifierSelection
from glowseis.fitting.classifier.trainer import make_classifier, predict
from glowseis.models.glow import Glow
from glowseis.run.conclusions import conclude
from glowseis.run.grading import bringing_for, grade, grade_recordings
from glowseis.run.grading import graded as graded_by
from glowseis.scoring import scores
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.gather import Origin
from glowseis.survey.ingestion.ingest import read_gathers
from glowseis.survey.matching.profile import profile_of
from glowseis.survey.store.survey import write_survey
from glowseis.testing import perturb
from tests.support.graded_survey import LABELS, graded_gather, graded_survey
from tests.support.random_gathers import random_recording

LONELY = """
import sys
import numpy as np

for name in ("glowseis", "keras", "tf_keras"):
    sys.modules[name] = None
import tensorflow as tf

given, taken, *folders = sys.argv[1:]
made = {}
for folder in folders:
    classify = tf.saved_model.load(folder).signatures["classify"]
    with np.load(given) as arrays:
        for name in arrays:
            for key, value in classify(image=tf.constant(arrays[name])).items():
                made[f"{folder} {name} {key}"] = value.numpy()
np.savez(taken, **made)
"""


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A classifier, its SavedModel and a survey that it was not trained on."""
    folder = tmp_path_factory.mktemp("classify")
    model = make_classifier(3, 1, "softmax", 5)
    perturb(model, 0.15)
    about = {"image_shape": [24, 16, 1], "survey_checksum": "another", "training_ids": []}
    export_classifier(model, LABELS, folder / "grader" / "1", about)
    survey = graded_survey(folder / "survey", counts=(20, 10, 7))
    found = predict(model, survey.read_images(np.arange(37)))
    assert len(set(found.argmax(axis=1))) > 1
    return type("Graded", (), {"folder": folder, "model": model, "survey": survey, "found": found})


@pytest.mark.slow
def test_the_savedmodel_alone_grades_alike_at_any_size(graded, tmp_path):
    ordinal = make_classifier(3, 1, "ordinal", 6)
    perturb(ordinal, 0.15)
    export_classifier(ordinal, LABELS, tmp_path / "ordinal" / "1", {"image_shape": [24, 16, 1]})
    (tmp_path / "softmax").symlink_to(graded.folder / "grader")
    models = {"softmax": graded.model, "ordinal": ordinal}
    random = np.random.default_rng(0)
    given = {
        name: random.integers(0, 256, shape, dtype=np.uint8)
        for name, shape in {"one": (1, 24, 16, 1), "many": (5, 24, 16, 1), "large": (2, 70, 33, 1)}.items()
    }
    np.savez(tmp_path / "given.npz", **given)
    words = [sys.executable, "-c", LONELY, "given.npz", "taken.npz", *(f"{head}/1" for head in models)]
    done = subprocess.run(words, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "taken.npz", allow_pickle=True) as taken:
        for head, name in itertools.product(models, given):
            expected = predict(models[head], given[name][..., 0])
            grades, mine = expected.argmax(axis=1), f"{head}/1 {name}"
            np.testing.assert_allclose(taken[f"{mine} probabilities"], expected, atol=1e-6)
            np.testing.assert_array_equal(taken[f"{mine} class_index"], grades)
            assert [label.decode() for label in taken[f"{mine} label"]] == [LABELS[one] for one in grades]
            assert [label.decode() for label in taken[f"{mine} labels"]] == list(LABELS)


def test_what_a_savedmodel_says_of_itself(graded):
    loaded = load_classifier(graded.folder / "grader")
    assert (loaded.name, loaded.labels, loaded.size) == ("grader/1", LABELS, (24, 16))
    images = graded.survey.read_images(np.arange(5))
    np.testing.assert_allclose(loaded.probabilities(images), graded.found[:5], atol=1e-6)


def test_a_survey_is_graded_and_scored(graded, tmp_path, command):
    done = command(
        "classify", graded.folder / "grader", graded.survey.path, "--out", tmp_path / "grades.csv", "--batch", 8
    )
    assert done.status == 0 and not done.error
    table = pd.read_csv(tmp_path / "grades.csv")
    assert table.columns.tolist() == [
        "gather_id", "source", "sail_line", "shot", "cable", "grade", *(f"probability_{label}" for label in LABELS),
        "severity", "unlike", "unlike_by", "windows",
        "worst_first_trace", "worst_last_trace", "worst_first_s", "worst_last_s",
    ]  # fmt: skip
    index = graded.survey.index
    for name in ("gather_id", "source", "sail_line", "shot", "cable"):
        assert table[name].tolist() == index[name].tolist()
    np.testing.assert_allclose(table.filter(like="probability_"), graded.found, atol=1e-6)
    np.testing.assert_allclose(table["severity"], graded.found @ [0, 1, 2], atol=1e-5)
    assert (table["windows"] == 1).all() and table["unlike"].isna().all()
    worst = table[["worst_first_trace", "worst_last_trace", "worst_first_s", "worst_last_s"]]
    assert (worst == [1, 16, 0, 23 * 0.008]).all().all()
    assert table["grade"].tolist() == [LABELS[one] for one in graded.found.argmax(axis=1)]
    truth = [LABELS.index(label) for label in index["label"]]
    assert scores(truth, graded.found.argmax(axis=1), LABELS, probabilities=graded.found).text() in done.out
    counts = np.bincount(graded.found.argmax(axis=1), minlength=3)
    told = ", ".join(f"{count} {label}" for label, count in zip(LABELS, counts, strict=True))
    assert f"37 gathers graded by grader/1: {told}: {tmp_path / 'grades.csv'}" in done.out


@pytest.mark.parametrize("checksum", ["the same", "another"])
def test_gathers_that_were_trained_on_are_not_scored(graded, tmp_path, command, checksum):
    """Nor when the survey was made anew, from more files say."""
    seen = graded.survey.index["gather_id"].tolist()[:30]
    about = {
        "image_shape": [24, 16, 1],
        "survey_checksum": graded.survey.checksum if checksum == "the same" else checksum,
        "training_ids": seen[:25],
        "validation_ids": seen[25:],
    }
    export_classifier(graded.model, LABELS, tmp_path / "own" / "1", about)
    done = command("classify", tmp_path / "own", graded.survey.path, "--out", tmp_path / "grades.csv")
    assert done.status == 0 and "30 gathers not scored: gathers with the same id trained own/1" in done.out
    assert "of the 7 labelled gathers" in done.out and "37 gathers graded by own/1" in done.out


def test_synthetic_gathers_are_not_scored(graded, tmp_path, command):
    origin = Origin(parents=("a", "b"), alpha=0.5, seed=1, model="flow/1", path="linear")
    gathers = [graded_gather(shot, LABELS[shot % 3]) for shot in range(9)]
    gathers[2:5] = [dataclasses.replace(one, origin=origin) for one in gathers[2:5]]
    write_survey(tmp_path / "mixed", gathers, (24, 16), {})
    done = command("classify", graded.folder / "grader", tmp_path / "mixed", "--out", tmp_path / "grades.csv")
    assert done.status == 0 and "3 gathers not scored: synthetic" in done.out
    assert "of the 6 labelled gathers" in done.out and len(pd.read_csv(tmp_path / "grades.csv")) == 9


@pytest.mark.parametrize("fit", ["", "crop"])
def test_files_are_graded_as_the_survey_that_ingest_would_make(graded, tmp_path, command, fit):
    recorded = np.random.default_rng(1).normal(size=(6, 30, 20)).astype(np.float32)
    np.save(tmp_path / "line.npy", recorded)
    pd.DataFrame({"gather_id": ["line-gather1", "line-gather4"], "label": ["bad", "awful"]}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    words = [tmp_path / "line.npy", "--axes", "gather,time,trace", "--sample-interval", 8]
    words += ["--fit", fit] if fit else []
    done = command(
        "classify",
        graded.folder / "grader",
        *words,
        "--labels",
        tmp_path / "labels.csv",
        "--out",
        tmp_path / "grades.csv",
    )
    assert done.status == 0, done.error
    several = "6 gathers larger than the 24x16 of grader/1, graded by the mean over windows"
    assert (several in done.out) == (not fit)
    assert "1 gather not scored: labelled 'awful', which grader/1 does not know" in done.out
    assert "of the 1 labelled gathers" in done.out
    size = "24x16" if fit else "32x24"
    assert command("ingest", *words, "--size", size, "--out", tmp_path / "survey").status == 0
    assert (
        command("classify", graded.folder / "grader", tmp_path / "survey", "--out", tmp_path / "again.csv").status == 0
    )
    assert (tmp_path / "grades.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()


def test_a_survey_of_another_size_is_graded_in_windows(graded, tmp_path, command):
    survey = graded_survey(tmp_path / "survey", counts=(2, 2), labels=("good", "bad"), size=(32, 24))
    done = command("classify", graded.folder / "grader", tmp_path / "survey", "--out", tmp_path / "grades.csv")
    assert done.status == 0 and "4 gathers larger than the 24x16 of grader/1, graded by the mean over" in done.out
    table = pd.read_csv(tmp_path / "grades.csv")
    assert (table["windows"] == 4).all()
    images = survey.read_images(np.arange(4))
    each = np.stack(
        [predict(graded.model, images[:, row : row + 24, column : column + 16]) for row in (0, 8) for column in (0, 8)]
    )
    mean = np.exp(np.log(each).mean(axis=0))
    np.testing.assert_allclose(table.filter(like="probability_"), mean / mean.sum(axis=1, keepdims=True), atol=1e-5)
    worst = (each @ [0, 1, 2]).argmax(axis=0)
    assert table["worst_first_trace"].tolist() == [1 + 8 * (one % 2) for one in worst]
    np.testing.assert_allclose(table["worst_first_s"], [0.064 * (one // 2) for one in worst])
    assert (table["worst_last_trace"] - table["worst_first_trace"] == 15).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere.segy",), "nowhere.segy"),
        (
            ("line.npy", "--axes", "gather,time,trace", "--sample-interval", 8, "--fit", "pad"),
            "has 30 samples x 20 traces, more than the size 24x16",
        ),
        (("line.npy", "--fit", "pad", "--size", "small"), "size 'small' is not samples x traces"),
        (("line.npy", "--size", "24x16"), "--size 24x16 needs --fit"),
        (("line.npy", "--fit", "stretch"), "--fit stretch is unknown; choose pad, crop or resize, or leave it out"),
        (("survey", "--fit", "crop"), "--fit is for files"),
        (("survey", "--prior", "66,31,2"), "--prior needs the class fractions that grader/1 was trained on"),
        (("survey", "--prior", "66,31"), "--prior 66,31: give one number of at least 0 for each of good, medium, bad"),
        (("survey", "--labels", "labels.csv"), "--labels is for files; a survey has its own labels"),
        (("survey", "--out", "taken.csv"), "taken.csv: exists already"),
    ],
)
def test_bad_input_is_told_in_one_line_and_nothing_is_left(graded, tmp_path, monkeypatch, command, words, message):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(graded.survey.path, "survey")
    np.save("line.npy", np.ones((2, 30, 20), np.float32))
    (tmp_path / "taken.csv").write_text("")
    before = sorted(tmp_path.iterdir())
    done = command("classify", graded.folder / "grader", "--out", "grades.csv", *words)
    assert done.status == 2 and len(done.error) == 1 and message in done.error[0]
    assert sorted(tmp_path.iterdir()) == before


def test_a_record_that_is_damaged_leaves_no_table(graded, tmp_path, command):
    shutil.copytree(graded.survey.path, tmp_path / "survey")
    shard = next((tmp_path / "survey").glob("*.tfrecord"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    done = command("classify", graded.folder / "grader", tmp_path / "survey", "--out", tmp_path / "grades.csv")
    assert done.status == 2 and len(done.error) == 1 and "is damaged" in done.error[0]
    assert [path.name for path in tmp_path.iterdir()] == ["survey"]


@pytest.mark.slow
def test_a_flow_is_no_classifier_and_a_classifier_no_flow(graded, tmp_path, command):
    flow = Glow((24, 16, 1), levels=1, steps=1, filters=4, attention_levels=0)
    flow.build()
    export_flow(flow, tmp_path / "flow" / "1", {"label": "bad"})
    with pytest.raises(
        InputError, match=r"flow/1: a flow, but this needs a classifier; name the SavedModel of a class"
    ):
        load_classifier(tmp_path / "flow")
    with pytest.raises(
        InputError, match=r"grader/1: a classifier, but this needs a flow; name the SavedModel of a flow"
    ):
        load_flow(graded.folder / "grader")
    done = command("classify", tmp_path / "flow", graded.survey.path, "--out", tmp_path / "grades.csv")
    assert done.status == 2 and len(done.error) == 1 and "a flow, but this needs a classifier" in done.error[0]
    words = ("--survey", graded.survey.path, "--out", tmp_path / "new.segy")
    done = command("generate", graded.folder / "grader", *words)
    assert done.status == 2 and len(done.error) == 1 and "a classifier, but this needs a flow" in done.error[0]


def about_with(**changes):
    def change(folder):
        path = folder / "assets.extra" / "glowseis.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "variables" / "variables.index").unlink(),
        lambda folder: (folder / "saved_model.pb").write_bytes(b"\xff" * 90),
        lambda folder: (folder / "assets.extra" / "glowseis.json").unlink(),
        lambda folder: (folder / "assets.extra" / "glowseis.json").write_text("[]"),
        about_with(image_shape=None),
        about_with(image_shape=["a", "b", "c"]),
        about_with(image_shape=[0, 16, 1]),
        about_with(labels=["good", "bad"]),
    ],
    ids=["no index", "no protobuf", "unsaid", "said badly", "no size", "no numbers", "no height", "other labels"],
)
def test_a_damaged_savedmodel_is_told(graded, tmp_path, damage):
    folder = tmp_path / "grader" / "1"
    shutil.copytree(graded.folder / "grader" / "1", folder)
    damage(folder)
    with pytest.raises(InputError, match=f"{folder}: not a SavedModel of a glowseis classifier, or damaged"):
        load_classifier(folder)


def test_labels_are_scored_whatever_their_capitals(graded, tmp_path):
    gathers = [graded.survey.read(row) for row in range(8)]
    gathers = [dataclasses.replace(gather, label=gather.label.title()) for gather in gathers]
    grades = grade(load_classifier(graded.folder / "grader"), gathers, tmp_path / "grades.csv")
    assert grades.scores.support.sum() == 8 and not grades.unknown


def test_names_in_the_table_of_grades_are_no_formulas(graded, tmp_path):
    gathers = [dataclasses.replace(graded.survey.read(0), source="=1+1")]
    classifier = load_classifier(graded.folder / "grader")
    classifier = dataclasses.replace(classifier, labels=tuple(f"-{label}" for label in classifier.labels))
    grade(classifier, gathers, tmp_path / "grades.csv")
    row = pd.read_csv(tmp_path / "grades.csv").iloc[0]
    assert row["source"] == "'=1+1" and row["grade"].startswith("'-") and row["severity"] >= 0


def test_a_missing_savedmodel_is_told(tmp_path):
    with pytest.raises(InputError, match=r"no SavedModel there; check its name"):
        load_classifier(tmp_path / "nowhere")


def test_there_is_one_label_a_class(tmp_path):
    with pytest.raises(ValueError, match="2 labels for 3 classes"):
        export_classifier(make_classifier(3, 1, "softmax", 1), ("good", "bad"), tmp_path / "one" / "1", {})


def test_features_come_with_the_same_probabilities(graded):
    loaded = load_classifier(graded.folder / "grader")
    images = graded.survey.read_images(np.arange(5))
    seen = loaded.look(images)
    assert seen.features.shape == (5, 32) and (seen.features >= 0).all()
    np.testing.assert_allclose(seen.probabilities, loaded.probabilities(images), atol=1e-6)
    np.testing.assert_allclose(np.exp(seen.log_probabilities), seen.probabilities, atol=1e-6)


def test_a_savedmodel_of_before_there_were_features(graded, tmp_path, command, monkeypatch):
    """It is loaded and grades as it did; how unlike a gather is it does not tell."""
    monkeypatch.setattr("glowseis.export.savedmodel.LATER", {"flow": (), "classifier": ()})
    export_classifier(graded.model, LABELS, tmp_path / "old" / "1", {"image_shape": [24, 16, 1]})
    monkeypatch.undo()
    path = tmp_path / "old/1/assets.extra/glowseis.json"
    about = json.loads(path.read_text())
    for name in ("combination", "unlike"):
        about.pop(name)
    path.write_text(json.dumps(about))
    assert list(load_classifier(tmp_path / "old").module.signatures) == ["classify"]
    done = command("classify", tmp_path / "old", graded.survey.path, "--out", tmp_path / "grades.csv")
    assert (
        done.status == 0
        and "old/1 does not record what it was trained on, because an older glowseis made it" in done.out
    )
    table = pd.read_csv(tmp_path / "grades.csv")
    np.testing.assert_allclose(table.filter(like="probability_"), graded.found, atol=1e-6)
    assert table[["unlike", "unlike_by"]].isna().all().all()
    done = command("describe", tmp_path / "old")
    assert done.status == 0 and "trained on: unknown; the older glowseis that made it" in done.out


@pytest.fixture(scope="module")
def knowing(tmp_path_factory):
    """A classifier that says what it was trained on, with all that is learned at the end of a training."""
    folder = tmp_path_factory.mktemp("knowing")
    survey = graded_survey(folder / "survey", counts=(30, 20, 10), size=(64, 32))
    selection = ClassifierSelection(LABELS, np.arange(30), np.arange(30, 60), np.arange(0))
    model = make_classifier(3, 1, "softmax", 5)
    perturb(model, 0.15)
    classes = survey.index["label"].map(LABELS.index).to_numpy()
    parts = {"training": classes[:30], "validation": classes[30:], "test": classes[:0]}
    told = []
    concluded = conclude(model, survey, selection, parts, np.array([0.5, 0.3, 0.2]), (32, 16), told.append)
    fractions = dict(zip(LABELS, (0.5, 0.3, 0.2), strict=True))
    about = {
        "image_shape": [32, 16, 1],
        "window": [32, 16],
        "trained_on": profile_of(
            survey, selection.training, labels=LABELS, fractions=fractions, window=(32, 16)
        ).record(),
    }
    export_classifier(
        model,
        LABELS,
        folder / "grader" / "1",
        about,
        combination=concluded.combination,
        unlikeness=concluded.unlikeness,
    )
    return type("Knowing", (), {"folder": folder, "survey": survey, "concluded": concluded, "told": told})


def test_validation_gathers_are_graded_as_classify_grades_them(knowing, tmp_path, command):
    done = command("classify", knowing.folder / "grader", knowing.survey.path, "--out", tmp_path / "grades.csv")
    assert done.status == 0, done.error
    table = pd.read_csv(tmp_path / "grades.csv")
    assert (table["windows"] == 4).all()
    np.testing.assert_allclose(
        table.filter(like="probability_")[30:], knowing.concluded.probabilities["validation"], atol=1e-5
    )
    assert "test" not in knowing.concluded.probabilities
    assert (table["unlike"][30:] <= 1).mean() > 0.9
    assert knowing.told == ["too few validation gathers of a class to fit a rule; windows are combined by their mean"]


def line(shots, samples=64, traces=32, interval_s=0.008, **changes):
    """Recordings like those of the survey: noise of single samples."""
    for shot in shots:
        made = random_recording(shot, samples, traces)
        geometry = dataclasses.replace(made.geometry, sample_interval_s=interval_s, **changes)
        yield dataclasses.replace(made, geometry=geometry)


def test_files_of_another_interval_and_order_are_brought(knowing, tmp_path, command):
    far = {"offset_m": -(150 + 12.5 * np.arange(32)[::-1]).astype(np.float32)}
    write_segy(tmp_path / "line.segy", line(range(1, 4), 256, interval_s=0.002, **far), ["TEST"])
    done = command("classify", knowing.folder / "grader", tmp_path / "line.segy", "--out", tmp_path / "grades.csv")
    assert done.status == 0, done.error
    assert "3 gathers resampled from 2 ms to 8 ms, the sample interval that grader/1 was trained at" in done.out
    assert "3 gathers put near trace first, as grader/1 was trained" in done.out
    table = pd.read_csv(tmp_path / "grades.csv")
    assert (table["windows"] == 4).all()
    # Trace 1 of the file is the farthest.
    assert set(zip(table["worst_first_trace"], table["worst_last_trace"], strict=True)) <= {(1, 16), (17, 32)}
    assert set(table["worst_first_s"].round(3)) <= {0, 0.256} and set(table["worst_last_s"].round(3)) <= {0.248, 0.504}


def test_the_worst_window_lies_in_the_recording_however_it_was_brought(knowing):
    classifier = load_classifier(knowing.folder / "grader")
    far = {"offset_m": (150 + 12.5 * np.arange(48)[::-1]).astype(np.float32)}
    (made,) = line([1], 96, 48, **far)
    bringing = bringing_for(classifier, "resize", (32, 16))
    ((_, whole),) = graded_by(classifier, [bringing(made)], bringing, 4)
    assert whole.windows == 1 and whole.worst[:2] == (1, 48) and whole.worst[2] == 0
    assert whole.worst[3] == pytest.approx(95 * 0.008, abs=0.024)
    # The same gather twice, each put in order.
    one, again = grade_recordings(classifier, [made, made])
    assert one.worst == again.worst


def test_gathers_in_memory_are_graded_as_recordings_are(knowing, tmp_path):
    classifier = load_classifier(knowing.folder / "grader")
    write_segy(tmp_path / "line.segy", line(range(1, 4)), ["TEST"])
    gathers = read_gathers(tmp_path / "line.segy", size="64x32")
    recorded = grade_recordings(classifier, open_source(tmp_path / "line.segy", ReadOptions()).gathers())
    for one, other in zip(grade_recordings(classifier, gathers), recorded, strict=True):
        assert np.allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_a_window_of_a_gather_is_not_unlike_it(knowing):
    classifier = load_classifier(knowing.folder / "grader")
    assert classifier.unlikeness.windows == 4
    assert classifier.unlikeness.largest_score[0] >= classifier.unlikeness.largest_score[1]
    pieces = grade_recordings(classifier, line(range(100, 140), 32, 16))
    assert np.mean([one.unlike > 1 for one in pieces]) < 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interval_s": 0.016}, "has a sample interval of 16 ms, but grader/1 was trained at 8 ms"),
        (
            {"interval_s": 0.001},
            "fewer than the 16 samples of 8 ms that grader/1 needs (their sample interval is 1 ms)",
        ),
        ({"traces": 7}, "3 left out with fewer than the 8 live traces that grader/1 needs"),
        ({"offset_m": np.full(32, -200, np.float32)}, "32 traces at one offset, 200 m"),
    ],
)
def test_what_cannot_be_brought_is_refused_in_one_line(knowing, tmp_path, command, settings, message):
    write_segy(tmp_path / "line.segy", line(range(1, 4), **settings), ["TEST"])
    done = command("classify", knowing.folder / "grader", tmp_path / "line.segy", "--out", tmp_path / "grades.csv")
    assert done.status == 2 and len(done.error) == 1 and message in done.error[0]
    assert not (tmp_path / "grades.csv").exists()


def test_some_that_cannot_be_judged_do_not_stop_the_others(knowing, tmp_path, command):
    gathers = [*line([1, 2]), *line([3], traces=7), *line([4])]
    write_segy(tmp_path / "line.segy", gathers, ["TEST"])
    done = command("classify", knowing.folder / "grader", tmp_path / "line.segy", "--out", tmp_path / "grades.csv")
    assert done.status == 0 and "1 gather left out with fewer than the 8 live traces" in done.out
    assert len(pd.read_csv(tmp_path / "grades.csv")) == 3 and "3 gathers graded by grader/1" in done.out


def test_pictures_are_taken_to_have_the_interval_of_the_training(knowing, tmp_path, command):
    random = np.random.default_rng(0)
    for number in range(2):
        image = np.clip(128 + 60 * random.normal(size=(100, 40)), 0, 255).astype(np.uint8)
        PIL.Image.fromarray(image).save(tmp_path / f"{number}.png")
    pictures = [tmp_path / f"{number}.png" for number in range(2)]
    done = command("classify", knowing.folder / "grader", *pictures, "--out", tmp_path / "grades.csv")
    assert (
        done.status == 0 and "2 gathers without a sample interval are assumed to have 8 ms; pass --sample" in done.out
    )
    words = (*pictures, "--sample-interval", 4, "--out", tmp_path / "others.csv")
    done = command("classify", knowing.folder / "grader", *words)
    assert done.status == 0 and "2 gathers resampled from 4 ms to 8 ms" in done.out
    assert (pd.read_csv(tmp_path / "others.csv")["windows"] < pd.read_csv(tmp_path / "grades.csv")["windows"]).all()


def test_what_is_unlike_the_training_is_told(knowing, tmp_path, command):
    """Slow waves in place of noise of single samples; one more gather with a trace every 100 m."""
    rows = np.arange(64)[:, np.newaxis] + np.zeros(32)
    slow = [dataclasses.replace(one, amplitude=np.sin(rows / 8).astype(np.float32)) for one in line([1, 2])]
    wide = {"offset_m": -(150 + 100 * np.arange(32)).astype(np.float32)}
    write_segy(tmp_path / "line.segy", [*slow, *line([3], **wide), *line([4])], ["TEST"])
    done = command("classify", knowing.folder / "grader", tmp_path / "line.segy", "--out", tmp_path / "grades.csv")
    assert done.status == 0, done.error
    assert "warning: 3 of 4 gathers are unlike the training data (unlike > 1); do not rely on their grades" in done.out
    assert "warning: 1 of 4 gathers: trace spacing more than 2.5 times wider or narrower than" in done.out
    table = pd.read_csv(tmp_path / "grades.csv")
    assert (table["unlike"][:3] > 1).all() and table["unlike"][3] <= 1
    assert table["unlike_by"][2] == "trace_spacing" and "trace_spacing" not in set(table["unlike_by"][:2])


@pytest.mark.parametrize(("samples", "traces"), [(20, 16), (64, 10), (20, 10)])
def test_a_gather_that_does_not_fill_a_window_is_unlike_the_training(knowing, samples, traces):
    classifier = load_classifier(knowing.folder / "grader")
    small, whole, nearly = grade_recordings(
        classifier, [*line([1], samples, traces), *line([2], 32, 16), *line([3], 30, 15)]
    )
    assert small.unlike > 1 and small.unlike_by == "size"
    assert whole.unlike_by != "size" and nearly.unlike <= 1


def test_other_fractions_are_reckoned_with(knowing, tmp_path, command):
    words = ("classify", knowing.folder / "grader", knowing.survey.path)
    assert command(*words, "--out", tmp_path / "plain.csv").status == 0
    done = command(*words, "--out", tmp_path / "prior.csv", "--prior", "66,31,2")
    assert done.status == 0
    told = (
        "probabilities are for good 66.7 %, medium 31.3 %, bad 2.02 %; the classifier was trained on good 50 %, medium"
    )
    assert told in done.out
    plain, prior = (pd.read_csv(tmp_path / f"{name}.csv").filter(like="probability_") for name in ("plain", "prior"))
    weighed = plain.to_numpy() * np.array([66, 31, 2]) / [0.5, 0.3, 0.2]
    np.testing.assert_allclose(prior, weighed / weighed.sum(axis=1, keepdims=True), rtol=1e-5)


def test_recordings_in_memory_are_graded_as_files_are(knowing, tmp_path, command):
    gathers = list(line(range(1, 4), 120, 40, interval_s=0.004))
    write_segy(
        tmp_path / "line.segy",
        gathers,
        ["TEST"],
    )
    done = command("classify", knowing.folder / "grader", tmp_path / "line.segy", "--out", tmp_path / "grades.csv")
    assert done.status == 0, done.error
    found = grade_recordings(load_classifier(knowing.folder / "grader"), gathers)
    table = pd.read_csv(tmp_path / "grades.csv")
    np.testing.assert_allclose(
        table.filter(like="probability_"), np.stack([one.probabilities for one in found]), atol=1e-6
    )
    with pytest.raises(InputError, match="line3-shot9 cannot be graded: it has fewer than the 8 live traces"):
        grade_recordings(load_classifier(knowing.folder / "grader"), line([9], traces=4))


def test_describe_tells_what_a_classifier_was_trained_on(knowing, tmp_path, command):
    for path in (knowing.folder / "grader", knowing.folder / "grader/1"):
        done = command("describe", path)
        assert done.status == 0 and len(done.out.splitlines()) < 24
        for told in (
            "a classifier (good, medium, bad) for images of 32x16 samples x traces",
            "trained on: 30 gathers",
            "windows of 32x16 cut from 64x32",
            "sample interval: 8 ms",
            "trace spacing: 12.5 m",
            "near trace first, 150 to 537.5 m",
            "good 50 %, medium 30 %, bad 20 %",
            "recorded",
        ):
            assert told in done.out
    done = command("describe", knowing.folder / "grader", "--out", tmp_path / "out")
    assert done.status == 2 and "is a SavedModel; leave out --out and --verify" in done.error[0]
    shutil.copytree(knowing.folder / "grader", tmp_path / "grader")
    (tmp_path / "grader/1/assets.extra/glowseis.json").write_text('{"kind": "classifier", "trained_on": 1}')
    done = command("describe", tmp_path / "grader")
    assert done.status == 2 and len(done.error) == 1 and "not a SavedModel of a glowseis classifier" in done.error[0]


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_a_damaged_file_of_distances_is_told(knowing, tmp_path, damage):
    shutil.copytree(knowing.folder / "grader", tmp_path / "grader")
    path = tmp_path / "grader/1/assets.extra/unlike.npz"
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        np.savez(path, means=np.zeros((3, 4)))
    with pytest.raises(InputError, match="not a SavedModel of a glowseis classifier, or damaged"):
        load_classifier(tmp_path / "grader")
