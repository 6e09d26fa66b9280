"""From windows to gathers: the rule that combines them, other class fractions, how unlike a gather is."""

import os
import signal
import time

import numpy as np
import pytest
import scipy.stats

from glowseis.errors import InputError
from glowseis.judging.combination import (
    Combination,
    combination_from,
    fit_combination,
    mean_of_windows,
    pooled,
)
from glowseis.judging.gathers import Seen, gather_probabilities, judged, severity
from glowseis.judging.prior import parse_prior, reweighted, trained_fractions
from glowseis.judging.unlike import CHANCE, fit_unlikeness, summary, unlikeness_from
from glowseis.survey.matching.events import EVENT_STATISTICS
from glowseis.survey.matching.profile import Profile
from glowseis.survey.matching.statistics import STATISTICS, image_statistics
from tests.support.random_gathers import random_gather

LABELS = ("good", "medium", "bad")


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def noisy_gathers(count, seed, windows=(4, 9)):
    """Gathers of which a bad one shows it in one window alone, a medium one in a few."""
    random = np.random.default_rng(seed)
    gathers, classes = [], np.arange(count) % 3
    for one in classes:
        logits = random.normal(0, 0.7, (random.integers(*windows), 3))
        logits[:, 0] += 2
        loud = random.permutation(len(logits))[: {0: 0, 1: 2, 2: 1}[one]]
        logits[loud, one] += 5
        gathers.append((log_softmax(logits), np.ones(len(logits))))
    return gathers, classes


def accuracy(rule, gathers, classes):
    found = [rule.probabilities(*one).argmax() for one in gathers]
    return float(np.mean(np.array(found) == classes))


def test_a_fitted_rule_sees_what_a_mean_does_not():
    rule = fit_combination(*noisy_gathers(300, 1), np.ones(3) / 3)
    assert rule.fitted_on == 300 and 4 <= rule.windows <= 8
    others = noisy_gathers(300, 2)
    assert accuracy(rule, *others) > accuracy(mean_of_windows(3), *others) + 0.15
    again = combination_from(rule.record(), 3)
    for gather in others[0][:5]:
        found = rule.probabilities(*gather)
        assert found.sum() == pytest.approx(1) and (found > 0).all()
        np.testing.assert_array_equal(again.probabilities(*gather), found)


def test_of_one_window_the_probabilities_are_its_own_exactly():
    rule = fit_combination(*noisy_gathers(300, 1), np.ones(3) / 3)
    probabilities = np.array([[0.7, 0.2, 0.1]], np.float32)
    seen = Seen(probabilities, np.log(probabilities), None)
    np.testing.assert_array_equal(gather_probabilities(seen, np.ones(1), rule), probabilities[0])
    np.testing.assert_allclose(rule.probabilities(np.log(probabilities), np.ones(1)), probabilities[0], rtol=1e-6)


def test_of_alike_windows_the_mean_is_theirs():
    found = np.log(np.tile([0.7, 0.2, 0.1], (6, 1)))
    np.testing.assert_allclose(mean_of_windows(3).probabilities(found, np.ones(6)), [0.7, 0.2, 0.1])


def test_probabilities_follow_the_fractions_of_training():
    """The same gathers, weighed to rare bad ones, are graded bad less readily."""
    gathers, classes = noisy_gathers(300, 1)
    even, rare = (fit_combination(gathers, classes, np.array(one)) for one in ([1, 1, 1], [0.7, 0.28, 0.02]))
    share = [np.mean([rule.probabilities(*one) for one in gathers], axis=0) for rule in (even, rare)]
    assert share[0][2] == pytest.approx(1 / 3, abs=0.02) and share[1][2] < 0.3


@pytest.mark.parametrize(
    "made",
    [
        noisy_gathers(27, 1),
        noisy_gathers(300, 1, (1, 2)),
        ([], np.zeros(0, int)),
        (noisy_gathers(300, 1)[0], np.zeros(300, int)),
    ],
    ids=["few", "of one window", "none", "of one class"],
)
def test_with_too_little_to_fit_the_rule_is_the_mean(made):
    rule = fit_combination(*made, np.ones(3) / 3)
    assert not rule.fitted_on
    found, weights = noisy_gathers(3, 5)[0][0]
    expected = np.exp(log_softmax(found.mean(axis=0)))
    np.testing.assert_allclose(rule.probabilities(found, weights), expected)


def test_windows_of_more_live_traces_count_more():
    found = np.log([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    even, uneven = (mean_of_windows(3).probabilities(found, np.array(one)) for one in ([1, 1], [1, 0.1]))
    assert even[0] == pytest.approx(even[2]) and uneven[0] > 4 * uneven[2]


@pytest.mark.parametrize(("windows", "share"), [(2, 0.25), (3, 0.5), (5, 1.0), (9, 1.0)])
def test_a_rule_counts_in_full_from_as_many_windows_as_it_was_fitted_on(windows, share):
    weights = np.zeros((3, 4))
    weights[2, 3] = 4.0
    found = Combination(weights, 5.0, 300).probabilities(
        np.log(np.tile([0.7, 0.2, 0.1], (windows, 1))), np.ones(windows)
    )
    logits = (1 - share) * np.log([0.7, 0.2, 0.1]) + share * np.array([0.0, 0.0, 4.0])
    np.testing.assert_allclose(found, np.exp(log_softmax(logits)))


def test_the_figures_of_windows_are_mean_largest_and_mean_of_the_top_quarter():
    bad = np.array([0.1, 0.9, 0.5, 0.2, 0.3, 0.1, 0.8, 0.4])
    found = np.log(np.stack([0.75 * (1 - bad), 0.25 * (1 - bad), bad], axis=1))
    odds = np.log([9.0, 4.0])
    np.testing.assert_allclose(pooled(found, np.ones(8))[2], [np.log(bad).mean(), odds[0], odds.mean(), 1])


def test_certain_windows_do_no_harm():
    found = np.array([[0.0, -np.inf, -np.inf], [-80.0, 0.0, -90.0]], np.float32)
    figures = pooled(found, np.ones(2))
    assert np.isfinite(figures).all() and np.abs(figures).max() <= 20
    assert np.isfinite(mean_of_windows(3).probabilities(found, np.ones(2))).all()


@pytest.mark.parametrize("record", [{}, {"weights": [[1, 2]], "windows": 1, "fitted_on": 0}])
def test_a_record_that_is_no_rule(record):
    with pytest.raises((KeyError, ValueError)):
        combination_from(record, 3)


def test_severity():
    assert severity(np.array([0.5, 0.3, 0.2])) == pytest.approx(0.7)
    assert severity(np.eye(4)).tolist() == [0, 1, 2, 3]


def test_other_fractions_by_bayes_rule():
    trained, wanted = np.array([0.5, 0.25, 0.25]), np.array([0.66, 0.32, 0.02])
    likelihood = np.array([0.1, 0.3, 0.9])
    posterior = likelihood * trained / np.sum(likelihood * trained)
    expected = likelihood * wanted / np.sum(likelihood * wanted)
    np.testing.assert_allclose(reweighted(posterior, trained, wanted), expected)
    np.testing.assert_allclose(reweighted(posterior, trained, trained), posterior)
    np.testing.assert_allclose(reweighted([[1, 0, 0], [0, 0, 1]], trained, [0.5, 0.5, 0]), [[1, 0, 0], [0, 0, 1]])


def test_fractions_as_users_write_them():
    np.testing.assert_allclose(parse_prior("66,31,2", LABELS), np.array([66, 31, 2]) / 99)
    np.testing.assert_allclose(parse_prior("0.5, 0.5, 0", LABELS), [0.5, 0.5, 0])
    for text in ("66,31", "66,31,2,1", "66,31,x", "", "-1,1,1", "0,0,0", "nan,1,1", "inf,1,1"):
        with pytest.raises(InputError, match=r"give one number of at least 0 for each of good, medium, bad"):
            parse_prior(text, LABELS)


def profile_with(fractions):
    return Profile(
        9, {}, fractions, None, None, "unknown", None, None, None, (1, 1, 1), (1, 1, 1), (1, 1), None, {}, "", "", {}
    )


def test_fractions_that_a_classifier_does_not_tell():
    told = {"good": 0.5, "medium": 0.3, "bad": 0.2}
    assert trained_fractions("one/1", profile_with(told), LABELS).tolist() == [0.5, 0.3, 0.2]
    for profile in (None, profile_with(None), profile_with({"good": 1.0})):
        with pytest.raises(InputError, match=r"fractions that one/1 was trained on, which it did not record"):
            trained_fractions("one/1", profile, LABELS)
    with pytest.raises(InputError, match="medium had no weight"):
        trained_fractions("one/1", profile_with({"good": 0.5, "medium": 0.0, "bad": 0.5}), LABELS)


USUAL_FIGURES = np.array([0.1, 0.2, 0.3, 40, 0.1, 0.04, 0.5, 1, 0.9, 0.9, -0.3, -3, -0.8, -0.5, 2, -0.1])


def learned(seed=0):
    """From features and figures of 200 gathers of two classes, windows of each alike."""
    random = np.random.default_rng(seed)
    classes = np.arange(200) % 2

    def gathers(count):
        centres = np.where(np.arange(count)[:, np.newaxis] % 2, 3.0, -3.0) * np.ones(6)
        features = centres[:, np.newaxis] + random.normal(size=(count, 4, 6)) * [1, 1, 1, 1, 1, 0]
        figures = np.tile(USUAL_FIGURES, (count, 1)) * (1 + 0.1 * random.normal(size=(count, len(USUAL_FIGURES))))
        return features, figures

    features, figures = gathers(200)
    others = list(zip(*gathers(200), strict=True))
    made = fit_unlikeness(features.reshape(-1, 6), np.repeat(classes, 4), figures, others, [], 2)
    return made, others


def test_one_in_a_hundred_is_beyond_the_threshold():
    made, others = learned()
    found = np.array([made.of(*one)[0] for one in others])
    assert 0.98 <= np.mean(found <= 1) < 1 and 0.3 < np.median(found) < 1
    again = unlikeness_from(made.arrays(), 2)
    assert [again.of(*one) for one in others[:5]] == [made.of(*one) for one in others[:5]]


def test_small_gathers_have_thresholds_of_their_own():
    """Figures of one window vary more than those of ten; in between the thresholds change from one to the other."""
    random = np.random.default_rng(1)

    def gathers(windows, spread):
        features = random.normal(size=(300, windows, 6))
        changes = 1 + spread * random.normal(size=(300, len(USUAL_FIGURES)))
        return list(zip(features, USUAL_FIGURES * changes, strict=True))

    training = gathers(1, 0.1)
    features, figures = (np.concatenate([one[part][np.newaxis] for one in training]) for part in (0, 1))
    made = fit_unlikeness(features[:, 0], np.arange(300) % 2, figures, gathers(10, 0.1), gathers(1, 0.3), 2)
    assert made.windows == 10

    def beyond(windows, spread):
        return np.mean([made.of(*one)[0] > 1 for one in gathers(windows, spread)])

    # One in twenty single windows may be beyond the threshold of events.
    assert beyond(10, 0.1) < 0.05 and beyond(40, 0.1) < 0.05 and beyond(1, 0.3) < 0.12
    assert beyond(10, 0.3) > 0.2
    shares = [made.of(features, figures * 1.5)[0] for features, figures in (gathers(n, 0)[0] for n in (1, 4, 10))]
    assert shares == sorted(shares) and shares[0] < shares[1] < shares[2]
    old = made.arrays() | {"farthest": made.farthest[1], "largest_score": made.largest_score[1]}
    for name in ("windows", "usual", "largest_event"):
        del old[name]
    one = gathers(1, 0.3)[0]
    assert unlikeness_from(old, 2).of(*one)[0] >= made.of(*one)[0]


def test_what_is_far_is_told_and_by_what():
    made, others = learned()
    features, figures = others[0]
    old = unlikeness_from({name: one for name, one in made.arrays().items() if "usual" not in name}, 2)
    assert old.arrays().keys() == made.arrays().keys() - {"usual", "largest_event"}
    value, by = made.of(features - 6, figures)
    assert value > 1.5 and by == "features"
    # A feature that never stirred in training.
    value, by = made.of(features + np.array([0, 0, 0, 0, 0, 2]), figures)
    assert value > 3 and by == "features"
    for number, name in enumerate([*STATISTICS, *EVENT_STATISTICS]):
        strange = figures.copy()
        strange[number] += 3 * max(strange[number], 0.5)
        assert made.of(features, strange)[1] == name and made.of(features, strange)[0] > 1
        if name in EVENT_STATISTICS:
            strange[number] -= 6 * max(abs(figures[number]), 0.5)
            assert made.of(features, strange)[1] == name and made.of(features, strange)[0] > 1
            assert old.of(features, strange) == old.of(features, figures)
            strange[number] = np.nan
            assert made.of(features, strange)[0] <= 1
    # Most windows decide, not one.
    one_off = features.copy()
    one_off[0] += 50
    assert made.of(one_off, figures)[0] < 1.5


def test_unlike_gathers_are_counted_for_each_line_and_for_all():
    names = ["line 1"] * 100 + ["line 2"] * 100 + ["b.npy"] * 4
    values = [0.5] * 99 + [1.2] + [0.5] * 80 + [1.2] * 20 + [None, float("nan"), 1.0, 1.1]
    found = summary(names, values)
    assert (found.survey.unlike, found.survey.gathers) == (22, 202) and found.survey.whole
    assert [(one.name, one.unlike, one.gathers, one.whole) for one in found.lines] == [
        ("line 1", 1, 100, False), ("line 2", 20, 100, True), ("b.npy", 1, 2, False),
    ]  # fmt: skip
    assert found.text == [
        "line 2: 20 of 100 gathers are unlike the training data, as a whole",
        "line 1: 1 of 100 gathers is unlike the training data",
        "b.npy: 1 of 2 gathers is unlike the training data",
        "warning: the gathers as a whole are unlike the training data: 22 of 202 have unlike > 1, and chance explains "
        f"{found.survey.most} at most",
    ]
    assert summary([], []).text == [] and summary(["line 1"], [2.0]).text == []
    many = summary([f"line {number}" for number in range(14) for _ in range(100)], [2.0, *[0.0] * 99] * 14)
    assert len(many.text) == 11 and many.text[-1] == "4 more lines: 4 unlike gathers"


@pytest.mark.parametrize("gathers", [1, 4, 30, 300, 3000])
def test_chance_seldom_makes_a_survey_unlike(gathers):
    """At the rate that is still likely for 3 beyond the threshold of 270; with fewer judges the rate is less known."""
    rate = scipy.stats.binomtest(3, 270).proportion_ci(0.9, "exact").high
    most = summary(["a"] * gathers, [0.0] * gathers).survey.most
    assert scipy.stats.binom.sf(most, gathers, rate) <= CHANCE < scipy.stats.binom.sf(most - 1, gathers, rate)
    fewer = summary(["a"] * gathers, [0.0] * gathers, judges=20).survey.most
    assert fewer > most or gathers == 1


def test_nothing_to_learn_from():
    with pytest.raises(ValueError, match="no gathers to learn from"):
        fit_unlikeness(np.zeros((0, 3)), np.zeros(0, int), np.zeros((0, 16)), [], [], 2)
    made, _ = learned()
    with pytest.raises(ValueError, match="shapes"):
        unlikeness_from(made.arrays(), 3)
    with pytest.raises(ValueError, match="its events"):
        unlikeness_from(made.arrays() | {"usual": np.zeros((3, 7))}, 2)
    with pytest.raises(KeyError):
        unlikeness_from({"means": np.zeros((2, 6))}, 2)


def test_figures_of_pictures():
    rows = np.arange(400)
    tone = np.clip(np.rint(128 + 60 * np.sin(2 * np.pi * 0.1 * rows)), 0, 255).astype(np.uint8)
    image = np.tile(tone[:, np.newaxis], (1, 50))
    found = dict(zip(STATISTICS, image_statistics(image), strict=True))
    for share in (10, 50, 90):
        assert found[f"frequency_{share}"] == pytest.approx(0.1, abs=0.01)
    assert found["rms"] == pytest.approx(60 / np.sqrt(2), rel=0.01)
    assert found["lateral_correlation"] == pytest.approx(1) and found["live_share"] == 1
    assert found["clipped_share"] == 0
    half = image.copy()
    half[:, 25:] = 128
    half[:100, :25] = 255
    found = dict(zip(STATISTICS, image_statistics(half), strict=True))
    assert found["live_share"] == 0.5 and found["clipped_share"] == 0.25
    noise = np.random.default_rng(0).integers(0, 256, (400, 50)).astype(np.uint8)
    found = dict(zip(STATISTICS, image_statistics(noise), strict=True))
    assert abs(found["lateral_correlation"]) < 0.05 and found["frequency_50"] == pytest.approx(0.25, abs=0.03)
    for nothing in (np.full((9, 9), 128, np.uint8), np.zeros((0, 0), np.uint8), np.full((1, 1), 99, np.uint8)):
        assert np.isfinite(image_statistics(nothing)).all()
    assert not image_statistics(np.full((60, 4), 200, np.uint8))[:3].any()


class Mean:
    """A classifier whose features are the mean levels of windows; it fails at a window."""

    def __init__(self, fails_at=None):
        self.looked, self.fails_at = 0, fails_at

    def look(self, images):
        self.looked += len(images)
        if self.fails_at is not None and self.looked > self.fails_at:
            raise InputError("no such layer")
        means = images.mean(axis=(1, 2))[:, np.newaxis].astype(np.float32)
        even = np.full((len(images), 3), 1 / 3, np.float32)
        return Seen(even, np.log(even), means)


def test_gathers_are_read_ahead_of_the_classifier_and_come_in_their_order():
    every = [random_gather(shot, samples=60, traces=20 + shot) for shot in range(9)]
    read = []

    def gathers():
        for one in every:
            read.append(one)
            yield one

    # Two windows each, two gathers a batch: one batch is looked at, one is collected.
    for used, one in enumerate(judged(Mean(), gathers(), (64, 16), batch=4)):
        assert one.gather is every[used] and len(read) - used <= 4
        np.testing.assert_array_equal(one.seen.features[:, 0], one.windows.images.mean(axis=(1, 2), dtype=np.float32))
    assert used == 8
    failing = judged(Mean(fails_at=4), every, (64, 16), batch=4)
    assert [next(failing).gather, next(failing).gather] == every[:2]
    with pytest.raises(InputError, match="no such layer"):
        next(failing)


def test_an_interruption_waits_for_no_batch_that_is_not_begun():
    read = []

    class Interrupted(Mean):
        def look(self, images):
            if not self.looked:
                while len(read) < 4:
                    time.sleep(0.01)
                time.sleep(0.1)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.3)
            return super().look(images)

    def gathers():
        for shot in range(9):
            read.append(shot)
            yield random_gather(shot, samples=60, traces=30)

    looker = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        next(judged(looker, gathers(), (64, 16), batch=4))
    assert looker.looked == 4
