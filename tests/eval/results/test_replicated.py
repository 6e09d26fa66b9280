"""Tests between arms of a study of independent surveys."""

import json

import pytest

from eval.results.replicated import Replicated, collect
from eval.results.statistics import holm, paired_test
from eval.study.names import RIVAL
from eval.study.outcome import write_outcome
from eval.study.replicates import digest_of
from glowseis.errors import InputError
from tests.support.replicated_outcomes import LABELS, outcome
from tests.support.small_replicates import replicated_recipe

F1_BAD = {RIVAL: [10, 30, 25], "pixel-mixing": [40, 41, 45], "flow": [52, 49, 60], "low-band": [60, 58, 62]}


@pytest.fixture
def results():
    found = {
        arm: {number: outcome(arm, number, f1) for number, f1 in enumerate(values)} for arm, values in F1_BAD.items()
    }
    return Replicated(LABELS, "bad", {"weather1-rare6": found})


def test_secondary_contrasts_are_corrected_together_and_the_primary_one_is_not(results):
    tests = results.against("weather1-rare6", "low-band")
    wanted = {arm: paired_test([60 - one, 58 - two, 62 - three]) for arm, (one, two, three) in F1_BAD.items()}
    assert list(tests) == [RIVAL, "pixel-mixing", "flow"]
    assert all(tests[arm][0].p == pytest.approx(wanted[arm].p) for arm in tests)
    assert tests[RIVAL][1] is None
    corrected = holm([wanted[arm].p for arm in ("pixel-mixing", "flow")])
    assert [tests[arm][1] for arm in ("pixel-mixing", "flow")] == pytest.approx(corrected)


def test_every_two_arms_are_in_the_table_of_contrasts(results):
    table = results.contrasts().set_index(["first", "second", "figure"])
    assert len(table) == 6 * 6
    row = table.loc["low-band", "flow", "f1_bad"]
    assert row["difference"] == pytest.approx((8 + 9 + 2) / 3) and row["surveys"] == 3


def test_surveys_beyond_the_recipes_number_do_not_count(tmp_path):
    recipe = replicated_recipe(tmp_path, "study.replicates.count=2")
    for number in range(3):
        write_outcome(tmp_path / "outcomes", outcome("low-band", number, 50, digest_of(recipe)))
    assert list(collect(tmp_path / "outcomes", recipe, digest_of(recipe)).values("weather1-rare6", "low-band")) == [
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("fold", 0, "holds weather1-rare6 survey 0 low-band; remove it"),
        ("labels", ["bad", "medium", "good"], "of a study with other settings"),
        ("study", "another", "of a study with other settings"),
        ("f1", [0.9, 0.8, float("nan")], "is damaged .*f1"),
    ],
)
def test_a_changed_outcome_is_refused(tmp_path, key, value, says):
    recipe = replicated_recipe(tmp_path)
    path = write_outcome(tmp_path / "outcomes", outcome("low-band", 1, 50, digest_of(recipe)))
    content = json.loads(path.read_text())
    (content if key in content else content["independent"])[key] = value
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=says):
        collect(tmp_path / "outcomes", recipe, digest_of(recipe))
