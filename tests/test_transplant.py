"""Noise of one gather on the earth of another: the bands, what is kept of either, and what cannot be moved."""

import dataclasses

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.amplitudes.bands import low_band
from glowseis.survey.gather import Gather
from glowseis.survey.render import amplitudes, render_recording
from glowseis.survey.store.survey import open_survey, write_survey
from glowseis.transplant import LOW_BAND, draw_moves, low_band_of, onto, told_of_donors, transplant, transplants
from tests.support.random_gathers import random_gather, random_recording, random_survey

INTERVAL_S = 0.008
SAMPLES, TRACES = 128, 40


def tone(hz: float, samples: int = SAMPLES, traces: int = TRACES) -> np.ndarray:
    return np.sin(2 * np.pi * hz * INTERVAL_S * np.arange(samples))[:, np.newaxis].repeat(traces, 1).astype(np.float32)


def gather_of(
    amplitude: np.ndarray, label: str = "good", name: str = "one", size: tuple[int, int] = (SAMPLES, TRACES)
) -> Gather:
    recording = random_recording(3, *amplitude.shape, label=label)
    return render_recording(dataclasses.replace(recording, amplitude=amplitude, gather_id=name), *size)


def events(seed: int = 1) -> np.ndarray:
    """High frequencies alone."""
    noise = np.random.default_rng(seed).normal(size=(SAMPLES, TRACES)).astype(np.float32)
    return noise - low_band(noise, INTERVAL_S, 20.0)


def swell(first: int, traces: int = 8, seed: int = 2) -> np.ndarray:
    """Loud low frequencies on a few traces."""
    noise = np.random.default_rng(seed).normal(size=(SAMPLES, TRACES)).astype(np.float32)
    band = 30.0 * low_band(noise, INTERVAL_S, 5.0)
    band[:, np.r_[:first, first + traces : TRACES]] = 0.0
    return band


@pytest.mark.parametrize(("hz", "share"), [(2.0, 1.0), (5.0, 1.0), (8.0, 0.5), (11.0, 0.0), (30.0, 0.0)])
def test_a_tone_is_in_the_low_band_or_not(hz, share):
    inside = slice(20, -20)
    amplitude = tone(hz, 600)
    got = low_band(amplitude, INTERVAL_S)[inside]
    assert np.abs(got - share * amplitude[inside]).max() < 0.06


def test_the_low_band_does_not_ring_at_the_ends_of_a_step():
    ramp = np.linspace(0, 1, SAMPLES, dtype=np.float32)[:, np.newaxis]
    assert np.abs(low_band(ramp, INTERVAL_S) - ramp).max() < 0.05


@pytest.mark.parametrize("corner_hz", [0.0, -1.0, 62.5, 100.0])
def test_a_corner_that_is_none(corner_hz):
    with pytest.raises(ValueError, match="corner_hz"):
        low_band(tone(5.0), INTERVAL_S, corner_hz)


def test_events_are_the_hosts_and_noise_the_donors():
    host = gather_of(10.0 * events(1) + 0.3 * swell(30, seed=5))
    donor = gather_of(10.0 * events(9) + swell(4), "bad", "two")
    made = transplant(host, donor, 0.25)
    assert made.label == "bad" and made.gather_id == host.gather_id
    assert np.array_equal(made.geometry.offset_m, host.geometry.offset_m)
    got, own, other = (amplitudes(one) for one in (made, host, donor))
    # Clipped samples are lost in either picture.
    whole = (np.abs(made.image.astype(int) - 128) < 127) & (np.abs(host.image.astype(int) - 128) < 127)
    high = (got - low_band(got, INTERVAL_S))[whole], (own - low_band(own, INTERVAL_S))[whole]
    assert np.corrcoef(*high)[0, 1] > 0.9
    moved = np.roll(low_band(other, INTERVAL_S), -round(0.25 * TRACES), axis=1)
    assert np.corrcoef(low_band(got, INTERVAL_S).ravel(), moved.ravel())[0, 1] > 0.95
    assert abs(np.corrcoef(low_band(got, INTERVAL_S).ravel(), low_band(own, INTERVAL_S).ravel())[0, 1]) < 0.2


@pytest.mark.parametrize("loud", [2.0, 20.0])
def test_noise_is_as_loud_as_in_the_donor_and_events_as_in_the_host(loud):
    """Tones, of which a clip takes little."""
    host = gather_of(10.0 * tone(30.0) + 3.0 * tone(2.0))
    donor = gather_of(5.0 * tone(40.0) + loud * tone(4.0), "bad", "two")
    got, own, other = (amplitudes(one) for one in (transplant(host, donor, 0.25), host, donor))
    low, own_low, noise = (low_band(one, INTERVAL_S) for one in (got, own, other))
    for found, wanted in ((low, noise), (got - low, own - own_low)):
        assert np.vdot(found, wanted) / np.vdot(wanted, wanted) == pytest.approx(1.0, abs=0.05)


def test_dead_traces_and_padding_stay_as_they_are_in_the_host():
    amplitude = 10.0 * events()
    amplitude[:, [3, 17]] = 0.0
    host = gather_of(amplitude, size=(SAMPLES + 16, TRACES + 8))
    made = transplant(host, gather_of(swell(0, TRACES), "bad", size=(SAMPLES + 16, TRACES + 8)), 0.5)
    assert (made.image[:, [3, 17]] == 128).all() and made.dead_traces == 2
    assert (made.image[SAMPLES:] == 128).all() and (made.image[:, TRACES:] == 128).all()
    assert (made.valid_samples, made.valid_traces) == (SAMPLES, TRACES)


@pytest.mark.parametrize("shape", [(30, 40), (90, 40), (128, 30), (140, 52)])
def test_a_donor_of_another_size(shape):
    noise = low_band(np.random.default_rng(1).normal(size=shape).astype(np.float32), INTERVAL_S)
    made = onto(gather_of(0.01 * events()), noise, "bad", 0.9)
    assert made.image.shape == (SAMPLES, TRACES)
    # A shorter one goes on, as loud, without a step.
    levels = made.image.astype(int)
    assert all(levels[part : part + 32].std() > 20 for part in range(0, SAMPLES, 32))
    assert np.abs(np.diff(levels, axis=0)).max(axis=1).max() < 1.5 * np.abs(np.diff(levels[:29], axis=0)).max()


def with_interval(gather: Gather, interval_s: float) -> Gather:
    return dataclasses.replace(gather, geometry=dataclasses.replace(gather.geometry, sample_interval_s=interval_s))


def test_what_cannot_be_moved_is_told():
    host, donor = gather_of(events()), gather_of(swell(4), "bad", "two")
    for wrong, says in (
        ((with_interval(host, 0.0), donor), "sample interval is unknown.*--sample-interval"),
        ((host, with_interval(donor, 0.0)), "gather two: its sample interval"),
        ((with_interval(host, 0.004), donor), "of 4 and 8 ms"),
        ((with_interval(host, 0.1), with_interval(donor, 0.1)), "frequencies up to 5 Hz"),
        ((dataclasses.replace(host, fit="resize"), donor), "was resized"),
        ((host, dataclasses.replace(donor, fit="resize")), "gather two: was resized"),
    ):
        with pytest.raises(InputError, match=says):
            transplant(*wrong, 0.0)


def test_moves_are_drawn_evenly_and_a_longer_draw_begins_with_a_shorter_one():
    hosts, donors = np.arange(10), np.array([2, 7])
    moves = draw_moves(hosts, donors, 400, 5)
    assert moves[:50] == draw_moves(hosts, donors, 50, 5) and moves[:50] != draw_moves(hosts, donors, 50, 6)
    assert all(move.host != move.donor and 0 <= move.moved < 1 for move in moves)
    assert {move.donor for move in moves} == {2, 7} and {move.host for move in moves} == set(range(10))
    assert 0.4 < np.mean([move.moved for move in moves]) < 0.6


def test_gathers_of_a_survey(tmp_path):
    survey = random_survey(tmp_path / "survey", 12)
    made = list(transplants(survey, "bad", 6, seed=3))
    assert [one.gather_id for one in made] == [f"{LOW_BAND}-seed3-{number:06d}" for number in range(6)]
    labels = dict(zip(survey.index["gather_id"], survey.index["label"], strict=True))
    for one in made:
        host, donor = one.origin.parents
        assert one.label == labels[donor] == "bad" and (one.origin.model, one.origin.seed) == (LOW_BAND, 3)
        again = transplant(survey.read(host), survey.read(donor), one.origin.alpha)
        assert np.array_equal(again.image, one.image)
    write_survey(tmp_path / "made", made, survey.size, {})
    assert len(open_survey(tmp_path / "made")) == 6
    assert [one.gather_id for one in transplants(survey, "bad", 2, seed=3)] == [one.gather_id for one in made[:2]]


def test_synthetic_gathers_give_and_take_no_noise(tmp_path):
    survey = random_survey(tmp_path / "survey", 6)
    recorded = [survey.read(row) for row in range(6)]
    children = list(transplants(survey, "bad", 20, seed=1))
    write_survey(tmp_path / "both", [*recorded, *children], survey.size, {})
    parents = {name for one in transplants(open_survey(tmp_path / "both"), "bad", 30) for name in one.origin.parents}
    assert parents <= {one.gather_id for one in recorded}


def test_gathers_without_signal_give_and_take_no_noise(tmp_path):
    gathers = [random_gather(shot, label=("good", "bad")[shot % 2]) for shot in range(8)]
    for row in (2, 3):
        dead = np.full_like(gathers[row].image, 128)
        gathers[row] = dataclasses.replace(gathers[row], image=dead, dead_traces=gathers[row].valid_traces)
    # The dead traces of this one were cut off.
    gathers[4] = dataclasses.replace(gathers[4], dead_traces=90)
    write_survey(tmp_path / "survey", gathers, gathers[0].image.shape, {})
    survey = open_survey(tmp_path / "survey")
    parents = [{one.origin.parents[side] for one in transplants(survey, "bad", 60)} for side in (0, 1)]
    ids = [one.gather_id for one in gathers]
    assert parents == [{*ids} - {ids[2], ids[3]}, {ids[1], ids[5], ids[7]}]
    with pytest.raises(InputError, match="has 0 recorded gathers labelled 'bad' and 6"):
        list(transplants(survey, "bad", 1, donors=np.array([3])))


def test_donors_without_noise_are_told(tmp_path):
    spikes = np.where(np.random.default_rng(3).uniform(size=(SAMPLES, TRACES)) > 0.98, 40.0, 0.0).astype(np.float32)
    calm = [gather_of(events(seed) + 0.1 * swell(0, TRACES, seed), name=f"calm{seed}") for seed in range(6)]
    noisy = [gather_of(events(seed) + swell(0, 30, seed), "bad", f"noisy{seed}") for seed in range(6, 9)]
    spiky = gather_of(events(9) + spikes - low_band(spikes, INTERVAL_S, 12.0), "bad", "spiky")
    resized = dataclasses.replace(gather_of(events(10), "bad", "resized"), fit="resize")
    write_survey(tmp_path / "survey", [*calm, *noisy, spiky, resized], (SAMPLES, TRACES), {})
    survey = open_survey(tmp_path / "survey")
    (line,) = told_of_donors(survey, "bad")
    assert line.startswith("1 of 5 gathers labelled bad is no louder below 8 Hz") and line.endswith(": spiky")
    assert told_of_donors(survey, "bad", donors=np.array([6, 7])) == []
    assert told_of_donors(survey, "bad", hosts=np.array([9, 10])) == []


def test_a_survey_without_donors_or_hosts(tmp_path):
    survey = random_survey(tmp_path / "survey", 4, labels=("good",))
    with pytest.raises(InputError):
        list(transplants(survey, "bad", 1))
    alone = random_survey(tmp_path / "alone", 1, labels=("bad",))
    with pytest.raises(InputError, match="1 recorded gathers labelled 'bad' and 1 that could take"):
        list(transplants(alone, "bad", 1))
    both = random_survey(tmp_path / "both", 4, labels=("bad",))
    with pytest.raises(InputError, match="4 recorded gathers labelled 'bad' and 1 that could take"):
        list(transplants(both, "bad", 1, hosts=np.array([2])))


def test_low_band_of_a_gather_with_a_zero_of_its_own():
    amplitude = 10.0 * events() + 500.0
    assert np.abs(low_band_of(gather_of(amplitude))).max() < 5.0


def test_a_large_zero_takes_no_digits_from_noise_that_is_moved():
    """As in unsigned integers of 32 bits."""
    host, donor = gather_of(events()), gather_of(events(5) + swell(10), label="bad", name="two")
    far = [dataclasses.replace(one, zero_amplitude=np.full(TRACES, 2.0**31, np.float32)) for one in (host, donor)]
    assert np.array_equal(transplant(*far, 0).image, transplant(host, donor, 0).image)
