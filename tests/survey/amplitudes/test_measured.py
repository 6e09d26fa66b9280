"""Amplitudes are measured: what must not change a picture, and what of a recording is no signal."""

import dataclasses

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.amplitudes.measured import measure
from glowseis.survey.gather import Origin
from glowseis.survey.render import amplitudes, render_recording
from glowseis.survey.store.example import parse, serialise
from glowseis.synthesis import child_of
from tests.support.random_gathers import random_recording

SAMPLES, TRACES = 300, 48


def shot(seed=0, noise=0.02):
    """A direct wave and three reflections, with a little noise: float32 `[time, trace]`, its largest about 1000."""
    generator = np.random.default_rng(seed)
    time, out = np.arange(SAMPLES) * 0.004, np.zeros((SAMPLES, TRACES))
    for trace in range(TRACES):
        offset = 100 + 12.5 * trace
        for zero_offset, velocity, size in ((0, 1500, 1.0), (0.3, 1500, 0.8), (0.5, 1700, 0.5), (0.8, 2000, 0.4)):
            phase = (np.pi * 25 * (time - np.hypot(zero_offset, offset / velocity))) ** 2
            out[:, trace] += size * (1 - 2 * phase) * np.exp(-phase)
    return (1000 * (out + noise * generator.standard_normal(out.shape))).astype(np.float32)


def rendered(amplitude, **settings):
    recording = dataclasses.replace(random_recording(0, *amplitude.shape), amplitude=np.asarray(amplitude))
    return render_recording(recording, *amplitude.shape, **settings)


SHOT = shot()
PICTURE = rendered(SHOT)
CLIP = PICTURE.clip_amplitude
KINDS = {"shot": SHOT, "noise": np.random.default_rng(1).normal(size=(400, 50)).astype(np.float32)}


def apart(one, other):
    return np.abs(one.image.astype(int) - other.image.astype(int))


def constants(traces, reach):
    return np.random.default_rng(2).uniform(-reach, reach, traces)


CHANGES = {
    "2 % of the clip": lambda a, clip: a + np.float32(0.02 * clip),
    "-2 % of the clip": lambda a, clip: a - np.float32(0.02 * clip),
    "300 clips": lambda a, clip: a + np.float32(300 * clip),
    "a constant a trace": lambda a, clip: (a + constants(a.shape[1], 5 * clip)).astype(np.float32),
    "a small constant a trace": lambda a, clip: (a + constants(a.shape[1], 0.1 * clip)).astype(np.float32),
    "gain 1e-6": lambda a, clip: a * np.float32(1e-6),
    "gain 1e6": lambda a, clip: a * np.float32(1e6),
    "16 bits without a sign": lambda a, clip: np.rint(a / clip * 8000 + 32768).clip(0, 65535).astype(np.uint16),
    "16 bits off centre": lambda a, clip: np.rint(a / clip * 8000 + 20000).clip(0, 65535).astype(np.uint16),
    "16 bits": lambda a, clip: np.rint(a / clip * 8000).clip(-32768, 32767).astype(np.int16),
    "12 bits": lambda a, clip: np.rint(a / np.abs(a).max() * 2000 + 2047).astype(np.uint16),
    "64 bits far from zero": lambda a, clip: a.astype(np.float64) + 1e9 * clip,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_does_not_hang_on_constants_gains_and_containers(kind, change):
    amplitude = KINDS[kind]
    gather = rendered(amplitude)
    changed = rendered(CHANGES[change](amplitude, gather.clip_amplitude))
    assert apart(gather, changed).max() <= 2 and (apart(gather, changed) > 1).mean() < 0.005
    assert set(changed.mended) <= {"zero_level"}


def test_a_constant_is_told_and_comes_back():
    gather = rendered(SHOT + np.float32(5 * CLIP))
    assert gather.mended == {"zero_level": TRACES} and gather.zero_amplitude.shape == (TRACES,)
    is_clipped = np.isin(gather.image, (0, 255))
    assert np.abs(amplitudes(gather) - 5 * CLIP - SHOT)[~is_clipped].max() < 0.51 * CLIP / 128
    # In the record too, and not in what is made of the gather.
    again = parse(serialise(gather))
    assert np.array_equal(again.zero_amplitude, gather.zero_amplitude) and again.mended == gather.mended
    child = child_of(gather, gather.image, "child", "a flow", Origin(("a", "b")))
    assert not child.zero_amplitude.any() and child.mended == {}
    assert np.abs(amplitudes(child)).max() <= CLIP * 1.01
    # A gather without a constant has none, and noise is none.
    for amplitude in KINDS.values():
        assert rendered(amplitude).mended == {}
    gather = rendered(SHOT, zero_level=0.0)
    assert gather.zero_amplitude.shape == parse(serialise(gather)).zero_amplitude.shape == ()


def test_some_traces_with_a_constant():
    amplitude = SHOT.copy()
    amplitude[:, [3, 30]] += np.float32(0.3 * CLIP)
    gather = rendered(amplitude)
    assert gather.mended == {"zero_level": 2} and apart(gather, PICTURE).max() <= 2
    assert np.abs(gather.zero_amplitude[[3, 30]] - 0.3 * CLIP).max() < 0.02 * CLIP
    # One spike moves a mean, and no zero.
    amplitude = SHOT.copy()
    amplitude[100, 7] = 1000 * CLIP
    gather = rendered(amplitude)
    assert gather.mended == {} and np.delete(apart(gather, PICTURE)[:, 7], 100).max() <= 3


def test_mutes_stay_zero():
    """A constant under a mute, over one, and noise of low frequency beside one."""
    mute = np.zeros(SHOT.shape, bool)
    for trace in range(TRACES):
        mute[: 20 + trace, trace] = True
    muted = np.where(mute, 0, SHOT)
    wanted = rendered(muted)
    assert wanted.mended == {} and (wanted.image[mute] == 128).all()
    changed = (np.where(mute, 0, SHOT + np.float32(CLIP)), muted + np.float32(CLIP), np.where(mute, 1e30, SHOT))
    for amplitude in changed:
        gather = rendered(amplitude.astype(np.float32))
        assert gather.clip_amplitude == pytest.approx(wanted.clip_amplitude, rel=0.01)
        assert (gather.image[mute] == 128).all() and (apart(gather, wanted)[~mute] > 8).sum() <= 1
    swell = 0.5 * CLIP * np.sin(2 * np.pi * (np.arange(SAMPLES)[:, np.newaxis] / 400 + np.arange(TRACES) / 17))
    gather = rendered(np.where(mute, 0, SHOT + swell).astype(np.float32))
    assert (gather.image[mute] == 128).all() and "fill" not in gather.mended


VALUES = (-999.25, -9999.0, 1e20, 1e30, 9.96921e36, 3.4028235e38, 1.70141e38, -32768.0, -2147483648.0)


@pytest.mark.parametrize("value", VALUES)
def test_fill_values(value):
    where = np.zeros(SHOT.shape, bool)
    where[-80:, 10:15] = where[:40, 20] = where[130, [2, 4, 6, 8]] = True
    gather = rendered(np.where(where, np.float32(value), SHOT))
    assert gather.mended == {"fill": 10} and (gather.image[where] == 128).all()
    assert apart(gather, PICTURE)[~where].max() <= 5
    # A whole trace is dead.
    whole = np.arange(TRACES) == 5
    gather = rendered(np.where(whole, np.float32(value), SHOT))
    assert gather.mended == {"constant": 1} and gather.dead_traces == 1 and (gather.image[:, 5] == 128).all()
    assert amplitudes(gather)[0, 5] == np.float32(value)
    # More than half of all.
    where = np.arange(SAMPLES)[:, np.newaxis] >= 130
    gather = rendered(np.where(where, np.float32(value), SHOT))
    assert gather.mended["fill"] == TRACES and (gather.image[130:] == 128).all()
    # The clip is that of the same gather with zeros there.
    assert apart(gather, rendered(np.where(where, 0, SHOT))).max() <= 3


def test_fill_values_among_amplitudes_and_held_ends():
    where = np.random.default_rng(5).random(SHOT.shape) < 0.02
    gather = rendered(np.where(where, np.float32(-0.7 * CLIP), SHOT))
    assert gather.mended == {"fill": TRACES} and (gather.image[where] == 128).all()
    # The last sample before the end of recording, held.
    amplitude = SHOT.copy()
    amplitude[119:, 9] = 300
    gather = rendered(amplitude)
    assert gather.mended == {"fill": 1} and (gather.image[120:, 9] == 128).all()


@pytest.mark.parametrize("rails", [(-0.5, 0.5), (-1.0, 1.0), (-0.5, 0.49), (-3.0, 3.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_rails_of_a_recorder_are_no_fill_values(kind, rails):
    amplitude = KINDS[kind]
    clip = rendered(amplitude).clip_amplitude
    low, high = (np.float32(rail * clip) for rail in rails)
    gather = rendered(np.clip(amplitude, low, high))
    assert "fill" not in gather.mended
    if (amplitude > high).any():
        assert gather.image[amplitude > high].min() > 230
    # One trace that saturates both ways far from the others, as a leak does.
    amplitude = amplitude.copy()
    amplitude[:, 8] = np.where(np.random.default_rng(0).random(len(amplitude)) < 0.5, -8388608, 8388607) * clip
    assert rendered(amplitude).mended.get("wild") == 1 and "fill" not in rendered(amplitude).mended


WILD = {
    "one": [20],
    "first five": [0, 1, 2, 3, 4],
    "scattered": list(range(0, TRACES, 4)),
    "next to each other": list(range(10, 24)),
    "at the end": list(range(TRACES - 14, TRACES)),
}


@pytest.mark.parametrize("gain", [1e3, 1e8])
@pytest.mark.parametrize("where", WILD)
def test_wild_traces_do_not_set_the_clip(where, gain):
    amplitude = SHOT.copy()
    amplitude[:, WILD[where]] *= np.float32(gain)
    gather = rendered(amplitude)
    assert gather.mended == {"wild": len(WILD[where])}
    rest = np.delete(SHOT, WILD[where], axis=1)
    wanted = rendered(rest)
    assert np.abs(np.delete(gather.image, WILD[where], axis=1).astype(int) - wanted.image).max() <= 2
    assert np.isin(gather.image[:, WILD[where]], (0, 255)).mean() > 0.3
    # Resized as well.
    assert rendered(amplitude).clip_amplitude < 2 * CLIP
    recording = dataclasses.replace(random_recording(0, *SHOT.shape), amplitude=amplitude)
    assert where == "scattered" or render_recording(recording, 150, 40, "resize").clip_amplitude < 3 * CLIP


def test_what_is_not_wild():
    loud, weak, falling = SHOT.copy(), SHOT.copy(), SHOT * np.exp(-np.arange(TRACES) / 5).astype(np.float32)
    loud[:, 10:20] *= 10
    weak[:, ::3] *= np.float32(1e-4)
    for amplitude in (loud, weak, falling):
        assert rendered(amplitude).mended == {}
    # Half a cable in other units is told.
    for half in (np.s_[:, :24], np.s_[:, 24:], np.s_[:, ::2]):
        amplitude = SHOT.copy()
        amplitude[half] *= 1000
        assert rendered(amplitude).mended == {"two_scales": 24}


@pytest.mark.parametrize(
    "change",
    [
        np.abs,
        lambda a: -np.abs(a),
        lambda a: a**2,
        lambda a: np.hypot(a, np.roll(a, 2, axis=0)),
        lambda a: np.abs(a) + np.float32(1000),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_on_one_side_of_its_middle_is_refused(kind, change):
    with pytest.raises(InputError, match=r"gather .* lie on one side of their middle.*--zero-level"):
        rendered(change(KINDS[kind]))
    least = change(np.zeros((1, 1), np.float32)).item()
    assert rendered(change(KINDS[kind]), zero_level=least).clip_amplitude > 0


@pytest.mark.parametrize("zero_level", [4000.0, -4000.0, 1e30])
@pytest.mark.parametrize("kind", KINDS)
def test_a_zero_far_from_all_samples_is_refused(kind, zero_level):
    amplitude = KINDS[kind].copy()
    amplitude[:, 3], amplitude[40:90, 7:30] = 0, -9999.25
    with pytest.raises(InputError, match=r"all of its samples lie far on one side of --zero-level"):
        rendered(amplitude, zero_level=zero_level)


def test_a_zero_that_is_given_is_not_measured():
    gather = rendered(SHOT + np.float32(100), zero_level=40.0)
    assert (gather.zero_amplitude == 40).all() and np.median(gather.image) > 128
    assert rendered(SHOT, zero_level=0.0).mended == {}


def test_dead_traces_change_nothing_else():
    wide = np.insert(SHOT, [5, 5, 20], 0, axis=1)
    gather = rendered(wide)
    assert gather.dead_traces == 3 and gather.mended == {} and gather.clip_amplitude == CLIP
    constant = np.insert(SHOT, [5, 5, 20], 7000, axis=1)
    gather = rendered(constant)
    assert gather.dead_traces == 3 and gather.mended == {"constant": 3}
    assert np.abs(np.delete(gather.image, [5, 6, 22], axis=1).astype(int) - PICTURE.image).max() <= 1


@pytest.mark.parametrize("zero", [None, 128.0])
def test_a_gather_of_two_levels_is_measured(zero):
    """Where nothing but rails and held samples is left, they are the gather."""
    random = np.random.default_rng(3)
    for share in (0.02, 0.5, 0.98):
        two = np.where(random.random((60, 30)) < share, 255.0, 0.0).astype(np.float32)
        two[:, 3:9] = 255.0
        two[20:, 12:] = 0.0
        broken = np.zeros(30, bool)
        found = measure(two, broken, (two == two[0]).all(axis=0), zero)
        assert np.isfinite(found.amplitude).all()
