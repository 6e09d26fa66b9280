"""Agreement of judges, against published figures and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from glowseis.survey.labels.agreement import cohens_kappa, krippendorffs_alpha

NONE = -1

PUBLISHED = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Four observers and twelve units, from "Computing Krippendorff's Alpha-Reliability" (2011), part D."""


def votes_of(text):
    rows = [[NONE if cell == "." else int(cell) - 1 for cell in line.split()] for line in text.strip().splitlines()]
    return np.array(rows).T


@pytest.mark.parametrize(("ordinal", "published"), [(False, 0.743), (True, 0.815)])
def test_alpha_of_published_data(ordinal, published):
    found = krippendorffs_alpha(votes_of(PUBLISHED), 5, ordinal=ordinal)
    assert found.value == pytest.approx(published, abs=5e-4) and found.gathers == 11
    assert found.low < found.value < found.high <= 1


def test_alpha_of_two_judges_by_the_published_matrix():
    # The same source, part A: two observers, ten units, two categories.
    votes = votes_of("1 2 1 1 1 1 1 1 2 1\n2 2 2 1 1 2 1 1 1 1")
    assert krippendorffs_alpha(votes, 2, ordinal=False).value == pytest.approx(0.095, abs=5e-4)


def test_kappa_is_that_of_scikit_learn():
    random = np.random.default_rng(3)
    one = random.integers(0, 3, 300)
    other = np.where(random.random(300) < 0.6, one, random.integers(0, 3, 300))
    one[:40], other[30:60] = NONE, NONE
    both = (one >= 0) & (other >= 0)
    found = cohens_kappa(one, other, 3)
    assert found.value == pytest.approx(cohen_kappa_score(one[both], other[both])) and found.gathers == both.sum()
    # The interval covers what it should: resamples drawn here, gather by gather.
    drawn = [random.choice(np.flatnonzero(both), both.sum()) for _ in range(200)]
    scores = [cohen_kappa_score(one[rows], other[rows]) for rows in drawn]
    assert np.percentile(scores, [2.5, 97.5]) == pytest.approx([found.low, found.high], abs=0.03)


def test_what_cannot_be_measured_says_so():
    same, nobody = np.zeros(5, int), np.full(5, NONE)
    assert str(cohens_kappa(same, same, 2)) == "undefined, all the same class"
    assert str(cohens_kappa(same, nobody, 2)) == "undefined, no gather in common"
    assert krippendorffs_alpha(np.stack([same, same], 1), 2, ordinal=True).record()["value"] is None
    assert krippendorffs_alpha(np.stack([same, nobody], 1), 2, ordinal=True).gathers == 0
