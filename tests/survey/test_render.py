import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glowseis.errors import InputError
from glowseis.survey.gather import Picture
from glowseis.survey.render import amplitudes, is_live, render, render_picture, render_recording, trace_states
from glowseis.survey.size import enclosing_size, parse_size
from tests.support.random_gathers import random_recording


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
    unclipped = np.abs(amplitude.astype(np.float64)) <= clip_amplitude * 126 / 128
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
@pytest.mark.parametrize("fit", ["pad", "crop", "resize"])
def test_a_trace_with_a_broken_sample_is_zero_as_a_whole(value, fit):
    recording, mended = random_recording(5), random_recording(5)
    recording.amplitude[3, 7] = value
    mended.amplitude[:, 7] = 0
    recording.amplitude[:, 9] = mended.amplitude[:, 9] = 0
    size = (64, 64) if fit == "pad" else (30, 16)
    gather = render_recording(recording, *size, fit)
    assert (gather.dead_traces, gather.broken_traces) == (2, 1)
    wanted = render_recording(mended, *size, fit)
    assert np.array_equal(gather.image, wanted.image) and gather.clip_amplitude == wanted.clip_amplitude
    assert (wanted.dead_traces, wanted.broken_traces) == (2, 0)
    assert not np.isfinite(recording.amplitude[3, 7])


def test_states_of_traces():
    amplitude = np.ones((3, 6), np.float32)
    largest = np.finfo(np.float32).max
    amplitude[:, 1] = 0
    amplitude[:, 2] = largest
    amplitude[:, 3] = (np.inf, -np.inf, 0)
    amplitude[2, 4] = np.nan
    amplitude[:, 5] = (-1, 0, 1)
    broken, dead = trace_states(amplitude)
    assert broken.tolist() == [False, False, False, True, True, False]
    assert dead.tolist() == [False, True, False, True, True, False]


def test_a_gather_without_a_live_trace_is_told_from_others():
    amplitude = np.zeros((20, 10), np.float32)
    amplitude[5] = np.nan
    dead = render_recording(recording_of(amplitude), 32, 32)
    assert not is_live(dead) and (dead.dead_traces, dead.broken_traces) == (10, 10)
    amplitude = np.zeros((20, 10), np.float32)
    amplitude[5, 5] = 1e-30
    assert is_live(render_recording(recording_of(amplitude), 32, 32))
    # What lives lies outside the window.
    assert not is_live(render_recording(recording_of(amplitude), 4, 32, "crop"))


@pytest.mark.parametrize("size", [(39, 24), (40, 23)])
def test_too_large_says_what_to_pass(size):
    for gather in (random_recording(1), picture_of(np.zeros((40, 24), np.uint8))):
        with pytest.raises(InputError, match="--fit crop, --fit resize or a larger --size"):
            render(gather, *size)


def smooth(samples, traces):
    """A gather of long waves, in time of 40 samples and longer."""
    time, trace = np.arange(samples)[:, np.newaxis], np.arange(traces)
    return np.sin(2 * np.pi * (time / 40 + trace / 90)) * np.exp(-time / samples)


@pytest.mark.parametrize("size", [(224, 160), (112, 300), (500, 200)])
def test_resize_goes_there_and_back(size):
    recording = recording_of(1e5 * smooth(300, 240))
    gather = render_recording(recording, *size, "resize")
    assert (gather.fit, gather.recorded_shape, gather.image.shape) == ("resize", (300, 240), size)
    assert (gather.valid_samples, gather.valid_traces) == size
    assert np.array_equal(gather.geometry.offset_m, recording.geometry.offset_m)
    assert gather.geometry.sample_interval_s == recording.geometry.sample_interval_s
    back = amplitudes(gather)
    assert back.shape == (300, 240) and back.dtype == np.float32
    # The filter reaches over edges and into what was clipped.
    unclipped = np.abs(recording.amplitude) < 0.8 * gather.clip_amplitude
    unclipped[:10] = unclipped[-10:] = unclipped[:, :10] = unclipped[:, -10:] = False
    assert np.abs(back - recording.amplitude)[unclipped].max() < 0.035 * gather.clip_amplitude


def test_resize_takes_away_what_would_alias():
    """A wave of some three samples, of which every second row would make one of another frequency."""
    time = np.arange(240)
    period = np.where(time < 120, 3.1, 24)
    wave = np.cos(2 * np.pi * time / period)[:, np.newaxis] * np.ones(64)
    back = amplitudes(render_recording(recording_of(wave), 120, 64, "resize"))
    assert np.abs(back[10:110]).max() < 0.1
    np.testing.assert_allclose(back[130:230], wave[130:230], atol=0.1)


def test_resize_of_a_gather_that_has_the_size_changes_nothing():
    gather = render_recording(random_recording(1), 40, 24, "resize")
    assert gather.fit == "pad" and np.array_equal(gather.image, render_recording(random_recording(1), 40, 24).image)


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float32, shapes, elements=finite))
def test_resize_of_any_amplitudes(amplitude):
    gather = render_recording(recording_of(amplitude), 9, 9, "resize")
    assert np.isfinite(gather.clip_amplitude) and np.isfinite(amplitudes(gather)).all()
    assert amplitudes(gather).shape == amplitude.shape


def picture_of(image):
    recording = random_recording(0, *image.shape)
    return Picture("a", image, "bad", recording.geometry, "a.png")


def test_pictures_are_padded_cropped_and_resized():
    image = np.random.default_rng(0).integers(0, 256, (40, 24), dtype=np.uint8)
    image[:, 3] = 128
    gather = render_picture(picture_of(image), 64, 32)
    assert np.array_equal(gather.image[:40, :24], image) and (gather.image[40:] == 128).all()
    assert (gather.clip_amplitude, gather.fit, gather.dead_traces, gather.label) == (128, "pad", 1, "bad")
    assert np.array_equal(amplitudes(gather), image.astype(np.float32) - 128)
    gather = render_picture(picture_of(image), 30, 32, "crop")
    assert np.array_equal(gather.image[:30, :24], image[:30]) and gather.fit == "crop"
    grey = np.rint(128 + 100 * smooth(300, 240)).astype(np.uint8)
    gather = render(picture_of(grey), 224, 160, "resize")
    assert (gather.fit, gather.recorded_shape, gather.clip_amplitude) == ("resize", (300, 240), 128)
    assert np.abs(amplitudes(gather) + 128 - grey).max() < 4


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
