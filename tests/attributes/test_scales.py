import itertools

import numpy as np
import pytest

from glowseis.attributes.scales import MOST_TICKS, limits, ticks


@pytest.mark.parametrize("logarithmic", [True, False])
def test_every_scale_has_several_round_numbers_within_it(logarithmic):
    ends = 10.0 ** np.random.default_rng(5).uniform(-8, 8, (400, 2))
    spans = [sorted(pair) for pair in ends] + [[14, 27], [0.228, 0.328], [16, 60], [9.9, 10.9]]
    for low, high in [limits(np.array(pair)) for pair in spans]:
        kept, texts = ticks(low, high, logarithmic=logarithmic)
        assert 3 <= len(kept) <= MOST_TICKS and all(low <= one <= high for one in kept), (low, high, kept)
        assert len(set(texts)) == len(texts) and max(map(len, texts)) <= 8, texts


def test_numbers_are_written_as_people_read_them():
    assert ticks(0.228, 0.328, logarithmic=True)[1] == ["0.24", "0.26", "0.28", "0.30", "0.32"]
    assert ticks(0.002, 0.12, logarithmic=True)[1] == ["0.002", "0.005", "0.01", "0.02", "0.05", "0.1"]
    assert ticks(1e-6, 1e-3, logarithmic=True)[1] == ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³"]
    assert ticks(0, 4e-6, logarithmic=False)[1] == ["0", "10⁻⁶", "2·10⁻⁶", "3·10⁻⁶", "4·10⁻⁶"]
    assert ticks(-20, 55, logarithmic=False)[1] == ["-20", "0", "20", "40"]


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [3.0] * 5, [-7.0], [1e-9]])
def test_values_that_are_all_the_same_have_a_scale(values):
    low, high = limits(np.array(values))
    assert all(low <= one <= high for one in values)
    kept, texts = ticks(low, high, logarithmic=low > 0)
    assert len(set(texts)) == len(kept) >= 3


def test_steps_of_a_scale_are_round():
    for low, high in itertools.pairwise((1.0, 1.6, 2.7, 4.4, 7.1)):
        steps = np.diff(ticks(low, high, logarithmic=True)[0])
        assert {float(f"{one:.3g}") for one in steps} <= {0.1, 0.2, 0.5, 1.0}
