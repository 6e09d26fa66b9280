"""Scores against figures worked out by hand, and against the paper's definitions."""

import json

import numpy as np
import pytest

from glowseis.scoring import fraction_weights, scores

LABELS = ("good", "medium", "bad")
TRUTH = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]
GRADED = [0, 0, 0, 0, 1, 1, 1, 0, 2, 1]


def test_scores_by_hand():
    found = scores(TRUTH, GRADED, LABELS)
    assert found.confusion.tolist() == [[4, 1, 0], [1, 2, 0], [0, 1, 1]]
    np.testing.assert_allclose(found.precision, [4 / 5, 2 / 4, 1 / 1])
    np.testing.assert_allclose(found.recall, [4 / 5, 2 / 3, 1 / 2])
    np.testing.assert_allclose(found.f1, [0.8, 4 / 7, 2 / 3])
    assert found.support.tolist() == [5, 3, 2]
    assert found.accuracy == pytest.approx(0.7) == found.weighted_recall
    assert found.balanced_accuracy == pytest.approx((0.8 + 2 / 3 + 0.5) / 3)
    assert found.weighted_precision == pytest.approx(0.5 * 0.8 + 0.3 * 0.5 + 0.2 * 1.0)
    assert found.weighted_f1 == pytest.approx(0.5 * 0.8 + 0.3 * 4 / 7 + 0.2 * 2 / 3)
    assert np.isnan(found.average_precision).all()


def test_what_was_never_predicted_or_is_not_there_counts_nought():
    found = scores([0, 0, 1], [0, 0, 0], LABELS)
    np.testing.assert_allclose(found.precision, [2 / 3, 0, 0])
    np.testing.assert_allclose(found.recall, [1, 0, 0])
    np.testing.assert_allclose(found.f1, [0.8, 0, 0])
    # A class without gathers has no recall to be averaged.
    assert found.balanced_accuracy == 0.5 and found.support.tolist() == [2, 1, 0]


def test_average_precision_by_hand():
    probabilities = np.array([[0.1, 0.9], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    found = scores([1, 1, 0, 0], [1, 0, 1, 0], ("good", "bad"), probabilities=probabilities)
    # Ranked by p(bad): bad, good, bad, good.
    assert found.average_precision[1] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    alone = scores([1, 1], [1, 1], ("good", "bad"), probabilities=probabilities[:2])
    assert np.isnan(alone.average_precision).all()


def test_what_is_zero_by_zero_is_no_failure():
    def shown(classes, graded):
        lines = scores(classes, graded, LABELS).text().splitlines()[1:4]
        return {line.split()[0]: line.split()[1:] for line in lines}

    rows = shown([0, 0, 0, 1], [0, 0, 1, 0])
    assert rows["bad"] == ["-", "-", "-", "-", "0"] and rows["medium"][:3] == ["0.0", "0.0", "0.0"]
    rows = shown([0, 0, 1], [0, 2, 0])
    assert rows["bad"][:3] == ["0.0", "-", "-"] and rows["medium"][:3] == ["-", "0.0", "0.0"]


def test_weights_count_as_repetitions_do():
    weights = np.array([1, 2, 1, 3, 1, 1, 2, 1, 4, 1])
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], len(TRUTH))
    weighted = scores(TRUTH, GRADED, LABELS, weights=weights, probabilities=probabilities)
    repeated = scores(
        np.repeat(TRUTH, weights), np.repeat(GRADED, weights), LABELS, probabilities=probabilities.repeat(weights, 0)
    )
    for name, value in vars(repeated).items():
        if name != "labels":
            np.testing.assert_allclose(getattr(weighted, name), value, err_msg=name)


def test_a_test_set_rich_in_rare_gathers_stands_for_the_papers_fractions():
    classes = np.repeat([0, 1, 2], [100, 300, 600])
    weights = fraction_weights(classes, [66.68, 31.54, 1.76])
    sums = np.bincount(classes, weights)
    np.testing.assert_allclose(sums / sums.sum(), np.array([66.68, 31.54, 1.76]) / 99.98)
    assert weights.mean() == pytest.approx(1)
    # A tenth of the good ones taken for bad costs precision as it would in such a survey; recall is what it was.
    graded = classes.copy()
    graded[:10] = 2
    plain, weighted = scores(classes, graded, LABELS), scores(classes, graded, LABELS, weights=weights)
    np.testing.assert_allclose(plain.recall, weighted.recall)
    assert plain.precision[2] == pytest.approx(600 / 610)
    assert weighted.precision[2] == pytest.approx(1.76 / (1.76 + 6.668))


@pytest.mark.parametrize("fractions", [[1, 1], [1, 1, -1], [0, 0, 0], [1, 1, np.nan]])
def test_fractions_that_make_no_sense(fractions):
    with pytest.raises(ValueError, match="fractions are"):
        fraction_weights([0, 1, 2], fractions)


def test_a_class_without_gathers_cannot_be_weighed():
    with pytest.raises(ValueError, match="class 2 has no gathers"):
        fraction_weights([0, 1], [1, 1, 1])
    np.testing.assert_allclose(fraction_weights([0, 1], [1, 3, 0]), [0.5, 1.5])


def test_tables():
    probabilities = np.eye(3)[GRADED] * 0.7 + 0.1
    found = scores(TRUTH, GRADED, LABELS, probabilities=probabilities)
    table = found.table()
    assert table.index.tolist() == [*LABELS, "weighted average"]
    assert table.loc["bad", "recall"] == 0.5 and table.loc["weighted average", "support"] == 10
    text = found.text()
    assert text.splitlines()[1].split() == [
        "good",
        "80.0",
        "80.0",
        "80.0",
        f"{100 * found.average_precision[0]:.1f}",
        "5",
    ]
    assert "accuracy 70.0, balanced 65.6" in text
    assert text.splitlines()[-2].split() == ["medium", "1", "2", "0"]
    record = json.loads(json.dumps(scores(TRUTH, GRADED, LABELS).record()))
    assert record["confusion"] == [[4, 1, 0], [1, 2, 0], [0, 1, 1]] and record["average_precision"] == [None] * 3


@pytest.mark.parametrize(
    ("truth", "graded", "probabilities"),
    [
        ([], [], None),
        ([0, 1], [0], None),
        ([0, 3], [0, 1], None),
        ([0, 1], [-1, 1], None),
        ([0, 1], [0, 1], np.ones((2, 2))),
    ],
)
def test_arrays_that_make_no_sense(truth, graded, probabilities):
    with pytest.raises(ValueError):
        scores(truth, graded, LABELS, probabilities=probabilities)
