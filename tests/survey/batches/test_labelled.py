"""Windows cut from gathers, and what is drawn for each in a pass."""

import dataclasses

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.batches.augment_graded import GRADED_AUGMENTATIONS
from glowseis.survey.batches.images import batches
from glowseis.survey.batches.labelled import from_memory, in_order, in_windows, together, training_steps
from glowseis.survey.batches.order import id_order, numbered_names
from glowseis.survey.matching.windows import window_places


@pytest.fixture(scope="module")
def partly_valid():
    """Eleven pictures of 40 x 30 whose valid regions differ, one of them smaller than any window."""
    random = np.random.default_rng(3)
    valid = np.column_stack([random.integers(20, 41, 11), random.integers(15, 31, 11)])
    valid[4] = 5, 3
    images = np.full((11, 40, 30), 128, np.uint8)
    for image, (samples, traces) in zip(images, valid, strict=True):
        image[:samples, :traces] = random.integers(0, 256, (samples, traces))
    return from_memory(images, np.arange(11) % 3, valid=valid), images


def test_windows_lie_anywhere_in_the_valid_region(partly_valid):
    gathers, images = partly_valid
    seen = {number: set() for number in range(11)}
    for step, (cut, label, _) in enumerate(batches(gathers, training_steps(gathers, 11, 1, 200, window=(16, 8)))):
        order = epoch_order_of(gathers, step)
        assert cut.shape == (11, 16, 8) and label.numpy().tolist() == gathers.classes[order].tolist()
        for window, place in zip(cut.numpy(), order, strict=True):
            seen[place].add(window.tobytes())
    for number, (image, (samples, traces)) in enumerate(zip(images, gathers.valid, strict=True)):
        possible = {
            np.pad(image, ((0, 16), (0, 8)), constant_values=128)[row : row + 16, column : column + 8].tobytes()
            for row in range(max(samples - 16, 0) + 1)
            for column in range(max(traces - 8, 0) + 1)
        }
        # Of 200 draws from n places, some n (1 - exp(-200 / n)) are seen.
        assert seen[number] <= possible
        assert len(seen[number]) >= 0.8 * len(possible) * (1 - np.exp(-200 / len(possible)))


def epoch_order_of(gathers, epoch):
    return id_order(numbered_names(gathers.ids), 1, epoch)


@pytest.mark.slow
@pytest.mark.parametrize("augment", [[], list(GRADED_AUGMENTATIONS)], ids=["plain", "augmented"])
@pytest.mark.parametrize("window", [None, (16, 8), (64, 20)])
def test_what_is_drawn_hangs_on_seed_pass_and_id_alone(partly_valid, augment, window):
    gathers, images = partly_valid
    settings = {"augment": augment, "window": window}

    def drawn(batch, gathers=gathers, seed=1, first=0):
        """What each gather gave in each of three passes."""
        length = -(-len(gathers) // batch)
        parts = batches(gathers, training_steps(gathers, batch, seed, 3 * length, first=first, **settings))
        return [image for part, _, _ in parts for image in part.numpy()]

    whole = drawn(11)
    assert whole[0].shape == (window or (40, 30))
    for batch in (1, 4):
        assert np.array_equal(drawn(batch), whole)
    # Taken up again in the middle of the second pass.
    assert np.array_equal(drawn(4, first=4), whole[11 + 4 :])
    turned = from_memory(images[::-1], gathers.classes[::-1], gathers.ids[::-1], valid=gathers.valid[::-1])
    assert np.array_equal(drawn(11, turned), whole)
    if augment or window == (16, 8):
        assert not np.array_equal(np.sort(np.array(drawn(11, seed=2)), axis=0), np.sort(np.array(whole), axis=0))
        assert len({image.tobytes() for image in whole}) > 25
    # Padding is never touched.
    for image, place in zip(whole, np.concatenate([epoch_order_of(gathers, epoch) for epoch in range(3)]), strict=True):
        samples, traces = gathers.valid[place]
        if window != (16, 8):
            assert (image[samples:] == 128).all() and (image[:, traces:] == 128).all()


@pytest.mark.parametrize("window", [None, (16, 8)])
def test_gathers_that_are_made_anew_are_others_in_every_pass(partly_valid, window):
    """Two that change follow nine that stay, and a run that resumes sees what it would have seen."""
    gathers, images = partly_valid

    def in_pass(number):
        levels = np.full((2, 40, 30), 1 + number, np.uint8)
        return from_memory(levels, [2, 1], ["made-0", "made-1"], valid=np.array([[20, 9], [40, 30 - number]]))

    made = dataclasses.replace(in_pass(0), anew=in_pass)
    rest = from_memory(images[:9], gathers.classes[:9], gathers.ids[:9], valid=gathers.valid[:9])
    both = together([rest, made])
    assert rest.anew is None and rest.in_pass(3) is rest and list(both.valid[-1]) == [40, 30]
    assert list(both.in_pass(2).valid[-1]) == [40, 28] and both.in_pass(2).anew is None

    def drawn(first=0):
        dataset = training_steps(both, 4, 1, 9, first=first, window=window)
        return [
            (image, one)
            for part, label, _ in batches(both, dataset)
            for image, one in zip(part, label.numpy(), strict=True)
        ]

    whole = drawn()
    for number in range(3):
        order = epoch_order_of(both, number)
        for place in (9, 10):
            image, one = whole[11 * number + list(order).index(place)]
            assert one == [2, 1][place - 9] and np.all(image == 1 + number)
    again = drawn(first=7)
    assert len(again) == 33 - 4 * 7 + 2 and all(
        np.array_equal(one, other) for (one, _), (other, _) in zip(again, whole[-len(again) :], strict=True)
    )
    fixed, owner = in_windows(both, (16, 8), 4)
    assert fixed.anew is None and np.all(fixed.read(np.flatnonzero(owner == 10)) == 1)


def test_augmentations_and_sets_that_are_refused(partly_valid):
    gathers, images = partly_valid
    with pytest.raises(InputError, match="augmentation 'flip' is unknown; choose among trace_order, polarity"):
        training_steps(gathers, 4, 1, 4, augment=["flip"])
    with pytest.raises(ValueError, match="11 images and 3 valid regions"):
        from_memory(images, gathers.classes, valid=gathers.valid[:3])


def test_fixed_windows_cover_a_gather(partly_valid):
    gathers, images = partly_valid
    windows, owner = in_windows(gathers, (16, 8), 4)
    counts = np.bincount(owner)
    assert counts.max() == 4 and counts[4] == 1 and len(windows) == len(owner) == counts.sum()
    assert windows.size == (16, 8) and np.array_equal(windows.classes, gathers.classes[owner])
    got = np.concatenate([image for image, _, _ in in_order(windows, 5)])
    first, last = np.searchsorted(owner, [6, 7]) - [0, 1]
    samples, traces = gathers.valid[6]
    assert np.array_equal(got[first], images[6][:16, :8])
    assert np.array_equal(got[last], images[6][samples - 16 : samples, traces - 8 : traces])
    small = got[np.searchsorted(owner, 4)]
    assert np.array_equal(small[:5, :3], images[4][:5, :3]) and (small[5:] == 128).all() and (small[:, 3:] == 128).all()
    assert windows.valid[np.searchsorted(owner, 4)].tolist() == [5, 3]
    _, owner = in_windows(gathers, (16, 8), 1000)
    covered = np.zeros((11, 40, 30), bool)
    for place, start in zip(owner, every_start(gathers, (16, 8)), strict=True):
        covered[place, start[0] : start[0] + 16, start[1] : start[1] + 8] = True
    for image, (samples, traces) in zip(covered, gathers.valid, strict=True):
        assert image[:samples, :traces].all()


def every_start(gathers, size):
    return [place for region in gathers.valid for place in window_places(tuple(region), size)]
