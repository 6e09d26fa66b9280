"""SEG-Y and Seismic Unix files as bytes, written by the standard alone, to test the readers with."""

import struct

import numpy as np

KINDS = {
    1: "u4",
    2: "i4",
    3: "i2",
    5: "f4",
    6: "f8",
    8: "i1",
    9: "i8",
    10: "u4",
    11: "u2",
    12: "u8",
    16: "u1",
}
NAMES = {
    1: "ibm",
    2: "int32",
    3: "int16",
    5: "ieee",
    6: "float64",
    8: "int8",
    9: "int64",
    10: "uint32",
    11: "uint16",
    12: "uint64",
    16: "uint8",
}


TEXT = b"C 1 LINE".ljust(3200)


def swell(traces, samples, seed=0):
    """Noise that hangs together in time and decays, about 1 in size, float64 `[trace, sample]`."""
    white = np.random.default_rng(seed).normal(size=(traces, samples + 8))
    smooth = sum(white[:, shift : shift + samples] for shift in range(8)) / 8**0.5
    return smooth * np.exp(-2 * np.arange(samples) / samples)


def ibm(amplitude):
    """IBM floats as words, unsigned 32-bit."""
    amplitude = np.asarray(amplitude, np.float64)
    mantissa, exponent = np.frexp(np.abs(amplitude))
    power = -(-exponent // 4)
    fraction = np.rint(np.ldexp(mantissa, exponent - 4 * power) * 2**24).astype(np.int64)
    carried = fraction >> 24
    fraction, power = fraction >> (4 * carried), power + carried
    words = (np.signbit(amplitude).astype(np.int64) << 31) | ((power + 64) << 24) | fraction
    return np.where(amplitude == 0, 0, words).astype(np.uint32)


def samples_of(amplitude, code):
    """What a file of a format holds of amplitudes about 1 in size, and the amplitudes that must be read."""
    kind = np.dtype(KINDS[code])
    if code == 1:
        words = ibm(amplitude)
        value = np.ldexp((words & 0xFFFFFF).astype(np.float64), 4 * ((words >> 24 & 0x7F).astype(int) - 64) - 24)
        return words, np.where(words >> 31, -value, value).astype(np.float32)
    if kind.kind == "f":
        return amplitude.astype(kind), amplitude.astype(kind).astype(np.float32)
    scale = {1: 20, 2: 2000, 4: 2**20, 8: 2**40}[kind.itemsize]
    whole = np.rint(amplitude * scale) + (2 ** (8 * kind.itemsize - 1) if kind.kind == "u" else 0)
    whole = whole.astype(kind)
    return whole, whole.astype(np.float32)


def trace_headers(traces, samples, order, shots, words, interval_us=4000):
    """Bytes of trace headers, uint8 `[trace, 240]`; `words` maps (byte, type) to values."""
    headers = np.zeros((traces, 240), np.uint8)
    number = np.arange(1, traces + 1)
    told = {
        (1, "i4"): number,
        (9, "i4"): shots,
        (13, "i4"): number,
        (29, "i2"): 1,
        (37, "i4"): -3237 + 25 * number,
        (115, "u2"): samples % 2**16,
        (117, "u2"): interval_us,
    } | words
    for (byte, kind), value in told.items():
        cells = np.ascontiguousarray(np.broadcast_to(value, traces).astype(order + kind)).view(np.uint8)
        headers[:, byte - 1 : byte - 1 + np.dtype(kind).itemsize] = cells.reshape(traces, -1)
    return headers


def segy(
    amplitude,
    code=5,
    order=">",
    *,
    sample_order=None,
    header_order=None,
    binary=(),
    words=(),
    shots=1,
    text=TEXT,
    extended=b"",
    further=0,
    trailer=b"",
    interval_us=4000,
):
    """A SEG-Y file of amplitudes `[trace, sample]`, its binary header changed by `(byte, struct type): value`.

    Returns:
        Its bytes and the amplitudes that must be read, float32 `[trace, sample]`.
    """
    traces, samples = amplitude.shape
    stored, wanted = samples_of(amplitude, code)
    head = bytearray(400)
    told = {
        (3205, "i"): 12,
        (3217, "H"): interval_us,
        (3221, "H"): samples % 2**16,
        (3225, "h"): code,
        (3255, "h"): 1,
    } | dict(binary)
    for (byte, kind), value in told.items():
        struct.pack_into(order + kind, head, byte - 3201, value)
    headers = trace_headers(traces, samples, header_order or order, shots, dict(words), interval_us)
    cells = np.ascontiguousarray(stored.astype((sample_order or order) + KINDS[code])).view(np.uint8)
    body = np.concatenate([headers, np.zeros((traces, 240 * further), np.uint8), cells.reshape(traces, -1)], axis=1)
    return text + bytes(head) + extended + body.tobytes() + trailer, wanted


def seismic_unix(amplitude, order="<", *, sample_order=None, words=(), shots=1, interval_us=4000):
    """A Seismic Unix file of amplitudes `[trace, sample]`, as `segy`."""
    traces, samples = amplitude.shape
    headers = trace_headers(traces, samples, order, shots, dict(words), interval_us)
    cells = np.ascontiguousarray(amplitude.astype((sample_order or order) + "f4")).view(np.uint8)
    return np.concatenate([headers, cells.reshape(traces, -1)], axis=1).tobytes(), amplitude.astype(np.float32)
