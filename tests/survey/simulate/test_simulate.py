import dataclasses
import itertools

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.gather import LABELS
from glowseis.survey.render import render_recording
from glowseis.survey.simulate import Acquisition, noise_of_gather, simulate_recording, simulate_recordings, wavelet
from glowseis.survey.simulate.acquisition import WATER_VELOCITY_M_S, Position
from glowseis.survey.simulate.earth import earth_of_line
from glowseis.survey.simulate.events import CLIP_MICROBAR, diffractions, seismic_events, streamer_depth_m
from glowseis.survey.simulate.instruments import Signature

SMALL = Acquisition.of_size(112, 80)
TINY = Acquisition.of_size(48, 32)
FULL = Acquisition.of_size(896, 640)
ONLY = dict(zip(LABELS, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), strict=True))


def same(first, second):
    return (
        first.gather_id == second.gather_id
        and first.label == second.label
        and np.array_equal(first.amplitude, second.amplitude)
        and np.array_equal(first.geometry.offset_m, second.geometry.offset_m)
        and first.geometry.sail_line == second.geometry.sail_line
    )


def rows_of(seconds):
    return np.asarray(seconds) / FULL.sample_interval_s


def test_gather_is_a_function_of_seed_and_index_alone():
    alone = simulate_recording(5, 3, SMALL)
    in_a_row = list(simulate_recordings(8, 3, SMALL))
    fewer_in_processes = list(simulate_recordings(6, 3, SMALL, workers=2))
    assert same(alone, in_a_row[5])
    assert all(map(same, fewer_in_processes, in_a_row[:6]))
    assert not np.array_equal(alone.amplitude, simulate_recording(5, 4, SMALL).amplitude)
    assert [recording.gather_id for recording in in_a_row] == [f"sim3-{index:06d}" for index in range(8)]


def test_iterating_can_be_broken_off():
    recordings = simulate_recordings(10_000, 3, SMALL, workers=2)
    taken = list(itertools.islice(recordings, 2))
    recordings.close()
    assert len(taken) == 2
    assert next(recordings, None) is None


@pytest.mark.parametrize("size", [(896, 640), (112, 80), (48, 32), (128, 128), (64, 256)])
def test_smaller_pictures_are_smaller_acquisitions(size):
    acquisition = Acquisition.of_size(*size)
    recording = simulate_recording(0, 1, acquisition)
    samples, traces = recording.amplitude.shape
    assert samples == round(size[0] * 876 / 896)
    assert round(size[1] * 632 / 640) <= traces <= round(size[1] * 639 / 640)
    assert recording.amplitude.dtype == np.float32
    assert np.isfinite(recording.amplitude).all()
    geometry = recording.geometry
    assert geometry.sample_interval_s == 0.008
    assert geometry.offset_m.shape == geometry.channel.shape == geometry.receiver_x_m.shape == (traces,)
    apart = np.hypot(np.diff(geometry.receiver_x_m), np.diff(geometry.receiver_y_m))
    assert np.allclose(apart, acquisition.channel_interval_m)
    offset = np.hypot(geometry.receiver_x_m - geometry.source_x_m, geometry.receiver_y_m - geometry.source_y_m)
    assert np.allclose(offset, geometry.offset_m, rtol=1e-5)


def test_full_size_has_the_paper_s_widths():
    assert (FULL.samples, FULL.fewest_traces, FULL.most_traces) == (876, 632, 639)


def test_places_are_drawn_without_repeats_from_all_lines_and_cables():
    places = [SMALL.position(index, 1) for index in range(2000)]
    assert len(set(places)) == 2000
    assert {place.sail_line for place in places} == set(range(1, 21))
    assert {place.cable for place in places} == set(range(1, 9))
    assert places[:5] != [SMALL.position(index, 2) for index in range(5)]


@pytest.mark.slow
def test_labels_come_in_the_asked_for_fractions():
    labels = [recording.label for recording in simulate_recordings(300, 2, Acquisition.of_size(48, 32), (50, 30, 20))]
    shares = np.array([labels.count(label) for label in LABELS]) / 300
    assert np.allclose(shares, (0.5, 0.3, 0.2), atol=0.09)


@pytest.mark.parametrize("index", range(4))
def test_first_arrival_is_the_direct_wave_near_the_source(index):
    recording = simulate_recording(index, 1, FULL, noise=False)
    loud = np.abs(recording.amplitude)
    traces = np.arange(0, 200, 10)
    picked = [int(np.argmax(loud[:, trace] > 0.05 * loud[:300, trace].max())) for trace in traces]
    expected = rows_of(recording.geometry.offset_m[traces] / WATER_VELOCITY_M_S)
    assert np.abs(picked - expected).max() < 4.0
    assert 12 < expected[0] < 30
    assert 0.7 < (picked[2] - picked[0]) / 20 < 1.15
    assert (picked[-1] - picked[-6]) / 50 == pytest.approx(12.5 / 1500 / 0.008, abs=0.05)


@pytest.mark.parametrize("index", range(4))
def test_head_wave_comes_first_at_the_far_end(index):
    recording = simulate_recording(index, 1, FULL, noise=False)
    loud = np.abs(recording.amplitude)
    traces = np.arange(520, 630, 10)
    picked = [int(np.argmax(loud[:, trace] > 0.1 * loud[:, trace].max())) for trace in traces]
    assert np.polyfit(traces, picked, 1)[0] == pytest.approx(0.57, abs=0.05)
    assert picked[-1] == pytest.approx(548, abs=20)


@pytest.mark.parametrize("index", range(4))
def test_sea_floor_reflection_follows_its_hyperbola(index):
    recording = simulate_recording(index, 1, FULL, noise=False)
    geometry = recording.geometry
    water_s = earth_of_line(1, geometry.sail_line, FULL).time_s[0]
    loud = np.abs(recording.amplitude)
    expected = rows_of(np.hypot(water_s, geometry.offset_m / WATER_VELOCITY_M_S))
    assert 100 < expected[0] < 125
    for trace in (0, 40, 80):
        around = int(expected[trace])
        quiet = loud[around - 20 : around - 8, trace].max()
        window = loud[around - 6 : around + 12, trace]
        assert window.max() > 2.0 * quiet
        assert abs(int(np.argmax(window > 0.5 * window.max())) - 6) <= 6


@pytest.mark.slow
def test_a_good_gather_is_quiet_before_the_first_arrivals():
    for index in range(3):
        recording = simulate_recording(index, 1, FULL, ONLY["good"])
        clip = np.quantile(np.abs(recording.amplitude), 0.96)
        triangle = recording.amplitude[:250, 350:620]
        assert 0.0005 < np.sqrt(np.mean(triangle**2)) / clip < 0.04


def low_share(label):
    """Median over gathers: share of 1 to 10 Hz in the power of the loud columns of the quiet triangle."""
    frequency = np.fft.rfftfreq(250, 0.008)
    shares = []
    for index in range(8):
        triangle = simulate_recording(index, 1, FULL, ONLY[label]).amplitude[:250, 350:620]
        power = np.abs(np.fft.rfft(triangle * np.hanning(250)[:, None], axis=0)) ** 2
        loud = power[:, power.sum(axis=0) > 4.0 * np.median(power.sum(axis=0))]
        if loud.size:
            shares.append(loud[(frequency > 1) & (frequency < 10)].sum() / loud.sum())
    return np.median(shares)


@pytest.mark.slow
def test_swell_of_bad_gathers_is_lower_in_frequency_than_medium_noise():
    bad, medium = low_share("bad"), low_share("medium")
    assert bad > 0.6
    assert medium < bad - 0.25


def test_without_noise_the_label_changes_nothing():
    clean = [simulate_recording(3, 1, SMALL, ONLY[label], noise=False) for label in LABELS]
    assert [recording.label for recording in clean] == list(LABELS)
    for other in clean[1:]:
        assert np.array_equal(other.amplitude, clean[0].amplitude)
        assert np.array_equal(other.geometry.receiver_x_m, clean[0].geometry.receiver_x_m)
    noisy = simulate_recording(3, 1, SMALL, ONLY["bad"])
    assert not np.array_equal(noisy.amplitude, clean[0].amplitude)


@pytest.mark.slow
@pytest.mark.parametrize("acquisition", [SMALL, FULL], ids=["small", "full"])
def test_neighbouring_shots_and_cables_resemble_each_other_and_lines_differ(acquisition):
    def events(line, shot, cable):
        geometry = acquisition.geometry(Position(line, shot, cable), acquisition.fewest_traces, 1)
        return seismic_events(earth_of_line(1, line, acquisition), geometry, acquisition)

    one = events(1, 100, 4)[:, ::2].ravel()

    def likeness(line, shot, cable):
        return np.corrcoef(one, events(line, shot, cable)[:, ::2].ravel())[0, 1]

    shots = min(likeness(1, shot, 4) for shot in (101, 102))
    cables = likeness(1, 100, 5)
    lines = [likeness(line, 100, 4) for line in (2, 3, 4)]
    assert shots > 0.97 and cables > 0.97
    assert max(lines) < 0.93 and min(lines) < 0.7


def test_feathering_and_streamer_depth_vary_along_a_line_and_between_lines():
    def feather(line, shot):
        geometry = FULL.geometry(Position(line, shot, 4), 639, 1)
        along = np.ptp(geometry.receiver_x_m)
        return np.degrees(np.arctan2(geometry.receiver_y_m[-1] - geometry.receiver_y_m[0], along))

    def depth(line, shot):
        return streamer_depth_m(FULL.geometry(Position(line, shot, 4), 639, 1), FULL)

    angles = np.array([[feather(line, shot) for shot in range(1, 401, 25)] for line in (1, 2, 3)])
    assert np.all(np.ptp(angles, axis=1) > 1.5) and np.abs(angles).max() < 10.0
    assert np.ptp(angles.mean(axis=1)) > 0.3
    assert abs(feather(1, 100) - feather(1, 101)) < 0.1
    depths = np.array([[depth(line, shot) for shot in (1, 100, 200, 300)] for line in (1, 2, 3)])
    assert 6.9 < depths.min() < 7.5 and 8.4 < depths.max() < 9.1
    assert np.all(depths.std(axis=1).max(axis=1) > 0.1)
    assert np.abs(depth(1, 100) - depth(1, 101)).max() < 0.1


def test_the_signature_s_bubble_is_weak_and_late():
    """In the far field, with the source's ghost, the peak is more than 15 times the bubble, 0.11 s before it.

    The paper's low-cut leaves nearly nothing of it, so that a strong one is measured.
    """
    frequency = np.fft.rfftfreq(512, 0.008)
    ghost = 1.0 - 0.92 * np.exp(-2j * np.pi * frequency * 2 * 6.0 / WATER_VELOCITY_M_S)
    fine = np.zeros(2049, complex)

    def pulse(signature):
        fine[:257] = wavelet.wavelet_spectra(512, 0.008, signature)[0] * ghost
        return np.fft.irfft(fine, 4096)

    whole, alone = pulse(Signature(bubble=1.0)), pulse(Signature(bubble=0.0))
    bubble = whole - alone
    assert 15.0 < np.ptp(alone) / np.ptp(bubble) < 60.0
    late_s = 0.001 * (np.abs(bubble).argmax() - np.abs(alone).argmax())
    assert late_s == pytest.approx(0.12, abs=0.03)


@pytest.mark.parametrize("size", [(64, 256), (48, 640), (128, 128), (896, 640), (896, 32), (400, 640)])
def test_any_size_has_a_sensible_acquisition(size):
    """The direct wave stays on the record, and events fill what lies below it."""
    acquisition = Acquisition.of_size(*size)
    recording = simulate_recording(0, 1, acquisition, noise=False)
    direct_s = recording.geometry.offset_m / WATER_VELOCITY_M_S
    assert direct_s.max() < acquisition.record_length_s
    assert 0.8 < acquisition.channel_interval_m <= 12.5
    assert np.mean(np.abs(recording.amplitude).max(axis=0) > 0.1 * CLIP_MICROBAR) > 0.95


def test_every_line_can_hold_every_class():
    drawn = ((TINY.position(index, 3).sail_line, noise_of_gather(index, 3, TINY, (1, 1, 1))[0]) for index in range(400))
    assert set(drawn) == {(line, label) for line in range(1, 21) for label in LABELS}


def features(recordings, height, width):
    """Grey-level statistics of blocks of each picture, and where and when it was recorded."""
    table = []
    for recording in recordings:
        level = render_recording(recording, height, width).image.astype(float) - 128.0
        blocks = level.reshape(height // 16, 16, width // 16, 16)
        spread = np.log(blocks.std(axis=(1, 3)) + 1.0).ravel()
        rough = np.log(np.abs(np.diff(blocks, axis=3)).mean(axis=(1, 3)) + 1.0).ravel()
        of_trace = np.sort(level.std(axis=0))[[0, 1, width // 2, -3]]
        place = recording.geometry
        where = [place.sail_line, place.shot, place.cable, place.offset_m[0], place.offset_m[-1], place.channel.size]
        table.append([*spread, *rough, *of_trace, *where])
    return np.array(table)


def judged_by_a_forest(noise):
    """Balanced accuracy of a random forest under cross-validation, on as many gathers of each class."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_predict

    recordings = [simulate_recording(index, 5, SMALL, (1, 1, 1), noise) for index in range(CHANCE_GATHERS)]
    labels = np.array([recording.label for recording in recordings])
    forest = RandomForestClassifier(100, class_weight="balanced", random_state=0, n_jobs=1)
    guessed = cross_val_predict(forest, features(recordings, 112, 80), labels, cv=5)
    return np.mean([np.mean(guessed[labels == label] == label) for label in LABELS])


CHANCE_GATHERS = 450


@pytest.mark.slow
def test_a_classifier_of_gathers_without_their_noise_scores_at_chance():
    """Geology and geometry are no cue. Three standard deviations of guessing among three classes are 0.067."""
    three_deviations = 3.0 * np.sqrt((1 / 3) * (2 / 3) / CHANCE_GATHERS)
    assert abs(judged_by_a_forest(noise=False) - 1 / 3) < three_deviations
    assert judged_by_a_forest(noise=True) > 1 / 3 + 4.0 * three_deviations


@pytest.mark.parametrize("size", [(47, 32), (48, 31), (897, 640), (896, 641), (0, 0), (-112, 80)])
def test_absurd_sizes_are_refused(size):
    with pytest.raises(InputError, match="48x32 to 896x640"):
        Acquisition.of_size(*size)


@pytest.mark.parametrize("fractions", [(0, 0, 0), (-1, 1, 1), (1, 1), (float("nan"), 1, 1), (float("inf"), 1, 1)])
def test_absurd_fractions_are_refused(fractions):
    with pytest.raises(InputError, match="fractions"):
        simulate_recordings(1, 1, SMALL, fractions)


@pytest.mark.parametrize(("count", "seed", "workers"), [(0, 1, 1), (-3, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_absurd_counts_are_refused(count, seed, workers):
    with pytest.raises(InputError, match="at least"):
        simulate_recordings(count, seed, SMALL, workers=workers)


def centroid_hz(pressure, start_s):
    """Mean frequency of a second of the near traces, weighed by power."""
    first, count = round(start_s / 0.008), 125
    frequency = np.fft.rfftfreq(count, 0.008)
    power = np.abs(np.fft.rfft(pressure[:60, first : first + count] * np.hanning(count), axis=1)) ** 2
    return (frequency * power).sum() / power.sum()


@pytest.mark.parametrize("line", [1, 2, 3])
def test_absorption_takes_high_frequencies_away_with_time(line):
    earth, geometry = earth_of_line(1, line, FULL), FULL.geometry(Position(line, 50, 4), 639, 1)
    pressure = seismic_events(earth, geometry, FULL)
    without = seismic_events(dataclasses.replace(earth, decay_s=np.zeros_like(earth.decay_s)), geometry, FULL)
    assert centroid_hz(pressure, 1.0) > centroid_hz(pressure, 3.5) > centroid_hz(pressure, 5.9)
    assert centroid_hz(pressure, 1.0) == pytest.approx(centroid_hz(without, 1.0), abs=2.0)
    assert centroid_hz(pressure, 5.9) < centroid_hz(without, 5.9) - 2.0


def test_diffractions_lie_on_their_reflectors():
    """Straight above a scatterer its echo comes when its reflector's does, wherever the line and its sources are."""
    whole = earth_of_line(1, 3, SMALL)
    for shot in (100, 101):
        geometry = SMALL.geometry(Position(3, shot, 4), 2, 1)
        above = {"receiver_x_m": np.full(2, geometry.source_x_m), "receiver_y_m": np.full(2, geometry.source_y_m)}
        along_m = np.array([shot * SMALL.shot_interval_m])
        for layer in (0, 3):
            earth = dataclasses.replace(
                whole,
                scatterer_x_m=along_m,
                scatterer_y_m=np.array([geometry.source_y_m - SMALL.line_y_m(3)]),
                scatterer_layer=np.array([layer]),
                scatterer_strength=np.ones(1),
            )
            found = diffractions(earth, dataclasses.replace(geometry, **above), SMALL).time_s
            reflector_s = np.cumsum(whole.time_s)[layer] + whole.shift_s(along_m)[layer, 0]
            assert np.allclose(found, reflector_s, rtol=1e-9)


def test_an_error_in_a_worker_comes_out_with_its_traceback():
    wrong = dataclasses.replace(SMALL, samples=-1)
    with pytest.raises(ValueError, match="need at least one array") as caught:
        list(simulate_recordings(4, 1, wrong, workers=2))
    assert any("in simulate_recording" in note for note in caught.value.__notes__)
