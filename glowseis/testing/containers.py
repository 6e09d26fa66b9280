"""Changes of file format: a recording is written to a file, which the package's own readers then read."""

from pathlib import Path

import numpy as np

from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.gather import Picture, Recording
from glowseis.survey.render import trace_states
from glowseis.testing.changes import (
    Make,
    about_zero,
    clip_of,
    has_interval,
    in_single_precision,
    with_amplitude,
)

HEAD_BYTES, TRACE_HEADER_BYTES = 3600, 240

AUXILIARY = 2
"""Number of auxiliary traces that are added to a gather."""

CODES = {"ibm": 1, "int32": 2, "int16": 3, "ieee": 5, "uint16": 11, "uint8": 16}
"""SEG-Y's codes of the sample formats."""

WHOLE = {"int32": (32, ">i4"), "int16": (16, ">i2"), "uint16": (16, ">u2"), "uint8": (8, ">u1")}
"""Bits and NumPy's names of the integer formats."""

STEPS = {8: 64, 16: 512, 32: 512}
"""Fewest steps that the clip spans, by bits: with eight bits a step is two grey levels, as coarse as the images of
training, otherwise a quarter of one. Larger samples saturate; they are beyond the clip in any case."""

SATURATED = {8: 0.005, 16: 0.0, 32: 0.0}
"""Share of the samples, by bits, that saturates in any case."""


def segy(sample_format: str = "ieee", *, auxiliary: bool = False) -> Make:
    """Write it as SEG-Y in a sample format, optionally followed by auxiliary traces, marked so in their headers."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | Picture | None:
        if not has_interval(recording.geometry):
            return None
        written = in_single_precision(recording)
        written = _with_auxiliary(written) if auxiliary else written
        content = _segy_bytes(written, folder)
        traces = written.amplitude.shape[1]
        headers = np.frombuffer(content, np.uint8, offset=HEAD_BYTES).reshape(traces, -1)[:, :TRACE_HEADER_BYTES].copy()
        if auxiliary:
            # Bytes 29-30: 1 is seismic data, 4 a time break.
            headers[traces - AUXILIARY :, 28:30] = np.array([4], ">i2").view(np.uint8)
        stored = np.ascontiguousarray(_stored(written, sample_format).T).view(np.uint8)
        head = bytearray(content[:HEAD_BYTES])
        head[3224:3226] = CODES[sample_format].to_bytes(2, "big")
        path = folder / "gather.segy"
        path.write_bytes(bytes(head) + np.concatenate([headers, stored.reshape(traces, -1)], axis=1).tobytes())
        # Stated, because grey levels that are spread over 32 bits look like bytes in the wrong order.
        return _read(path, ReadOptions(sample_format=sample_format, byte_order="big"))

    return make


def seismic_unix(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | Picture | None:
    """Write it as Seismic Unix: SEG-Y's traces without the file headers."""
    if not has_interval(recording.geometry):
        return None
    path = folder / "gather.su"
    path.write_bytes(_segy_bytes(in_single_precision(recording), folder)[HEAD_BYTES:])
    return _read(path)


def hdf5(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | Picture:
    """Write it as HDF5 in our own layout."""
    from glowseis.survey.formats.hdf5_layout import write_hdf5

    write_hdf5(folder / "gather.h5", [in_single_precision(recording)])
    return _read(folder / "gather.h5")


def numpy(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | Picture | None:
    """Write its amplitudes alone, as a NumPy file."""
    interval_s = recording.geometry.sample_interval_s
    if not np.isfinite(interval_s):
        return None
    np.save(folder / "gather.npy", recording.amplitude)
    return _read(folder / "gather.npy", ReadOptions(sample_interval_s=interval_s, axes="time,trace"))


def png(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | Picture:
    """Render it at its own size and write the image as a grey PNG."""
    from PIL import Image

    from glowseis.survey.render import render_recording

    samples, traces = recording.amplitude.shape
    Image.fromarray(render_recording(recording, samples, traces).image).save(folder / "gather.png")
    interval_s = recording.geometry.sample_interval_s
    return _read(folder / "gather.png", ReadOptions(sample_interval_s=interval_s if np.isfinite(interval_s) else None))


def _with_auxiliary(recording: Recording) -> Recording:
    """The recording with loud tones after it, as auxiliary channels may carry."""
    samples, traces = recording.amplitude.shape
    tone = 100 * clip_of(recording.amplitude) * np.sin(0.3 * np.arange(samples))[:, np.newaxis]
    geometry = recording.geometry
    more = {
        name: np.concatenate([getattr(geometry, name), np.repeat(getattr(geometry, name)[-1:], AUXILIARY)])
        for name in ("offset_m", "receiver_x_m", "receiver_y_m")
    }
    more["channel"] = np.arange(1, traces + AUXILIARY + 1, dtype=np.int32)
    return with_amplitude(recording, np.concatenate([recording.amplitude, *[tone] * AUXILIARY], axis=1), **more)


def _segy_bytes(recording: Recording, folder: Path) -> bytes:
    from glowseis.survey.formats.segy_writer import write_segy

    write_segy(folder / "ieee.segy", [recording])
    return (folder / "ieee.segy").read_bytes()


def _read(path: Path, options: ReadOptions | None = None) -> Recording | Picture:
    """The one gather of a file.

    Raises:
        InputError: It cannot be read.
        AssertionError: It is not read as one gather.
    """
    from glowseis.survey.formats.sources import open_source

    gathers = list(open_source(path, options or ReadOptions()).gathers())
    if len(gathers) != 1:
        raise AssertionError(f"a gather written as {path.name} is read as {len(gathers)} gathers, not as one")
    return gathers[0]


def _stored(recording: Recording, sample_format: str) -> np.ndarray:
    """Big-endian samples in a format, `[time, trace]`. Formats without NaN store a broken trace as zeros."""
    if sample_format in WHOLE:
        return _whole(recording, *WHOLE[sample_format])
    if sample_format == "ieee":
        return recording.amplitude.astype(">f4")
    broken, _ = trace_states(recording.amplitude)
    return _ibm(np.where(broken, 0.0, recording.amplitude.astype(np.float64)))


def _whole(recording: Recording, bits: int, kind: str) -> np.ndarray:
    """Integers scaled to the loudest sample, unless a few loud samples would leave the others too few steps."""
    amplitude, counted = about_zero(recording)
    loudest = clip_of(amplitude[:, counted], SATURATED[bits])
    most = 2 ** (bits - 1) - 1
    scale = most / min(loudest, clip_of(amplitude[:, counted]) * most / STEPS[bits])
    level = np.clip(np.rint(amplitude.astype(np.float64) * scale), -most, most)
    return (level + (most + 1 if np.dtype(kind).kind == "u" else 0)).astype(kind)


def _ibm(amplitude: np.ndarray) -> np.ndarray:
    """IBM floating point: a sign, a power of 16 above -64, a fraction of 24 bits."""
    mantissa, exponent = np.frexp(np.abs(amplitude))
    power = -(-exponent // 4)
    fraction = np.rint(np.ldexp(mantissa, exponent - 4 * power + 24)).astype(np.int64)
    carried = fraction >> 24
    fraction, power = fraction >> (4 * carried), power + carried
    words = (np.signbit(amplitude).astype(np.int64) << 31) | ((power + 64) << 24) | fraction
    return np.where(amplitude == 0, 0, words).astype(">u4")
