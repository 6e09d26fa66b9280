"""Gathers brought to what a classifier was trained on, and what is told where that cannot be done well."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from glowseis.errors import InputError
from glowseis.export.classifier import export_classifier, load_classifier
from glowseis.export.folders import ABOUT
from glowseis.fitting.classifier.selection import ClassifierSelection
from glowseis.fitting.classifier.trainer import make_classifier
from glowseis.judging.decision import Decision
from glowseis.judging.unlike import PERCENTILE
from glowseis.run import conclusions
from glowseis.run.conclusions import conclude
from glowseis.run.grading import bringing_for, grade_recordings
from glowseis.run.grading import graded as graded_by
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.ingestion.in_memory import read_gathers
from glowseis.survey.matching.profile import profile_of
from glowseis.testing import perturb
from tests.support.graded_survey import LABELS, graded_survey
from tests.support.random_gathers import random_recording


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
        calibration=concluded.calibration,
        decision=concluded.decision,
    )
    return type("Knowing", (), {"folder": folder, "survey": survey, "concluded": concluded, "told": told})


@pytest.mark.parametrize(("enough", "judges"), [(30, 30), (31, 60)])
def test_few_validation_gathers_do_not_set_the_threshold_of_unlike_alone(knowing, monkeypatch, enough, judges):
    seen = []
    monkeypatch.setattr(conclusions, "FEWEST_JUDGING", enough)
    monkeypatch.setattr(conclusions, "fit_unlikeness", lambda *given: seen.append(len(given[3])))
    classes = knowing.survey.index["label"].map(LABELS.index).to_numpy()
    parts = {"training": classes[:30], "validation": classes[30:], "test": classes[:0]}
    selection = ClassifierSelection(LABELS, np.arange(30), np.arange(30, 60), np.arange(0))
    model = make_classifier(3, 1, "softmax", 5)
    conclude(model, knowing.survey, selection, parts, np.array([0.5, 0.3, 0.2]), (32, 16), print)
    assert seen == [judges]


def test_a_threshold_that_one_in_a_hundred_exceeds_takes_a_hundred_gathers():
    assert 100 / (100 - PERCENTILE) <= conclusions.FEWEST_JUDGING


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
    write_segy(tmp_path / "line.segy", line(range(1, 4), 256, interval_s=0.002, start_s=0.5, **far), ["TEST"])
    done = command("classify", knowing.folder / "grader", tmp_path / "line.segy", "--out", tmp_path / "grades.csv")
    assert done.status == 0, done.error
    assert "3 gathers resampled from 2 ms to 8 ms, the sample interval that grader/1 was trained at" in done.out
    assert "3 gathers put near trace first, as grader/1 was trained" in done.out
    table = pd.read_csv(tmp_path / "grades.csv")
    assert (table["windows"] == 4).all()
    # Trace 1 of the file is the farthest.
    assert set(zip(table["worst_first_trace"], table["worst_last_trace"], strict=True)) <= {(1, 16), (17, 32)}
    # Recording began half a second after the shot.
    times = set(zip(table["worst_first_s"].round(3), table["worst_last_s"].round(3), strict=True))
    assert times <= {(0.5, 0.748), (0.756, 1.004)}


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
        done.status == 0
        and "2 gathers without a sample interval are assumed to have 8 ms; if that is wrong, pass --sample" in done.out
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
    assert "as a whole are unlike the training data: 3 of 4 have unlike > 1, and chance explains 1 at most" in done.out
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
    done = command(*words, "--out", tmp_path / "plain.csv")
    assert done.status == 0
    assert (
        "probabilities assume good 50 %, medium 33.3 %, bad 16.7 % (the model's own assumption; use --prior" in done.out
    )
    done = command(*words, "--out", tmp_path / "prior.csv", "--prior", "66,31,2")
    assert done.status == 0
    assert "probabilities assume good 66.7 %, medium 31.3 %, bad 2.02 % (as given with --prior)" in done.out
    plain, prior = (pd.read_csv(tmp_path / f"{name}.csv").filter(like="probability_") for name in ("plain", "prior"))
    weighed = plain.to_numpy() * np.array([66, 31, 2]) / [30, 20, 10]
    np.testing.assert_allclose(prior, weighed / weighed.sum(axis=1, keepdims=True), rtol=1e-5)


def test_costs_and_doubt_decide_the_grade(knowing, tmp_path, command):
    words = (knowing.survey.path, "--out")
    assert command("classify", knowing.folder / "grader", *words, tmp_path / "plain.csv").status == 0
    plain = pd.read_csv(tmp_path / "plain.csv")
    bad = np.sort(plain["probability_bad"])
    decision = Decision(float(bad[-6:-4].mean()), 9.0, float(np.median(plain.filter(like="probability_").max(axis=1))))
    shutil.copytree(knowing.folder / "grader", tmp_path / "careful")
    record = tmp_path / "careful" / "1" / ABOUT
    record.write_text(json.dumps(json.loads(record.read_text()) | {"decision": decision.record()}))
    done = command("classify", tmp_path / "careful", *words, tmp_path / "careful.csv")
    assert done.status == 0, done.error
    grades = pd.read_csv(tmp_path / "careful.csv")["grade"]
    assert (grades[plain["probability_bad"] >= decision.threshold] == "bad").all() and (grades == "bad").sum() == 5
    unsure = int((grades == "unsure").sum())
    assert 15 < unsure < 45 and f"{unsure} of them unsure, among them" in done.out
    assert f"{unsure} unsure: " in done.out
    told = command("describe", tmp_path / "careful").out
    assert "temperature" in told and f"graded bad from a probability of {decision.threshold:.3g}" in told


@pytest.mark.slow
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
    assert done.status == 2 and "is a SavedModel; leave out --out, --verify, --labels and --judge" in done.error[0]
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
