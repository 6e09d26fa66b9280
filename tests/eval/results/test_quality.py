"""Measures of synthetic gathers, on cases with known answers."""

import numpy as np
import pytest

from eval.results.quality import (
    auc_with_interval,
    density_and_coverage,
    nearer_than_held_out,
    nearest_distances,
)


def normal(seed, count, shift=0.0, scale=1.0):
    return shift + scale * np.random.default_rng(seed).normal(size=(count, 8))


@pytest.mark.parametrize(("recorded", "synthetic"), [(300, 200), (100, 400), (200, 30)])
def test_one_distribution_has_density_one_and_its_expected_coverage(recorded, synthetic):
    found = [density_and_coverage(normal(n, recorded), normal(99 - n, synthetic)) for n in range(10)]
    assert np.mean([one.density for one in found]) == pytest.approx(1.0, abs=0.09)
    assert np.mean([one.coverage for one in found]) == pytest.approx(found[0].expected, abs=0.025)


def test_expected_coverage_by_counting():
    """Of three recorded and two synthetic gathers, one neighbour: two of four others are synthetic."""
    # A ball to the nearest recorded neighbour is empty if the nearest of all four others is recorded: 2 / 4.
    assert density_and_coverage(normal(0, 3), normal(1, 2), neighbours=1).expected == pytest.approx(0.5)


def test_density_and_coverage_of_other_distributions():
    recorded = normal(0, 200)
    far = density_and_coverage(recorded, normal(1, 200, shift=50.0))
    assert (far.density, far.coverage) == (0.0, 0.0)
    crowded = density_and_coverage(recorded, normal(1, 200, scale=0.05))
    assert crowded.density > 1.5 and crowded.coverage < 0.7 * crowded.expected
    copies = density_and_coverage(recorded, recorded)
    assert copies.coverage == 1.0
    # One copy repeated is dense, and covers what lies near it alone.
    one = density_and_coverage(recorded, np.repeat(recorded[:1], 50, axis=0))
    assert one.coverage < 0.3


def test_density_by_hand():
    """On a line at 0, 1 and 3 with one neighbour the radii are 1, 1 and 2."""
    recorded = np.array([[0.0], [1.0], [3.0]])
    found = density_and_coverage(recorded, np.array([[0.5], [4.5]]), neighbours=1)
    assert found.density == (2 + 1) / 2 and found.coverage == 1.0
    assert density_and_coverage(recorded, np.array([[-0.5]]), neighbours=1)[:2] == (1.0, pytest.approx(1 / 3))
    with pytest.raises(ValueError, match="give more than 5"):
        density_and_coverage(recorded, recorded)


def test_area_with_ties_and_its_interval():
    scores, synthetic = np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, False, True, True])
    assert auc_with_interval(scores, synthetic, [1, 2, 3, 4]).value == (1 + 0.5 + 1 + 1) / 4
    random = np.random.default_rng(0)
    kind = np.repeat([False, True], 200)
    chance = auc_with_interval(random.random(400), kind, list(range(400)))
    assert chance.low < 0.5 < chance.high and chance.high - chance.low < 0.15
    perfect = auc_with_interval(kind + 0.1 * random.random(400), kind, list(range(400)))
    assert (perfect.value, perfect.low, perfect.high) == (1.0, 1.0, 1.0)
    assert np.isnan(auc_with_interval(scores, np.ones(4, bool), [1, 2, 3, 4]).value)


def test_gathers_of_one_line_are_drawn_together():
    """With what a line has in common the interval is wider, though the area is the same."""
    random = np.random.default_rng(1)
    kind, line = np.tile(np.repeat([False, True], 20), 8), np.repeat(np.arange(8), 40)
    scores = random.normal(size=8)[line] + 0.1 * random.normal(size=320)
    apart = auc_with_interval(scores, kind, list(range(320)))
    together = auc_with_interval(scores, kind, line.tolist())
    assert apart.value == together.value
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_nearest_distances(monkeypatch):
    monkeypatch.setattr("eval.results.quality._BLOCK", 3)
    random = np.random.default_rng(0)
    images, others = (random.integers(0, 256, (count, 6, 5), np.uint8) for count in (7, 11))
    others[4] = images[2]
    differences = images[:, None].astype(float) - others[None]
    wanted = np.sqrt((differences**2).mean(axis=(2, 3))).min(axis=1)
    found = nearest_distances(images, others)
    assert found == pytest.approx(wanted) and found[2] == 0.0 and (found > 0).sum() == 6
    own = np.sqrt(((images[:, None].astype(float) - images[None]) ** 2).mean(axis=(2, 3))) + np.diag([np.inf] * 7)
    assert nearest_distances(images, images, apart=True) == pytest.approx(own.min(axis=1))
    assert not nearest_distances(images, images).any()


def test_nearer_than_held_out():
    held_out = np.array([10.0, 11.0, 12.0])
    assert nearer_than_held_out(np.zeros(4), held_out) == 1.0
    assert nearer_than_held_out(held_out, held_out) == 0.5
    assert nearer_than_held_out(held_out + 5, held_out) == 0.0
    assert nearer_than_held_out(np.array([10.5]), held_out) == pytest.approx(2 / 3)
