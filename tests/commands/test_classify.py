"""Gathers graded by the SavedModel alone, and by the command."""

import dataclasses
import itertools
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import glowseis
from glowseis.delivery.record import file_sha256, read_record, record_path
from glowseis.errors import InputError
from glowseis.export.about import about_lines
from glowseis.export.classifier import export_classifier, load_classifier
from glowseis.export.flow import export_flow, load_flow
from glowseis.fitting.classifier.trainer import make_classifier, predict
from glowseis.models.glow import Glow
from glowseis.run.grading import grade
from glowseis.scoring import scores
from glowseis.shipped import ready_model
from glowseis.survey.gather import Origin
from glowseis.survey.simulate.acquisition import Acquisition
from glowseis.survey.simulate.recordings import simulate_recording
from glowseis.survey.store.survey import write_survey
from glowseis.testing import perturb
from tests.support.graded_survey import LABELS, graded_gather, graded_survey

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
    told = about_lines(graded.folder / "grader" / "1")
    assert "labels: of anna.csv, ben.csv, in place of the survey's own; where judges disagree, ben decides" in told[2]
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


@pytest.mark.slow
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
    told = "30 gathers trained own/1 or chose its weights (same id or same image): such grades are optimistic"
    assert done.status == 0 and f"{told}; 30 of them labelled, not scored\n" in done.out
    assert "of the 7 labelled gathers" in done.out and "37 gathers graded by own/1" in done.out
    bare = [dataclasses.replace(graded.survey.read(row), label="") for row in range(len(graded.survey))]
    write_survey(tmp_path / "bare", bare, graded.survey.size, {})
    done = command("classify", tmp_path / "own", tmp_path / "bare", "--out", tmp_path / "bare.csv")
    assert done.status == 0 and f"{told}\n" in done.out and "scored" not in done.out


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
    (file,) = (record := read_record(tmp_path / "grades.csv")).files
    assert (file.path, file.sha256) == (str(tmp_path / "line.npy"), file_sha256(tmp_path / "line.npy"))
    assert (record.model, record.labels, record.options.axes) == ("grader/1", LABELS, "gather,time,trace")
    assert command("ingest", *words, "--size", size, "--out", tmp_path / "survey").status == 0
    assert (
        command("classify", graded.folder / "grader", tmp_path / "survey", "--out", tmp_path / "again.csv").status == 0
    )
    assert (tmp_path / "grades.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    assert not record_path(tmp_path / "again.csv").exists()


@pytest.mark.slow
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
        (("survey", "--settle", "5"), "--settle goes with --watch; leave it out"),
        (("survey", "--prior", "66,31,2"), "--prior needs the class fractions that grader/1 was trained on"),
        (("survey", "--prior", "66,31"), "--prior 66,31: give one number of at least 0 for each of good, medium, bad"),
        (("survey", "--labels", "labels.csv"), "labels.csv: no such file"),
        (("survey", "line.npy", "--labels", "labels.csv"), "--labels is for one survey or for files, and these are"),
        (("line.npy", "--labels", "a.csv", "--labels", "b.csv"), "several --labels, and --judge, are for surveys"),
        (("survey", "--judge", "anna"), "--judge anna: chooses among the judges of --labels; give that too"),
        ((".", "--watch", "--judge", "anna"), "--judge goes with a survey; leave it out"),
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


@pytest.mark.slow
def test_a_survey_is_scored_by_labels_from_files(graded, tmp_path, command):
    ids = graded.survey.index["gather_id"]
    right = [LABELS[number] for number in graded.found.argmax(axis=1)]
    for judge, labels in (("anna", right), ("ben", ["good"] * 36 + ["unsure"])):
        rows = [f"{name};{label.upper()}" for name, label in zip(ids, labels, strict=True)]
        (tmp_path / f"{judge}.csv").write_text("\n".join(["Gather ID;Label", *rows]))
    words = ["classify", graded.folder / "grader", graded.survey.path, "--labels", tmp_path / "anna.csv"]
    done = command(*words, "--out", tmp_path / "one.csv")
    assert done.status == 0, done.error
    assert "of the 37 labelled gathers" in done.out and "100.0" in done.out
    words += ["--labels", tmp_path / "ben.csv", "--out", tmp_path / "two.csv"]
    refused = command(*words)
    assert refused.status == 2 and "judges disagree about" in refused.error[0] and not (tmp_path / "two.csv").exists()
    done = command(*words, "--judge", "ben")
    assert done.status == 0 and "of the 36 labelled gathers" in done.out


def test_the_ready_classifier_grades_where_no_model_is_named(tmp_path, monkeypatch, command):
    """Gathers of an acquisition that it was not trained on; the table goes where none is named either."""
    monkeypatch.chdir(tmp_path)
    shots = [simulate_recording(3 * k, 5, Acquisition.drawn(224, 160, 2002), (1, 0, 0)) for k in range(2)]
    glowseis.write_gathers(tmp_path / "line.segy", shots)
    done = command("classify", "line.segy")
    assert done.status == 0, done.error
    first, *_, last = done.out.splitlines()
    assert first == "no model was named: graded by robust/3, which comes with glowseis"
    assert last.startswith("2 gathers graded by robust/3") and last.endswith(": grades.csv")
    assert list(pd.read_csv("grades.csv")["grade"]) == ["good", "good"]
    refused = command("classify", ready_model("classifier"), "--out", "others.csv")
    assert refused.status == 2 and refused.error[0].endswith("is a SavedModel; name the gathers to grade after it")


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


@pytest.mark.slow
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
    done = command("classify", "--model", tmp_path / "old", graded.survey.path, "--out", tmp_path / "grades.csv")
    assert (
        done.status == 0
        and "old/1 does not record what it was trained on, because an older glowseis made it" in done.out
    )
    table = pd.read_csv(tmp_path / "grades.csv")
    np.testing.assert_allclose(table.filter(like="probability_"), graded.found, atol=1e-6)
    assert table[["unlike", "unlike_by"]].isna().all().all()
    done = command("describe", tmp_path / "old")
    assert done.status == 0 and "trained on: unknown; the older glowseis that made it" in done.out
