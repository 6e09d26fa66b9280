"""Changes that must not change a grade: what each does, where it stops, and that nothing but the draw decides."""

import itertools
import typing

import numpy as np
import pytest
import tensorflow as tf

from glowseis.recipe import GradedAugmentation
from glowseis.survey.batches import augment_graded
from glowseis.survey.batches.augment_graded import DRAWS, GRADED_AUGMENTATIONS, augmented
from glowseis.survey.batches.order import uniforms

SIZE, VALID = (48, 40), (37, 29)


def pictures(count, valid=VALID, seed=0):
    """Grey levels with padding about them."""
    images = np.full((count, *SIZE), 128, np.uint8)
    images[:, : valid[0], : valid[1]] = np.random.default_rng(seed).integers(0, 256, (count, *valid))
    return images


def changed(images, name, drawn=None, valid=VALID, epoch=0):
    """Pictures after one change, or several."""
    names = [name] if isinstance(name, str) else name
    if drawn is None:
        called = [f"gather-{number}" for number in range(len(images))]
        drawn = np.array([uniforms(one, 1, epoch, called, DRAWS) for one in names])
    else:
        drawn = np.broadcast_to(np.float32(drawn), (1, len(images), DRAWS))
    regions = tf.constant([valid] * len(images), tf.int64)
    return augmented(tf.constant(images), regions, tf.constant(drawn, tf.float32), names).numpy()


def one_change(images, name, *drawn):
    """A change by numbers that are given instead of drawn."""
    return changed(images, name, [*drawn, *[0.0] * (DRAWS - len(drawn))])


def test_recipes_name_what_there_is():
    assert sorted(typing.get_args(GradedAugmentation)) == sorted(GRADED_AUGMENTATIONS)


@pytest.mark.parametrize("names", [*GRADED_AUGMENTATIONS, list(GRADED_AUGMENTATIONS)], ids=str)
def test_padding_stays_and_batches_do_not_matter(names):
    images = pictures(24)
    got = changed(images, names)
    assert (got[:, VALID[0] :] == 128).all() and (got[:, :, VALID[1] :] == 128).all()
    different = (got != images).any(axis=(1, 2)).sum()
    assert 6 <= different <= 24
    assert not np.array_equal(got, changed(images, names, epoch=1))
    called = [f"gather-{number}" for number in range(24)]
    wanted = [names] if isinstance(names, str) else names
    drawn = np.array([uniforms(one, 1, 0, called, DRAWS) for one in wanted])
    for first, last in ((0, 1), (1, 6), (6, 24)):
        part = augmented(
            tf.constant(images[first:last]),
            tf.constant([VALID] * (last - first), tf.int64),
            tf.constant(drawn[:, first:last]),
            wanted,
        )
        assert np.array_equal(part, got[first:last])


def test_draws_are_uniform_and_their_own():
    names = [f"gather-{number}" for number in range(2000)]
    drawn = {key: uniforms(*key, names, DRAWS) for key in itertools.product(("gain", "clip"), (1, 2), (0, 1))}
    together = np.concatenate([one.ravel() for one in drawn.values()])
    assert together.dtype == np.float32 and together.min() >= 0 and together.max() < 1
    assert abs(together.mean() - 0.5) < 0.01 and abs(together.var() - 1 / 12) < 0.005
    assert len(np.unique(np.concatenate(list(drawn.values())), axis=0)) == 8 * 2000
    assert np.array_equal(uniforms("gain", 1, 0, names[7:9], DRAWS), drawn["gain", 1, 0][7:9])


def test_trace_order_and_polarity():
    images = pictures(2)
    inside = (slice(None), slice(VALID[0]), slice(VALID[1]))
    turned = one_change(images, "trace_order", 0.1)
    assert np.array_equal(turned[inside], images[inside][:, :, ::-1])
    assert np.array_equal(one_change(images, "trace_order", 0.9), images)
    turned = one_change(images, "polarity", 0.1)
    wanted = np.minimum(256 - images.astype(int), 255)
    assert np.array_equal(turned, wanted) and np.array_equal(one_change(images, "polarity", 0.9), images)


@pytest.mark.parametrize("shift", [-16, -3, 0, 5, 16])
def test_a_shift_brings_in_the_mirror_image(shift):
    images = pictures(2)
    got = one_change(images, "shift_time", (shift + 16.5) / 33)
    there = images[:, : VALID[0], : VALID[1]]
    mirrored = np.pad(there, ((0, 0), (16, 16), (0, 0)), mode="reflect")
    wanted = mirrored[:, 16 - shift : 16 - shift + VALID[0]]
    assert np.array_equal(got[:, : VALID[0], : VALID[1]], wanted)


@pytest.mark.parametrize("shift", [-8, -3, 0, 5, 8])
def test_a_shift_along_the_cable_brings_in_the_mirror_image(shift):
    images = pictures(2)
    got = one_change(images, "shift_trace", (shift + 8.5) / 17)
    mirrored = np.pad(images[:, : VALID[0], : VALID[1]], ((0, 0), (0, 0), (8, 8)), mode="reflect")
    assert np.array_equal(got[:, : VALID[0], : VALID[1]], mirrored[:, :, 8 - shift : 8 - shift + VALID[1]])


def test_a_region_of_one_sample_and_trace_is_kept():
    images = pictures(3, (1, 1))
    for name in ("shift_time", "shift_trace", "resample_time", "trace_order"):
        assert np.array_equal(changed(images, name, valid=(1, 1)), images)


@pytest.mark.parametrize("part", [-0.05, -0.02, 0.0, 0.03])
def test_resampling_keeps_a_tone_and_changes_its_frequency(part):
    """Of 25 Hz at 8 ms, and mid-grey stays mid-grey: the six weights of each sample sum to 1."""
    rows = np.arange(SIZE[0])
    tone = np.rint(128 + 100 * np.sin(0.2 * 2 * np.pi * rows))
    images = np.repeat(tone[None, :, None], SIZE[1], axis=2).astype(np.uint8)
    got = changed(images, "resample_time", [(part / 0.05 + 1) / 2] + [0.0] * 7, valid=SIZE)
    wanted = 128 + 100 * np.sin(0.2 * 2 * np.pi * rows * (1 + part))
    kept = rows[4:-8]
    assert np.abs(got[0, kept, 0] - wanted[kept]).max() < 4
    grey = np.full((1, *SIZE), 90, np.uint8)
    assert np.array_equal(changed(grey, "resample_time", [0.123] + [0.0] * 7, valid=SIZE), grey)


def test_gain_and_clip():
    images = np.full((1, *SIZE), 168, np.uint8)
    got = changed(images, "gain", [0.0, 1.0] + [0.0] * 6, valid=SIZE)[0, :, 0]
    assert got[0] == 128 + 32 and got[-1] == 128 + 50 and (np.diff(got.astype(int)) >= 0).all()
    shares = {0.01: 0.699, 0.04: 1.0, 0.08: 1.274}
    for share, factor in shares.items():
        level = changed(images, "clip", [(share - 0.01) / 0.07] + [0.0] * 7, valid=SIZE)[0, 0, 0]
        assert level == round(128 + 40 * factor)
    # Of sizes that are distributed exponentially, that share is then beyond the clip.
    sizes = np.random.default_rng(0).exponential(size=(1, 400, 400))
    levels = 128 + 128 * sizes / np.quantile(sizes, 0.96)
    harder = augmented(
        tf.constant(np.minimum(np.rint(levels), 255).astype(np.uint8)),
        tf.constant([[400, 400]], tf.int64),
        tf.fill((1, 1, DRAWS), (0.07 - 0.01) / 0.07),
        ["clip"],
    )
    assert np.mean(harder == 255) == pytest.approx(0.07, abs=0.003)


def test_missing_traces_are_few_and_whole():
    images = pictures(400, SIZE, seed=1)
    got = changed(images, "drop_traces", valid=SIZE)
    lost = (got == 128).all(axis=1)
    assert np.array_equal(np.where(lost[:, None], images, got), images)
    counts = lost.sum(axis=1)
    assert 120 < (counts > 0).sum() < 280 and 1 <= counts.max() <= 3 * (1 + 0.03 * SIZE[1])
    assert lost.any(axis=0).all()


def test_zero_moves_and_levels_coarsen():
    images = pictures(64)
    got = changed(images, "zero_level").astype(int)
    inside = (slice(None), slice(VALID[0]), slice(VALID[1]))
    free = (images[inside] > 10) & (images[inside] < 245)
    moved = [np.unique((got[inside] - images[inside])[one][free[one]]) for one in range(64)]
    assert all(len(one) == 1 for one in moved)
    assert min(moved)[0] >= -8 and max(moved)[0] <= 8 and len({int(one[0]) for one in moved}) > 8
    for number, step in enumerate((1, 2)):
        coarse = one_change(images, "quantise", number / 2)
        levels = coarse[inside].astype(int)
        assert ((levels - 128) % step == 0)[levels < 255].all() and np.abs(levels - images[inside]).max() <= step / 2


def test_dead_traces_are_mid_grey_as_in_use():
    """Those that are dropped and those that were dead before, whatever becomes of the others."""
    images = pictures(200, seed=2)
    images[:, :, 11] = 128
    in_place = [name for name in GRADED_AUGMENTATIONS if name != "shift_trace"]
    every = changed(images, in_place)[:, : VALID[0], : VALID[1]]
    turned = (every == 128).all(axis=1)
    assert (turned[:, 11] | turned[:, VALID[1] - 1 - 11]).all()
    # A dropped trace is one grey throughout, and that grey is 128.
    level = (every == every[:, :1]).all(axis=1)
    assert level.sum() > 300 and (every[:, 0][level] == 128).all()
    moved = changed(images, "zero_level")
    assert (moved[:, :, 11] == 128).all() and (moved[:, :, 10] != images[:, :, 10]).any(axis=1).sum() > 150


def test_each_change_is_applied_in_its_place(monkeypatch):
    """Numbers go to the change that they were drawn for."""
    seen = {}

    def spy(name):
        def change(amplitude, valid, drawn):
            seen[name] = drawn.numpy()
            return amplitude

        return change

    monkeypatch.setattr(augment_graded, "GRADED_AUGMENTATIONS", {name: spy(name) for name in GRADED_AUGMENTATIONS})
    names = ["clip", "polarity", "zero_level"]
    drawn = np.random.default_rng(0).random((3, 5, DRAWS)).astype(np.float32)
    augmented(tf.constant(pictures(5)), tf.constant([VALID] * 5, tf.int64), tf.constant(drawn), names)
    assert list(seen) == ["polarity", "clip", "zero_level"]
    assert all(np.array_equal(one, other) for one, other in zip(seen.values(), drawn, strict=True))
