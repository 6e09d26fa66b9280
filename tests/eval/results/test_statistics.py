import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_curve

from eval.results.statistics import (
    bootstrap_difference,
    bootstrap_f1,
    calibration_error,
    corrected_resampled_test,
    holm,
    mean_of,
    precision_at_recalls,
)
from eval.study.outcome import RECALLS

SIZES = (300, 150, 40)
TRUTH = np.repeat(np.arange(3), SIZES)


def graded(seed, right):
    """Grades of the gathers of `TRUTH`, so many of them right."""
    random = np.random.default_rng(seed)
    return np.where(random.random(len(TRUTH)) < right, TRUTH, random.integers(0, 3, len(TRUTH)))


def drawn_again(figure, seed, draws=3000):
    """A percentile interval by drawing gathers one after another, within their class."""
    random = np.random.default_rng(seed)
    places = [np.flatnonzero(one == TRUTH) for one in range(3)]
    values = [figure(np.concatenate([random.choice(place, len(place)) for place in places])) for _ in range(draws)]
    return np.percentile(values, [2.5, 97.5])


def rare_f1(truth, predicted):
    so, graded_so = truth == 2, predicted == 2
    return 2 * (so & graded_so).sum() / (so.sum() + graded_so.sum())


def test_mean_has_the_standard_error_of_scipy():
    values = np.random.default_rng(0).random(10)
    mean = mean_of(values)
    assert (mean.mean, mean.count) == (pytest.approx(values.mean()), 10)
    assert mean.std == pytest.approx(values.std(ddof=1))
    assert mean.standard_error == pytest.approx(stats.sem(values))
    assert mean_of(values[::-1]) == mean


def test_mean_of_few_values_claims_no_error():
    assert mean_of([0.5]).mean == 0.5
    assert math.isnan(mean_of([0.5]).std) and math.isnan(mean_of([0.5]).standard_error)
    assert math.isnan(mean_of([]).mean)
    assert mean_of([0.2, np.nan, 0.4]) == mean_of([0.2, 0.4])


def test_corrected_test_by_hand():
    # Mean 2, variance 1, three folds of which each tests half as many as it trains on: with two degrees of freedom
    # p = 1 - t / sqrt(2 + t^2), and t stands at 4.3027 for 95 %.
    error = math.sqrt(1 / 3 + 1 / 2)
    t = 2 / error
    test = corrected_resampled_test([1, 2, 3], 0.5)
    assert test.p == pytest.approx(1 - t / math.sqrt(2 + t**2))
    assert (test.difference, test.folds) == (2, 3)
    assert test.high - test.difference == pytest.approx(4.30265273 * error)
    assert test.difference - test.low == pytest.approx(4.30265273 * error)


def test_corrected_test_without_its_correction_is_the_paired_t_test():
    first, second = np.random.default_rng(2).random((2, 10))
    assert corrected_resampled_test(first - second, 1e-12).p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert corrected_resampled_test(first - second, 1 / 9).p > stats.ttest_rel(first, second).pvalue


def test_corrected_test_takes_0_211_for_ten_folds():
    differences = np.random.default_rng(3).normal(0.03, 0.05, 10)
    t = differences.mean() / math.sqrt(0.2111111 * differences.var(ddof=1))
    assert corrected_resampled_test(differences, 1 / 9).p == pytest.approx(2 * stats.t.sf(abs(t), 9), rel=1e-5)


def test_corrected_test_does_not_depend_on_the_order_of_folds():
    differences = np.random.default_rng(4).normal(0.1, 0.3, 10)
    assert corrected_resampled_test(differences, 0.2) == corrected_resampled_test(differences[::-1], 0.2)


def test_equal_scores_have_a_p_of_one():
    test = corrected_resampled_test(np.zeros(10), 1 / 9)
    assert (test.p, test.low, test.difference, test.high) == (1, 0, 0, 0)
    assert corrected_resampled_test([0.25, 0.25], 0.5).p == 0


def test_one_fold_allows_no_test():
    test = corrected_resampled_test([0.1], 0.5)
    assert test.difference == 0.1
    assert math.isnan(test.p) and math.isnan(test.low)
    with pytest.raises(ValueError, match="finite"):
        corrected_resampled_test([0.1, np.nan], 0.5)


@pytest.mark.slow
def test_corrected_test_seldom_finds_what_is_not_there():
    # Scores of overlapping training sets: folds correlate by n_test / (n_test + n_train), as Nadeau & Bengio assume.
    random, folds, found, plain = np.random.default_rng(5), 10, 0, 0
    for _ in range(2000):
        shared = random.normal() * math.sqrt(0.1)
        differences = shared + random.normal(size=folds) * math.sqrt(0.9)
        found += corrected_resampled_test(differences, 1 / 9).p < 0.05
        plain += stats.ttest_1samp(differences, 0).pvalue < 0.05
    assert found / 2000 < 0.065
    assert plain / 2000 > 0.1


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert holm([]) == []


def test_holm_counts_tests_that_could_not_be_made():
    corrected = holm([0.01, float("nan"), 0.02])
    assert corrected[::2] == pytest.approx([0.03, 0.04])
    assert math.isnan(corrected[1])


def test_bootstrap_interval_is_that_of_gathers_drawn_one_by_one():
    predicted = graded(6, 0.7)
    interval = bootstrap_f1(TRUTH, predicted, 2)
    assert interval.value == pytest.approx(rare_f1(TRUTH, predicted))
    wanted = drawn_again(lambda rows: rare_f1(TRUTH[rows], predicted[rows]), 1)
    assert [interval.low, interval.high] == pytest.approx(wanted, abs=0.012)


def test_bootstrap_of_a_difference_is_paired():
    first = graded(7, 0.7)
    second = np.where(np.random.default_rng(8).random(len(TRUTH)) < 0.1, TRUTH, first)
    interval = bootstrap_difference(TRUTH, second, first, 2)
    assert interval.value == pytest.approx(rare_f1(TRUTH, second) - rare_f1(TRUTH, first))
    wanted = drawn_again(lambda rows: rare_f1(TRUTH[rows], second[rows]) - rare_f1(TRUTH[rows], first[rows]), 2)
    assert [interval.low, interval.high] == pytest.approx(wanted, abs=0.012)
    alone = bootstrap_f1(TRUTH, first, 2)
    assert interval.high - interval.low < 0.7 * (alone.high - alone.low)


def test_bootstrap_has_its_seed_and_the_ends_that_are_certain():
    predicted = graded(9, 0.7)
    assert bootstrap_f1(TRUTH, predicted, 2, seed=4) == bootstrap_f1(TRUTH, predicted, 2, seed=4)
    assert bootstrap_f1(TRUTH, predicted, 2, seed=4, draws=99) != bootstrap_f1(TRUTH, predicted, 2, seed=5, draws=99)
    perfect = bootstrap_f1(TRUTH, TRUTH, 2)
    assert (perfect.low, perfect.value, perfect.high) == (1, 1, 1)
    same = bootstrap_difference(TRUTH, predicted, predicted, 2)
    assert (same.low, same.value, same.high) == (0, 0, 0)
    never = bootstrap_f1(TRUTH, np.zeros_like(TRUTH), 2)
    assert (never.low, never.value, never.high) == (0, 0, 0)


def test_bootstrap_wants_as_many_grades_as_gathers():
    with pytest.raises(ValueError, match="as many"):
        bootstrap_f1(TRUTH, TRUTH[:-1], 2)


def test_calibration_error_by_hand():
    # Two gathers at 0.6, of which one is right, and two at 0.9, both right: (2 * 0.1 + 2 * 0.1) / 4.
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.1, 0.9]])
    assert calibration_error([0, 1, 1, 1], probabilities) == pytest.approx(0.1)
    assert calibration_error([0, 1, 1, 1], probabilities, [1, 3, 1, 1]) == pytest.approx((4 * 0.35 + 2 * 0.1) / 6)
    assert calibration_error([0, 1], np.eye(2)) == 0
    assert calibration_error([1, 0], np.eye(2)) == 1


def test_calibration_error_has_fifteen_bins_with_their_upper_edges():
    random = np.random.default_rng(10)
    probabilities = random.dirichlet(np.ones(3), 500)
    truth = random.integers(0, 3, 500)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    wanted = 0.0
    for low in range(15):
        inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if inside.any():
            wanted += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_error(truth, probabilities) == pytest.approx(wanted)


def test_calibration_error_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        calibration_error([], np.zeros((0, 3)))


def test_precision_at_recalls_by_hand():
    # From the surest: right, wrong, right.
    curve = precision_at_recalls(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
    assert len(curve) == RECALLS
    assert curve[:51] == pytest.approx(1)
    assert curve[51:] == pytest.approx(2 / 3)
    # The surest is wrong: no recall has a precision of 1, not even 0.
    assert precision_at_recalls(np.array([False, True]), np.array([0.9, 0.8])) == pytest.approx(0.5)


@pytest.mark.parametrize("count", [1, 4, 60])
def test_precision_at_recalls_is_the_best_of_scikit_learn_s_curve(count):
    random = np.random.default_rng(count)
    positive, scores, weights = (
        random.random(count) < 0.4,
        np.round(random.random(count), 1),
        random.random(count) + 0.1,
    )
    positive[0] = True
    precision, recall, _ = precision_recall_curve(positive, scores, sample_weight=weights)
    wanted = [precision[:-1][recall[:-1] >= one - 1e-9].max() for one in np.linspace(0, 1, RECALLS)]
    assert precision_at_recalls(positive, scores, weights) == pytest.approx(wanted)


def test_precision_at_recalls_needs_the_class():
    with pytest.raises(ValueError, match="no gather"):
        precision_at_recalls(np.zeros(3, bool), np.ones(3))
