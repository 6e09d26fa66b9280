"""Acquisitions that are drawn, what their recorders do, and weather along the lines."""

import dataclasses

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats.segy_writer import write_segy
from glowseis.survey.gather import LABELS
from glowseis.survey.render import render_recording
from glowseis.survey.simulate import (
    Acquisition,
    acquisitions,
    noise_of_gather,
    simulate_events,
    simulate_recording,
    simulate_recordings,
    with_noise,
)
from glowseis.survey.simulate.acquisition import Position
from glowseis.survey.simulate.earth import earth_of_line
from glowseis.survey.simulate.instruments import Recorder
from glowseis.survey.simulate.likeness import measure_band
from glowseis.survey.simulate.noise import rumble
from glowseis.survey.simulate.recorder import hum, recorded, time_gain
from glowseis.survey.simulate.weather import weathered

SMALL = Acquisition.of_size(112, 80)
FULL = Acquisition.of_size(896, 640)
NOMINAL = Recorder()


def recorded_with(pressure, geometry, water_s=0.2, **settings):
    return recorded(pressure, geometry, water_s, Recorder(**settings), np.random.default_rng(1))


@pytest.fixture(scope="module")
def events():
    made = simulate_events(0, 1, SMALL)
    return np.ascontiguousarray(made.amplitude.T), made.geometry


def test_a_drawn_acquisition_is_a_function_of_its_number():
    assert Acquisition.drawn(896, 640, 3) == Acquisition.drawn(896, 640, 3)
    assert Acquisition.drawn(896, 640, 3) != Acquisition.drawn(896, 640, 4)
    small, full = Acquisition.drawn(112, 80, 3), Acquisition.drawn(896, 640, 3)
    assert small.signature == full.signature and small.recorder.polarity == full.recorder.polarity


def test_drawn_acquisitions_cover_what_is_asked_for():
    drawn = [Acquisition.drawn(896, 640, number) for number in range(1, 201)]
    water = np.array([one.water_s[0] for one in drawn])
    assert water.min() < 0.2 and water.max() > 2.5
    assert {one.recorder.polarity for one in drawn} == {-1, 1}
    assert {one.recorder.far_first for one in drawn} == {False, True}
    assert {one.recorder.mute for one in drawn} == {"none", "top", "water"}
    assert {one.recorder.hum_hz for one in drawn} == {0.0, 50.0, 60.0}
    assert min(one.samples for one in drawn) < 400 and max(one.samples for one in drawn) == 876
    assert min(one.most_traces for one in drawn) < 150 and max(one.most_traces for one in drawn) == 639
    assert np.ptp([one.near_offset_m for one in drawn]) > 200
    assert len({one.channel_interval_m for one in drawn}) > 3
    assert min(one.signature.low_hz for one in drawn) < 4 and max(one.signature.low_hz for one in drawn) > 20
    assert sum(one.recorder.bits > 0 for one in drawn) > 20
    assert sum(one.recorder.missing > 0 for one in drawn) > 20
    assert sum(one.recorder.start_s != 0 for one in drawn) > 20
    assert 60 < sum(one.recorder.rumbling > 0 for one in drawn) < 140
    assert 20 < sum(one.recorder.balance > 0 for one in drawn) < 80


@pytest.mark.parametrize("size", [(896, 640), (112, 80), (48, 32), (64, 256)])
@pytest.mark.parametrize("number", [1, 2, 5, 8, 13])
def test_gathers_of_drawn_acquisitions_fit_their_pictures(size, number):
    acquisition = Acquisition.drawn(*size, number)
    recording = simulate_recording(0, 2, acquisition, (0, 0, 1))
    assert np.isfinite(recording.amplitude).all() and recording.amplitude.any()
    geometry = recording.geometry
    assert geometry.channel.shape == geometry.offset_m.shape == (recording.amplitude.shape[1],)
    assert geometry.start_s == acquisition.recorder.start_s
    gather = render_recording(recording, *size)
    assert (gather.valid_samples, gather.valid_traces) == recording.amplitude.shape


@pytest.mark.parametrize("number", [1, 60, 1001, 30_000])
def test_gathers_of_any_acquisition_have_a_place_in_seg_y(number, tmp_path):
    made = [simulate_recording(index, 2, Acquisition.drawn(96, 64, number)) for index in range(2)]
    assert write_segy(tmp_path / "line.segy", made) == 2
    assert 6.4e6 < made[0].geometry.source_y_m < 6.6e6


@pytest.mark.slow
def test_several_acquisitions_take_turns_and_share_no_line():
    survey = acquisitions(48, 32, 3, first=5)
    assert [one.number for one in survey] == [5, 6, 7]
    made = list(simulate_recordings(9, 1, survey))
    assert [one.geometry.sail_line // 1000 for one in made] == [5, 6, 7] * 3
    assert [one.gather_id for one in made[:4]] == [
        "sim1-a5-000000",
        "sim1-a6-000001",
        "sim1-a7-000002",
        "sim1-a5-000003",
    ]
    assert all(np.array_equal(one.amplitude, simulate_recording(4, 1, survey).amplitude) for one in made[4:5])
    in_processes = list(simulate_recordings(9, 1, survey, workers=2))
    assert all(np.array_equal(one.amplitude, other.amplitude) for one, other in zip(made, in_processes, strict=True))


def test_the_paper_s_acquisition_stands_alone():
    (alone,) = acquisitions(112, 80)
    assert alone == SMALL and alone.number == 0


@pytest.mark.parametrize("wrong", [{"count": -1}, {"first": 0, "count": 1}, {"weather": 1.5}, {"weather": -0.1}])
def test_absurd_acquisitions_are_refused(wrong):
    with pytest.raises(InputError, match="give at least"):
        acquisitions(112, 80, **wrong)
    with pytest.raises(InputError, match="at least 1"):
        Acquisition.drawn(112, 80, 0)


def test_noise_goes_onto_the_same_events():
    survey = acquisitions(48, 32, 2)
    for index in range(4):
        whole = simulate_recording(index, 3, survey, (1, 1, 1))
        built = with_noise(simulate_events(index, 3, survey), index, 3, survey, (1, 1, 1))
        assert np.array_equal(whole.amplitude, built.amplitude) and whole.label == built.label


def test_the_recorder_that_does_nothing_changes_nothing(events):
    pressure, geometry = events
    amplitude, same = recorded_with(pressure, geometry)
    assert np.array_equal(amplitude, pressure) and same is geometry


def test_polarity_order_and_constant(events):
    pressure, geometry = events
    turned, _ = recorded_with(pressure, geometry, polarity=-1)
    assert np.array_equal(turned, -pressure)
    far, there = recorded_with(pressure, geometry, far_first=True)
    assert np.array_equal(far, pressure[::-1]) and np.array_equal(there.offset_m, geometry.offset_m[::-1])
    lifted, _ = recorded_with(pressure, geometry, constant=0.1)
    clip = np.quantile(np.abs(pressure[::2, ::3]), 0.96)
    assert np.allclose(lifted - pressure, 0.1 * clip, rtol=1e-3)


def test_words_of_few_bits_have_few_values(events):
    pressure, geometry = events
    coarse, _ = recorded_with(pressure, geometry, bits=9)
    assert len(np.unique(coarse)) < 2**9 < len(np.unique(pressure))
    step = 8.0 * np.quantile(np.abs(pressure[::2, ::3]), 0.96) / 2**8
    assert np.abs(coarse - pressure).max() <= 0.51 * step


def test_what_was_clipped_before_stays_clipped(events):
    pressure, geometry = events
    flat, _ = recorded_with(pressure, geometry, clipped_share=0.08)
    share = np.mean(np.abs(flat) >= np.abs(flat).max() * (1 - 1e-6))
    assert share == pytest.approx(0.08, abs=0.02)


def test_missing_traces_are_not_there(events):
    pressure, geometry = events
    fewer, there = recorded_with(pressure, geometry, missing=0.3)
    assert 0.5 * len(pressure) < len(fewer) < 0.9 * len(pressure)
    assert np.array_equal(pressure[there.channel - 1], fewer)
    assert len(there.offset_m) == len(there.receiver_x_m) == len(fewer)


@pytest.mark.parametrize("mute", ["top", "water"])
def test_mutes_set_to_zero_what_comes_before(events, mute):
    pressure, geometry = events
    muted, _ = recorded_with(np.ones_like(pressure), geometry, mute=mute)
    direct_s = geometry.offset_m / 1500.0
    first = (direct_s if mute == "top" else 0.97 * np.hypot(0.2, direct_s)) / 0.008
    for trace in (0, 40, len(first) - 1):
        assert not muted[trace, : max(int(first[trace]) - 8, 0)].any()
        assert (muted[trace, int(first[trace]) + 1 :] == 1.0).all()


def test_gain_rises_with_time_and_is_one_a_third_into_the_record():
    flat = dataclasses.replace(FULL, recorder=NOMINAL)
    assert (time_gain(flat) == 1.0).all()
    rising = time_gain(dataclasses.replace(FULL, recorder=Recorder(gain_power=1.5)))
    assert (np.diff(rising) > 0).all()
    assert rising[round(0.3 * FULL.samples)] == pytest.approx(1.0, abs=0.01)


def test_hum_has_its_frequency_on_every_trace():
    humming = dataclasses.replace(FULL, recorder=Recorder(hum_hz=50.0, hum_microbar=2.0))
    noise = hum(40, humming, np.random.default_rng(1))
    power = np.abs(np.fft.rfft(noise, axis=1)) ** 2
    frequency = np.fft.rfftfreq(noise.shape[1], 0.008)
    assert np.allclose(frequency[power.argmax(axis=1)], 50.0, atol=0.2)
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(2.0, rel=0.5)


def test_rumbling_channels_are_few_and_low():
    rumbling = dataclasses.replace(FULL, recorder=Recorder(rumbling=0.005))
    counts, low_shares = [], []
    for seed in range(20):
        noise = np.zeros((639, 876), np.float32)
        rumble(noise, rumbling, np.random.default_rng(seed))
        level = np.sqrt(np.mean(noise**2, axis=1))
        loud = level > 0.5 * level.max()
        counts.append(int(loud.sum()))
        power = np.abs(np.fft.rfft(noise[loud], axis=1)) ** 2
        low_shares.append(power[:, np.fft.rfftfreq(876, 0.008) < 15.0].sum() / power.sum())
    assert 1 <= np.median(counts) <= 8 and np.median(low_shares) > 0.6


@pytest.mark.slow
def test_a_rumbling_channel_does_not_change_the_label_or_other_noise():
    quiet = dataclasses.replace(FULL, recorder=NOMINAL)
    rumbling = dataclasses.replace(FULL, recorder=Recorder(rumbling=0.01))
    without, with_it = (simulate_recording(1, 3, each) for each in (quiet, rumbling))
    changed = np.abs(with_it.amplitude - without.amplitude).max(axis=0) > 1e-3
    assert with_it.label == without.label and 0 < changed.sum() < 0.3 * changed.size


def test_gain_control_makes_late_times_as_loud_as_early_ones(events):
    pressure, geometry = events
    falling = pressure * np.exp(-4.0 * np.linspace(0, 1, pressure.shape[1], dtype=np.float32))

    def late_over_early(amplitude):
        return np.std(amplitude[:, -30:]) / np.std(amplitude[:, 40:70])

    steps = [
        late_over_early(recorded_with(falling, geometry, balance=power, balance_s=0.2)[0]) for power in (0.0, 0.5, 1.0)
    ]
    assert steps[0] < steps[1] < steps[2] and steps[2] > 3 * steps[0]
    silent, _ = recorded_with(np.zeros_like(pressure), geometry, balance=1.0)
    assert not silent.any()


def test_a_later_start_moves_events_up():
    late = dataclasses.replace(SMALL, recorder=Recorder(start_s=0.08))
    now = dataclasses.replace(SMALL, recorder=NOMINAL)
    one, other = (simulate_events(0, 1, each).amplitude for each in (late, now))
    score = [np.corrcoef(one[:80].ravel(), other[shift : 80 + shift].ravel())[0, 1] for shift in range(16)]
    assert int(np.argmax(score)) == 10


def test_water_depth_and_earth_are_the_acquisition_s():
    deep = dataclasses.replace(FULL, water_s=(2.8, 2.9))
    assert 2.8 <= earth_of_line(1, 1, deep).time_s[0] <= 2.9
    image = render_recording(simulate_recording(0, 1, deep, noise=False), 896, 640).image
    # Only the direct wave, far to the left of these traces, comes before the sea floor.
    assert np.abs(image[:300, 400:630].astype(int) - 128).max() <= 2
    assert (np.abs(image[400:600, :100].astype(int) - 128) > 60).any()


def test_the_band_of_a_picture_is_that_of_its_events():
    second = np.arange(256) * 0.008
    tone = np.sin(2 * np.pi * 30.0 * second)[:, None] * np.ones(20)
    image = np.rint(128 + 64 * tone).astype(np.uint8)
    band = measure_band(image, slice(0, 256), slice(0, 20))
    assert band.low_hz == pytest.approx(30.0, abs=1) and band.high_hz == pytest.approx(30.0, abs=1)
    assert band.level == pytest.approx(64 / np.sqrt(2), rel=0.02)
    with pytest.raises(ValueError, match="give another"):
        measure_band(image, slice(0, 10), slice(0, 20))


def severities(weather, seed=1, gathers=4000):
    acquisition = dataclasses.replace(SMALL, weather=weather)
    random = np.random.default_rng(5)
    places = [acquisition.position(index, seed) for index in range(gathers)]
    return places, np.array([weathered(random.random(), place, seed, acquisition) for place in places])


@pytest.mark.parametrize("weather", [0.3, 0.7, 1.0])
def test_weather_leaves_the_shares_of_labels(weather):
    _, severity = severities(weather)
    assert np.allclose(np.quantile(severity, (0.02, 0.3, 0.67, 0.98)), (0.02, 0.3, 0.67, 0.98), atol=0.03)


def test_weather_gathers_bad_ones_on_few_lines_and_stretches():
    def lines_with_half(weather):
        places, severity = severities(weather)
        bad = np.array([place.sail_line for place in places])[severity > 0.95]
        counts = np.sort(np.bincount(bad))[::-1]
        return int(np.searchsorted(np.cumsum(counts), 0.5 * counts.sum())) + 1

    assert lines_with_half(1.0) <= 4 < lines_with_half(0.1)
    alike = [
        weathered(0.5, Position(3, shot, cable), 1, dataclasses.replace(SMALL, weather=1.0))
        for shot, cable in ((100, 1), (100, 8), (101, 1))
    ]
    assert alike[0] == alike[1] and abs(alike[0] - alike[2]) < 0.2


def test_without_weather_labels_are_drawn_one_by_one():
    with_none = [noise_of_gather(index, 2, SMALL, (1, 1, 1))[0] for index in range(60)]
    windy = dataclasses.replace(SMALL, weather=1.0)
    with_all = [noise_of_gather(index, 2, windy, (1, 1, 1))[0] for index in range(60)]
    assert with_none != with_all and set(with_none) == set(LABELS)
