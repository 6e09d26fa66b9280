"""Gathers drawn by one function: levels, times, offsets and clips."""

import dataclasses

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from glowseis.survey.content.gather_plot import pixels_of_row, plot_gather
from glowseis.survey.gather import Picture
from glowseis.survey.render import amplitudes, render_recording
from tests.support.random_gathers import random_gather, random_recording


@pytest.fixture
def axes():
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def levels(axes):
    """Grey levels as they are drawn."""
    image = axes.images[-1]
    return np.clip(np.floor(256 * np.asarray(image.norm(image.get_array()), float)), 0, 255).astype(int)


def test_a_gather_is_drawn_as_it_was_rendered(axes):
    gather = random_gather(1)
    assert plot_gather(gather, axes, title="a $ b") is axes
    assert np.array_equal(levels(axes), gather.image[: gather.valid_samples, : gather.valid_traces])
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("trace", "time (s)", r"a \$ b")
    assert axes.images[0].get_extent() == pytest.approx([0.5, 24.5, 40 * 0.008, 0])
    (above,) = axes.child_axes
    assert above.get_xlabel() == "offset (m)"
    to_offset = above._functions[0]
    np.testing.assert_allclose(to_offset(np.array([1.0, 24.0])), np.abs(gather.geometry.offset_m[[0, -1]]))


def test_a_smaller_clip_is_a_gain(axes):
    gather = random_gather(1)
    plot_gather(gather, axes, clip=gather.clip_amplitude / 4)
    valid = gather.image[: gather.valid_samples, : gather.valid_traces].astype(int)
    assert np.array_equal(levels(axes), np.clip(128 + 4 * (valid - 128), 0, 255))


@pytest.mark.parametrize("kind", ["levels", "picture", "amplitudes", "recording"])
def test_whatever_holds_a_gather_is_drawn_alike(axes, kind):
    recording = random_recording(1)
    gather = render_recording(recording, 40, 24)
    drawn = {
        "levels": gather.image,
        "picture": Picture("a", gather.image, "", gather.geometry, "b"),
        "amplitudes": amplitudes(gather),
        "recording": dataclasses.replace(recording, amplitude=recording.amplitude + 40),
    }[kind]
    plot_gather(drawn, axes)
    assert np.abs(levels(axes) - gather.image).max() <= (0 if kind in ("levels", "picture") else 5)
    has_geometry = kind in ("picture", "recording")
    assert axes.get_ylabel() == ("time (s)" if has_geometry else "sample") and bool(axes.child_axes) == has_geometry


def test_an_array_with_times_and_offsets(axes):
    array = np.random.default_rng(1).normal(size=(50, 4))
    plot_gather(array, axes, sample_interval_s=0.002, offset_m=np.array([400.0, 300, 200, 100]))
    assert axes.get_ylabel() == "time (s)" and axes.images[0].get_extent() == pytest.approx([0.5, 4.5, 0.1, 0])
    (above,) = axes.child_axes
    np.testing.assert_allclose(above._functions[1](np.array([100.0, 400.0])), [4, 1])


@pytest.mark.parametrize("offset_m", [[100.0, 300, 200, 400], [100, 200, np.nan, 400]])
def test_offsets_in_no_order_are_not_drawn(axes, offset_m):
    plot_gather(np.ones((5, 4)), axes, offset_m=np.array(offset_m))
    assert not axes.child_axes


def test_a_resized_gather_has_the_times_of_its_recording(axes):
    gather = render_recording(random_recording(1), 20, 12, "resize")
    plot_gather(gather, axes)
    assert axes.images[0].get_extent() == pytest.approx([0.5, 24.5, 40 * 0.008, 0])
    later = dataclasses.replace(gather, geometry=dataclasses.replace(gather.geometry, start_s=0.1))
    plot_gather(later, axes)
    assert axes.images[1].get_extent() == pytest.approx([0.5, 24.5, 0.1 + 40 * 0.008, 0.1])


@pytest.mark.parametrize(
    ("array", "clip", "message"),
    [
        (np.zeros((2, 3, 4)), None, r"shape \(2, 3, 4\) is not a gather"),
        (np.zeros((0, 4)), None, "is not a gather"),
        (np.zeros((3, 4)), 0, "clip is 0"),
        (np.zeros((3, 4)), np.nan, "clip is nan"),
    ],
)
def test_what_is_no_gather_is_refused(axes, array, clip, message):
    with pytest.raises(ValueError, match=message):
        plot_gather(array, axes, clip=clip)


def test_broken_and_silent_arrays_can_be_drawn(axes):
    plot_gather(np.zeros((3, 4)), axes)
    assert set(levels(axes).ravel()) == {128}
    plot_gather(np.full((3, 4), np.nan), axes)


def test_gathers_in_a_row():
    pixels = pixels_of_row([random_gather(shot) for shot in range(3)])
    assert pixels.dtype == np.uint8 and pixels.shape[1] > 2 * pixels.shape[0] > 512 and pixels.shape[2] == 3
    assert np.array_equal(pixels, pixels_of_row([random_gather(shot) for shot in range(3)]))
