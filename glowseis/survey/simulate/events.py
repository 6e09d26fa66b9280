"""The seismic part of a gather: everything that the air guns set off, and nothing else.

Arrival times and strengths are those of rays through flat layers, shifted by the structure along the line.
Each arrival is laid on a 4 ms grid with a cubic B-spline, so that its time is exact to a small fraction of a
sample, and all of them are given their wavelet at once by a Fourier transform per trace.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from glowseis.survey.gather import Geometry
from glowseis.survey.simulate.acquisition import WATER_VELOCITY_M_S, Acquisition
from glowseis.survey.simulate.earth import Earth

CLIP_MICROBAR = 100.0
"""Amplitude that 4 % of every noise-free gather exceed, in microbar."""

_RAYS = 72
_MOST_REFLECTIONS = 260
_MOST_BOUNCES = 7
_SOURCE_DEPTH_M = 6.0
_SURFACE_REFLECTION = -0.92
# Arrays of guns and of hydrophones are made to favour what comes from below.
_HORIZONTAL_RADIATION = 0.4
_WIDE_ANGLE_REFLECTION = 0.55
# Absorption is applied in this many steps of decay time (seconds); arrivals take the nearest.
_DECAYS_S = np.array([0.0, 0.006, 0.014, 0.026])
_GRID_PER_SAMPLE = 2


@dataclass(frozen=True)
class Arrivals:
    """Arrivals of several events on every trace.

    Attributes:
        time_s: Travel times `[event, trace]`, in seconds.
        strength: Amplitudes before the wavelet `[event, trace]`; 0 where there is no arrival.
        slowness_s_m: Horizontal slownesses `[event, trace]`, in s/m, for the angles at the sea surface.
        decay_s: Decay time of each event `[event]`, in seconds.
    """

    time_s: np.ndarray
    strength: np.ndarray
    slowness_s_m: np.ndarray
    decay_s: np.ndarray


def seismic_events(earth: Earth, geometry: Geometry, acquisition: Acquisition) -> np.ndarray:
    """A gather without noise: direct wave, reflections, multiples, head waves and diffractions.

    Args:
        earth: The ground under the line.
        geometry: Source and receivers.
        acquisition: Record length and sample interval.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar, scaled so that 4 % of it lie above `CLIP_MICROBAR`:
        the guns of a survey are chosen for its depth.
    """
    offset_m = geometry.offset_m.astype(float)
    along_m = geometry.shot * acquisition.shot_interval_m - offset_m / 2
    shift_s = earth.shift_s(along_m)
    depth_m = streamer_depth_m(geometry)
    kinds = (
        reflections(earth, offset_m, shift_s, along_m, acquisition),
        head_waves(earth, offset_m, shift_s),
        diffractions(earth, geometry, acquisition),
    )
    ghosted = [_with_ghosts(kind, depth_m) for kind in kinds]
    ghosted.append(direct_wave(offset_m, depth_m))
    pressure = _with_wavelet(ghosted, offset_m.size, acquisition)
    clip = np.quantile(np.abs(pressure[::2, ::3]), 0.96)
    return pressure * np.float32(CLIP_MICROBAR / clip)


def direct_wave(offset_m: np.ndarray, depth_m: np.ndarray) -> Arrivals:
    """The wave through the water and its echo at the sea surface; far away the two nearly cancel.

    Args:
        offset_m: Distances of the receivers `[trace]`, in metres.
        depth_m: Their depths `[trace]`, in metres.

    Returns:
        Two arrivals a trace.
    """
    arrivals = []
    for height_m, sign in (
        (depth_m - _SOURCE_DEPTH_M, _HORIZONTAL_RADIATION),
        (depth_m + _SOURCE_DEPTH_M, _HORIZONTAL_RADIATION * _SURFACE_REFLECTION),
    ):
        distance_m = np.hypot(offset_m, height_m)
        arrivals.append((distance_m / WATER_VELOCITY_M_S, sign / distance_m))
    time_s, strength = (np.stack(part) for part in zip(*arrivals, strict=True))
    return Arrivals(time_s, strength, np.full_like(time_s, 1 / WATER_VELOCITY_M_S), np.zeros(2))


def reflections(
    earth: Earth, offset_m: np.ndarray, shift_s: np.ndarray, along_m: np.ndarray, acquisition: Acquisition
) -> Arrivals:
    """Primaries, water-bottom multiples and peg-legs, by tracing rays of given slowness through flat layers.

    A ray of slowness p that turns back at the base of layer j covers x_j(p) in t_j(p); n more bounces in the
    water add n times the water's share. Times at the receivers follow from cubic Hermite interpolation, exact
    in slope because dt/dx = p. Amplitudes are the fluids' reflection coefficient at that angle over the
    spreading of the ray tube, sqrt(x/p dx/dp) cos / v; each bounce multiplies by minus the sea floor's
    coefficient, and n peg-legs of a primary arrive along n + 1 paths of equal length.

    Args:
        earth: The ground under the line.
        offset_m: Distances of the receivers `[trace]`, in metres.
        shift_s: Time shifts of the reflectors `[layer, trace]`, in seconds.
        along_m: Midpoints along the line `[trace]`, in metres.
        acquisition: Gives the record length.

    Returns:
        The strongest arrivals, none of them after the record.
    """
    count = earth.time_s.size
    velocity = earth.velocity_m_s
    # The middle of the spread stands for the whole of it; what differs along the cable is in the shifts.
    middle = shift_s[:, shift_s.shape[1] // 2]
    interval_s = np.maximum(earth.time_s + np.diff(middle, prepend=0.0), 0.2 * earth.time_s)
    zero_offset_s = np.cumsum(interval_s)

    fastest = np.maximum.accumulate(velocity[:count])
    # Dense near grazing incidence, where a small change of slowness is a long way along the cable.
    share = 1.0 - (1.0 - np.linspace(0.0, 1.0, _RAYS + 1)[:-1]) ** 4
    share[0] = 1e-3
    slowness = share[None, :] / fastest[:, None]
    sine = slowness[:, None, :] * velocity[None, :count, None]
    above = np.tri(count, dtype=bool)[:, :, None]
    cosine = np.sqrt(np.maximum(1.0 - np.where(above, sine, 0.0) ** 2, 1e-12))
    time_in_layer = np.where(above, interval_s[None, :, None] / cosine, 0.0)
    distance_in_layer = time_in_layer * np.where(above, sine, 0.0) * velocity[None, :count, None]
    coefficient, sea_floor = _reflection_coefficients(earth, slowness)

    level = np.arange(count)
    bounces = np.arange(_MOST_BOUNCES)
    # The sea floor's own multiples are one family; for deeper reflectors n extra bounces have n + 1 orders.
    paths = np.where(level[:, None] == 0, 1.0, bounces[None, :] + 1.0)
    at_normal = coefficient[:, 0]
    time_zero = zero_offset_s[:, None] + bounces[None, :] * interval_s[0]
    loss = np.cumprod(1.0 - np.concatenate([[0.0], at_normal[:-1] ** 2]))
    expected = np.abs(at_normal * loss)[:, None] * np.abs(at_normal[0]) ** bounces * paths / time_zero
    expected[time_zero > acquisition.record_length_s] = 0.0
    chosen = np.argsort(-expected, axis=None, kind="stable")[:_MOST_REFLECTIONS]
    chosen = chosen[expected.ravel()[chosen] > 0.0]
    layer, bounce = np.unravel_index(chosen, expected.shape)

    time_p = time_in_layer.sum(axis=1)[layer] + bounce[:, None] * time_in_layer[layer, 0]
    distance_p = distance_in_layer.sum(axis=1)[layer] + bounce[:, None] * distance_in_layer[layer, 0]
    slowness_p = slowness[layer]
    stretch = np.gradient(distance_p, axis=1) / np.gradient(slowness_p, axis=1)
    spreading_m = cosine[layer, 0] * np.sqrt(distance_p / slowness_p * stretch) / WATER_VELOCITY_M_S
    echo = coefficient[layer] * (-sea_floor[layer]) ** bounce[:, None] * (paths[layer, bounce] * loss[layer])[:, None]
    strength_p = echo / spreading_m

    time_s, p, strength = _at_offsets(distance_p, time_p, slowness_p, strength_p, offset_m)
    time_s += (shift_s - middle[:, None])[layer] + bounce[:, None] * (shift_s[0] - middle[0])[None, :]
    # Beds thicken and thin: reflectivity changes along the line within a few hundred metres.
    wave = 2 * np.pi * along_m[None, :] / (earth.structure_length_m[3] * (1.0 + 0.6 * np.sin(level))[:, None])
    modulation = 1.0 + earth.brightness[:, None] * np.sin(wave + 7.0 * level[:, None])
    modulation[0] = 1.0
    return Arrivals(time_s, strength * modulation[layer], p, earth.decay_s[layer])


def head_waves(earth: Earth, offset_m: np.ndarray, shift_s: np.ndarray) -> Arrivals:
    """Waves along fast layers, with their multiples in the water: the first arrivals far from the source.

    t = x / v_j + sum of (vertical two-way time of layer i) cos(angle_i), beyond the critical distance. They
    are given the 1/x decay of waves that turn in a weak gradient under the refractor; a true head wave would
    fade faster than real records show.

    Args:
        earth: The ground under the line.
        offset_m: Distances of the receivers `[trace]`, in metres.
        shift_s: Time shifts of the reflectors `[layer, trace]`, in seconds.

    Returns:
        The refractors' arrivals with up to three bounces in the water.
    """
    velocity = earth.velocity_m_s
    events = []
    for layer in _refractors(earth):
        slowness = 1.0 / velocity[layer]
        sine = slowness * velocity[:layer]
        cosine = np.sqrt(1.0 - sine**2)
        critical_m = np.sum(earth.time_s[:layer] * sine / cosine * velocity[:layer])
        intercept_s = np.sum(earth.time_s[:layer] * cosine)
        for bounce in range(4):
            reach_m = critical_m + bounce * earth.time_s[0] * sine[0] / cosine[0] * velocity[0]
            time_s = offset_m * slowness + intercept_s + bounce * earth.time_s[0] * cosine[0]
            time_s = time_s + shift_s[layer - 1] + bounce * shift_s[0]
            onset = np.clip((offset_m - reach_m) / (0.25 * reach_m), 0.0, 1.0)
            main = 0.16 if layer == earth.refractor else 0.06
            strength = main * (-0.5) ** bounce * (bounce + 1) * onset / offset_m
            decay_s = earth.decay_s[layer - 1] + 0.004
            events.append((time_s, strength, np.full_like(time_s, slowness), decay_s))
    time_s, strength, p, decay_s = (np.stack(part) for part in zip(*events, strict=True))
    return Arrivals(time_s, strength, p, decay_s)


def diffractions(earth: Earth, geometry: Geometry, acquisition: Acquisition) -> Arrivals:
    """Echoes of boulders, faults and channel edges: hyperbolas whose tops lie anywhere along the cable.

    Args:
        earth: The ground under the line.
        geometry: Source and receivers.
        acquisition: Gives the places of line and shot, and the length of the spread.

    Returns:
        An arrival for each scatterer near the spread.
    """
    velocity = earth.velocity_m_s[: earth.time_s.size]
    times = np.cumsum(earth.time_s)
    root_mean_square_velocity = np.sqrt(np.cumsum(velocity**2 * earth.time_s) / times)
    source_m = geometry.shot * acquisition.shot_interval_m
    near = np.abs(earth.scatterer_x_m - source_m + acquisition.spread_m / 2) < acquisition.spread_m
    layer = earth.scatterer_layer[near]
    v = root_mean_square_velocity[layer][:, None]
    # They lie on their reflector, which structure moves.
    shift_s = earth.shift_s(earth.scatterer_x_m[near])[layer, np.arange(layer.size)]
    depth_m = ((times[layer] + shift_s) / 2)[:, None] * v
    x = earth.scatterer_x_m[near][:, None] - source_m
    # The sources are towed on either side of the line.
    y = earth.scatterer_y_m[near][:, None] + acquisition.line_y_m(geometry.sail_line) - geometry.source_y_m
    receiver_x_m = (geometry.receiver_x_m - geometry.source_x_m)[None, :]
    receiver_y_m = (geometry.receiver_y_m - geometry.source_y_m)[None, :]
    down_m = np.sqrt(depth_m**2 + x**2 + y**2)
    up_m = np.sqrt(depth_m**2 + (x - receiver_x_m) ** 2 + (y - receiver_y_m) ** 2)
    strength = earth.scatterer_strength[near][:, None] * depth_m**2 / (down_m * up_m) ** 2 * 0.5
    slowness = np.minimum(np.abs(x - receiver_x_m) / (up_m * v), 0.98 / WATER_VELOCITY_M_S)
    return Arrivals((down_m + up_m) / v, strength, slowness, earth.decay_s[layer])


def _refractors(earth: Earth) -> list[int]:
    """The main refractor, and up to two beds over it that are faster than all above them."""
    velocity = earth.velocity_m_s
    fastest_above = np.maximum.accumulate(velocity)[:-1]
    faster = 1 + np.flatnonzero(velocity[1:] > 1.03 * fastest_above)
    shallow = [int(layer) for layer in faster if 1 < layer < earth.refractor][-2:]
    return [*shallow, earth.refractor]


def _reflection_coefficients(earth: Earth, slowness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each layer's base, and of the sea floor at the same slownesses, all `[layer, ray]`.

    Fluids' coefficient, (Z2 - Z1) / (Z2 + Z1) with Z = density velocity / cosine. Beyond the critical angle
    part of the energy leaves as shear waves, so it is kept below a bound.
    """
    velocity, density = earth.velocity_m_s, earth.density_kg_m3

    def coefficient(upper: np.ndarray | int, lower: np.ndarray | int) -> np.ndarray:
        pair = []
        for layer in (upper, lower):
            cosine = np.sqrt(np.maximum(1.0 - (slowness * velocity[layer]) ** 2, 1e-6))
            pair.append(density[layer] * velocity[layer] / cosine)
        whole = (pair[1] - pair[0]) / (pair[1] + pair[0])
        return np.clip(whole, -_WIDE_ANGLE_REFLECTION, _WIDE_ANGLE_REFLECTION)

    layer = np.arange(slowness.shape[0])[:, None]
    return coefficient(layer, layer + 1), coefficient(0, 1)


def _at_offsets(
    distance_m: np.ndarray,
    time_s: np.ndarray,
    slowness: np.ndarray,
    strength: np.ndarray,
    offset_m: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, slownesses and strengths at the receivers, from tables `[event, ray]` of increasing distance."""
    right = np.stack([np.searchsorted(row, offset_m) for row in distance_m])
    inside = (right > 0) & (right < distance_m.shape[1])
    right = np.clip(right, 1, distance_m.shape[1] - 1)
    left = right - 1

    def pick(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.take_along_axis(table, left, 1), np.take_along_axis(table, right, 1)

    (x0, x1), (t0, t1), (p0, p1), (a0, a1) = map(pick, (distance_m, time_s, slowness, strength))
    width = x1 - x0
    u = (offset_m[None, :] - x0) / width
    v = 1.0 - u
    cubic = t0 * v * v * (1 + 2 * u) + t1 * u * u * (3 - 2 * u) + width * u * v * (p0 * v - p1 * u)
    return cubic, p0 * v + p1 * u, np.where(inside, a0 * v + a1 * u, 0.0)


def streamer_depth_m(geometry: Geometry) -> np.ndarray:
    """Depths of the channels, 7 to 9 m: depth controllers keep the cable, but not exactly.

    It is set for a line, drifts along it and from cable to cable, and undulates along the cable.

    Args:
        geometry: Line, shot, cable and channels.

    Returns:
        Depths `[trace]`, in metres.
    """
    along = geometry.channel / 640
    line, shot = 1.3 * geometry.sail_line, 0.05 * geometry.shot
    set_m = 8.0 + 0.25 * np.sin(2.4 * geometry.sail_line) + 0.2 * np.sin(0.3 * shot + line + geometry.cable)
    phase = 0.7 * geometry.cable + shot + line
    return set_m + 0.3 * np.sin(2 * np.pi * 3.0 * along + phase) + 0.2 * np.sin(2 * np.pi * 8.0 * along + 2 * phase)


def _with_ghosts(arrivals: Arrivals, depth_m: np.ndarray) -> Arrivals:
    """Add the echoes at the sea surface above the source, the receiver and both, 2 h cos(angle) / c later."""
    cosine = np.sqrt(np.maximum(1.0 - (arrivals.slowness_s_m * WATER_VELOCITY_M_S) ** 2, 0.0))
    at_source = 2 * _SOURCE_DEPTH_M * cosine / WATER_VELOCITY_M_S
    at_receiver = 2 * depth_m[None, :] * cosine / WATER_VELOCITY_M_S
    times = [arrivals.time_s + delay for delay in (0.0, at_source, at_receiver, at_source + at_receiver)]
    signs = (1.0, _SURFACE_REFLECTION, _SURFACE_REFLECTION, _SURFACE_REFLECTION**2)
    return Arrivals(
        np.concatenate(times),
        np.concatenate([sign * arrivals.strength for sign in signs]),
        np.concatenate([arrivals.slowness_s_m] * 4),
        np.concatenate([arrivals.decay_s] * 4),
    )


def _with_wavelet(groups: list[Arrivals], traces: int, acquisition: Acquisition) -> np.ndarray:
    """Sum the arrivals, each with the guns' signature and its absorption: float32 `[trace, time]`."""
    samples = acquisition.samples
    length = _transform_length(samples)
    fine = _GRID_PER_SAMPLE * length
    step_s = acquisition.sample_interval_s / _GRID_PER_SAMPLE
    column = np.arange(traces)[None, :] * fine
    cells, weights = [], []
    for group in groups:
        step = np.abs(group.decay_s[:, None] - _DECAYS_S[None, :]).argmin(axis=1)
        position = group.time_s / step_s
        live = (group.strength != 0.0) & (position > 2) & (position < _GRID_PER_SAMPLE * samples - 2)
        cell = (step[:, None] * (traces * fine) + column)[live]
        position, strength = position[live], group.strength[live] / 6
        whole = position.astype(np.int64)
        u = position - whole
        v = 1.0 - u
        cell += whole - 1
        cells += [cell, cell + 1, cell + 2, cell + 3]
        weights += [v**3, 3 * u**3 - 6 * u**2 + 4, 3 * v**3 - 6 * v**2 + 4, u**3]
        weights[-4:] = [weight * strength for weight in weights[-4:]]
    size = _DECAYS_S.size * traces * fine
    grid = np.bincount(np.concatenate(cells), weights=np.concatenate(weights), minlength=size)
    spectrum = fft.rfft(grid.reshape(_DECAYS_S.size, traces, fine).astype(np.float32), axis=-1)
    kept = spectrum[:, :, : length // 2 + 1]
    shaped = np.einsum("dtf,df->tf", kept, _wavelet_spectra(length, acquisition.sample_interval_s))
    return fft.irfft(shaped, n=length, axis=-1)[:, :samples]


def _transform_length(samples: int) -> int:
    """Room for the wavelets of late arrivals, so that they do not come round to the record's beginning."""
    return fft.next_fast_len(samples + 64, real=True) // 2 * 2


@lru_cache(maxsize=4)
def _wavelet_spectra(length: int, sample_interval_s: float) -> np.ndarray:
    """Spectra of the recorded wavelet for each step of absorption, complex64 `[decay, frequency]`.

    An air-gun array's pulse (minimum phase, 6 to 46 Hz, falling towards high frequencies), its bubble after
    0.11 s with a peak-to-bubble ratio above 15, the recorder's low-cut and the anti-alias filter of 8 ms.
    Absorption is exp(-pi f t*) with the phase that makes it causal. Ghosts are not in it: they depend on the
    angle.
    """
    size = 4096
    frequency = np.fft.rfftfreq(size, sample_interval_s / _GRID_PER_SAMPLE)
    low_cut = (frequency / 6.0) ** 3 / np.sqrt(1.0 + (frequency / 6.0) ** 6)
    high_cut = 1.0 / np.sqrt(1.0 + (frequency / 46.0) ** 20)
    # Down to nothing at the Nyquist frequency, whose phase no filter can turn: it would ring through the record.
    high_cut *= np.cos(0.5 * np.pi * np.clip((frequency - 50.0) / 12.0, 0.0, 1.0)) ** 2
    pulse = low_cut * high_cut / (1.0 + (frequency / 15.0) ** 2)
    signature = _minimum_phase(pulse, size)
    bubble = sum(
        strength * np.exp(-((frequency / 14.0) ** 2) - 2j * np.pi * frequency * delay_s)
        for strength, delay_s in ((0.22, 0.11), (0.08, 0.21))
    )
    signature = signature * (1.0 + bubble)
    grid_hz = np.fft.rfftfreq(length, sample_interval_s)
    spectrum = np.interp(grid_hz, frequency, np.abs(signature)) * np.exp(
        1j * np.interp(grid_hz, frequency, np.unwrap(np.angle(signature)))
    )
    spline = np.sinc(grid_hz * sample_interval_s / _GRID_PER_SAMPLE) ** 4
    decay = np.pi * grid_hz * _DECAYS_S[:, None]
    dispersion = decay * (2 / np.pi) * np.log(np.maximum(grid_hz, 1.0) / 62.5)
    spectra = spectrum / spline * np.exp(-decay + 1j * dispersion)
    # Leaving the 4 ms grid for 8 ms keeps half of the transform's values.
    return (spectra / _GRID_PER_SAMPLE).astype(np.complex64)


def _minimum_phase(magnitude: np.ndarray, size: int) -> np.ndarray:
    """The spectrum of the causal pulse whose energy comes earliest, by folding the cepstrum."""
    cepstrum = np.fft.irfft(np.log(np.maximum(magnitude, 1e-5 * magnitude.max())), size)
    fold = np.zeros(size)
    fold[0] = fold[size // 2] = 1.0
    fold[1 : size // 2] = 2.0
    return np.exp(np.fft.rfft(cepstrum * fold, size))
