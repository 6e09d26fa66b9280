"""What is made of outcomes of the benchmark of the hour."""

import math

import numpy as np
import pytest
from scipy import stats

from eval.budget.arms import settings_digest
from eval.budget.recipe import READY, read_hour
from eval.report.hour_page import write_hour_page
from eval.results.exchange import BEYOND, WITHIN
from eval.results.hour import collect, verdict
from glowseis.errors import InputError
from glowseis.recipe import LATER_OF_CLASSIFIERS, ClassifierRecipe
from tests.support.commands import CHECKOUT
from tests.support.page_reader import PageReader
from tests.support.small_hour import small_hour, write_points

SETTINGS = {READY: "", **dict.fromkeys(("random", "chosen", "scratch", "head"), "own")}
MORE = ("targets.count=6", "arms.2.targets=6", "arms.2.budgets=[10,20]")
WOBBLE = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5]


def results(folder, f1_of, *changes):
    recipe = small_hour(folder, *MORE, *changes)
    write_points(folder / "outcomes", recipe, f1_of)
    return collect(folder / "outcomes", recipe, "same", SETTINGS)


def rising(target, arm, bought):
    """Chosen labels do with 10 what random ones do with 20."""
    base = {READY: 40.0, "random": 40 + bought, "chosen": 50 + bought, "scratch": bought, "head": 55.0}[arm]
    return base + WOBBLE[target] * (1 if arm != "chosen" else 1.5)


def test_contrasts_are_paired_t_tests(tmp_path):
    hour = results(tmp_path, rising)
    differences = [10 + 0.5 * one for one in WOBBLE]
    test = hour.primary
    assert test.difference == pytest.approx(np.mean(differences)) and test.folds == 6
    interval = stats.ttest_1samp(differences, 0).confidence_interval()
    assert (test.low, test.high) == pytest.approx(tuple(interval))
    table = hour.contrasts()
    primary = table[(table["labels"] == 20) & (table["second"] == "random") & (table["first"] == "chosen")]
    assert len(primary) == 1 and math.isnan(primary["holm"].iat[0])
    others = table[(table["labels"] == 20) & (table["second"] != "random")]
    assert (others["holm"] >= others["p"]).all() and len(others) > 3


def test_labels_saved_are_interpolated_on_the_curve_of_chosen_ones(tmp_path):
    saved = results(tmp_path, rising).saved()
    # 60 is reached with 10 chosen labels exactly; the ready model counts as one label.
    assert (saved.random, saved.targets) == (20, 6) and saved.f1 == pytest.approx(60 + np.mean(WOBBLE))
    assert saved.chosen.value == pytest.approx(10, rel=0.05)
    assert saved.chosen.low <= saved.chosen.value <= saved.chosen.high <= 12
    half = results(
        tmp_path, lambda target, arm, bought: {READY: 0.0, "random": 50.0, "chosen": 5.0 * bought}.get(arm, 1.0)
    )
    assert half.saved().chosen.value == pytest.approx(10) and half.saved().reached


@pytest.mark.parametrize(
    ("ready", "chosen", "value", "words"), [(90, 95, WITHIN, "at most 0"), (10, 20, BEYOND, "more than 20")]
)
def test_labels_saved_outside_what_was_measured(tmp_path, ready, chosen, value, words):
    saved = results(tmp_path, lambda target, arm, bought: {READY: ready, "chosen": chosen}.get(arm, 60.0)).saved()
    assert saved.chosen.value == value and saved.number(saved.chosen.value) == words
    assert saved.reached == (value == WITHIN)
    said = verdict(results(tmp_path, lambda target, arm, bought: {READY: ready, "chosen": chosen}.get(arm, 60.0)))
    assert ("is not reached with up to 20 chosen ones" in said) == (value == BEYOND)


def test_the_verdict_says_first_what_was_not_reached(tmp_path):
    reached = verdict(
        results(tmp_path, lambda target, arm, bought: rising(target, arm, bought) + 5 * (arm == "chosen"))
    )
    assert reached.startswith("With 20 labels, on chosen labels raises F1 of bad by 15.")
    assert "is reached with" in reached and "Fine-tuning instead of training from scratch" in reached
    poor = verdict(
        results(tmp_path, lambda target, arm, bought: 50.0 - (arm == READY) + WOBBLE[target] * (arm == "chosen"))
    )
    assert poor.startswith("Aims not reached: it is not shown that half as many chosen labels")
    assert "fine-tuning is not shown to beat training from scratch at every number of labels" in poor
    assert "perhaps by chance" in poor


@pytest.mark.parametrize(("arm", "bought"), [("scratch", 10), ("scratch", None), ("chosen", 10)])
def test_an_aim_without_outcomes_is_not_reached(tmp_path, arm, bought):
    """Fine-tuning from scratch may fail with few labels, and chosen labels too."""

    def some(target, name, n):
        gone = name == arm and bought in (n, None) and (arm == "scratch" or target > 0)
        return None if gone else rising(target, name, n) + 5 * (name == "chosen")

    told = verdict(results(tmp_path, some))
    missing = "fine-tuning is not shown" if arm == "scratch" else "it is not shown that half as many chosen labels"
    assert told.startswith(f"Aims not reached so far: {missing}")


def test_what_is_missing_is_told_and_no_verdict_is_made_up(tmp_path):
    hour = results(tmp_path, lambda target, arm, bought: 50.0 if target == 0 and arm != "random" else None)
    assert (
        verdict(hour)
        == "There is no verdict yet: 0 targets have both on chosen labels and on random labels at 20 labels."
    )
    assert hour.saved() is None and hour.left == 6 * 9 - 7
    page = PageReader(write_hour_page(hour, tmp_path, "same").read_text())
    assert "47 of 54 points are not finished yet." in page.text and "There is no verdict yet" in page.text


def test_the_page_shows_figures_and_origin(tmp_path):
    hour = results(tmp_path, rising)
    page = PageReader(write_hour_page(hour, tmp_path, "same").read_text())
    for words in ("on chosen labels", "Which way is better", "acquisition 8003", "2 cores, no GPU", "95 % intervals"):
        assert words in page.text


def test_outcomes_with_other_settings_are_refused(tmp_path):
    recipe = small_hour(tmp_path)
    with pytest.raises(InputError, match="nothing is finished"):
        collect(tmp_path / "outcomes", recipe, "same", SETTINGS)
    write_points(tmp_path / "outcomes", recipe, rising)
    for shared, settings in (("other", SETTINGS), ("same", SETTINGS | {"head": "other"})):
        with pytest.raises(InputError, match="was made with other settings"):
            collect(tmp_path / "outcomes", recipe, shared, settings)


def test_the_recipe_in_train_is_valid_and_its_arms_too():
    recipe = read_hour(CHECKOUT / "train/hour.toml")
    assert recipe.targets.count >= 8 and recipe.budget == 200
    digests = {one.name: settings_digest(recipe, one.name) for one in recipe.arms}
    assert len(set(digests.values())) == len(digests)


def test_a_setting_that_comes_later_does_not_change_an_arm(tmp_path, monkeypatch):
    monkeypatch.chdir(CHECKOUT)
    recipe = read_hour(CHECKOUT / "train/hour.toml")
    before = settings_digest(recipe, "scratch")
    dump = ClassifierRecipe.model_dump
    monkeypatch.setattr(ClassifierRecipe, "model_dump", lambda self: {**dump(self), "later": {"key": 1}})
    monkeypatch.setattr("glowseis.recipe.later.LATER_OF_CLASSIFIERS", {**LATER_OF_CLASSIFIERS, "later": {"key": 1}})
    assert settings_digest(recipe, "scratch") == before


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("primary=['chosen','luck']", "primary names 'luck'"),
        ("budget=15", "which is no arm with 15 among its budgets"),
        ("arms.0.budgets=[20,10]", "give rising numbers"),
        ("arms.3.budgets=[30]", "give rising numbers up to buying.most = 20"),
        ("arms.0.name='ready'", "none is called ready"),
        ("buying.shares={luck=1.0}", "shares has 'luck'"),
        ("targets.noise=[['swell=x']]", "'x' is not a number"),
        ("targets.size='big'", "big"),
        ("buying.most=60", "targets.pool"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path, change, wrong):
    with pytest.raises(InputError, match=wrong.replace("[", r"\[")):
        small_hour(tmp_path, change)
