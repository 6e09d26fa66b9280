"""How many recorded gathers an arm's are worth."""

import math

import pytest

from eval.results.exchange import BEYOND, WITHIN, exchange, needed
from eval.study.recipe import ScarcitySection
from tests.support.replicated_outcomes import replicated

COUNTS = [5, 10, 20, 40, 80]
SCARCITY = ScarcitySection(rare=COUNTS, arms=["oversampling", "low-band"], surveys=3)


def rising(survey, count):
    """Oversampling gains ten points with every doubling; surveys differ by a constant."""
    return 10 + 10 * math.log2(count / 5) + survey


def test_needed_interpolates_on_the_logarithm_and_takes_the_first_crossing():
    assert needed(COUNTS, [10, 20, 30, 40, 50], 30) == pytest.approx(20)
    assert needed(COUNTS, [10, 20, 30, 40, 50], 35) == pytest.approx(20 * 2**0.5)
    assert needed(COUNTS, [10, 30, 20, 40, 50], 25) == pytest.approx(5 * 2**0.75)
    assert needed(COUNTS, [10, 20, 30, 40, 50], 10) == WITHIN
    assert needed(COUNTS, [10, 20, 30, 40, 50], 50.1) == BEYOND


def test_exchange_rate():
    """The arm does with n gathers what oversampling does with four times as many."""
    over = {f"weather1-rare{n}": {"oversampling": [rising(s, n) for s in range(3)]} for n in COUNTS}
    for n in COUNTS:
        over[f"weather1-rare{n}"]["low-band"] = [rising(s, 4 * n) for s in range(3)]
    found = {one.rare: one for one in exchange(replicated(over), SCARCITY)}
    assert list(found) == COUNTS and {one.surveys for one in found.values()} == {3}
    for n in (5, 10, 20):
        one = found[n]
        # The same surveys are drawn for both arms, so what is common to them cancels.
        assert [one.needed.value, one.needed.low, one.needed.high] == pytest.approx([4 * n] * 3, rel=1e-6)
        assert one.in_words(one.needed.value) == str(4 * n) and one.in_words(one.needed.value, n) == "4.0"
    assert found[40].needed.value == BEYOND and found[40].in_words(BEYOND) == "more than 80"
    assert found[40].in_words(BEYOND, 40) == "more than 2.0" and found[5].in_words(WITHIN) == "at most 5"


def test_interval_covers_what_surveys_differ_in():
    arms = {f"weather1-rare{n}": {"oversampling": [rising(0, n)] * 3} for n in COUNTS}
    arms["weather1-rare10"]["low-band"] = [rising(0, 20), rising(0, 40), rising(0, 400)]
    (one,) = exchange(replicated(arms), SCARCITY)
    assert one.needed.low == pytest.approx(20) and one.needed.high == BEYOND
    assert one.needed.low < one.needed.value <= one.needed.high


def test_only_surveys_that_both_have_count():
    arms = {f"weather1-rare{n}": {"oversampling": [rising(s, n) for s in range(2)]} for n in COUNTS}
    arms["weather1-rare5"]["low-band"] = [rising(0, 10)]
    arms["weather1-rare10"]["low-band"] = [rising(s, 10) for s in range(5)]
    first, second = exchange(replicated(arms), SCARCITY)
    assert first.surveys == 1 and first.needed.value == pytest.approx(10)
    assert first.in_words(first.needed.low) == "-"
    assert second.surveys == 2 and second.needed.value == pytest.approx(10)


def test_too_little_of_the_curve():
    arms = {"weather1-rare5": {"oversampling": [1, 2, 3], "low-band": [4, 5, 6]}}
    assert exchange(replicated(arms), SCARCITY) == []
