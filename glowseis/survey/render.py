"""From recorded amplitudes to an 8-bit picture and back."""

import dataclasses

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import Gather, Geometry, Recording

ZERO_LEVEL = 128
"""Grey level of zero amplitude and of padding, exactly."""

CLIPPED_FRACTION = 0.04
"""Share of the samples beyond the clip: 2 % of them black and 2 % white, as the published gathers show."""

FITS = ("pad", "crop")


def render_recording(recording: Recording, height: int, width: int, fit: str = "pad") -> Gather:
    """Turn a recording into a picture of a survey's size.

    The clip c is the amplitude that 4 % of the absolute values exceed, and `level = 128 + 128 a / c`, rounded
    and kept within 0..255, so that zero is 128 whatever the clip. Rows and columns beyond the recording are
    128.

    Args:
        recording: Amplitudes `[time, trace]` and their geometry.
        height: Rows of the picture, in samples.
        width: Columns of the picture, in traces.
        fit: `pad`: the recording must fit. `crop`: the window of the first samples and traces is kept.

    Returns:
        The picture with its clip amplitude and valid region.

    Raises:
        InputError: The amplitudes are not finite, are none, or do not fit.
        ValueError: `fit` is unknown.
    """
    if fit not in FITS:
        raise ValueError(f"fit is {fit!r}; choose one of {', '.join(FITS)}")
    samples, traces = recording.amplitude.shape
    name = recording.gather_id
    if not samples or not traces:
        raise InputError(f"gather {name} of {recording.source} has {samples} samples and {traces} traces; leave it out")
    if fit == "pad" and (samples > height or traces > width):
        raise InputError(
            f"gather {name} of {recording.source} has {samples} samples x {traces} traces, more than the "
            f"size {height}x{width}; pass --fit crop or a larger --size"
        )
    amplitude = recording.amplitude[:height, :width].astype(np.float32)
    if not np.isfinite(amplitude).all():
        trace = int(np.argmin(np.isfinite(amplitude).all(axis=0)))
        raise InputError(
            f"gather {name} of {recording.source} has NaN or infinite amplitudes, first in its trace "
            f"{trace + 1}; mend the trace or leave the gather out"
        )
    clip_amplitude = _clip_amplitude(amplitude)
    image = np.full((height, width), ZERO_LEVEL, np.uint8)
    valid_samples, valid_traces = amplitude.shape
    # Division first: 128 a may exceed the largest float32, a / c does only where the picture is white anyway.
    with np.errstate(over="ignore"):
        level = np.rint(ZERO_LEVEL + ZERO_LEVEL * (amplitude / clip_amplitude))
    image[:valid_samples, :valid_traces] = np.clip(level, 0, 255)
    return Gather(
        gather_id=name,
        image=image,
        label=recording.label,
        geometry=_first_traces(recording.geometry, valid_traces),
        source=recording.source,
        clip_amplitude=float(clip_amplitude),
        valid_samples=valid_samples,
        valid_traces=valid_traces,
        fit="crop" if (samples, traces) != (valid_samples, valid_traces) else "pad",
        recorded_shape=(samples, traces),
    )


def amplitudes(gather: Gather) -> np.ndarray:
    """Bring a picture back to amplitudes, `(level - 128) c / 128`; what was clipped stays clipped.

    Args:
        gather: A picture with its clip amplitude and valid region.

    Returns:
        Amplitudes of the valid region, float32 `[valid_samples, valid_traces]`, in the units of the source.
    """
    image = gather.image[: gather.valid_samples, : gather.valid_traces]
    return (image.astype(np.float32) - ZERO_LEVEL) * np.float32(gather.clip_amplitude / ZERO_LEVEL)


def _clip_amplitude(amplitude: np.ndarray) -> np.float32:
    """Amplitude that 4 % exceed; the largest one where that is 0; 1 where all are 0."""
    size = np.abs(amplitude)
    clip_amplitude = np.quantile(size, 1 - CLIPPED_FRACTION, method="higher")
    return np.float32(clip_amplitude or size.max() or 1.0)


def _first_traces(geometry: Geometry, traces: int) -> Geometry:
    return dataclasses.replace(
        geometry,
        channel=geometry.channel[:traces],
        offset_m=geometry.offset_m[:traces],
        receiver_x_m=geometry.receiver_x_m[:traces],
        receiver_y_m=geometry.receiver_y_m[:traces],
    )
