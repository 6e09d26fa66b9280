"""What a study of independent surveys found, in words."""

import pytest

from eval.results.verdict import best_of, harms, verdict, worth_of_flows
from eval.study.recipe import ReplicatesSection
from tests.support.replicated_outcomes import replicated

FEW, CALM = "weather1-rare6", "weather0-all"
REPLICATES = ReplicatesSection(
    count=4, first_seed=1, primary="low-band", settings=[{"rare": 6}, {"weather": 0.0}], scarcity=None
)
OVER, MOVED, BEYOND = [10, 12, 9, 11], [60, 63, 61, 62], [70, 72, 71, 73]
CALM_ARMS = {"oversampling": [80, 81, 79, 80], "low-band": [79, 82, 79, 80], "noise-flow": [80, 80, 79, 79]}


def test_a_flow_that_beats_everything():
    said = verdict(
        replicated({FEW: {"oversampling": OVER, "low-band": MOVED, "noise-flow": BEYOND}, CALM: CALM_ARMS}), REPLICATES
    )
    assert said.startswith(
        "With 6 bad gathers, on the few lines with bad weather, noise moved to other gathers raises F1 of bad by 51.0 "
        "points over random oversampling (95 % interval "
    )
    assert (
        "flow-made noise on other gathers beats every other way that was run, the next best included (+10.0 points"
        in said
    )
    assert said.endswith("on all lines, no flow is shown to be worth more than the best way without one.")


def test_a_flow_that_adds_nothing():
    arms = {"oversampling": OVER, "low-band": MOVED, "noise-flow": [61, 62, 60, 63]}
    said = verdict(replicated({FEW: arms, CALM: CALM_ARMS}), REPLICATES)
    assert "flow-made noise on other gathers is not shown to add anything to that (+0.0 points against noise m" in said
    assert said.endswith("; no flow is shown to be worth more than the best way without one in any setting.")


def test_beating_one_arm_is_not_enough():
    """The claim needs every other arm, though the flow has the highest mean by far."""
    arms = {"oversampling": OVER, "pixel-mixing": [20, 71, 22, 70], "low-band": MOVED, "noise-flow": BEYOND}
    said = verdict(replicated({FEW: arms}), REPLICATES)
    assert "flow-made noise on other gathers is not shown to add anything to that (+25.8 points against pixel" in said


def test_worse_and_undecided_arms():
    worse = verdict(replicated({FEW: {"oversampling": MOVED, "low-band": OVER}}), REPLICATES)
    assert "noise moved to other gathers lowers F1 of bad by 51.0 points below random oversampling" in worse
    unsure = verdict(replicated({FEW: {"oversampling": MOVED, "low-band": [50, 73, 60, 64]}}), REPLICATES)
    assert "points, perhaps by chance, over random" in unsure


@pytest.mark.parametrize("done", [0, 1])
def test_no_verdict_yet(done):
    said = verdict(replicated({FEW: {"oversampling": OVER, "low-band": MOVED[:done]}}), REPLICATES)
    assert said.startswith("There is no verdict yet") and f"{done} of 4 surveys" in said


def test_an_early_verdict_says_so():
    assert "so far (2 of 4 surveys)" in verdict(
        replicated({FEW: {"oversampling": OVER[:2], "low-band": MOVED[:2]}}), REPLICATES
    )


@pytest.mark.parametrize(
    ("calm", "medium", "wanted"),
    [
        ([79.2, 80.3, 78.2, 79.3], 80.0, ("no harm", "no harm")),
        ([78.9, 79.8, 77.9, 78.8], 79.4, ("harm", "harm")),
        ([84, 75, 80, 81], 79.6, ("no harm", "no harm on average; more is possible")),
        ([70, 84, 70, 84], 80.0, ("no harm", "harm on average; it may be chance")),
    ],
)
def test_harm(calm, medium, wanted):
    """The bounds are 1 point of the rare class on all lines, 0.5 of other classes anywhere."""
    arms = {FEW: {"oversampling": OVER, "low-band": MOVED}, CALM: {"oversampling": [80, 81, 79, 80], "low-band": calm}}
    found = harms(replicated(arms, {(CALM, "low-band"): (90.0, medium)}), REPLICATES)
    assert [(one.setting, one.label, one.bound) for one in found] == [
        (FEW, "good", 0.5),
        (FEW, "medium", 0.5),
        (CALM, "good", 0.5),
        (CALM, "medium", 0.5),
        (CALM, "bad", 1.0),
    ]
    assert [one.verdict for one in found] == ["no harm", "no harm", "no harm", *wanted]


def test_random_oversampling_cannot_harm_itself():
    arms = {FEW: {"oversampling": MOVED, "low-band": OVER}}
    assert best_of(replicated(arms), FEW) == "oversampling" and harms(replicated(arms), REPLICATES) == []
    assert best_of(replicated(arms), CALM) is None


def test_a_flow_is_compared_with_the_best_way_without_one():
    arms = {"oversampling": OVER, "low-band": MOVED, "noise-flow": BEYOND, "flow": [90, 90, 90, 90]}
    found = worth_of_flows(replicated({FEW: arms}), REPLICATES)
    assert [(one.arm, one.best_other) for one in found] == [("flow", "low-band"), ("noise-flow", "low-band")]
    assert found[1].rival.difference == 61 and found[1].other.difference == 10
