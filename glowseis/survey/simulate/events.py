"""The seismic part of a gather: only what the air guns cause.

Arrival times and strengths are those of rays through flat layers, shifted by the structure along the line.
`wavelet.py` turns them into pressure.
"""

from dataclasses import replace

import numpy as np

from glowseis.survey.gather import Geometry
from glowseis.survey.simulate.acquisition import WATER_VELOCITY_M_S, Acquisition
from glowseis.survey.simulate.earth import Earth
from glowseis.survey.simulate.recorder import time_gain
from glowseis.survey.simulate.wavelet import Arrivals, with_wavelet

CLIP_MICROBAR = 100.0
"""Amplitude that 4 % of every noise-free gather exceed, in microbar."""

_RAYS = 72
_MOST_REFLECTIONS = 260
_MOST_BOUNCES = 7
_SURFACE_REFLECTION = -0.92
# Arrays of guns and of hydrophones are made to favour what comes from below.
_HORIZONTAL_RADIATION = 0.4
_WIDE_ANGLE_REFLECTION = 0.55


def seismic_events(earth: Earth, geometry: Geometry, acquisition: Acquisition) -> np.ndarray:
    """A gather without noise: direct wave, reflections, multiples, head waves and diffractions.

    Args:
        earth: The ground under the line.
        geometry: Source and receivers.
        acquisition: Record length and sample interval.

    Returns:
        Pressure with the recorder's gain on it, float32 `[trace, time]`, in microbar, scaled so that 4 % of it lie
        above `CLIP_MICROBAR`: the guns of a survey are chosen for its depth.
    """
    offset_m = geometry.offset_m.astype(float)
    along_m = geometry.shot * acquisition.shot_interval_m - offset_m / 2
    shift_s = earth.shift_s(along_m)
    depth_m = streamer_depth_m(geometry, acquisition)
    kinds = (
        reflections(earth, offset_m, shift_s, along_m, acquisition),
        head_waves(earth, offset_m, shift_s),
        diffractions(earth, geometry, acquisition),
    )
    ghosted = [_with_ghosts(kind, acquisition, depth_m) for kind in kinds]
    ghosted.append(direct_wave(offset_m, acquisition.source_depth_m, depth_m))
    start_s = acquisition.recorder.start_s
    begun = [replace(kind, time_s=kind.time_s - start_s) for kind in ghosted]
    pressure = with_wavelet(begun, offset_m.size, acquisition) * time_gain(acquisition)
    clip = np.quantile(np.abs(pressure[::2, ::3]), 0.96)
    return pressure * np.float32(CLIP_MICROBAR / clip)


def direct_wave(offset_m: np.ndarray, source_depth_m: float, depth_m: np.ndarray) -> Arrivals:
    """The wave through the water and its echo at the sea surface; far away the two nearly cancel.

    Args:
        offset_m: Distances of the receivers `[trace]`, in metres.
        source_depth_m: Depth of the source, in metres.
        depth_m: Their depths `[trace]`, in metres.

    Returns:
        Two arrivals a trace.
    """
    arrivals = []
    for height_m, sign in (
        (depth_m - source_depth_m, _HORIZONTAL_RADIATION),
        (depth_m + source_depth_m, _HORIZONTAL_RADIATION * _SURFACE_REFLECTION),
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
        The strongest arrivals within the record.
    """
    count = earth.time_s.size
    velocity = earth.velocity_m_s
    # The middle of the spread represents all of it; differences along the cable are in the shifts.
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


def streamer_depth_m(geometry: Geometry, acquisition: Acquisition) -> np.ndarray:
    """Depths of the channels, within about a metre of the set depth, which depth controllers keep only roughly.

    The depth is set for a line, drifts along it and from cable to cable, and undulates along the cable.

    Args:
        geometry: Line, shot, cable and channels.
        acquisition: Gives the set depth.

    Returns:
        Depths `[trace]`, in metres.
    """
    along = geometry.channel / 640
    line, shot = 1.3 * geometry.sail_line, 0.05 * geometry.shot
    set_m = (
        acquisition.streamer_depth_m
        + 0.25 * np.sin(2.4 * geometry.sail_line)
        + 0.2 * np.sin(0.3 * shot + line + geometry.cable)
    )
    phase = 0.7 * geometry.cable + shot + line
    return set_m + 0.3 * np.sin(2 * np.pi * 3.0 * along + phase) + 0.2 * np.sin(2 * np.pi * 8.0 * along + 2 * phase)


def _with_ghosts(arrivals: Arrivals, acquisition: Acquisition, depth_m: np.ndarray) -> Arrivals:
    """Add the echoes at the sea surface above the source, the receiver and both, 2 h cos(angle) / c later.

    Oblique arrivals are weakened, as by the arrays of guns and hydrophones.
    """
    cosine = np.sqrt(np.maximum(1.0 - (arrivals.slowness_s_m * WATER_VELOCITY_M_S) ** 2, 0.0))
    strength = arrivals.strength * cosine**acquisition.directivity
    at_source = 2 * acquisition.source_depth_m * cosine / WATER_VELOCITY_M_S
    at_receiver = 2 * depth_m[None, :] * cosine / WATER_VELOCITY_M_S
    times = [arrivals.time_s + delay for delay in (0.0, at_source, at_receiver, at_source + at_receiver)]
    signs = (1.0, _SURFACE_REFLECTION, _SURFACE_REFLECTION, _SURFACE_REFLECTION**2)
    return Arrivals(
        np.concatenate(times),
        np.concatenate([sign * strength for sign in signs]),
        np.concatenate([arrivals.slowness_s_m] * 4),
        np.concatenate([arrivals.decay_s] * 4),
    )
