import itertools
import shutil

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from glowseis.errors import InputError
from glowseis.survey.batches import images as pipeline
from glowseis.survey.batches.augment import AUGMENTATIONS, SHIFTED_BY
from glowseis.survey.batches.images import (
    batches,
    dequantise,
    epoch_order,
    fixed_batches,
    image_batches,
    images,
    reading,
    training_batches,
)
from tests.support.random_gathers import random_survey

ROWS = np.arange(20)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return random_survey(tmp_path_factory.mktemp("pipeline") / "survey", 20, shard_bytes=20_000)


def pictures(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


def rows_of(survey, dataset):
    """Row numbers of the gathers of a dequantised dataset, found by their levels."""
    known = {image.tobytes(): row for row, image in enumerate(survey.read_images(range(len(survey))))}
    levels = np.floor(pictures(dataset)[..., 0] * 256).astype(np.uint8)
    return [known[image.tobytes()] for image in levels]


def test_an_epoch_is_a_permutation_of_its_own(survey):
    orders = [tuple(epoch_order(survey, ROWS, seed, epoch)) for seed in range(3) for epoch in range(4)]
    assert len(set(orders)) == 12
    assert all(sorted(order) == list(ROWS) for order in orders)
    assert tuple(epoch_order(survey, ROWS, 0, 0)) == orders[0]


def test_order_depends_on_ids_alone(survey, tmp_path):
    """Neither on the shards nor on the order of the rows; a subset keeps the order of the whole."""
    one_shard = random_survey(tmp_path / "survey", 20)
    assert len(one_shard.manifest.shards) == 1 < len(survey.manifest.shards)
    order = epoch_order(survey, ROWS, 5, 2)
    assert np.array_equal(epoch_order(one_shard, ROWS[::-1], 5, 2), order)
    few = np.array([2, 3, 5, 7, 11, 13])
    assert np.array_equal(epoch_order(survey, few, 5, 2), [row for row in order if row in few])
    first, second = (training_batches(which, ROWS, 4, seed=5, epoch=2) for which in (survey, one_shard))
    assert np.array_equal(pictures(first), pictures(second))


def test_first_places_are_shared_evenly(survey):
    """Every gather comes first about equally often: chi-squared of 2,000 epochs, 99.9 % quantile of 19 degrees."""
    counts = np.bincount([epoch_order(survey, ROWS, 0, epoch)[0] for epoch in range(2000)], minlength=20)
    assert ((counts - 100) ** 2 / 100).sum() < 43.8


@pytest.mark.parametrize("batch", [1, 3, 5, 7, 20])
def test_batches_do_not_change_what_is_drawn(survey, batch):
    whole = pictures(training_batches(survey, ROWS, 20, seed=1, epoch=3))
    dataset = training_batches(survey, ROWS, batch, seed=1, epoch=3)
    assert dataset.element_spec == tf.TensorSpec((batch, 64, 32, 1), tf.float32)
    got = pictures(dataset)
    assert len(got) == 20 // batch * batch
    assert np.array_equal(got, whole[: len(got)])


@pytest.mark.slow
def test_epochs_and_seeds_draw_other_noise(survey):
    drawn = {}
    for seed, epoch in itertools.product((1, 2), (0, 1)):
        dataset = training_batches(survey, ROWS, 4, seed=seed, epoch=epoch)
        values = pictures(dataset)
        drawn[seed, epoch] = values[np.argsort(rows_of(survey, dataset))]
    drawn["fixed"] = pictures(fixed_batches(survey, ROWS, 4, seed=1))
    for first, second in itertools.combinations(drawn.values(), 2):
        assert np.array_equal(np.floor(first * 256), np.floor(second * 256))
        assert (first == second).mean() < 0.001


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3, 5])
def test_workers_share_an_epoch(survey, workers):
    shares = [
        rows_of(survey, training_batches(survey, ROWS, 2, seed=1, epoch=0, worker=worker, workers=workers))
        for worker in range(workers)
    ]
    together = list(itertools.chain(*shares))
    assert len({len(share) for share in shares}) == 1
    assert len(together) == len(set(together)) == 20 // workers // 2 * 2 * workers
    if workers == 2:
        whole = pictures(training_batches(survey, ROWS, 20, seed=1, epoch=0))
        for worker in range(2):
            share = training_batches(survey, ROWS, 2, seed=1, epoch=0, worker=worker, workers=2)
            assert np.array_equal(pictures(share), whole[worker::2])


def test_an_epoch_goes_on_where_it_stopped(survey):
    whole = pictures(training_batches(survey, ROWS, 3, seed=1, epoch=4))
    rest = pictures(training_batches(survey, ROWS, 3, seed=1, epoch=4, skip=2))
    assert np.array_equal(rest, whole[6:])
    assert not list(training_batches(survey, ROWS, 3, seed=1, epoch=4, skip=6))


def test_fewer_gathers_than_a_batch(survey):
    assert [len(batch) for batch in training_batches(survey, ROWS[:3], 8, seed=1, epoch=0)] == [3]
    with pytest.raises(InputError, match="1 gathers cannot be shared by 2 workers"):
        training_batches(survey, ROWS[:1], 1, seed=1, epoch=0, workers=2)


@pytest.mark.slow
def test_a_gather_given_twice_has_a_place_and_noise_of_its_own_each_time(survey):
    once = pictures(fixed_batches(survey, ROWS[:3], 3, seed=1))
    twice = pictures(fixed_batches(survey, np.array([0, 1, 0, 2, 0]), 5, seed=1))
    assert np.array_equal(twice[[0, 1, 3]], once)
    for first, second in itertools.combinations(twice[[0, 2, 4]], 2):
        assert np.array_equal(np.floor(first * 256), np.floor(second * 256)) and (first == second).mean() < 0.001
    rows = np.repeat(ROWS, 3)
    order = epoch_order(survey, rows, 1, 0)
    assert sorted(order) == sorted(rows) and (order[1:] == order[:-1]).mean() < 0.3
    whole = pictures(training_batches(survey, rows, 4, seed=1, epoch=0, augment=["shift_time"]))
    rest = pictures(training_batches(survey, rows, 4, seed=1, epoch=0, augment=["shift_time"], skip=7))
    assert np.array_equal(rest, whole[28:])
    assert len({picture.tobytes() for picture in whole}) == 60


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"batch": 0}, ValueError, "batch is 0"),
        ({"worker": 2, "workers": 2}, ValueError, "worker 2 of 2"),
        ({"worker": -1}, ValueError, "worker -1 of 1"),
        ({"workers": 0}, ValueError, "at least 1"),
        ({"skip": -1}, ValueError, "skip -1; count both from 0"),
        ({"epoch": -1}, ValueError, "epoch is -1"),
        ({"rows": ROWS[:0]}, InputError, "no gathers to train on"),
    ],
)
def test_arguments_out_of_range(survey, settings, error, told):
    with pytest.raises(error, match=told):
        training_batches(survey, **{"rows": ROWS, "batch": 4, "seed": 1, "epoch": 0, **settings})


def test_every_purpose_draws_on_its_own(survey, monkeypatch):
    """What is drawn for one purpose says nothing of what is drawn for another, nor of another epoch or seed."""
    drawn = {}

    def keys(names, purpose, seed, epoch):
        drawn[purpose, seed, epoch] = made = whole(names, purpose, seed, epoch)
        return made

    whole = pipeline._keys
    monkeypatch.setattr(pipeline, "_keys", keys)
    for seed, epoch in itertools.product((1, 2), (0, 1)):
        training_batches(survey, ROWS, 4, seed=seed, epoch=epoch, augment=list(AUGMENTATIONS))
        fixed_batches(survey, ROWS, 4, seed=seed)
    assert len(drawn) == 2 * 2 * (1 + len(AUGMENTATIONS)) + 2
    together = np.concatenate(list(drawn.values()))
    assert len(np.unique(together, axis=0)) == len(together) == 20 * len(drawn)


@pytest.mark.slow
def test_evaluation_takes_every_row_in_order(survey):
    dataset = fixed_batches(survey, ROWS[::-1], 6, seed=1)
    assert [len(batch) for batch in dataset] == [6, 6, 6, 2]
    assert rows_of(survey, dataset) == list(ROWS[::-1])
    assert np.array_equal(pictures(dataset), pictures(fixed_batches(survey, ROWS[::-1], 1, seed=1)))


def test_grey_levels_as_they_are_stored(survey):
    stored = np.stack([survey.read(int(row)).image for row in ROWS])
    assert np.array_equal(images(survey, ROWS), stored)
    got = list(image_batches(survey, ROWS[::-1], 6))
    assert np.array_equal(np.concatenate([image for image, _ in got]), stored[::-1])
    ids = [name.decode() for _, names in got for name in names.numpy()]
    assert ids == survey.index["gather_id"].tolist()[::-1]
    assert images(survey, ROWS[:0]).shape == (0, 64, 32)


@settings(max_examples=30, deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 9), st.integers(1, 9))
def test_levels_survive_dequantisation(key, height, width):
    levels = np.arange(256, dtype=np.uint8)
    image = np.broadcast_to(levels[:, None, None], (256, height, width))
    values = dequantise(tf.constant(image), tf.constant([key, 1], tf.int64)).numpy()
    assert values.dtype == np.float32 and values.min() >= 0 and values.max() < 1
    assert np.array_equal(np.floor(values * 256), image)


def test_noise_is_uniform():
    values = dequantise(tf.fill((1000, 999), tf.constant(255, tf.uint8)), tf.constant([1, 2], tf.int64)).numpy()
    noise = values.astype(np.float64) * 256 - 255
    assert abs(noise.mean() - 0.5) < 0.002 and abs(noise.var() - 1 / 12) < 0.001
    assert noise.min() < 1e-4 and noise.max() > 1 - 1e-4
    counts = np.histogram(noise, 100, (0, 1))[0]
    assert ((counts - 9990) ** 2 / 9990).sum() < 149
    assert abs(np.corrcoef(noise[1:].flat, noise[:-1].flat)[0, 1]) < 0.005


@pytest.mark.slow
def test_augmentations_leave_padding(survey):
    """And are drawn anew for every epoch, the same for every batch size."""
    plain = pictures(training_batches(survey, ROWS, 20, seed=1, epoch=0))
    for names in [[name] for name in AUGMENTATIONS] + [list(AUGMENTATIONS)]:
        values = pictures(training_batches(survey, ROWS, 20, seed=1, epoch=0, augment=names))
        single = pictures(training_batches(survey, ROWS, 1, seed=1, epoch=0, augment=names[::-1]))
        assert np.array_equal(values, single)
        levels = np.floor(values * 256)[..., 0]
        assert (levels[:, 40:] == 128).all() and (levels[:, :, 24:] == 128).all()
        changed = (levels != np.floor(plain * 256)[..., 0]).any(axis=(1, 2))
        assert 3 <= changed.sum() <= 20
    with pytest.raises(InputError, match="'flip' is unknown; choose among shift_time"):
        training_batches(survey, ROWS, 2, seed=1, epoch=0, augment=["flip"])


def test_polarity_keeps_zero():
    image = tf.constant(np.arange(256, dtype=np.uint8)[None])
    valid = tf.constant([1, 256], tf.int64)
    turned = [AUGMENTATIONS["polarity"](image, valid, tf.constant([key, 0], tf.int64)).numpy()[0] for key in range(40)]
    changed = [levels for levels in turned if not np.array_equal(levels, np.arange(256))]
    assert 10 < len(changed) < 30
    for levels in changed:
        assert levels[128] == 128 and levels[0] == 255
        assert np.array_equal(levels[1:], np.arange(255, 0, -1))


@pytest.mark.parametrize(("name", "axis"), [("shift_time", 0), ("shift_trace", 1)])
def test_shifts_move_the_valid_region(name, axis):
    generator = np.random.default_rng(0)
    image = np.full((30, 30), 128, np.uint8)
    image[:25, :20] = generator.integers(0, 256, (25, 20))
    valid = (25, 20)
    shifts = set()
    for key in range(60):
        shifted = AUGMENTATIONS[name](tf.constant(image), tf.constant(valid, tf.int64), tf.constant([key, 0], tf.int64))
        levels = np.moveaxis(shifted.numpy(), axis, 0)
        plain, count = np.moveaxis(image, axis, 0), valid[axis]
        fitting = [
            shift
            for shift in range(-SHIFTED_BY, SHIFTED_BY + 1)
            if np.array_equal(
                levels[max(shift, 0) : count + min(shift, 0)], plain[max(-shift, 0) : count - max(shift, 0)]
            )
        ]
        assert len(fitting) == 1
        shifts.update(fitting)
        assert np.array_equal(levels[count:], plain[count:])
    assert len(shifts) == 2 * SHIFTED_BY + 1


def test_a_region_smaller_than_a_shift():
    image = tf.constant(np.pad(np.array([[7]], np.uint8), ((0, 3), (0, 3)), constant_values=128))
    for key in range(20):
        shifted = AUGMENTATIONS["shift_time"](image, tf.constant([1, 1], tf.int64), tf.constant([key, 0], tf.int64))
        assert np.array_equal(shifted, image)


@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_damage_is_named_while_reading(survey, tmp_path, change):
    shutil.copytree(survey.path, tmp_path / "survey")
    broken = type(survey)(tmp_path / "survey", survey.manifest, survey.index)
    row = survey.manifest.shards[0].records - 1
    place = survey.index.iloc[row]
    shard = tmp_path / "survey" / place.shard
    content = bytearray(shard.read_bytes())
    content[-500] ^= 1
    shard.unlink() if change == "remove" else shard.write_bytes(content[:-3] if change == "cut" else content)
    damaged = rf"record {row} \(gather {place.gather_id}\) is damaged"
    message = f"{place.shard}: " + ("this shard is missing" if change == "remove" else damaged)
    made = [
        training_batches(broken, ROWS, 2, seed=0, epoch=0),
        fixed_batches(broken, ROWS, 2, seed=0),
        image_batches(broken, ROWS, 8),
    ]
    for dataset in made:
        with pytest.raises(InputError, match=message) as caught:
            list(batches(broken, dataset))
        assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)
    with pytest.raises(InputError, match=message), reading(broken):
        made[0].reduce(0.0, lambda total, batch: total + tf.reduce_sum(batch))


def test_other_errors_pass(survey):
    with pytest.raises(tf.errors.InvalidArgumentError), reading(survey):
        tf.debugging.assert_equal(tf.constant(1), 2)
    with pytest.raises(ZeroDivisionError), reading(survey):
        raise ZeroDivisionError


@pytest.mark.slow
def test_windows_are_cut_anew_in_each_epoch_inside_the_valid_region(survey):
    """The same for every batch size and after a resume; evaluation cuts the same ones each time."""
    whole = survey.read_images(ROWS)
    settings = {"seed": 3, "window": (16, 8)}
    drawn = {}
    for epoch in (0, 1):
        order = epoch_order(survey, ROWS, 3, epoch)
        values = pictures(training_batches(survey, ROWS, 20, epoch=epoch, **settings))
        assert np.array_equal(values, pictures(training_batches(survey, ROWS, 4, epoch=epoch, **settings)))
        rest = pictures(training_batches(survey, ROWS, 4, epoch=epoch, skip=3, **settings))
        assert np.array_equal(values[12:], rest)
        levels = np.floor(values * 256)[..., 0].astype(np.uint8)
        views = np.lib.stride_tricks.sliding_window_view(whole[:, :40, :24], (16, 8), axis=(1, 2))
        drawn[epoch] = {
            row: tuple(np.argwhere((views[row] == one).all(axis=(2, 3)))[0])
            for row, one in zip(order, levels, strict=True)
        }
    assert len(set(drawn[0].values())) > 10
    assert sum(drawn[0][row] != drawn[1][row] for row in ROWS) > 15
    fixed = np.floor(pictures(fixed_batches(survey, ROWS, 5, **settings)) * 256)[..., 0]
    assert np.array_equal(fixed, images(survey, ROWS, **settings))
    assert np.array_equal(fixed[3:4], images(survey, ROWS[3:4], **settings))
