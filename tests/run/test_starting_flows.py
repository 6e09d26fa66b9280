"""Flows that go on from a saved one, and gathers that a classifier's training adds to a class with few."""

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.export.network import load_network
from glowseis.fitting.classifier.selection import select_labelled
from glowseis.fitting.flow.fitting import FlowFitting
from glowseis.fitting.flow.run import FlowRun
from glowseis.fitting.flow.selection import select
from glowseis.recipe import ClassifierRecipe, RareSection, read_recipe
from glowseis.run.flow import JUDGED, flow_lines
from glowseis.run.preparation import prepare
from glowseis.run.rare import added_gathers, check_no_padding, rare_flow
from glowseis.run.starting import Start, find_start, known_before
from glowseis.survey.labels.overlay import open_survey
from glowseis.survey.matching.profile import profile_of
from glowseis.survey.store.survey import write_survey
from tests.support.commands import stopped_after
from tests.support.graded_survey import LABELS, RECIPE, graded_gather, graded_survey
from tests.support.random_gathers import random_survey

pytestmark = pytest.mark.usefixtures("eager_fitting")

RARE = """
name = "rare"
seed = 4

[[phases]]
labels = [""]
epochs = 2
learning_rate = 1e-3

[[phases]]
labels = ["bad"]
epochs = 1
learning_rate = 1e-3

[training]
start_from = "tiny"
batch = 3
keep = "last"
pictures_every_epochs = 100
"""
"""Three gathers a step: two epochs of two steps, then two steps."""


@pytest.fixture
def there(trained, tiny, tmp_path, monkeypatch):
    """A folder with the saved flow and a recipe that starts from it; 7 gathers are bad, 9 good, 8 have no label."""
    shutil.copytree(trained.savedmodel.parent, tmp_path / "savedmodels/tiny")
    (tmp_path / "rare.toml").write_text(RARE)
    index = open_survey(tiny.survey).index
    none = [*index["gather_id"][index["label"] == "bad"][:5], *index["gather_id"][index["label"] == "good"][:3]]
    (tmp_path / "anna.csv").write_text("gather_id,label\n" + "".join(f"{name},unsure\n" for name in none))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def same(first, second):
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.slow
def test_a_flow_goes_on_from_a_saved_one_bit_for_bit(there, tiny, command, monkeypatch):
    began = []
    train = FlowFitting._train
    monkeypatch.setattr(FlowFitting, "_adapt", None)  # ActNorm is not set again
    monkeypatch.setattr(
        FlowFitting, "_train", lambda one, *told: [began.append(one.flow.get_weights()), train(one, *told)]
    )
    words = ("train", "rare.toml", "--survey", tiny.survey, "--labels", "anna.csv")
    whole = command(*words)
    assert whole.status == 0, whole.error
    assert "starts from tiny/1" in whole.out and "15 training gathers, 7 of them bad; 0 held out; 6 steps" in whole.out
    assert same(began[0], load_network("savedmodels/tiny").get_weights())
    about = json.loads(Path("savedmodels/rare/1/assets.extra/glowseis.json").read_text())
    assert about["start"]["name"] == "tiny/1" and len(about["training_ids"]) == 15
    assert about["recipe"]["flow"] == read_recipe(tiny.recipe).flow.model_dump()
    before = find_start("tiny", "flow").about
    assert about["earlier_ids"] == sorted([*before["training_ids"], *before["held_out_ids"]])

    with stopped_after(monkeypatch, FlowRun, 3):
        assert command(*words, "--out", there / "parts").status == 75
    done = command(*words, "--out", there / "parts")
    assert done.status == 0 and "resuming after step 3 of 6" in done.out
    one, other = (load_network(f"savedmodels/rare/{version}").get_weights() for version in (1, 2))
    assert same(one, other) and not same(one, began[0])


def test_a_phase_of_gathers_without_a_label(there, tiny):
    recipe = read_recipe(Path("rare.toml"))
    survey = open_survey(tiny.survey, ["anna.csv"])
    chosen = select(survey, recipe)
    assert [len(rows) for rows in chosen.phases] == [8, 7]
    assert set(survey.index["label"].to_numpy()[chosen.phases[0]]) == {""}
    both = select(survey, read_recipe(Path("rare.toml"), ["phases.0.labels=['', 'good']"]))
    assert len(both.phases[0]) == 17
    with pytest.raises(
        InputError, match=r"no training gather is without a label; remove that phase, or pass --set phases"
    ):
        select(open_survey(tiny.survey), recipe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["training.start_from=none"],
            'no SavedModel there or in savedmodels/; give "swell", savedmodels/NAME or a version of it',
        ),
        (["training.start_from=robust"], "a classifier, but this needs a flow; name the SavedModel of a flow"),
        (["flow.levels=3"], "flow.levels = 3 contradicts tiny/1, which has 2; leave it out"),
    ],
)
def test_a_flow_that_cannot_be_started_from(there, tiny, command, changes, message):
    words = [word for change in changes for word in ("--set", change)]
    done = command("train", "rare.toml", "--survey", tiny.survey, "--labels", "anna.csv", *words)
    assert (done.status, len(done.error)) == (2, 1) and message in done.error[0]
    assert not (there / "runs").exists()


def test_a_flow_of_another_size_is_told(there, command):
    random_survey(there / "wide")
    done = command("train", "rare.toml", "--survey", there / "wide", "--set", 'phases.0.labels=["good"]')
    assert (done.status, len(done.error)) == (2, 1)
    assert "tiny/1: this SavedModel is for gathers of 32x32, but those of" in done.error[0]


@pytest.mark.parametrize("add", ["oversampling", "moved-noise", "flow"])
def test_gathers_are_added_from_training_gathers_alone(there, tiny, add):
    section = RareSection(add=add, count=6, flow="tiny" if add == "flow" else "")
    survey, told = open_survey(tiny.survey), []
    training = np.flatnonzero((survey.index["label"] == "bad").to_numpy())[:4]
    training = np.union1d(training, survey.select(["good"])[:3])
    given = (section, survey, training, ("good", "bad"), 1, rare_flow(section), there / "added", told.append)
    made, rows = added_gathers(*given)
    assert len(rows) == 6 and set(made.index["label"].to_numpy()[rows]) == {"bad"}
    names = survey.index["gather_id"].to_numpy()[training]
    if add == "oversampling":
        assert made is survey and set(rows) <= set(training)
    else:
        parents = {one for names in made.index["parents"] for one in names.split(";")}
        assert len(parents) > 2 and parents <= set(names)
    assert told[-1].endswith("4 training gathers labelled bad")
    again, rows_again = added_gathers(*given)
    assert again.checksum == made.checksum and np.array_equal(rows, rows_again)
    with pytest.raises(InputError, match=r"no training gather is labelled 'bad', so none can be added"):
        added_gathers(section, survey, training[survey.index["label"].to_numpy()[training] == "good"], *given[3:])


@pytest.mark.parametrize(
    ("made", "window", "size", "starts", "instead"),
    [
        (None, "", (896, 160), False, ""),
        ([192, 96], "192x96", (896, 160), False, ""),
        ([192, 96], "96x48", (896, 160), True, ""),
        ([192, 96], "", (192, 96), False, ""),
        ([192, 96], "", (896, 160), False, "whole images of 896x160.*pass --set data.window=192x96$"),
        ([192, 96], "", (192, 160), False, "whole images of 192x160.*pass --set data.window=192x96$"),
        ([192, 96], "256x96", (896, 160), False, "windows of 256x96.*pass --set data.window=192x96$"),
        ([192, 96], "", (896, 160), True, "pass --set rare.add=moved-noise --set rare.flow=$"),
    ],
)
def test_padding_tells_no_class(made, window, size, starts, instead):
    flow = Start(Path("savedmodels/swell/1"), {"image_shape": [*(made or size), 1], "window": made})
    told = pytest.raises(InputError, match=f"rare.flow: swell/1 makes windows of 192x96, but .* {instead}")
    with told if instead else contextlib.nullcontext():
        check_no_padding(flow, window, size, starts=starts)


def test_noise_moves_between_intervals_that_a_saved_classifier_makes_one(tmp_path):
    gathers = [graded_gather(shot, LABELS[shot % 3], (48, 16)) for shot in range(18)]
    about = {"image_shape": [48, 16, 1], "labels": LABELS}
    write_survey(tmp_path / "trained", gathers, (48, 16), {})
    about["trained_on"] = profile_of(open_survey(tmp_path / "trained"), np.arange(18)).record()
    for shot in range(0, 18, 2):
        geometry = replace(gathers[shot].geometry, sample_interval_s=0.004)
        gathers[shot] = replace(gathers[shot], geometry=geometry)
    write_survey(tmp_path / "mixed", gathers, (48, 16), {})
    survey, told = open_survey(tmp_path / "mixed"), []
    recipe = ClassifierRecipe(
        name="own",
        classifier={},
        rare={"add": "moved-noise", "count": 30},
        data={"test": 0.2},
        training={"epochs": 1, "batch": 4, "learning_rate": 1e-3, "start_from": "robust"},
    )
    selection = select_labelled(survey, recipe, LABELS)
    (tmp_path / "model").mkdir()
    given = (Start(tmp_path / "model", about), None, None, tmp_path / "run", told.append)
    ready = prepare(recipe, survey, selection, *given)
    assert len(ready.added) == 30 and ready.survey.path == tmp_path / "run/matched"
    made = open_survey(tmp_path / "run/added")
    parents = {name for names in made.index["parents"] for name in names.split(";")}
    trained = survey.index.iloc[selection.training]
    assert {*trained["gather_id"][trained["sample_interval_s"] < 0.008]} <= parents <= {*trained["gather_id"]}
    assert set(made.index["sample_interval_s"]) == {0.008} and any("resampled from 4 ms" in line for line in told)
    assert len(prepare(recipe, survey, selection, *given).added) == 30
    # Without a saved classifier nothing makes the intervals one.
    alone = recipe.model_copy(update={"training": recipe.training.model_copy(update={"start_from": ""})})
    with pytest.raises(InputError, match=r"of [48] and [48] ms.*or set training.start_from to a saved classifier"):
        prepare(alone, survey, selection, None, None, None, tmp_path / "other", told.append)


@pytest.mark.slow
def test_a_classifier_trains_on_added_gathers_and_is_judged_without_them(there, command):
    graded_survey(there / "survey", counts=(20, 12, 6))
    (there / "grader.toml").write_text(RECIPE)
    words = ("rare.add=moved-noise", "rare.count=9", "training.epochs=1", "training.keep=last")
    words = [word for change in words for word in ("--set", change)]
    done = command("train", "grader.toml", "--survey", there / "survey", *words)
    assert done.status == 0, done.error
    assert "added: 9 gathers with the noise of 3 training gathers labelled bad" in done.out
    assert "31 training gathers (12 good, 7 medium, 12 bad)" in done.out
    about = json.loads(Path("savedmodels/grader/1/assets.extra/glowseis.json").read_text())
    assert about["trained_on"]["labels"]["bad"] == 3 and len(about["training_ids"]) == 22
    wrong = command(
        "train", "grader.toml", "--survey", there / "survey", *words, "--set", "rare.label=awful", "--out", "x"
    )
    assert (wrong.status, len(wrong.error)) == (2, 1)
    assert f"rare.label = 'awful': not one of the classes {', '.join(LABELS)}; name one of them" in wrong.error[0]
    assert not Path("x/run.json").exists()


@pytest.mark.usefixtures("there")
def test_held_out_gathers_that_trained_the_saved_flow_are_told(tiny):
    start, survey = find_start("tiny", "flow"), open_survey(tiny.survey)
    names = [*start.about["training_ids"][:2], start.about["held_out_ids"][0]]
    copies = [replace(survey.read(name), gather_id=f"copy-{name}") for name in names]
    write_survey(Path("copies"), [*copies, graded_gather(99, "bad", survey.size)], survey.size, {})
    rows = np.arange(4)
    known = known_before(open_survey("copies"), rows, start, None)
    assert known == {"tiny/1": 3} and known_before(open_survey("copies"), rows[3:], start) == {}
    assert known_before(survey, [survey.row(name) for name in names], start) == known
    bits = dict.fromkeys(JUDGED - {"held_out"}, 4.0)
    figures = {"held_out": 4, **bits, "step": 1, "round_trip_error": 0.0, "command_s": 1.0, "savedmodel": "x"}
    told = "  optimistic for the flow, because 3 of them trained tiny/1 or chose its weights"
    assert flow_lines(figures | {"known_before": known}, "bad")[1] == told
    assert told not in flow_lines(figures, "bad")


def test_a_flow_for_the_rare_class_is_asked_for():
    with pytest.raises(ValueError, match=r'flow and rare.add = "flow" go together; set both, or neither'):
        RareSection(add="flow")
