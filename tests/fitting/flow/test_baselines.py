"""The density rivals against what is known of them."""

import math

import numpy as np
import pytest
from PIL import Image

from glowseis.fitting.flow.baselines import lossless_bits, patch_gaussian_bits


def noise(count, shape, spread, seed=0):
    """Grey levels of independent Gaussian noise around mid-grey."""
    random = np.random.default_rng(seed)
    return np.clip(np.rint(128 + spread * random.normal(size=(count, *shape))), 0, 255).astype(np.uint8)


def entropy_bits(variance):
    """Differential entropy of a Gaussian."""
    return 0.5 * math.log2(2 * math.pi * math.e * variance)


@pytest.mark.parametrize("spread", [4.0, 12.0])
def test_patches_of_independent_noise_cost_their_entropy(spread):
    bits = patch_gaussian_bits(noise(40, (64, 64), spread), noise(20, (64, 64), spread, seed=1))
    # Rounding and dequantising each add the variance of a uniform variable.
    assert bits == pytest.approx(entropy_bits(spread**2 + 2 / 12), abs=0.02)


def test_patches_know_the_correlation_along_a_trace():
    def waves(count, seed):
        random = np.random.default_rng(seed)
        white = random.normal(size=(count, 65, 64))
        return np.clip(np.rint(128 + 12 * (white[:, 1:] + white[:, :-1]) / math.sqrt(2)), 0, 255).astype(np.uint8)

    covariance = 144 * (np.eye(8) + 0.5 * (np.eye(8, k=1) + np.eye(8, k=-1))) + np.eye(8) * 2 / 12
    expected = entropy_bits(1) + np.linalg.slogdet(covariance)[1] / math.log(2) / 2 / 8
    bits = patch_gaussian_bits(waves(40, 0), waves(20, 1))
    assert bits == pytest.approx(expected, abs=0.03)
    assert bits < entropy_bits(144) - 0.2


def test_patches_pay_for_data_that_they_were_not_fitted_to():
    narrow, wide = noise(40, (64, 64), 5.0), noise(20, (64, 64), 10.0, seed=1)
    bits = patch_gaussian_bits(narrow, wide)
    excess = 0.5 * (10.0**2 / 5.0**2 - 1 - math.log(10.0**2 / 5.0**2)) / math.log(2)
    assert bits == pytest.approx(entropy_bits(100) + excess, abs=0.05)


def test_patches_are_the_same_each_time():
    images = noise(6, (40, 36), 9.0)
    assert patch_gaussian_bits(images, images[:2]) == patch_gaussian_bits(images, images[:2])


@pytest.mark.parametrize("shape", [(16, 16), (4, 64)])
def test_too_few_patches_say_nothing(shape):
    assert patch_gaussian_bits(noise(2, shape, 9.0), noise(2, shape, 9.0)) is None


def test_png_bits_are_those_of_files(tmp_path):
    images = noise(3, (48, 40), 6.0)
    total = 0
    for number, image in enumerate(images):
        path = tmp_path / f"{number}.png"
        Image.fromarray(image).save(path, optimize=True)
        total += path.stat().st_size
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), image)
    assert lossless_bits(images, "PNG") == 8 * total / images.size


def test_webp_is_lossless_and_counted_per_grey_value(tmp_path):
    images = noise(2, (48, 40), 6.0)
    sizes = []
    for image in images:
        path = tmp_path / "one.webp"
        Image.fromarray(image).convert("RGB").save(path, lossless=True, quality=100, method=6)
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture)[..., 0], image)
        sizes.append(path.stat().st_size)
    assert lossless_bits(images, "WEBP") == 8 * sum(sizes) / images.size


@pytest.mark.slow
def test_pictures_of_one_level_cost_next_to_nothing_and_noise_all_its_entropy():
    flat = np.full((2, 128, 128), 128, np.uint8)
    assert lossless_bits(flat, "PNG") < 0.1 and lossless_bits(flat, "WEBP") < 0.1
    uniform = np.random.default_rng(0).integers(0, 256, (2, 128, 128), dtype=np.uint8)
    for kind in ("PNG", "WEBP"):
        assert 8 <= lossless_bits(uniform, kind) < 8.3
