"""Attributes of gathers made so that their values are known, and of simulated ones whose noise was planted."""

import dataclasses
from operator import itemgetter

import numpy as np
import pytest

from eval.attributes import compare
from glowseis.attributes import measuring
from glowseis.attributes.crossfeed import leaking_modules
from glowseis.attributes.faults import FAULTS, neighbour_correlation, reversed_traces
from glowseis.attributes.first_arrivals import cables
from glowseis.attributes.levels import stretches
from glowseis.attributes.measuring import MARKS, NUMBERS, Settings, measure_gather, measure_gathers, settings_of
from glowseis.errors import InputError
from glowseis.survey.gather import Geometry, Picture, Recording
from glowseis.survey.simulate.acquisition import acquisitions

INTERVAL_S, SAMPLES, TRACES = 0.004, 600, 48


def geometry(traces=TRACES, interval_s=INTERVAL_S, offset_m=None, channel=None, start_s=0.0):
    offset_m = 200.0 + 12.5 * np.arange(traces) if offset_m is None else offset_m
    nowhere = np.full(traces, np.nan)
    channel = np.arange(1, traces + 1) if channel is None else channel
    return Geometry(1, 5, 1, interval_s, channel, offset_m, np.nan, np.nan, nowhere, nowhere, start_s)


def recording(amplitude, **settings):
    amplitude = np.asarray(amplitude, np.float32)
    return Recording("a-shot5", amplitude, "", geometry(amplitude.shape[1], **settings), "a.segy")


def shot(noise=0.01, traces=TRACES, seed=1):
    """A gather of noise and a sweep up from 24 Hz on each trace, 0.6 s after the shot and later with offset."""
    random = np.random.default_rng(seed)
    time_s = INTERVAL_S * np.arange(SAMPLES)[:, None]
    late_s = time_s - 0.6 - 12.5 * np.arange(traces)[None, :] / 1500
    ring = np.cos(2 * np.pi * (24 + 6 * late_s) * late_s) * np.exp(-np.maximum(late_s, 0) / 0.5) * (late_s >= 0)
    return ring + noise * random.standard_normal((SAMPLES, traces))


@pytest.fixture(scope="module")
def plain():
    return measure_gather(recording(shot()), Settings())


def test_every_attribute_has_a_value_on_every_trace(plain):
    assert set(plain.traces) == {*NUMBERS, *MARKS, "band"}
    assert all(plain.traces[name].shape == (TRACES,) for name in plain.traces)
    assert all(np.isfinite(plain.traces[name]).all() for name in NUMBERS)
    assert not any(plain.traces[name].any() for name in MARKS) and not plain.bands and not plain.modules


def test_levels_are_root_mean_squares_in_their_windows(plain):
    arrival_s = 0.6 + 12.5 * np.arange(TRACES) / 1500
    assert np.abs(plain.traces["first_arrival_s"] - arrival_s).max() < 0.04
    assert np.median(plain.traces["noise_rms"]) == pytest.approx(0.01, rel=0.02)
    amplitude = shot()
    tail = np.sqrt(np.mean(amplitude[-125:] ** 2, axis=0))
    assert plain.traces["tail_rms"] == pytest.approx(tail, rel=0.05)
    fixed = measure_gather(recording(amplitude), settings_of("0.8-1.6", "0-0.4", 24)).traces
    assert fixed["target_rms"] == pytest.approx(np.sqrt(np.mean(amplitude[200:400] ** 2, axis=0)), rel=1e-4)
    assert fixed["noise_rms"] == pytest.approx(np.sqrt(np.mean(amplitude[:100] ** 2, axis=0)), rel=1e-4)
    wanted = 20 * np.log10(fixed["target_rms"] / fixed["noise_rms"])
    assert fixed["signal_to_noise_db"] == pytest.approx(wanted)


def test_a_window_follows_the_offset():
    amplitude = shot()
    moved = measure_gather(recording(amplitude), settings_of("0.1-0.5@1510", "", 24)).traces["target_rms"]
    first = np.rint((0.1 + (200 + 12.5 * np.arange(TRACES)) / 1510) / 0.016).astype(int) * 4
    wanted = [np.sqrt(np.mean(amplitude[place : place + 100, trace] ** 2)) for trace, place in enumerate(first)]
    assert moved == pytest.approx(wanted, rel=1e-4)


def test_frequencies(plain):
    assert plain.traces["peak_hz"] == pytest.approx(27.0, abs=1.0)
    time_s = INTERVAL_S * np.arange(1000)[:, None]
    both = np.sin(2 * np.pi * 5 * time_s) + 2 * np.sin(2 * np.pi * 40 * time_s) * np.ones((1, 12))
    found = measure_gather(recording(both), Settings()).traces
    assert found["low_share"] == pytest.approx(0.2, abs=0.01)
    assert found["peak_hz"] == pytest.approx(40.0, abs=1.0)
    assert found["low_rms"] == pytest.approx(np.sqrt(0.5), rel=0.02)


@pytest.mark.parametrize("factor", [1e-25, 1e25])
def test_levels_keep_the_units_of_the_source(plain, factor):
    amplitude = (factor * shot()).astype(np.float32)
    amplitude[:, 20] *= 0.1
    scaled = measure_gather(recording(amplitude), Settings()).traces
    for name in ("noise_rms", "target_rms", "tail_rms", "low_rms"):
        others = np.arange(TRACES) != 20
        assert scaled[name][others] == pytest.approx(factor * plain.traces[name][others], rel=1e-3)
    assert np.flatnonzero(scaled["weak"]).tolist() == [20]


@pytest.mark.parametrize("constant", [0.05, 3.0])
def test_a_constant_is_no_noise(plain, constant):
    moved = measure_gather(recording(shot() + constant), Settings()).traces
    assert moved["noise_rms"] == pytest.approx(plain.traces["noise_rms"], rel=0.05)


def faulty():
    amplitude = shot()
    amplitude[:, 3] = 0
    amplitude[:, 8] = 7.5
    amplitude[100, 12] = np.nan
    amplitude[:, 17] *= 0.002
    amplitude[:, 22] *= 0.2
    amplitude[:, 27] *= -1
    amplitude[[100, 444], 31] += 2.0
    amplitude[:, 36] = np.clip(20 * amplitude[:, 36], -0.8, 0.8)
    amplitude[:, 41] += 0.4 * np.random.default_rng(3).standard_normal(SAMPLES)
    return amplitude


def test_each_fault_is_found_where_it_is_and_nowhere_else():
    found = measure_gather(recording(faulty()), Settings()).traces
    wanted = {"dead": [3, 8, 12, 17], "weak": [22], "wild": [41], "spiky": [31], "reversed": [27], "saturated": [36]}
    assert {name: np.flatnonzero(found[name]).tolist() for name in FAULTS} == wanted
    for name in NUMBERS:
        assert np.isnan(found[name][[3, 8, 12]]).all()
        assert np.isfinite(found[name][22])
    assert found["limit_share"][36] > 0.05


@pytest.mark.parametrize(
    ("first", "count"), [(20, 1), (20, 5), (20, 6), (20, 10), (10, 24), (0, 12), (36, 12), (4, 22)]
)
def test_a_failed_section_is_dead_however_long_it_is(first, count):
    amplitude = shot()
    amplitude[:, first : first + count] = 1e-5 * np.random.default_rng(4).standard_normal((SAMPLES, count))
    found = measure_gather(recording(amplitude), Settings()).traces
    assert np.flatnonzero(found["dead"]).tolist() == list(range(first, first + count))
    assert not np.any([found[name] for name in FAULTS if name != "dead"])


@pytest.mark.parametrize(("loud", "count"), [(300.0, 14), (1000.0, 24), (1000.0, 34)])
def test_sound_channels_beside_loud_ones_are_not_dead(loud, count):
    amplitude = shot(noise=1e-3)
    noisy = amplitude.copy()
    noisy[:, :count] += loud * np.random.default_rng(4).standard_normal((SAMPLES, count))
    assert not measure_gather(recording(noisy), Settings()).traces["dead"].any()
    # Another component, in another unit.
    amplitude[:, :count] *= loud
    assert not measure_gather(recording(amplitude), Settings()).traces["dead"].any()


def test_half_a_period_off_is_not_taken_for_wrong_polarity():
    late_s = INTERVAL_S * np.arange(256) - 0.3 - 0.004 * np.arange(5)[:, None]
    ring = np.cos(2 * np.pi * 28 * late_s) * np.exp(-((late_s / 0.15) ** 2))
    noisy = ring + 0.3 * np.random.default_rng(2).standard_normal((40, *ring.shape))
    hz = np.fft.rfftfreq(256, INTERVAL_S)
    for traces in noisy:
        spectrum = np.fft.rfft(traces, axis=1).astype(np.complex64)
        assert (neighbour_correlation(spectrum, hz, 0.03) > 0).all()
    # Of more frequencies, the opposite is told apart.
    pulse = (1 - 2 * (np.pi * 25 * late_s) ** 2) * np.exp(-((np.pi * 25 * late_s) ** 2)) * [[1], [-1], [1], [-1], [1]]
    assert (neighbour_correlation(np.fft.rfft(pulse, axis=1).astype(np.complex64), hz, 0.03) < -0.9).all()


def test_runs_of_wrong_polarity():
    alike = np.full(30, 0.9)
    alike[[4, 6]] = -0.8
    alike[[15]] = -0.8
    assert np.flatnonzero(reversed_traces(alike)).tolist() == [5, 6]
    alike[[16]] = -0.8
    assert np.flatnonzero(reversed_traces(alike)).tolist() == [5, 6, 16]
    assert not reversed_traces(np.where(np.arange(30) % 2, -0.3, 0.9)).any()


def test_a_band_of_noise_has_its_traces_and_frequency():
    random = np.random.default_rng(4)
    amplitude = 0.1 * random.standard_normal((SAMPLES, TRACES))
    time_s = INTERVAL_S * np.arange(SAMPLES)
    wave = 0.4 * np.sin(2 * np.pi * 4 * time_s) * (time_s > 0.6)
    amplitude[:, 10:19] += wave[:, None]
    (band,) = measure_gather(recording(amplitude, start_s=0.5), Settings()).bands
    assert (band.first_trace, band.last_trace, band.width) == (10, 18, 9)
    assert band.peak_hz == pytest.approx(4.0, abs=0.5)
    assert band.correlation == pytest.approx((1.0, 1.0, 1.0), abs=0.05)
    assert band.first_s == pytest.approx(1.1, abs=0.26) and band.last_s == pytest.approx(2.9, abs=0.05)
    assert band.rms == pytest.approx(0.4 * np.sqrt(0.5 * 1.8 / 2.4), rel=0.1)
    amplitude[:, 14] = 0
    (band,) = measure_gather(recording(amplitude), Settings()).bands
    assert (band.first_trace, band.last_trace) == (10, 18)


def test_a_trace_without_an_offset_is_not_taken_for_the_one_nearest_the_source():
    random = np.random.default_rng(4)
    amplitude = 0.1 * random.standard_normal((SAMPLES, TRACES))
    time_s = INTERVAL_S * np.arange(SAMPLES)
    amplitude[:, 20:29] += (0.6 * np.sin(2 * np.pi * 4 * time_s) * (time_s < 1.6))[:, None]
    offset_m = np.array(recording(amplitude).geometry.offset_m)
    for blank in (False, True):
        offset_m[24] = 0.0 if blank else offset_m[24]
        assert len(measure_gather(recording(amplitude, offset_m=offset_m), Settings()).bands) == 1


def test_a_leaking_module_is_told_from_noise_that_knows_no_modules():
    random = np.random.default_rng(6)
    low = random.standard_normal((96, 300)).astype(np.float32)
    channel, live = np.arange(1, 97), np.ones(96, bool)
    assert leaking_modules(low, channel, live, 24) == []
    shared = random.standard_normal(300)
    everywhere = low + shared
    assert leaking_modules(everywhere, channel, live, 24) == []
    low[48:72] += shared
    assert leaking_modules(low, channel, live, 24) == [2]
    assert leaking_modules(low[::-1], channel[::-1], live, 24) == [2]
    # Serial numbers, a multiple of the module's length beyond.
    assert leaking_modules(low, channel + 24 * 10**9, live, 24) == [10**9 + 2]
    assert leaking_modules(low, channel, live & (channel < 60), 24) == []


def test_noise_alone_has_no_first_arrivals_and_no_level_before_them():
    noise = recording(np.random.default_rng(7).standard_normal((SAMPLES, TRACES)))
    found = measure_gather(noise, Settings()).traces
    for name in ("first_arrival_s", "noise_rms", "target_rms", "signal_to_noise_db"):
        assert np.isnan(found[name]).all()
    assert np.isfinite(found["tail_rms"]).all() and not found["dead"].any()
    given = measure_gather(noise, settings_of("1-2", "0-0.5", 24)).traces
    assert np.isfinite(given["signal_to_noise_db"]).all()


def test_a_mute_is_no_noise():
    amplitude = shot()
    amplitude[:140] = 0
    found = measure_gather(recording(amplitude), Settings()).traces
    assert np.isnan(found["noise_rms"][:10]).all() and np.isfinite(found["target_rms"]).all()


def test_a_trace_without_an_offset_has_no_window_that_follows_it():
    offset_m = 200 + 12.5 * np.arange(TRACES)
    offset_m[40] = 0
    found = measure_gather(recording(shot(), offset_m=offset_m), settings_of("0.1-0.5@1510", "", 24)).traces
    assert np.flatnonzero(np.isnan(found["target_rms"])).tolist() == [40] and not found["weak"].any()


@pytest.mark.parametrize(("head", "tail"), [(375, 0), (0, 200), (376, 240), (1200, 1200), (40, 25)])
@pytest.mark.parametrize("dead", [False, True])
def test_padding_is_no_part_of_the_record(head, tail, dead):
    """Zeros from time zero to a deep record's begin, or up to a usual length, change no attribute but the times."""
    amplitude = shot()
    amplitude[:, 30:36] += 0.6 * np.sin(2 * np.pi * 4 * INTERVAL_S * np.arange(SAMPLES))[:, None]
    if dead:
        amplitude[:, 11] = 0
    padded = np.pad(amplitude, ((head, tail), (0, 0)))
    plain = measure_gather(recording(amplitude, start_s=head * INTERVAL_S), Settings())
    found = measure_gather(recording(padded), Settings())
    assert len(plain.bands) == 1 and found.bands == plain.bands
    for name, values in plain.traces.items():
        np.testing.assert_array_equal(found.traces[name], values, err_msg=name)


def test_a_mute_that_follows_the_arrivals_is_no_padding():
    amplitude = shot()
    for trace in range(TRACES):
        amplitude[: 150 + round(12.5 * trace / 1500 / INTERVAL_S), trace] = 0
    found = measure_gather(recording(amplitude), Settings()).traces["first_arrival_s"]
    assert np.abs(found - 0.6 - 12.5 * np.arange(TRACES) / 1500).max() < 0.04


def test_zeros_within_a_window_of_noise_do_not_count():
    amplitude = shot()
    plain = measure_gather(recording(amplitude), settings_of("", "0-0.4", 24)).traces["noise_rms"]
    amplitude[:40, 1:] = 0
    found = measure_gather(recording(amplitude), settings_of("", "0-0.4", 24)).traces["noise_rms"]
    assert found == pytest.approx(plain, rel=0.2) and found[1:].mean() == pytest.approx(plain[1:].mean(), rel=0.03)
    amplitude[:60, 1:] = 0
    found = measure_gather(recording(amplitude), settings_of("", "0-0.4", 24)).traces["noise_rms"]
    assert np.isnan(found[1:]).all() and found[0] == plain[0]


def test_padding_hides_no_gather_without_first_arrivals():
    noise = np.random.default_rng(1).normal(size=(SAMPLES, TRACES))
    for amplitude in (noise, np.pad(noise, ((375, 100), (0, 0)))):
        assert np.isnan(measure_gather(recording(amplitude), Settings()).traces["first_arrival_s"]).all()


def test_quiet_blocks_of_few_bits_are_noise():
    """Blocks of nothing but zeros are rare single ones in noise of half a level; they count."""
    random = np.random.default_rng(1)
    amplitude = np.rint(100 * shot(0) + 0.4 * random.standard_normal((SAMPLES, TRACES)))
    found = measure_gather(recording(amplitude), settings_of("", "0-0.5", 24)).traces["noise_rms"]
    assert found == pytest.approx(np.sqrt(np.mean(amplitude[:124] ** 2, axis=0)), rel=0.1)
    single = np.array([[True, False, True, True, True, False, True, True]])
    assert stretches(single, 3).tolist() == [[False, False, True, True, True, False, False, False]]


def test_first_arrivals_of_several_cables_are_followed_one_by_one():
    offset_m = np.concatenate([200 + 12.5 * np.arange(24)] * 2)
    assert cables(offset_m) == [slice(0, 24), slice(24, 48)]
    assert cables(np.abs(np.arange(-30, 31) * 12.5)) == [slice(0, 30), slice(30, 61)]
    assert cables(np.full(48, np.nan)) == [slice(0, 48)]
    amplitude = np.concatenate([shot(traces=24), shot(traces=24, seed=2)], axis=1)
    found = measure_gather(recording(amplitude, offset_m=offset_m), Settings()).traces["first_arrival_s"]
    assert np.abs(found - (0.6 + (offset_m - 200) / 1500)).max() < 0.04


@pytest.mark.parametrize("traces", [1, 2, 3, 7])
def test_gathers_of_few_traces(traces):
    found = measure_gather(recording(shot(traces=traces)), Settings())
    assert np.isfinite(found.traces["tail_rms"]).all() and not found.traces["dead"].any()


def test_gathers_without_signal_or_offsets():
    silent = measure_gather(recording(np.zeros((SAMPLES, TRACES))), Settings())
    assert silent.traces["dead"].all() and not silent.bands
    assert all(np.isnan(silent.traces[name]).all() for name in NUMBERS)
    nowhere = recording(faulty(), offset_m=np.full(TRACES, np.nan), channel=np.zeros(TRACES, int))
    found = measure_gather(nowhere, Settings()).traces
    assert np.flatnonzero(found["reversed"]).tolist() == [27] and np.isfinite(found["first_arrival_s"]).sum() == 45


def test_pictures_are_measured_in_grey_levels(plain):
    image = np.clip(np.rint(128 + 40 * shot()), 0, 255).astype(np.uint8)
    found = measure_gather(Picture("p", image, "", geometry(), "p.png"), Settings()).traces
    assert found["target_rms"] == pytest.approx(40 * plain.traces["target_rms"], rel=0.05)


def test_what_cannot_be_measured_is_told_in_one_line():
    with pytest.raises(InputError, match="has no sample interval; pass --sample-interval"):
        measure_gather(recording(shot(), interval_s=np.nan), Settings())
    with pytest.raises(InputError, match="has 10 samples, too few to measure"):
        measure_gather(recording(shot()[:10]), Settings())
    with pytest.raises(InputError, match="lie on one side of their middle"):
        measure_gather(recording(np.abs(shot(noise=0.3)) ** 2), Settings())
    with pytest.raises(InputError, match="--module 8: cross-feed is found in modules of at least 16"):
        settings_of("", "", 8)


def test_what_was_planted_is_found():
    found = compare(acquisitions(224, 160), 8, 3)
    planted, hits = (sum(counts[name] for name in FAULTS) for counts in (found.planted, found.hits))
    assert planted >= 12 and hits >= 0.9 * planted
    assert sum(found.false[name] for name in FAULTS) <= 2
    assert np.percentile(np.abs(found.error("noise_rms_percent")), 95) < 1.0
    assert np.percentile(np.abs(found.error("first_arrival_ms")), 90) < 60
    assert found.planted["swell band"] and found.hits["swell band"] >= 0.7 * found.planted["swell band"]
    assert np.median(np.abs(found.error("band_edges_traces"))) <= 3


def test_order_of_traces_does_not_matter(plain):
    there = recording(shot())
    turned = dataclasses.replace(
        there,
        amplitude=np.ascontiguousarray(there.amplitude[:, ::-1]),
        geometry=geometry(offset_m=there.geometry.offset_m[::-1], channel=there.geometry.channel[::-1]),
    )
    found = measure_gather(turned, Settings()).traces
    for name in ("noise_rms", "target_rms", "tail_rms", "peak_hz"):
        assert found[name][::-1] == pytest.approx(plain.traces[name], rel=0.05)


def test_gathers_are_measured_ahead_in_their_order(monkeypatch):
    monkeypatch.setattr(measuring, "cores", lambda: 3)
    begun = []

    def things():
        for number in range(12):
            begun.append(number)
            yield number, recording(shot() * (number + 1))

    for used, ((number, gather), found) in enumerate(measure_gathers(things(), Settings(), itemgetter(1))):
        assert number == used and len(begun) - used <= 4
        alone = measure_gather(gather, Settings()).traces
        assert all(np.array_equal(found.traces[name], alone[name], equal_nan=True) for name in NUMBERS)
    assert len(begun) == 12


def test_many_cores_do_not_take_memory_for_as_many_gathers(monkeypatch):
    monkeypatch.setattr(measuring, "cores", lambda: 256)
    monkeypatch.setattr(measuring, "measure_gather", lambda gather, settings: gather)
    things = iter(range(1000))
    assert next(measure_gathers(things, Settings(), lambda one: one)) == (0, 0)
    assert next(things) == measuring.MOST_THREADS + 1


def test_an_error_comes_where_its_gather_is_used():
    things = [recording(shot()), recording(shot()), recording(shot()[:8]), recording(shot())]
    every = measure_gathers(things, Settings(), lambda one: one)
    assert [next(every)[0], next(every)[0]] == things[:2]
    with pytest.raises(InputError, match="has 8 samples, too few to measure"):
        next(every)
