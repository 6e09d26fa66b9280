"""Trainings that go on from a saved classifier."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.export.about import about_lines
from glowseis.export.network import NETWORK, load_network
from glowseis.fitting.classifier.fitting import ClassifierFitting, make_classifier
from glowseis.fitting.classifier.run import ClassifierRun
from glowseis.fitting.classifier.selection import renamed, select_labelled
from glowseis.recipe import StartedTraining, read_recipe
from glowseis.run.finetuning import rehearsed, started_classifier
from glowseis.run.matched import matched_survey
from glowseis.run.starting import find_start, with_start
from glowseis.survey.batches.labelled import from_survey
from glowseis.survey.matching.windows import padded
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.commands import run_here, stopped_after
from tests.support.graded_survey import LABELS, graded_gather, graded_survey

pytestmark = [pytest.mark.usefixtures("eager_fitting"), pytest.mark.slow]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Forty other gathers, six of them bad."""
    folder = tmp_path_factory.mktemp("own") / "survey"
    gathers = [graded_gather(1000 + shot, LABELS[(0, 1, 0, 1, 0, 0, 2)[shot % 7]]) for shot in range(42)]
    write_survey(folder, gathers, (24, 16), {})
    return folder


@pytest.fixture(scope="module")
def done(saved, own, tmp_path_factory):
    """The recipe trained on them."""
    folder = tmp_path_factory.mktemp("done")
    shutil.copytree(saved.model.parent, folder / "savedmodels/grader")
    told = run_here("train", saved.recipe, "--survey", own, folder=folder)
    assert told.status == 0, told.error
    model = folder / "savedmodels/own/1"
    about = json.loads((model / "assets.extra/glowseis.json").read_text())
    return SimpleNamespace(out=told.out, model=model, about=about)


def body(network):
    return [one for layer in (*network.blocks, network.hidden) for one in layer.get_weights()]


def same(first, second):
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_the_last_layer_is_trained_alone_and_then_all_weights(saved, own, done, there, command):
    start = load_network("savedmodels/grader")
    alone = command("train", saved.recipe, "--survey", own, "--set", "training.epochs=2")
    assert alone.status == 0, alone.error
    assert (
        "starts from grader/1: 2 epochs of the last layer alone, then 0 epochs of all weights" in alone.out
        and "34 training gathers" in alone.out
    )
    head, every = load_network("savedmodels/own"), load_network(done.model)
    assert same(body(head), body(start)) and not same(head.output_head.get_weights(), start.output_head.get_weights())
    assert not any(np.array_equal(*pair) for pair in zip(body(every)[:4], body(start)[:4], strict=True))


def test_a_savedmodel_says_what_it_went_on_from_and_what_it_took(done, saved):
    start = find_start(saved.model, "classifier")
    assert done.about["recipe"]["classifier"] == start.about["recipe"]["classifier"]
    assert done.about["recipe"]["data"]["augment"] == done.about["symmetries"] == ["polarity"]
    assert done.about["start"] == {"name": "grader/1", "sha256": start.sha256}
    assert f"started from: grader/1, checksum {start.sha256[:12]}" in about_lines(done.model)


def test_gathers_that_trained_the_saved_classifier_are_not_scored(done, saved, there, command):
    before = find_start(saved.model, "classifier").about
    assert done.about["earlier_ids"] == sorted([*before["training_ids"], *before["validation_ids"]])
    told = command("classify", done.model, saved.survey, "--out", "grades.csv")
    assert "90 gathers trained own/1 or chose its weights (same id or same image): such grades are" in told.out
    assert "; 90 of them labelled, not scored" in told.out
    assert "of the 30 labelled gathers" in told.out


@pytest.mark.parametrize("size", [(24, 16), (32, 20)], ids=["the same size", "padded"])
def test_gathers_that_trained_it_are_recognised_under_other_names(done, own, there, command, size):
    """Nine of these forty were held back, and one record was changed after the training."""
    survey, known = open_survey(own), [*done.about["training_ids"], *done.about["validation_ids"]]
    copies = [dataclasses.replace(survey.read(row), gather_id=f"copy-{row}") for row in range(len(survey))]
    changed = survey.row(known[0])
    copies[changed].image[3, 4] ^= 1
    write_survey("copies", [padded(one, size) for one in copies], size, {})
    told = command("classify", done.model, "copies", "--out", "grades.csv")
    assert f"{len(known) - 1} gathers trained own/1 or chose its weights (same id or same image)" in told.out


def test_few_validation_gathers_keep_the_rule_and_the_temperature(done, saved):
    assert "validation has 5 good, 2 medium, 1 bad" in done.out and "so those of grader/1 are kept" in done.out
    assert "validation, 8 gathers (weights of step 6)" in done.out
    told = "validation gathers: validation is the loss (* the lowest so far; the weights of the last epoch are kept"
    assert told in done.out and "F1 that of good/medium/bad in percent\n" in done.out
    assert "\n  the temperature is that of grader/1: too few validation gathers to fit one\n" in done.out
    before = find_start(saved.model, "classifier").about
    assert done.about["combination"] == before["combination"]
    assert done.about["calibration"]["temperature"] == 1.25
    assert done.about["calibration"]["fitted_on"] == 0


def test_a_class_without_gathers_stays_as_the_saved_classifier_knew_it(saved, own, there, command):
    survey = open_survey(own)
    write_survey(there / "few", (survey.read(int(row)) for row in survey.select(["good", "medium"])), (24, 16), {})
    done = command("train", saved.recipe, "--survey", there / "few")
    assert done.status == 0, done.error
    assert "warning: no training gather is bad: the classifier will tell this class less well than grader/1" in done.out
    for mine, theirs in zip(
        load_network("savedmodels/own").output_head.get_weights(),
        load_network("savedmodels/grader").output_head.get_weights(),
        strict=True,
    ):
        assert np.array_equal(mine[..., 2], theirs[..., 2]) and not np.array_equal(mine[..., 0], theirs[..., 0])
    about = json.loads((there / "savedmodels/own/1/assets.extra/glowseis.json").read_text())
    np.testing.assert_allclose(about["calibration"]["trained"], 1 / 3)
    # Probabilities are for the labels' fractions, the missing class counted as half a gather.
    counts = np.array([*(survey.index["label"].value_counts()[label] for label in LABELS[:2]), 0.5])
    np.testing.assert_allclose(about["calibration"]["fractions"], counts / counts.sum())


def test_a_training_without_validation_and_test_gathers_ends_well(saved, own, there, command):
    words = ("--set", "data.validation=0", "--set", "training.keep=last")
    done = command("train", saved.recipe, "--survey", own, *words)
    assert done.status == 0, done.error
    about = json.loads((there / "savedmodels/own/1/assets.extra/glowseis.json").read_text())
    assert about["calibration"]["temperature"] == 1.25 and not list(there.glob("runs/own*/reliability.png"))
    # The same from scratch; weights of classes do not change what probabilities are for.
    words = (*words, "--set", "name=scratch", "--set", "training.class_weights=balanced")
    fresh = [
        line
        for line in saved.recipe.read_text().splitlines()
        if not line.startswith(("start_from", "head_", "rehearsal"))
    ]
    (there / "scratch.toml").write_text("\n".join(fresh))
    done = command("train", "scratch.toml", "--survey", own, *words)
    assert done.status == 0, done.error
    about = json.loads((there / "savedmodels/scratch/1/assets.extra/glowseis.json").read_text())
    counts = open_survey(own).index["label"].value_counts()[list(LABELS)].to_numpy()
    np.testing.assert_allclose(about["calibration"]["fractions"], counts / counts.sum())
    np.testing.assert_allclose(about["calibration"]["trained"], 1 / 3, rtol=1e-6)


def test_copies_in_another_part_are_told(saved, own, there, command):
    survey = open_survey(own)
    twice = [dataclasses.replace(survey.read(row), gather_id=f"copy{row}") for row in range(len(survey))]
    write_survey(there / "twice", [*map(survey.read, range(len(survey))), *twice], (24, 16), {})
    done = command("train", saved.recipe, "--survey", there / "twice")
    assert done.status == 0 and re.search(
        r"warning: \d+ gathers identical to a gather in another part, such as copy", done.out
    )


def test_classes_may_be_fewer_others_or_called_otherwise(saved, there):
    start, told = find_start("grader", "classifier"), []
    kernel = load_network("savedmodels/grader").output_head.get_weights()[0]
    fewer = started_classifier(start, ("good", "bad"), 1, told.append)
    np.testing.assert_array_equal(fewer.output_head.get_weights()[0], kernel[:, [0, 2]])
    more = started_classifier(start, ("good", "bad", "awful"), 1, told.append).output_head.get_weights()[0]
    np.testing.assert_array_equal(more[:, :2], kernel[:, [0, 2]])
    assert not np.isin(more[:, 2], kernel).any()
    assert told[0].endswith("the last layer keeps these") and told[1].endswith("the last layer starts anew for awful")

    names = {"good": "Good", "medium": "fair", "bad": "swell"}
    gathers = (
        dataclasses.replace(graded_gather(shot, LABELS[shot % 3]), label=names[LABELS[shot % 3]]) for shot in range(30)
    )
    write_survey(there / "words", gathers, (24, 16), {})
    survey, recipe = open_survey(there / "words"), read_recipe(saved.recipe)
    with pytest.raises(
        InputError, match=r"severity of the label 'fair' is unknown.*or say in data.rename which class it is"
    ):
        select_labelled(survey, recipe, start.labels)
    recipe = read_recipe(saved.recipe, ["data.rename.fair=medium", "data.rename.swell=bad"])
    selection = select_labelled(survey, recipe, start.labels)
    assert selection.labels == LABELS and len(selection.training) == 24
    assert renamed(survey, recipe.data.rename, LABELS).manifest.counts == {"good": 10, "medium": 10, "bad": 10}


def test_a_stopped_training_goes_on_bit_for_bit(saved, own, there, command, monkeypatch):
    words = ("train", saved.recipe, "--survey", own, "--set", "training.rehearsal=0.25")
    words = (*words, "--set", f"training.rehearsal_survey={saved.survey}")
    whole = command(*words, "--set", "name=own", "--out", there / "whole")
    assert whole.status == 0, whole.error
    # In steps of its own, and not those of the grader: two of each batch are rehearsed.
    assert "rehearsed: 72 gathers" in whole.out and "grader/1 was trained on 72 of them" in whole.out
    for stop_at in (3, 5):
        with stopped_after(monkeypatch, ClassifierRun, stop_at):
            assert command(*words, "--out", there / "parts").status == 75
    done = command(*words, "--out", there / "parts")
    assert done.status == 0 and "resuming after step 5 of 6" in done.out
    assert same(load_network("savedmodels/own/1").get_weights(), load_network("savedmodels/own/2").get_weights())


def test_what_a_run_started_from_tells_it_from_others(saved, own, there, command):
    words = ("train", saved.recipe, "--survey", own, "--set", "training.epochs=2")
    assert command(*words).status == 0
    again = command(*words, "--set", "training.start_from=savedmodels/grader/1")
    assert again.status == 0 and "this run is done" in again.out
    shutil.copytree(there / "savedmodels/grader/1", there / "savedmodels/grader/2")
    other = command(*words)
    assert (other.status, len(other.error)) == (2, 1)
    assert "or with other unsure gathers (name was 'grader/1', now 'grader/2')" in other.error[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["training.start_from=nowhere"], 'training.start_from = "nowhere": no SavedModel there or in savedmodels/'),
        (["training.start_from=begun"], "runs/begun is a run, not a SavedModel; it is not finished; finish it first"),
        (["training.start_from=flow"], "a flow, but this needs a classifier; name the SavedModel of a classifier"),
        (["classifier.alpha=4"], "classifier.alpha = 4 contradicts grader/1, which has 1; leave it out"),
        (
            ["data.window=16x16"],
            'data.window = "16x16" contradicts grader/1, which was trained on whole images of 24x16',
        ),
        (["training.head_epochs=4"], "training.head_epochs = 4 is more than training.epochs = 3"),
        (
            ["training.rehearsal=0.5"],
            "training.rehearsal and training.rehearsal_survey go together; set both, or neither",
        ),
        (["training.start_from="], "training.head_epochs needs a saved classifier to start from"),
        (["training.rehearsal=0.5", "training.rehearsal_survey=gone"], "gone: no such survey"),
    ],
)
def test_a_start_that_cannot_be(saved, own, there, command, changes, message):
    (there / "runs/begun").mkdir(parents=True)
    (there / "runs/begun/run.json").write_text("{}")
    shutil.copytree(there / "savedmodels/grader", there / "savedmodels/flow")
    about = there / "savedmodels/flow/1/assets.extra/glowseis.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "kind": "flow"}))
    words = [word for change in changes for word in ("--set", change)]
    done = command("train", saved.recipe, "--survey", own, "--out", there / "run", *words)
    assert (done.status, len(done.error)) == (2, 1) and message in done.error[0]
    assert not (there / "run").exists()


def test_gathers_of_another_size_or_of_one_class_are_told(saved, there, command):
    graded_survey(there / "wide", counts=(8, 8, 8), size=(24, 32))
    done = command("train", saved.recipe, "--survey", there / "wide")
    assert (done.status, len(done.error)) == (2, 1)
    assert "its gathers are 24x32, but grader/1 sees images of 24x16; pass --set data.window=24x16" in done.error[0]
    # The refused run leaves its folder free.
    windows = ("--set", "data.window=24x16", "--set", "training.epochs=2")
    assert command("train", saved.recipe, "--survey", there / "wide", *windows).status == 0
    graded_survey(there / "one", counts=(8,))
    done = command("train", saved.recipe, "--survey", there / "one", "--out", there / "one run")
    assert (done.status, len(done.error)) == (2, 1)
    assert "of the labelled ones to train on all 6 are good; label some of medium, bad" in done.error[0]
    # What fitting refuses leaves the folder free too.
    graded_survey(there / "another", counts=(8,))
    words = ("--set", "training.rehearsal=0.5", "--set", f"training.rehearsal_survey={there / 'another'}")
    done = command("train", saved.recipe, "--survey", there / "one", "--out", there / "run", *words)
    assert (done.status, len(done.error)) == (2, 1) and "give gathers of at least two of its classes" in done.error[0]
    assert not (there / "run" / "run.json").exists()


def test_gathers_are_matched_as_classify_matches_them(saved, there):
    start, told = find_start("grader", "classifier"), []

    def at(shot, interval_s):
        gather = graded_gather(shot, "good", (48, 16))
        return dataclasses.replace(gather, geometry=dataclasses.replace(gather.geometry, sample_interval_s=interval_s))

    write_survey(there / "fine", (at(shot, 0.004) for shot in range(6)), (48, 16), {})
    fine = open_survey(there / "fine")
    made, places = matched_survey(fine, np.array([1, 2, 4]), start, there / "matched", told.append)
    assert places.tolist() == [0, 1, 2] and made.size == (25, 16)
    assert made.read(0).geometry.sample_interval_s == 0.008 and made.read(0).valid_samples == 24
    assert told == ["3 gathers resampled from 4 ms to 8 ms, the sample interval that grader/1 was trained at"]
    again, _ = matched_survey(fine, np.array([1, 2, 4]), start, there / "matched", told.append)
    assert again.checksum == made.checksum and len(told) == 1
    write_survey(there / "coarse", (at(shot, 0.016) for shot in range(3)), (48, 16), {})
    with pytest.raises(InputError, match="has a sample interval of 16 ms, but grader/1 was trained at 8 ms"):
        matched_survey(open_survey(there / "coarse"), np.arange(3), start, there / "other", told.append)
    larger, _ = matched_survey(open_survey(saved.survey), np.arange(4), start, there / "larger", told.append, (30, 20))
    assert larger.size == (30, 20) and (larger.read(3).valid_samples, larger.read(3).valid_traces) == (24, 16)
    same_survey, rows = matched_survey(open_survey(saved.survey), np.arange(4), start, there / "none", told.append)
    assert same_survey.path == saved.survey and rows.tolist() == [0, 1, 2, 3] and not (there / "none").exists()


def test_gathers_that_judged_the_saved_classifier_are_not_rehearsed(saved, there):
    start = find_start("grader", "classifier")
    gathers = rehearsed(start, open_survey(saved.survey), LABELS, "", there / "matched", lambda line: None)
    assert set(gathers.ids) == set(start.about["training_ids"])


def test_gathers_that_judge_this_classifier_are_not_rehearsed(saved, there):
    start, told = find_start("grader", "classifier"), []
    known = start.about["training_ids"]
    gathers = rehearsed(start, open_survey(saved.survey), LABELS, "", there / "matched", told.append, known[:20])
    assert set(gathers.ids) == set(known[20:])
    assert told[0] == "rehearsal leaves out 20 gathers that judge this classifier"


def test_scores_of_gathers_that_trained_the_saved_classifier_are_told(saved, there, command):
    words = ("--set", "data.test=0.2", "--set", "training.rehearsal=0.25", "--set", "training.epochs=2")
    words = (*words, "--set", f"training.rehearsal_survey={saved.survey}", "--set", 'data.labels=["good", "bad"]')
    done = command("train", saved.recipe, "--survey", saved.survey, *words)
    assert done.status == 0, done.error
    about = json.loads((there / "savedmodels/own/1/assets.extra/glowseis.json").read_text())
    before = find_start("grader", "classifier").about
    known = {*before["training_ids"], *before["validation_ids"]}
    in_test = len(known.intersection(about["test_ids"]))
    assert 0 < in_test < 16 and about["figures"]["known_before"]["test"] == {"grader/1": in_test}
    assert f"test, 16 gathers, optimistic because {in_test} of them trained grader/1 or chose its weights" in done.out
    judging = {*about["validation_ids"], *about["test_ids"]}.intersection(before["training_ids"])
    assert f"rehearsal leaves out {len(judging)} gathers that judge this classifier" in done.out
    # Of other classes there is no rule to keep.
    assert "windows are combined by their mean, and the temperature of grader/1 is kept" in done.out
    assert "rule_of" not in about and about["calibration"]["temperature"] == 1.25


def test_rehearsal_alone_is_no_training(saved, there):
    recipe = read_recipe(saved.recipe, ["training.rehearsal=0.5", f"training.rehearsal_survey={saved.survey}"])
    write_survey(there / "bare", (graded_gather(shot, "") for shot in range(4)), (24, 16), {})
    with pytest.raises(InputError, match="bare: has no labelled gather to train on beside those to rehearse"):
        select_labelled(open_survey(there / "bare"), recipe, LABELS)


def test_fractions_are_those_of_batches_that_few_gathers_do_not_fill(saved):
    survey = open_survey(saved.survey)
    few, others = (
        from_survey(survey, np.concatenate([survey.select([label])[:count] for label, count in counts]), LABELS)
        for counts in ([("good", 8)], [("good", 10), ("medium", 10), ("bad", 10)])
    )
    training = StartedTraining(start_from="grader", batch=32, rehearsal=0.25, rehearsal_survey="others")
    fitting = ClassifierFitting(make_classifier(3, 1, "softmax", 1), few, training, 1, rehearsal=others)
    # Eight of eight, and of each class ten in the four batches of a pass over thirty.
    np.testing.assert_allclose(fitting.fractions, np.array([8 + 2.5, 2.5, 2.5]) / 15.5)


def test_an_older_savedmodel_gives_its_variables(there):
    with_file = load_network("savedmodels/grader")
    (there / "savedmodels/grader/1" / NETWORK).unlink()
    assert same(load_network("savedmodels/grader").get_weights(), with_file.get_weights())
    about = there / "savedmodels/grader/1/assets.extra/glowseis.json"
    record = json.loads(about.read_text())
    record["recipe"]["classifier"]["alpha"] = 2
    about.write_text(json.dumps(record))
    with pytest.raises(InputError, match="not a SavedModel of a glowseis classifier, or damaged"):
        load_network("savedmodels/grader")


def test_the_recipe_that_comes_with_glowseis_takes_the_ready_models_network():
    recipe = with_start(read_recipe(Path("train/finetune.toml")))
    assert (recipe.classifier.alpha, recipe.classifier.companded, recipe.data.window) == (4, True, "192x96")
    assert with_start(recipe) == recipe and "trace_order" in recipe.data.augment
