"""Probabilities that hold for a survey, and the grades that follow from them."""

import numpy as np
import pytest

from glowseis.judging.calibration import calibration_from, fit_calibration, reliability
from glowseis.judging.decision import MOST_PROBABLE, Decision, decision_from, fit_threshold


def drawn(count, seed, fractions=(0.6, 0.3, 0.1), assumed=(1 / 3, 1 / 3, 1 / 3), sureness=1.0):
    """Gathers of three classes with the exact posterior of a Gaussian observation, for assumed class fractions.

    `sureness` above 1 makes a classifier that is surer than it should be.
    """
    random = np.random.default_rng(seed)
    classes = random.choice(3, count, p=fractions)
    seen = classes + random.normal(0, 0.8, count)
    logits = -0.5 * ((seen[:, None] - np.arange(3)) / 0.8) ** 2 + np.log(assumed)
    likely = np.exp(sureness * (logits - logits.max(axis=1, keepdims=True)))
    return likely / likely.sum(axis=1, keepdims=True), classes


FRACTIONS, EVEN = np.array([0.6, 0.3, 0.1]), np.ones(3) / 3


def test_right_probabilities_of_other_fractions_become_those_of_the_survey():
    found, classes = drawn(4000, 1)
    exact, _ = drawn(4000, 1, assumed=FRACTIONS)
    calibration = fit_calibration(found, classes, EVEN, FRACTIONS)
    assert calibration.temperature == pytest.approx(1.0, abs=0.08) and calibration.fitted_on == 4000
    np.testing.assert_allclose(calibration.probabilities(found), exact, atol=0.03)
    before, after = reliability(found, classes), reliability(calibration.probabilities(found), classes)
    assert after.error < 0.7 * before.error


@pytest.mark.parametrize("sureness", [0.5, 2.0, 3.0])
def test_the_temperature_is_how_much_surer_the_classifier_is_than_right(sureness):
    # The classifier's own fractions are the survey's, so that sureness alone is wrong.
    found, classes = drawn(4000, 2, assumed=FRACTIONS, sureness=sureness)
    calibration = fit_calibration(found, classes, FRACTIONS, FRACTIONS)
    assert calibration.temperature == pytest.approx(sureness, rel=0.1)
    others, truth = drawn(4000, 3, assumed=FRACTIONS, sureness=sureness)
    assert reliability(calibration.probabilities(others), truth).error < 0.5 * reliability(others, truth).error


def test_a_calibration_keeps_order_sums_and_itself():
    found, classes = drawn(300, 4, sureness=2.0)
    calibration = fit_calibration(found, classes, EVEN, EVEN)
    calibrated = calibration.probabilities(found)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    np.testing.assert_array_equal(calibrated.argmax(axis=1), found.argmax(axis=1))
    again = calibration_from(calibration.record(), 3)
    np.testing.assert_array_equal(again.probabilities(found[0]), calibrated[0])


def test_a_hundred_per_cent_stays_one():
    found, classes = drawn(300, 4, sureness=2.0)
    calibration = fit_calibration(found, classes, EVEN, FRACTIONS)
    np.testing.assert_array_equal(calibration.probabilities(np.eye(3)), np.eye(3))


def test_few_gathers_leave_the_temperature_at_one():
    found, classes = drawn(19, 5)
    calibration = fit_calibration(found, classes, EVEN, FRACTIONS)
    assert calibration.temperature == 1.0 and calibration.fitted_on == 0
    assert not np.allclose(calibration.probabilities(found), found)


def test_classes_without_weight_or_share():
    found, classes = drawn(50, 6)
    assert fit_calibration(found, classes, np.array([0.5, 0.5, 0.0]), FRACTIONS) is None
    calibration = fit_calibration(found, classes, EVEN, np.array([0.5, 0.5, 0.0]))
    np.testing.assert_array_equal(calibration.fractions, EVEN)


@pytest.mark.parametrize(
    "wrong",
    [{"trained": [1.0, 0.0, 0.0]}, {"fractions": [0.5, 0.5]}, {"temperature": 0.0}, {"temperature": float("nan")}],
)
def test_damaged_calibrations_are_refused(wrong):
    record = {"trained": [0.2, 0.3, 0.5], "fractions": [0.2, 0.3, 0.5], "temperature": 1.0, "fitted_on": 5}
    assert calibration_from(record, 3).temperature == 1.0
    with pytest.raises(ValueError, match="the calibration"):
        calibration_from(record | wrong, 3)


def test_reliability_of_known_grades():
    # Four gathers at 0.95 of which three are right, two at 0.65 of which one is.
    probabilities = np.array([[0.95, 0.05]] * 4 + [[0.35, 0.65]] * 2)
    one = reliability(probabilities, np.array([0, 0, 0, 1, 1, 0]))
    assert one.gathers.tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 0, 4]
    assert one.accuracy[9] == 0.75 and one.accuracy[6] == 0.5 and np.isnan(one.accuracy[0])
    assert one.error == pytest.approx((4 * 0.20 + 2 * 0.15) / 6)
    assert one.record()["confidence"][0] is None


def test_without_a_threshold_the_most_probable_class_is_graded():
    found = np.array([[0.5, 0.4, 0.1], [0.2, 0.3, 0.5]])
    assert MOST_PROBABLE.classes(found).tolist() == MOST_PROBABLE.graded(found).tolist() == [0, 2]
    assert Decision(unsure_below=0.5001).graded(found).tolist() == [3, 3]


def test_a_threshold_grades_the_severest_class_first_and_is_never_unsure():
    decision = Decision(threshold=0.1, missed_cost=9.0, unsure_below=0.6)
    found = np.array([[0.85, 0.05, 0.10], [0.85, 0.06, 0.09], [0.46, 0.45, 0.09], [0.02, 0.03, 0.95]])
    assert decision.classes(found).tolist() == [2, 0, 0, 2]
    assert decision.graded(found).tolist() == [2, 0, 3, 2]
    assert decision_from(decision.record()) == decision
    with pytest.raises(ValueError, match="threshold"):
        decision_from(decision.record() | {"threshold": 2.0})


@pytest.mark.parametrize("cost", [1.0, 5.0, 20.0])
def test_calibrated_probabilities_get_the_threshold_that_they_call_for(cost):
    found, classes = drawn(6000, 7, assumed=FRACTIONS)
    assert fit_threshold(found, classes, cost) == pytest.approx(1 / (1 + cost), abs=0.06)


def test_the_threshold_follows_what_validation_shows():
    found, classes = drawn(6000, 8, assumed=FRACTIONS)
    # The severest class gets half of the probability that it should.
    low = found * [1.0, 1.0, 0.4]
    low /= low.sum(axis=1, keepdims=True)
    threshold = fit_threshold(low, classes, 5.0)
    assert threshold < 0.8 / 6

    def cost(bound):
        graded = low[:, 2] >= bound
        return 5 * np.sum((classes == 2) & ~graded) + np.sum((classes != 2) & graded)

    assert cost(threshold) < cost(1 / 6)


def test_with_hardly_a_gather_of_the_severest_class_the_threshold_stays_where_it_is_called_for():
    found, classes = drawn(200, 9, assumed=FRACTIONS)
    none = classes == 2
    assert fit_threshold(found[~none], classes[~none], 9.0) == pytest.approx(0.1)
    one = np.flatnonzero(none)[:1]
    rows = np.concatenate([np.flatnonzero(~none), one])
    assert fit_threshold(found[rows], classes[rows], 9.0) == pytest.approx(0.1, abs=0.05)
