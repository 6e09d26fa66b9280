"""The ground under one sail line: a water layer over sediments whose velocity rises with depth."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from glowseis.survey.simulate.acquisition import WATER_VELOCITY_M_S, Acquisition

_EARTH_STREAM = 12
_STRUCTURES = 4


@dataclass(frozen=True)
class Earth:
    """Layers, from the water down, and what varies along a line. Index 0 of `[layer]` arrays is the water.

    Attributes:
        velocity_m_s: P velocities `[layer]`; the last one is the half-space under the last reflector.
        density_kg_m3: Densities `[layer]`.
        time_s: Two-way vertical times through each layer `[layer - 1]`, in seconds, at the start of the line.
        decay_s: Absorption: two-way time over quality factor, summed from the sea floor to each layer's base
            `[layer - 1]`, in seconds.
        refractor: Number of the fast layer that carries the main head wave.
        structure_s: Amplitudes of the time shifts by geological structure `[layer - 1, wave]`, in seconds.
        structure_length_m: Wavelengths of the structure along the line `[wave]`, in metres.
        structure_phase_rad: Phases of the structure `[layer - 1, wave]`.
        brightness: Relative strength of the lateral changes of reflectivity `[layer - 1]`.
        scatterer_x_m: Distances along the line of point scatterers `[scatterer]`, in metres.
        scatterer_y_m: Their distances from the line, in metres.
        scatterer_layer: The reflector that each lies on.
        scatterer_strength: Their reflection strength times their size, in metres.
    """

    velocity_m_s: np.ndarray
    density_kg_m3: np.ndarray
    time_s: np.ndarray
    decay_s: np.ndarray
    refractor: int
    structure_s: np.ndarray
    structure_length_m: np.ndarray
    structure_phase_rad: np.ndarray
    brightness: np.ndarray
    scatterer_x_m: np.ndarray
    scatterer_y_m: np.ndarray
    scatterer_layer: np.ndarray
    scatterer_strength: np.ndarray

    def shift_s(self, along_m: np.ndarray) -> np.ndarray:
        """Time shifts of the reflectors by structure, `[layer - 1, point]`, in seconds.

        Args:
            along_m: Distances along the line `[point]`, in metres.

        Returns:
            The shifts, positive downwards.
        """
        phase = 2 * np.pi * along_m[None, None, :] / self.structure_length_m[None, :, None]
        waves = np.sin(phase + self.structure_phase_rad[:, :, None])
        return np.einsum("lw,lwp->lp", self.structure_s, waves)


@lru_cache(maxsize=128)
def earth_of_line(seed: int, sail_line: int, acquisition: Acquisition) -> Earth:
    """The ground under a sail line. Lines differ, and a line has the same earth whatever its gathers' labels.

    In the paper's acquisition velocities rise from 1,650 m/s under the sea floor to 2,400 m/s over a refractor of about
    2,740 m/s (the head wave's 0.57 rows a trace), then slowly to 3,600 m/s. Densities follow Gardner's rule with a
    scatter. Layers are thin against the record, so that the number of reflectors shrinks with it while the wavelet
    stays.

    Args:
        seed: Seed of the survey.
        sail_line: Number of the line.
        acquisition: Gives the length of the record and the scale of the earth.

    Returns:
        The ground.
    """
    random = np.random.default_rng([seed, _EARTH_STREAM, sail_line])
    scale = acquisition.scale
    water_s = random.uniform(*acquisition.water_s)
    refractor_s = random.uniform(*acquisition.refractor_s)
    refractor_velocity = random.uniform(*acquisition.refractor_velocity_m_s)
    end_s = acquisition.record_length_s + max(acquisition.recorder.start_s, 0.0)

    layers_s = [water_s]
    below_s = 0.0
    refractor = 0
    while water_s + below_s < end_s or not refractor:
        thickness_s = max(0.018, random.gamma(1.6, 0.042))
        if not refractor and below_s + thickness_s > refractor_s:
            thickness_s = max(refractor_s - below_s, 0.012)
            refractor = len(layers_s) + 1
        layers_s.append(thickness_s)
        below_s += thickness_s
    time_s = np.array(layers_s)
    count = len(time_s)

    top_s = np.concatenate([[0.0], np.cumsum(time_s[1:])]) / scale
    ratio = np.clip(top_s / (refractor_s / scale), 0.0, 1.0)
    trend = np.where(
        np.arange(1, count + 1) < refractor,
        1650.0 + (refractor_velocity - 340.0 - 1650.0) * ratio,
        refractor_velocity - 120.0 + 900.0 * np.clip((top_s - refractor_s / scale) / 5.0, 0.0, 1.0),
    )
    # Beds alternate in hardness: a few strong contrasts among many weak ones.
    hardness = random.laplace(0.0, 0.03, count)
    sediment = trend * (1.0 + np.clip(hardness, -0.1, 0.12))
    above = np.arange(1, count + 1) < refractor
    sediment = np.where(above, np.clip(sediment, 1560.0, refractor_velocity - 220.0), sediment)
    sediment[refractor - 1] = refractor_velocity
    # Softer beds under it: otherwise their wide-angle reflections would overtake the head wave.
    ceiling = np.maximum(refractor_velocity, trend[refractor:])
    sediment[refractor:] = np.clip(sediment[refractor:], refractor_velocity - 440.0, ceiling)
    velocity = np.concatenate([[WATER_VELOCITY_M_S], sediment])
    density = np.concatenate([[1030.0], 310.0 * sediment**0.25 * (1.0 + random.normal(0.0, 0.025, count))])
    density[1] = random.uniform(1850.0, 2150.0)

    # The quality factor scales with the earth, so that a small survey keeps the frequencies of the full one.
    quality = np.where(top_s < refractor_s / scale, 140.0, 240.0) * scale * random.uniform(0.85, 1.15)
    quality *= acquisition.quality
    decay_s = np.concatenate([[0.0], np.cumsum(time_s[1:] / quality[:-1])])

    depth = np.cumsum(time_s) / acquisition.record_length_s
    structure_length_m = scale * np.array([14_000.0, 6_000.0, 2_600.0, 900.0]) * random.uniform(0.8, 1.25, 4)
    common_phase = random.uniform(0.0, 2 * np.pi, _STRUCTURES)
    structure_phase = common_phase + 0.9 * depth[:, None] + random.normal(0.0, 0.15, (count, _STRUCTURES))
    structure_phase[:, -1] = random.uniform(0.0, 2 * np.pi, count)
    structure_s = scale * np.array([0.030, 0.012, 0.006, 0.0]) * (0.25 + 1.6 * depth[:, None])
    structure_s = structure_s * random.uniform(0.6, 1.4, (count, _STRUCTURES))
    structure_s[:, -1] = 0.0012 * random.uniform(0.3, 1.5, count)
    # Every bounce in the water repeats the sea floor's shape, so its relief stays small.
    structure_s[0, -1] = 0.0002

    line_m = acquisition.shots_per_line * acquisition.shot_interval_m
    reach_m = acquisition.spread_m
    scatterers = round((line_m + reach_m) / (scale * 260.0))
    return Earth(
        velocity_m_s=velocity,
        density_kg_m3=density,
        time_s=time_s,
        decay_s=decay_s,
        refractor=refractor,
        structure_s=structure_s,
        structure_length_m=structure_length_m,
        structure_phase_rad=structure_phase,
        brightness=random.uniform(0.1, 0.6, count),
        scatterer_x_m=random.uniform(-reach_m, line_m, scatterers),
        scatterer_y_m=random.normal(0.0, scale * 250.0, scatterers),
        scatterer_layer=np.minimum(random.geometric(0.12, scatterers) - 1, count - 1),
        scatterer_strength=scale * random.lognormal(np.log(12.0), 0.6, scatterers) * random.choice([-1, 1], scatterers),
    )
