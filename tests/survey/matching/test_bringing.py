"""Gathers of any source brought to what a model was trained on."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from matplotlib.figure import Figure

from glowseis.errors import InputError
from glowseis.judging.windows import windows_of
from glowseis.survey.content.gather_plot import plot_gather
from glowseis.survey.gather import Picture
from glowseis.survey.matching.bringing import Bringing
from glowseis.survey.matching.profile import profile_from, profile_of
from glowseis.survey.matching.sameness import check_trained_on, gather_spacing_factor
from glowseis.survey.matching.trace_order import order_of_offsets
from glowseis.survey.matching.windows import gather_window
from glowseis.survey.render import amplitudes, render_recording
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.random_gathers import random_gather, random_recording, random_survey

WINDOW = (64, 32)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """Of 20 gathers at 8 ms, a trace every 12.5 m, near trace first."""
    survey = random_survey(tmp_path_factory.mktemp("profile") / "survey")
    return profile_of(survey, np.arange(20))


def bringing(profile, **settings):
    return Bringing("model/1", profile, WINDOW, **settings)


def recording(shot=1, samples=120, traces=40, *, interval_s=0.008, **changes):
    made = random_recording(shot, samples, traces)
    geometry = dataclasses.replace(made.geometry, sample_interval_s=interval_s, **changes)
    return dataclasses.replace(made, geometry=geometry)


def reordered(made, order):
    geometry = made.geometry
    arrays = {name: getattr(geometry, name)[order] for name in ("channel", "offset_m", "receiver_x_m", "receiver_y_m")}
    return dataclasses.replace(
        made, amplitude=made.amplitude[:, order], geometry=dataclasses.replace(geometry, **arrays)
    )


def test_what_the_profile_says(profile, tmp_path):
    assert profile.interval_s == (0.008, 0.008, 0.008) and profile.order == "near" and profile.gathers == 20
    assert profile.spacing_m == pytest.approx((12.5, 12.5, 12.5)) and profile.offset_m == (150, 437.5)
    assert profile.labels == {"good": 10, "bad": 10} and profile.size == (64, 32) and profile.window is None
    assert profile.samples == (40, 40, 40) and profile.record_s == pytest.approx((0.32, 0.32, 0.32))
    assert profile.made_by == "recorded" and profile.fits == {"pad": 20}
    assert profile_from(profile.record()) == profile
    assert profile_from(profile.record() | {"of a later version": 1}) == profile


def test_a_profile_of_gathers_that_tell_nothing(tmp_path):
    unknown = np.full(24, np.nan)
    gathers = []
    for shot in range(4):
        one = random_gather(shot)
        geometry = dataclasses.replace(one.geometry, sample_interval_s=np.nan, offset_m=unknown.astype(np.float32))
        gathers.append(dataclasses.replace(one, geometry=geometry))
    write_survey(tmp_path / "survey", gathers, WINDOW, {})
    found = profile_of(open_survey(tmp_path / "survey"), np.arange(4))
    assert found.interval_s is None and found.spacing_m is None and found.offset_m is None and found.order == "unknown"
    assert profile_from(found.record()) == found


def test_orders_and_simulators_are_told(tmp_path):
    def survey(name, orders, source="noise", about=None):
        gathers = []
        for shot, order in enumerate(orders):
            made = random_recording(shot)
            made = reordered(made, np.arange(24)[::-1]) if order == "far" else made
            gathers.append(render_recording(dataclasses.replace(made, source=source), *WINDOW))
        write_survey(tmp_path / name, gathers, WINDOW, about or {})
        return profile_of(open_survey(tmp_path / name), np.arange(len(orders)))

    assert survey("far", ["far"] * 3).order == "far"
    assert survey("mixed", ["far", "near", "near"]).order == "mixed"
    assert survey("by", ["near"], about={"simulator": {"version": "9.0"}}).made_by == "simulator 9.0"
    assert survey("in", ["near"], "glowseis simulator version 3.1, seed 2").made_by == "simulator 3.1"


def test_resized_gathers_have_the_interval_of_their_rows(tmp_path):
    gathers = [render_recording(recording(shot, 128, 64), *WINDOW, "resize") for shot in range(3)]
    write_survey(tmp_path / "survey", gathers, WINDOW, {})
    found = profile_of(open_survey(tmp_path / "survey"), np.arange(3))
    assert found.interval_s[1] == pytest.approx(0.016) and found.fits == {"resize": 3}
    assert found.spacing_m[1] == pytest.approx(12.5 * 63 / 31)
    brought = Bringing("model/1", found, WINDOW).gather(gathers[0])
    np.testing.assert_array_equal(brought.image, gathers[0].image)
    # A file that is resized on the way has them too, and each column knows its trace.
    to = Bringing("model/1", found, WINDOW, "resize")
    brought = to(reordered(recording(0, 128, 64), np.arange(64)[::-1]))
    assert brought.geometry.sample_interval_s == pytest.approx(0.016)
    assert gather_spacing_factor(brought, found) == pytest.approx(1, rel=0.05)
    (columns,) = to.orders["noise", "line3-shot0"]
    assert columns[[0, -1]].tolist() == [63, 0] and len(columns) == 32
    # They are drawn with the times of the recording.
    for one in (brought, Bringing("model/1", found, WINDOW).gather(gathers[0])):
        extent = plot_gather(one, Figure().add_subplot()).images[0].get_extent()
        assert extent == pytest.approx([0.5, 32.5, 128 * 0.008, 0])


def test_the_source_in_the_middle_is_as_it_was_trained_on(tmp_path):
    offset_m = np.linspace(-500, 500, 32).astype(np.float32)
    made = recording(0, 64, 32, offset_m=offset_m)
    write_survey(tmp_path / "survey", [render_recording(made, *WINDOW)], WINDOW, {})
    found = profile_of(open_survey(tmp_path / "survey"), np.arange(1))
    assert found.spacing_m[1] == pytest.approx(1000 / 31)
    assert gather_spacing_factor(Bringing("model/1", found, WINDOW)(made), found) == pytest.approx(1)


@pytest.mark.parametrize("interval_s", [0.0005, 0.002, 0.004, 0.01])
def test_another_interval_is_resampled(profile, interval_s):
    to = bringing(profile)
    samples = round(0.96 / interval_s)
    brought = to(recording(samples=samples, interval_s=interval_s, start_s=0.1))
    assert brought.image.shape == ((samples - 1) * round(interval_s * 1e6) // 8000 + 1, 40)
    assert brought.geometry.sample_interval_s == 0.008 and brought.geometry.start_s == 0.1
    assert brought.mended["resampled"] == 40 and to.resampled == Counter({interval_s: 1})
    assert f"1 gather resampled from {interval_s * 1e3:g} ms to 8 ms" in to.lines()[0]


@pytest.mark.parametrize("interval_s", [0.008, 0.00795, 0.00808])
def test_the_interval_that_was_trained_at_is_left_alone(profile, interval_s):
    made = recording(interval_s=interval_s)
    to = bringing(profile)
    np.testing.assert_array_equal(to(made).image, render_recording(made, 120, 40).image)
    assert not to.lines()


@pytest.mark.parametrize("interval_s", [0.0101, 0.012, 0.016])
def test_a_coarser_interval_is_refused_and_both_are_named(profile, interval_s):
    with pytest.raises(
        InputError, match=rf"sample interval of {interval_s * 1e3:g} ms, but model/1 was trained at 8 ms"
    ):
        bringing(profile)(recording(interval_s=interval_s))


@pytest.mark.parametrize("mark", [np.nan, np.inf, 1e30, -999.25, 7.5])
def test_what_is_no_signal_is_not_spread_by_resampling(profile, mark):
    """A broken trace, a tail of fill values and a trace of one value touch none of their neighbours."""
    made = recording(samples=400, interval_s=0.004)
    amplitude = made.amplitude.copy()
    if mark == 7.5:
        amplitude[:, 5] = mark
    elif np.isfinite(mark):
        amplitude[300:, 5] = mark
    else:
        amplitude[30, 5] = mark
    brought, whole = (
        bringing(profile)(dataclasses.replace(made, amplitude=one)).image for one in (amplitude, made.amplitude)
    )
    others = np.delete(np.arange(40), 5)
    # One trace less to measure the clip by moves loud samples by a few levels.
    assert np.abs(brought[:, others].astype(int) - whole[:, others]).max() <= 10
    if np.isfinite(mark) and mark != 7.5:
        # The filter reaches 24 samples beyond the signal.
        assert (brought[175:, 5] == 128).all() and np.abs(brought[152:, 5].astype(int) - 128).max() < 32
    else:
        assert (brought[:, 5] == 128).all()


def test_an_unknown_interval_is_taken_for_the_models(profile):
    to = bringing(profile)
    assert to(recording(interval_s=np.nan)).image.shape == (120, 40)
    assert to.lines() == [
        "1 gather without a sample interval is assumed to have 8 ms; if that is wrong, pass --sample-interval when "
        "files are read"
    ]


def test_a_model_that_does_not_tell(profile):
    to = bringing(None)
    assert to(recording(interval_s=0.004)).image.shape == (120, 40)
    assert "does not record what it was trained on" in to.lines()[0]
    to = bringing(dataclasses.replace(profile, interval_s=None))
    assert to(recording(interval_s=0.004)).image.shape == (120, 40)
    assert "taken without resampling" in to.lines()[0]


@pytest.mark.parametrize("order", ["far first", "shuffled"])
def test_the_near_trace_comes_first(profile, order):
    made = recording()
    order = np.arange(40)[::-1] if order == "far first" else np.random.default_rng(1).permutation(40)
    to = bringing(profile)
    brought = to(reordered(made, order))
    np.testing.assert_array_equal(brought.image, bringing(profile)(made).image)
    np.testing.assert_array_equal(brought.geometry.channel, made.geometry.channel)
    assert brought.mended["reordered"] == 40 and to.reordered == 1
    # Which trace of the source each column is.
    np.testing.assert_array_equal(order[to.orders["noise", "line3-shot1"][0]], np.arange(40))


def test_a_model_of_gathers_that_begin_far_has_them_so(profile):
    far = dataclasses.replace(profile, order="far")
    made = recording()
    np.testing.assert_array_equal(bringing(far)(made).image, bringing(profile)(made).image[:, ::-1])


@pytest.mark.parametrize(
    ("offsets", "wanted", "expected"),
    [
        (np.arange(40.0), "near", None),
        (-np.arange(40.0), "near", None),
        (np.arange(40.0)[::-1], "mixed", None),
        (np.arange(40.0)[::-1], "unknown", None),
        (np.full(40, np.nan), "near", None),
        (np.zeros(40), "near", None),
        (np.tile(np.arange(20.0), 3), "near", None),
        (np.arange(-20.0, 20.0), "near", None),
        (np.array([3.0, 1, 2, 0]), "far", [0, 2, 1, 3]),
        (np.array([3.0, 1, 2, 0]), "mixed", [3, 1, 2, 0]),
    ],
    ids=["near", "signed", "mixed", "unknown", "none", "zero", "three cables", "split spread", "to far", "disorder"],
)
def test_orders(offsets, wanted, expected):
    found = order_of_offsets(offsets, wanted)
    assert (None if found is None else found.tolist()) == expected


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (recording(samples=31), "fewer than the 32 samples that model/1 needs"),
        (
            recording(samples=60, interval_s=0.002),
            "32 samples of 8 ms that model/1 needs (their sample interval is 2 ms)",
        ),
        (recording(traces=15), "fewer than the 16 live traces"),
    ],
)
def test_too_little_is_left_out_and_told(profile, made, reason):
    to = bringing(profile)
    assert not to.keeps(to(made))
    assert to.keeps(to(dataclasses.replace(recording(), gather_id="other")))
    assert "1 gather left out with" in to.lines()[-1] and reason in to.lines()[-1]


def test_dead_traces_are_not_live(profile):
    made = recording()
    amplitude = made.amplitude.copy()
    amplitude[:, 10:] = 0
    to = bringing(profile)
    assert not to.keeps(to(dataclasses.replace(made, amplitude=amplitude)))


@pytest.mark.parametrize("offset_m", [0.5, -237.0])
def test_a_section_is_refused(profile, offset_m):
    made = recording(offset_m=np.full(40, offset_m, np.float32))
    with pytest.raises(InputError, match="40 traces at one offset"):
        bringing(profile)(made)


@pytest.mark.parametrize("interval_s", [0.004, 0.008, np.nan])
def test_pictures_of_ours_are_brought_too(profile, interval_s):
    made = recording(samples=128, interval_s=interval_s)
    gather = render_recording(made, 128, 40)
    picture = Picture("one", gather.image, "", made.geometry, "one.png")
    brought = bringing(profile)(picture)
    assert len(brought.image) == (64 if interval_s == 0.004 else 128)
    if interval_s != 0.004:
        np.testing.assert_array_equal(brought.image, gather.image)


def test_a_picture_of_others_keeps_one_zero_when_it_is_resampled(profile):
    """A band of the lowest frequencies gives traces means of their own, which are noise."""
    made = recording(samples=256, interval_s=0.004)
    band = made.amplitude.copy()
    band[:, 10:20] += 3 * np.abs(band).std()
    made = dataclasses.replace(made, amplitude=band, one_zero=True)
    brought = bringing(profile)(made)
    assert (brought.image[:, 10:20].astype(int).mean(axis=0) > 160).all() and brought.mended.get("zero_level", 0) in (
        0,
        40,
    )


@pytest.mark.parametrize("interval_s", [0.002, 0.004, 0.008])
def test_absolute_values_are_refused_at_any_interval(profile, interval_s):
    made = recording(samples=512, interval_s=interval_s)
    made = dataclasses.replace(made, amplitude=np.abs(made.amplitude))
    with pytest.raises(InputError, match="lie on one side of their middle"):
        bringing(profile)(made)


def test_a_gather_of_a_survey_is_brought_as_its_recording(profile):
    made = reordered(recording(samples=240, interval_s=0.004), np.arange(40)[::-1])
    of_file = bringing(profile)(made)
    of_survey = bringing(profile).gather(render_recording(made, 256, 64))
    assert of_file.image.shape == of_survey.image.shape == (120, 40)
    # Those of a survey were clipped before they were resampled.
    assert np.abs(of_file.image.astype(int) - of_survey.image).mean() < 12
    whole = render_recording(recording(), 128, 64)
    assert bringing(profile).gather(whole) is whole


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e5])
@pytest.mark.parametrize(("interval_s", "backwards"), [(0.004, False), (0.004, True), (0.008, True)])
def test_amplitudes_of_a_gather_of_a_survey_stay(profile, unit, interval_s, backwards):
    """Also those of a trace with a zero of its own."""
    order = np.arange(40)[::-1] if backwards else np.arange(40)
    made = reordered(recording(samples=480, interval_s=interval_s), order)
    made = dataclasses.replace(made, amplitude=made.amplitude * unit)
    made.amplitude[:, 7] += 3 * np.abs(made.amplitude).max()
    found = bringing(profile).gather(render_recording(made, 480, 40))
    wanted = bringing(profile)(made)
    assert found.clip_amplitude == pytest.approx(wanted.clip_amplitude, rel=0.25)
    np.testing.assert_allclose(found.zero_amplitude, wanted.zero_amplitude, atol=0.2 * unit)
    if interval_s == 0.008:
        assert np.flatnonzero(found.zero_amplitude > unit).tolist() == [order[7]]
    window = gather_window(found, (10, 5), (30, 30))
    np.testing.assert_array_equal(amplitudes(window), amplitudes(found)[10:40, 5:35])


def test_windows_cover_the_gather_and_dead_ones_are_left_out(profile):
    gather = bringing(profile)(recording(samples=100, traces=70))
    windows = windows_of(gather, WINDOW)
    assert windows.places == [(0, 0), (0, 19), (0, 38), (36, 0), (36, 19), (36, 38)]
    np.testing.assert_array_equal(windows.images[4], gather.image[36:100, 19:51])
    np.testing.assert_allclose(windows.weights, 1)
    image = gather.image.copy()
    image[:36, :19], image[:64, :32] = 128, 128
    dead = windows_of(dataclasses.replace(gather, image=image), WINDOW)
    assert dead.places == windows.places[1:] and dead.weights[0] == pytest.approx(19 / 32)
    nothing = windows_of(dataclasses.replace(gather, image=np.full_like(image, 128)), WINDOW)
    assert len(nothing.images) == 1 and (nothing.images == 128).all()


def test_a_small_gather_is_one_padded_window():
    gather = random_gather(1, (64, 32), samples=40, traces=24)
    windows = windows_of(gather, (64, 32))
    np.testing.assert_array_equal(windows.images[0], gather.image)
    assert windows.weights == pytest.approx([40 * 24 / (64 * 32)])


def test_spacings_that_were_not_trained_on(profile):
    for spacing_m, factor in ((12.5, 1), (25, 2), (5, 2.5), (50, 4)):
        made = recording(offset_m=(100 + spacing_m * np.arange(40)).astype(np.float32))
        assert gather_spacing_factor(bringing(profile)(made), profile) == pytest.approx(factor)
    for wrong in (99_999, 0, np.nan):
        odd = (100 + 12.5 * np.arange(40)).astype(np.float32)
        odd[[7, 30]] = wrong
        assert gather_spacing_factor(bringing(profile)(recording(offset_m=odd)), profile) == pytest.approx(1, abs=0.15)
    unknown = recording(offset_m=np.full(40, np.nan, np.float32))
    assert gather_spacing_factor(bringing(profile)(unknown), profile) == 1


def test_what_cannot_be_brought_must_be_the_same(profile):
    same, unknown = np.array([0.008, np.nan]), np.array([12.5, np.nan])
    check_trained_on("flow/1", profile, same, unknown, "surveys/one")
    check_trained_on("flow/1", None, np.array([0.004]), np.array([99.0]), "surveys/one")
    with pytest.raises(InputError, match=r"surveys/one: has gathers with a sample interval of 4 ms, but flow/1 was t"):
        check_trained_on("flow/1", profile, np.array([0.008, 0.004]), unknown, "surveys/one")
    with pytest.raises(InputError, match=r"a trace every 50 m, but flow/1 was trained with one every 12.5 m"):
        check_trained_on("flow/1", profile, same, np.array([12.5, 50.0]), "surveys/one")
