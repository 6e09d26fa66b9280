"""A classifier that tells recorded from synthetic gathers, and how gathers are divided for it."""

import numpy as np
import pytest

from eval.running.goodness import bands
from eval.running.told_apart import Sample, halves, told_apart, units_of


def sample(seed, count, made=None, lines=6):
    """Smooth random images on some lines; `made` changes them."""
    random = np.random.default_rng(seed)
    images = np.repeat(random.normal(128, 30, (count, 6, 16)), 4, axis=1).clip(0, 255)
    images = made(images, random) if made else images
    return Sample(images.astype(np.uint8), [((seed, number % lines),) for number in range(count)])


@pytest.mark.slow
def test_noise_is_told_apart_and_the_same_distribution_is_not():
    recorded = sample(1, 160)
    noise = sample(2, 160, lambda images, random: random.integers(0, 256, images.shape))
    assert told_apart(recorded, noise, steps=40, alpha=1).low > 0.99
    same = told_apart(recorded, sample(3, 160), steps=40, alpha=1)
    assert same.low < 0.5 < same.high and 0.35 < same.value < 0.65


def test_too_few_gathers_to_tell_apart():
    assert np.isnan(told_apart(sample(1, 240), sample(2, 8), steps=1).value)


def test_units_are_lines_where_there_are_enough():
    host = [("survey", line, f"host-{line}") for line in range(1, 6)]
    donor = [("survey", 9, f"donor-{number}") for number in range(5)]
    assert units_of([list(pair) for pair in zip(host, donor, strict=True)]) == [
        (("survey", line), ("survey", f"donor-{line - 1}")) for line in range(1, 6)
    ]
    assert units_of([[("a", 0, "one")], [("a", 1, "two")]]) == [(("a", "one"),), (("a", "two"),)]


def test_halves_share_nothing_and_are_even():
    random = np.random.default_rng(0)
    recorded = [(("line", number % 8),) for number in range(80)]
    made = [(("line", int(random.integers(8))), ("donor", int(random.integers(10)))) for _ in range(400)]
    found = halves([recorded, made], 3)
    assert set(found) == {-1, 0, 1} and len(found) == 480
    for place in (0, 1):
        sides = [{one[place] for one, side in zip(made, found[80:], strict=True) if side == half} for half in (0, 1)]
        assert sides[0] and sides[1] and not sides[0] & sides[1]
    of_line = dict(zip((one[0][1] for one in recorded), found[:80].tolist(), strict=True))
    assert all(side == of_line[one[0][1]] for one, side in zip(recorded, found[:80], strict=True))
    assert sorted(of_line.values()) == [0] * 4 + [1] * 4
    counts = np.bincount(found[80:] + 1)
    assert 0.3 < counts[1] / counts[2] < 3.3 and counts[0] == pytest.approx(200, abs=40)
    assert (halves([recorded, made], 3) == found).all() and (halves([recorded, made], 4) != found).any()


def test_bands():
    """A tone of 10 Hz at 4 ms with faint noise of 50 Hz before it."""
    times = np.arange(200) * 0.004
    trace = np.where(times > 0.4, 60 * np.sin(2 * np.pi * 10 * times), 3 * np.sin(2 * np.pi * 50 * times))
    image = np.rint(128 + np.repeat(trace[:, None], 6, axis=1)).astype(np.uint8)
    recorded = np.stack([image] * 3)
    found = bands(recorded, recorded, 0.004)
    assert found["middle_hz"] == pytest.approx(10, abs=2) and found["noise_level"] == pytest.approx(3 / 2**0.5, abs=0.3)
    unknown = bands(recorded, recorded, float("nan"))
    assert np.isnan(unknown["middle_hz"]) and unknown["noise_level"] == found["noise_level"]
    assert np.isnan(bands(recorded[:, 100:], recorded[:, 100:], 0.004)["noise_level"])
