"""What the page draws: samples, axes, a band of frequencies, spectra, neighbours."""

import base64
import dataclasses

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.labelling import views
from glowseis.survey.gather import Origin
from glowseis.survey.render import render_recording
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.random_gathers import random_gather, random_recording

INTERVAL_S = 0.008


def wave(frequency_hz, slowness_s, samples=200, traces=48):
    """A plane wave that reaches trace n after n times the slowness."""
    time_s = np.arange(samples)[:, np.newaxis] * INTERVAL_S - np.arange(traces) * slowness_s
    return np.sin(2 * np.pi * frequency_hz * time_s).astype(np.float32)


def gather_of(amplitude, size=None, **settings):
    recording = dataclasses.replace(random_recording(1, *amplitude.shape), amplitude=amplitude)
    return render_recording(recording, *(size or amplitude.shape), **settings)


def test_samples_are_sent_trace_by_trace_without_padding():
    gather = random_gather(3)
    sent = np.frombuffer(views.samples_of(views.amplitudes(gather)), "<i2").reshape(24, 40)
    assert np.array_equal(sent.T, (gather.image[:40, :24].astype(int) - 128) * (views.FULL_SCALE // 128))
    assert views.samples_of(np.array([[5.0, -5.0]])) == np.array([32767, -32768], "<i2").tobytes()


def test_axes_of_a_recording_and_of_a_resized_one():
    amplitude = wave(20, 0)
    whole, resized = (
        views.axes_of(gather_of(amplitude, size, **settings))
        for size, settings in ((None, {}), ((100, 24), {"fit": "resize"}))
    )
    assert (whole.start_s, whole.interval_s, whole.spacing_m) == (0.0, INTERVAL_S, 12.5)
    assert whole.trace.tolist() == list(range(1, 49)) and whole.offset_m[:2].tolist() == [-150.0, -162.5]
    assert whole.channel[:2].tolist() == [1, 2] and resized.channel[[0, 1, -1]].tolist() == [2, 4, 48]
    assert resized.interval_s == 2 * INTERVAL_S and resized.start_s == pytest.approx(INTERVAL_S / 2)
    assert resized.trace[:2].tolist() == [1.5, 3.5] and resized.offset_m[:2].tolist() == [-156.25, -181.25]
    unknown = views.axes_of(
        dataclasses.replace(
            gather := gather_of(amplitude),
            geometry=dataclasses.replace(gather.geometry, sample_interval_s=0.0, offset_m=np.full(48, np.nan)),
        )
    )
    assert np.isnan(unknown.interval_s) and np.isnan(unknown.spacing_m)


@pytest.mark.parametrize("band_hz", [(15, 30), (15, 999), (0, 30)])
def test_a_band_keeps_its_frequencies_in_place_and_removes_others(band_hz):
    inside, outside = wave(22, 0), wave(5, 0) * (band_hz[0] > 0) + wave(50, 0) * (band_hz[1] < 60)
    found = views.band_passed((inside + outside).astype(np.float64), INTERVAL_S, band_hz)
    middle = slice(50, 150)
    assert np.abs(found - inside)[middle].max() < 0.05


def test_a_band_that_cannot_be_is_told():
    amplitude = wave(20, 0)
    assert views.band_passed(amplitude, INTERVAL_S, (0, 100)) is amplitude
    assert views.band_passed(amplitude, INTERVAL_S, (1e-9, 100)) is amplitude
    for band_hz in ((30, 20), (80, 90), (-1, 20), (0, 1e-9)):
        with pytest.raises(InputError, match=r"no frequency from .* use a band between 0 and 62\.5 Hz"):
            views.band_passed(amplitude, INTERVAL_S, band_hz)
    with pytest.raises(InputError, match="the sample interval is unknown"):
        views.band_passed(amplitude, np.nan, (5, 20))
    assert views.band_passed(amplitude[:3], INTERVAL_S, (5, 20)).shape == (3, 48)


@pytest.mark.parametrize("sign", [1, -1])
def test_spectra_show_frequency_and_dip(sign):
    frequency_hz, slowness_s = 25.0, 0.002 * sign
    found = views.spectra(gather_of(wave(frequency_hz, slowness_s)), (0, 200), (0, 48))
    frequencies = np.linspace(0, found["frequency_hz"], len(found["db"]))
    assert frequencies[np.argmax(found["db"])] == pytest.approx(frequency_hz, abs=1.0)
    levels = np.frombuffer(base64.b64decode(found["fk"]), np.uint8).reshape(found["shape"])
    row, column = np.unravel_index(levels.argmax(), levels.shape)
    wavenumber = np.linspace(-found["wavenumber"], found["wavenumber"], levels.shape[1])[column]
    assert np.linspace(0, found["frequency_hz"], levels.shape[0])[row] == pytest.approx(frequency_hz, abs=1.0)
    # Cycles per metre; positive if the event comes later at later traces.
    assert wavenumber == pytest.approx(frequency_hz * slowness_s / 12.5, abs=2 / 48 / 12.5)
    assert (found["of"], found["per"]) == ("Hz", "m")


@pytest.mark.parametrize("samples", [8, 9])
@pytest.mark.parametrize("traces", [8, 9])
def test_spectra_lie_where_their_axes_say(samples, traces):
    gather = gather_of(np.random.default_rng(1).normal(size=(40, 24)).astype(np.float32))
    found = views.spectra(gather, (3, 3 + samples), (5, 5 + traces))
    window = views.amplitudes(gather)[3 : 3 + samples, 5 : 5 + traces]
    tapered = (window - window.mean(axis=0)) * np.hanning(samples + 2)[1:-1, np.newaxis]
    frequency_hz = np.linspace(0, found["frequency_hz"], len(found["db"]))
    time = np.exp(-2j * np.pi * np.outer(frequency_hz, np.arange(samples) * INTERVAL_S))
    mean = np.abs(time @ tapered).mean(axis=1)
    np.testing.assert_allclose(found["db"], 20 * np.log10(mean / mean.max()), atol=0.01)
    columns = found["shape"][1]
    # In the middle of each of so many columns, from the lowest to the highest wavenumber.
    wavenumber = found["wavenumber"] * (2 * (np.arange(columns) + 0.5) / columns - 1)
    place_m = np.arange(traces) * views.axes_of(gather).spacing_m
    plane = np.abs(
        (time @ (tapered * np.hanning(traces + 2)[1:-1])) @ np.exp(2j * np.pi * np.outer(place_m, wavenumber))
    )
    levels = 255 * (1 + 20 * np.log10(plane / plane.max()) / views.RANGE_DB)
    shown = np.frombuffer(base64.b64decode(found["fk"]), np.uint8).reshape(found["shape"])
    np.testing.assert_allclose(shown, levels.clip(0, 255), atol=1)


def test_spectra_of_a_few_samples_and_of_silence():
    gather = random_gather(1)
    with pytest.raises(InputError, match="at least 8 samples and traces"):
        views.spectra(gather, (10, 17), (0, 24))
    silent = dataclasses.replace(gather, image=np.full_like(gather.image, 128))
    assert set(views.spectra(silent, (0, 40), (0, 24))["db"]) == {-120.0}


def test_neighbours_are_shots_of_the_same_line_and_cable(tmp_path):
    made = [(5, 1, 1), (3, 1, 1), (4, 1, 2), (9, 1, 1), (5, 2, 1)]
    gathers = [
        dataclasses.replace(random_gather(shot, line=line, cable=cable), gather_id=f"{line}-{shot}-{cable}")
        for shot, line, cable in made
    ]
    child = dataclasses.replace(gathers[0], gather_id="child", origin=Origin(("1-5-1", "1-3-1")))
    write_survey(tmp_path / "survey", [*gathers, child], (64, 32), {})
    found = views.neighbours(open_survey(tmp_path / "survey"))
    assert found == [("1-3-1", "1-9-1"), ("", "1-5-1"), ("", ""), ("1-5-1", ""), ("", ""), ("", "")]
