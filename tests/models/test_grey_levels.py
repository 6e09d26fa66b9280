"""Grey levels to the flow's pictures and back."""

import numpy as np
import pytest

from glowseis.models.grey_levels import dequantise, from_levels, to_levels


def test_grey_levels_go_to_the_flow_and_back():
    levels = np.arange(256, dtype="uint8")
    np.testing.assert_array_equal(to_levels(from_levels(levels)), levels)
    np.testing.assert_array_equal(to_levels(levels / np.float32(256)), levels)
    np.testing.assert_array_equal(to_levels([-0.1, 1.0, 7.0]), [0, 255, 255])


def test_dequantised_levels_are_spread_over_their_intervals():
    levels = np.tile(np.arange(256, dtype="uint8"), (4, 500, 1))
    pictures = dequantise(levels, seed=1)
    assert pictures.dtype == np.float32 and pictures.shape == (4, 500, 256, 1)
    np.testing.assert_array_equal(to_levels(pictures)[..., 0], levels)
    inside = 256 * pictures[..., 0].astype(float) - levels
    assert inside.min() >= 0 and inside.max() < 1 and pictures.max() < 1
    np.testing.assert_allclose(inside.mean((0, 1)), 0.5, atol=0.05)
    np.testing.assert_allclose(inside.var((0, 1)), 1 / 12, atol=0.01)
    np.testing.assert_array_equal(dequantise(levels[..., np.newaxis], seed=1), pictures)
    for other in (dequantise(levels, seed=2), dequantise(levels), dequantise(levels)):
        assert np.mean(other == pictures) < 0.01


@pytest.mark.parametrize("levels", [np.zeros((1, 4, 4)), np.zeros((4, 4), "uint8"), np.zeros((1, 4, 4), "int64")])
def test_what_are_no_grey_levels_is_named(levels):
    with pytest.raises(ValueError, match="dequantise takes grey levels, uint8"):
        dequantise(levels)
