"""The command that says what to label next."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glowseis.choosing.fractions import random_order
from glowseis.export.classifier import export_classifier
from glowseis.files import read_json
from glowseis.fitting.classifier.trainer import make_classifier
from glowseis.labelling.start import begin
from glowseis.run import looks, next_gathers
from glowseis.survey.gather import Origin
from glowseis.survey.store.survey import open_survey, write_survey
from glowseis.testing import perturb
from tests.support.graded_survey import LABELS, graded_gather


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classifier, and a survey of forty gathers without labels, one of them synthetic."""
    folder = tmp_path_factory.mktemp("next")
    model = make_classifier(3, 1, "softmax", 5)
    perturb(model, 0.15)
    export_classifier(model, LABELS, folder / "grader" / "1", {"image_shape": [24, 16, 1], "training_ids": []})
    gathers = [dataclasses.replace(graded_gather(shot, LABELS[shot % 3]), label="") for shot in range(40)]
    gathers[39] = dataclasses.replace(gathers[39], origin=Origin(parents=(gathers[0].gather_id,), model="flow/1"))
    write_survey(folder / "survey", gathers, (24, 16), {})
    return folder


@pytest.fixture
def following(made, tmp_path, monkeypatch, command):
    """The command on a copy of that survey."""
    shutil.copytree(made / "survey", tmp_path / "survey")
    monkeypatch.chdir(tmp_path)
    return lambda *words: command("next", "survey", "--model", made / "grader", *words)


def judged(table, path, judge="anna"):
    """The table filled in by a judge who knows."""
    shots = table["shot"]
    labels = [LABELS[shot % 3] for shot in shots]
    table.assign(label=labels, judge=judge).to_csv(path, index=False)


@pytest.mark.slow
def test_a_table_is_filled_in_and_labels_the_survey(following, tmp_path):
    done = following("--count", 20, "--apart", 0)
    assert done.status == 0, done.error
    first = pd.read_csv("next.csv")
    assert list(first.columns[:6]) == ["gather_id", "line", "shot", "cable", "label", "reason"]
    assert len(first) == first["gather_id"].nunique() == 20 and (first["reason"] == "random").sum() == 4
    np.testing.assert_allclose(first.filter(like="probability_").sum(axis=1), 1, atol=1e-3)
    assert "not known yet" in done.out and "20 gathers to label next:" in done.out
    ids = open_survey("survey").index["gather_id"]
    assert ids.iat[39] not in set(first["gather_id"])
    judged(first, "anna.csv")
    again = following("--count", 10, "--labels", "anna.csv", "--out", "second.csv", "--apart", 0)
    assert again.status == 0, again.error
    assert "40 gathers graded before" in again.out
    second = pd.read_csv("second.csv")
    looked = second["reason"] == "second look"
    assert not set(second["gather_id"][~looked]) & set(first["gather_id"])
    assert set(second["gather_id"][looked]) <= set(first["gather_id"])
    # The same again gives the same, whatever the survey is called.
    third = following("--count", 10, "--labels", "anna.csv", "--out", "third.csv", "--apart", 0)
    assert third.status == 0 and (tmp_path / "third.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()
    # Another judge begins anew.
    other = following("--count", 20, "--labels", "anna.csv", "--for", "ben", "--out", "ben.csv", "--apart", 0)
    assert other.status == 0 and (tmp_path / "ben.csv").read_bytes() == (tmp_path / "next.csv").read_bytes()
    assert "--for ben: has not judged any gather yet (anna did); all gathers count as not judged" in other.out
    both = following("--labels", "anna.csv", "--for", "ben", "--judge", "anna", "--out", "both.csv")
    assert following("--seed", -1).status == following("--seed", 2**32).status == 2
    assert both.status == 2 and "--for ben --judge anna: " in both.error[0] and not Path("both.csv").exists()


@pytest.mark.slow
def test_disputed_gathers_come_back_until_a_judge_has_looked_again(following, made):
    index = open_survey("survey").index.iloc[:6]
    judged(index, "anna.csv")
    index[["gather_id"]].assign(label="bad", judge="ben").to_csv("ben.csv", index=False)
    words = ("--labels", "anna.csv", "--labels", "ben.csv", "--count", 5)
    told = (
        "judges disagree about 4 of the 6 gathers to which several gave a label; the majority decides, 4 left without"
    )
    done = following(*words)
    assert done.status == 0 and told in done.out and "--judge NAME says whose label counts" in done.out
    table = pd.read_csv("next.csv")
    assert "4 may come back for a second look" in done.out and "  1 second look (judges disagree): " in done.out
    alone = [f"--share={one}=0" for one in ("random", "rare-class", "uncertain", "different")]
    assert following(*words, *alone, "--out", "all.csv").status == 0
    table = pd.read_csv("all.csv")
    back = table[table["reason"] == "second look (judges disagree)"]
    disputed = {
        shot: gather_id for shot, gather_id in zip(index["shot"], index["gather_id"], strict=True) if shot % 3 != 2
    }
    assert set(back["gather_id"]) == set(disputed.values())
    # For ben these are gathers to judge again, and those that he has judged twice are settled.
    survey = open_survey("survey").path
    session = begin(survey, Path("ben.csv"), "ben", Path("all.csv"), "line")
    assert set(back["gather_id"]) <= set(session.coming(99))
    twice = list(back["gather_id"][:2])
    for gather_id in twice:
        session.label(gather_id, "bad")
    assert not set(twice) & set(session.coming(99))
    assert following(*words, *alone, "--out", "rest.csv").status == 0
    rest = pd.read_csv("rest.csv")
    assert set(rest["gather_id"][rest["reason"] == back["reason"].iat[0]]) == set(disputed.values()) - set(twice)
    decided = following(*words, *alone, "--judge", "ben", "--out", "ben-next.csv")
    assert "ben decides; 0 may come back for a second look\n" in decided.out
    assert "judges disagree" not in "".join(pd.read_csv("ben-next.csv")["reason"])
    others = [f"--share={one}=0" for one in ("random", "rare-class", "different", "second-look")]
    done = following(*words, *others, "--out", "others.csv")
    assert "judges disagree on 2 gathers, but none of them is chosen: see --share" in done.out
    assert "disagree" not in following(*words, "--for", "ben", "--out", "for.csv").out


def test_random_choices_are_in_the_order_of_the_sample(following):
    """So that those labelled before one stops early still count."""
    assert following("--count", 30, "--apart", 0, "--share", "random=2").status == 0
    table = pd.read_csv("next.csv")
    ids = open_survey("survey").index["gather_id"].to_numpy()
    order = {ids[row]: place for place, row in enumerate(random_order(ids, 1))}
    places = [order[one] for one in table["gather_id"][table["reason"] == "random"]]
    assert len(places) > 10 and places == sorted(places)
    begun = table.index[table["reason"] == "random"][5]
    judged(table.iloc[: begun + 1], "anna.csv")
    done = following("--labels", "anna.csv", "--out", "2.csv")
    assert "from 5 gathers chosen at random" in done.out


def test_probabilities_are_for_the_fractions_that_random_choices_have_shown(following, monkeypatch):
    # A layer that is fitted to the labels changes them too.
    monkeypatch.setattr(next_gathers, "fit_head", lambda *given: None)
    assert following("--count", 39, "--apart", 0).status == 0
    even = pd.read_csv("next.csv")
    chosen = even[even["reason"] == "random"].iloc[:5]
    chosen.assign(label=["bad", *["good"] * 4], judge="anna").to_csv("anna.csv", index=False)
    done = following("--labels", "anna.csv", "--count", 39, "--apart", 0, "--out", "2.csv")
    assert done.status == 0 and "from 5 gathers chosen at random" in done.out
    shown = pd.read_csv("2.csv").set_index("gather_id").filter(like="probability_")
    weighed = even.set_index("gather_id").loc[shown.index, shown.columns] * [4.5, 0.5, 1.5]
    np.testing.assert_allclose(shown, weighed.div(weighed.sum(axis=1), axis=0), atol=2e-3)


def test_fewer_gathers_than_asked_for_are_told(following):
    done = following("--count", 1000)
    assert done.status == 0 and "--count 1000: 39 gathers chosen; no more are left for these shares\n" in done.out


def test_a_table_whose_labels_are_empty_is_refused(following):
    assert following("--count", 5).status == 0
    done = following("--labels", "next.csv", "--out", "2.csv")
    assert done.status == 2 and done.error[0].endswith(
        "next.csv: has no label in any row; fill in its column label, or leave it out"
    )


@pytest.mark.slow
def test_all_labelled_is_a_census(following):
    index = open_survey("survey").index
    judged(index, "anna.csv")
    done = following("--labels", "anna.csv")
    assert done.status == 0, done.error
    words = "class fractions of the survey: good 33.3 % (13 of 39), medium 33.3 % (13 of 39), bad 33.3 % (13 of 39)"
    assert words in done.out
    assert set(pd.read_csv("next.csv")["reason"]) == {"second look"}
    judged(index, "ben.csv", "ben")
    done = following("--labels", "anna.csv", "--labels", "ben.csv", "--out", "2.csv")
    assert done.status == 2 and "there is nothing to label" in done.error[0]


def test_a_second_look_settles_a_label(following):
    index = open_survey("survey").index.iloc[:30]
    judged(index, "anna.csv")
    shares = [f"--share={one}=0" for one in ("random", "rare-class", "uncertain", "different")]
    done = following("--labels", "anna.csv", "--share", "second-look=1", *shares, "--count", 30)
    assert done.status == 0, done.error
    first = pd.read_csv("next.csv")
    assert len(first) and set(first["reason"]) == {"second look"}
    judged(first, "again.csv", "anna")
    done = following("--labels", "anna.csv", "--labels", "again.csv", "--out", "2.csv", "--count", 30)
    assert done.status == 0, done.error
    second = pd.read_csv("2.csv")
    assert not set(second["gather_id"]) & set(first["gather_id"])


def test_the_table_says_when_a_gather_had_been_judged(following):
    index = open_survey("survey").index.iloc[:30].assign(time="2026-11-27T10:00:00.25+01:00")
    index.loc[:9, "time"] = ""
    judged(index, "anna.csv")
    assert following("--labels", "anna.csv", "--count", 30, "--apart", 0).status == 0
    table = pd.read_csv("next.csv", keep_default_na=False)
    looked = table[table["reason"] == "second look"]
    assert set(table["judged"]) == {"", "2026-11-27T09:00:00.250000Z"} and len(looked) > 2
    assert [bool(cell) for cell in looked["judged"]] == [shot > 9 for shot in looked["shot"]]


def test_classes_that_the_model_does_not_know_are_told(following):
    index = open_survey("survey").index.iloc[:30]
    index.assign(label=["quiet", "loud", ""] * 10, judge="anna").to_csv("anna.csv", index=False)
    done = following("--labels", "anna.csv")
    assert done.status == 0, done.error
    assert "labels loud, quiet teach nothing: grader/1 knows good, medium, bad" in done.out


def test_a_classifier_does_not_check_labels_that_trained_it(following, made, tmp_path):
    index = open_survey("survey").index.iloc[:30]
    judged(index, "anna.csv")
    shutil.copytree(made / "grader", tmp_path / "own")
    path = tmp_path / "own/1/assets.extra/glowseis.json"
    path.write_text(
        path.read_text().replace('"training_ids": []', f'"training_ids": {list(index["gather_id"])}'.replace("'", '"'))
    )
    assert len(read_json(path)["training_ids"]) == 30
    done = following("--labels", "anna.csv", "--model", tmp_path / "own")
    assert done.status == 0, done.error
    assert "30 labels not checked: own/1 was trained on these gathers" in done.out
    assert "second look" not in set(pd.read_csv("next.csv")["reason"])


@pytest.mark.slow
def test_a_stopped_look_goes_on_and_a_damaged_one_is_made_anew(following, monkeypatch):
    assert following("--out", "whole.csv").status == 0
    (kept,) = open_survey("survey").path.glob("looks/*.npz")
    with np.load(kept) as arrays:
        parts = dict(arrays)
    parts["done"][10:] = False
    parts["probabilities"][10:] = np.nan
    np.savez(kept, **parts)
    done = following("--out", "rest.csv")
    assert "10 gathers graded before" in done.out
    assert Path("rest.csv").read_text() == Path("whole.csv").read_text()
    kept.write_bytes(kept.read_bytes()[:100])
    done = following("--out", "anew.csv")
    assert done.status == 0 and "graded before" not in done.out
    assert Path("anew.csv").read_text() == Path("whole.csv").read_text()
    monkeypatch.setattr(looks, "whole_file", full)
    kept.unlink()
    done = following("--out", "unkept.csv")
    assert done.status == 0 and "No space left on device" in done.out


def full(path, **_):
    raise OSError(28, "No space left on device", str(path))


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--rare", "dreadful"], "--rare dreadful: grader/1 knows good, medium, bad"),
        (["--share", "luck=1"], "there is no reason 'luck'"),
        (["--judge", "anna"], "--judge anna: chooses among the judges of --labels"),
        (["--labels", "none.csv"], "none.csv"),
        (["--out", "survey"], "the folder is not empty"),
    ],
)
def test_bad_input_is_one_line(following, words, wrong):
    done = following(*words)
    assert done.status == 2 and len(done.error) == 1 and wrong in done.error[0]
