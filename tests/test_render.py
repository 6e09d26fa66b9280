import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from random_gathers import random_recording

from glowseis.errors import InputError
from glowseis.survey.render import amplitudes, render_recording
from glowseis.survey.size import enclosing_size, parse_size


def recording_of(amplitude):
    amplitude = np.asarray(amplitude, np.float32)
    return dataclasses.replace(random_recording(0, *amplitude.shape), amplitude=amplitude)


def test_two_per_cent_are_black_and_two_white():
    image = render_recording(random_recording(1, 300, 200), 300, 200).image
    assert abs((image == 0).mean() - 0.02) < 0.003
    assert abs((image == 255).mean() - 0.02) < 0.003
    assert abs(np.median(image) - 128) <= 1


def test_padding_is_zero_amplitude():
    gather = render_recording(random_recording(1), 64, 32)
    assert gather.image.shape == (64, 32)
    assert (gather.image[40:] == 128).all() and (gather.image[:, 24:] == 128).all()
    assert (gather.valid_samples, gather.valid_traces, gather.fit) == (40, 24, "pad")
    assert amplitudes(gather).shape == (40, 24)


@pytest.mark.parametrize(("amplitude", "clip_amplitude"), [(np.zeros((5, 4)), 1.0), (np.eye(30), 1.0), ([[-7.0]], 7.0)])
def test_few_nonzero_amplitudes(amplitude, clip_amplitude):
    gather = render_recording(recording_of(amplitude), 64, 64)
    assert gather.clip_amplitude == clip_amplitude
    assert (gather.image[: len(amplitude), : len(amplitude[0])][np.asarray(amplitude) == 0] == 128).all()


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float32, shapes, elements=finite))
def test_amplitudes_come_back(amplitude):
    gather = render_recording(recording_of(amplitude), 16, 16)
    clip_amplitude = gather.clip_amplitude
    back = amplitudes(gather).astype(np.float64)
    assert (np.abs(amplitude.astype(np.float64)) > clip_amplitude).sum() <= 0.04 * amplitude.size
    # Half a level of rounding, and white ends half a level early because 256 levels have no middle.
    unclipped = np.abs(amplitude) <= clip_amplitude * 126 / 128
    tolerance = clip_amplitude * 0.5001 / 128 + 1e-44
    assert (np.abs(back - amplitude)[unclipped] <= tolerance).all()
    assert (np.sign(back)[~unclipped] == np.sign(amplitude)[~unclipped]).all()
    assert (gather.image[: amplitude.shape[0], : amplitude.shape[1]][amplitude == 0] == 128).all()


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.float32, shapes, elements=st.floats(-1e6, 1e6, width=32)), st.sampled_from([2.0**-20, 8.0, 2.0**40])
)
def test_pictures_do_not_depend_on_units(amplitude, factor):
    gather = render_recording(recording_of(amplitude), 16, 16)
    scaled = recording_of(amplitude * np.float32(factor))
    if np.array_equal(scaled.amplitude / np.float32(factor), amplitude):
        assert np.array_equal(render_recording(scaled, 16, 16).image, gather.image)


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.uint8, (8, 8)))
def test_levels_survive_a_second_rendering(image):
    """What generate writes as amplitudes and ingest reads again: black ends at -128 and white at +127 levels.

    The clip of what was clipped already is its largest amplitude, so a picture with 4 % of black comes back as it was;
    one with white alone is stretched, by 128 / 127 at most.
    """
    image.flat[:3] = 0
    gather = dataclasses.replace(render_recording(random_recording(0, 8, 8), 8, 8), image=image, clip_amplitude=3.0)
    again = render_recording(recording_of(amplitudes(gather)), 8, 8)
    assert again.clip_amplitude == 3.0 and np.array_equal(again.image, image)
    white = np.where(image == 0, 255, image)
    again = render_recording(recording_of(amplitudes(dataclasses.replace(gather, image=white))), 8, 8)
    assert 3.0 * 127 / 128 <= again.clip_amplitude <= 3.0
    assert np.abs(again.image.astype(int) - white).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_amplitudes_that_are_not_finite_are_named(value):
    recording = random_recording(5)
    recording.amplitude[3, 7] = value
    with pytest.raises(InputError, match=r"line3-shot5.*trace 8"):
        render_recording(recording, 64, 64)


@pytest.mark.parametrize("size", [(39, 24), (40, 23)])
def test_too_large_says_what_to_pass(size):
    with pytest.raises(InputError, match="--fit crop or a larger --size"):
        render_recording(random_recording(1), *size)


def test_crop_keeps_the_first_samples_and_traces():
    recording = random_recording(1)
    gather = render_recording(recording, 30, 16, "crop")
    assert gather.image.shape == (30, 16)
    assert (gather.fit, gather.recorded_shape) == ("crop", (40, 24))
    assert np.array_equal(gather.geometry.offset_m, recording.geometry.offset_m[:16])
    assert len(gather.geometry.channel) == len(gather.geometry.receiver_x_m) == 16
    cut = dataclasses.replace(recording, amplitude=recording.amplitude[:30, :16])
    assert np.array_equal(render_recording(cut, 30, 16).image, gather.image)


def test_crop_pads_what_is_short():
    gather = render_recording(random_recording(1), 30, 32, "crop")
    assert (gather.valid_samples, gather.valid_traces) == (30, 24)
    assert (gather.image[:, 24:] == 128).all()


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_empty_gathers(shape):
    with pytest.raises(InputError, match="leave it out"):
        render_recording(recording_of(np.empty(shape)), 16, 16)


def test_sizes():
    assert parse_size("896x640") == (896, 640) == parse_size(" 896 X 640")
    assert enclosing_size([(600, 120), (30, 129)]) == (640, 192)
    with pytest.raises(InputError, match="pass --size and --fit crop"):
        enclosing_size([(40_000, 5)])
    assert enclosing_size([(32_768, 1)]) == (32_768, 64)
    for text in ("", "896", "896x", "x640", "-8x8", "0x8", "8x99999", "8.5x8", "896x640x1", "896×٣"):
        with pytest.raises(InputError, match="896x640"):
            parse_size(text)
