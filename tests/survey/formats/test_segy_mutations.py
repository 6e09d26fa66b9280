"""Damaged SEG-Y and Seismic Unix files: one line, or the amplitudes of the file, and no more memory than the file has.

Every mutation is drawn from a seed; what is not caught is a file of other headers, whose samples are still its own.
"""

import resource
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats.segy import SegySource, write_segy
from glowseis.survey.formats.seismic_unix import SeismicUnixSource
from glowseis.survey.formats.source import ReadOptions
from tests.support.random_gathers import random_recording
from tests.support.trace_files import segy, seismic_unix, swell

TRACES, SAMPLES = 24, 120
MOST_SECONDS, ROOM_BYTES = 5, 64 << 20
"""Processor time of a file, and address space beyond a few times its length: blocks and a look at samples."""

INTERESTING = (0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 16, 20, 40, 60, 120, 240, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF)
BINARY_WORDS = (3205, 3217, 3221, 3225, 3255, 3261, 3269, 3273, 3297, 3501, 3503, 3505, 3507, 3513, 3521, 3525, 3529)
TRACE_WORDS = (1, 5, 9, 13, 17, 37, 71, 73, 77, 81, 85, 89, 109, 115, 117, 215, 233, 237)


@pytest.fixture
def times(thorough):
    """Mutations of each file."""
    return 12 if thorough else 3


def files(folder):
    """Sound files: bytes, reader, ending, where traces begin, and bytes of a sample."""
    amplitude, shots = 200 * swell(TRACES, SAMPLES), np.repeat([3, 4, 5], TRACES // 3)
    for code, order in [(1, ">"), (5, ">"), (5, "<"), (3, ">"), (6, ">"), (8, ">")]:
        content, _ = segy(amplitude / (200 if code in (3, 8) else 1), code, order, shots=shots)
        yield f"format {code} {order}", content, SegySource, 3600, {1: 4, 3: 2, 5: 4, 6: 8, 8: 1}[code]
    binary = {(3501, "B"): 2, (3505, "h"): 1, (3297, "I"): 16909060}
    content, _ = segy(amplitude, 5, shots=shots, binary=binary, extended=b"((SEG: Other))".ljust(3200))
    yield "revision 2", content, SegySource, 6800, 4
    path = folder / "own.segy"
    write_segy(path, [random_recording(shot, SAMPLES, TRACES // 3) for shot in range(3)])
    yield "own", path.read_bytes(), SegySource, 3600, 4
    for order in "<>":
        yield f"Seismic Unix {order}", seismic_unix(amplitude, order, shots=shots)[0], SeismicUnixSource, 0, 4


def read(reader, path):
    """Every trace of a file, whether anything was mended, and whether the user is warned."""
    source = reader(path, ReadOptions())
    shapes = list(source.shapes())
    gathers = list(source.gathers())
    assert [gather.amplitude.shape for gather in gathers] == shapes
    assert len({gather.gather_id for gather in gathers}) == len(gathers)
    warned = any(remark.is_warning for remark in source.remarks())
    mended = any(gather.mended for gather in gathers)
    # Traces that are shifted to one start are longer.
    return [each for gather in gathers for each in gather.amplitude.T], mended, warned


def same(got, wanted):
    return len(got) == len(wanted) and all(map(np.array_equal, got, wanted))


def header_words(generator, content, start_bytes, size_bytes):
    """A word of a header becomes another one; samples stay."""
    trace_bytes = 240 + SAMPLES * size_bytes
    if start_bytes and generator.random() < 0.6:
        at = int(generator.choice(BINARY_WORDS)) - 1
    else:
        trace = int(generator.choice([0, 1, TRACES // 2, TRACES - 1]))
        at = start_bytes + trace * trace_bytes + int(generator.choice(TRACE_WORDS)) - 1
    value = int(generator.choice(INTERESTING)) if generator.random() < 0.7 else int(generator.integers(2**16))
    kind = str(generator.choice([">H", "<H", ">I", "<I"]))
    changed = bytearray(content)
    struct.pack_into(kind, changed, at, value)
    return bytes(changed)


def header_bytes(generator, content, start_bytes, size_bytes):
    """Some bytes of headers become others; samples stay."""
    trace_bytes = 240 + SAMPLES * size_bytes
    changed = bytearray(content)
    for _ in range(int(generator.integers(1, 8))):
        trace = int(generator.integers(-1 if start_bytes else 0, TRACES))
        at = start_bytes + trace * trace_bytes + int(generator.integers(240))
        if trace < 0:
            at = 3200 + int(generator.integers(400))
        changed[at] = int(generator.integers(256))
    return bytes(changed)


def cut(generator, content, start_bytes, size_bytes):
    """The end is missing, but not whole traces, which neither format would tell."""
    length = int(generator.integers(len(content)))
    whole = length > start_bytes and (length - start_bytes) % (240 + SAMPLES * size_bytes) == 0
    return content[: length - whole]


def inserted(generator, content, start_bytes, size_bytes):
    """Bytes come in or go out somewhere."""
    at, count = int(generator.integers(len(content))), int(generator.choice([1, 2, 4, 80, 239, 240, 3200]))
    if generator.random() < 0.5:
        return content[:at] + generator.bytes(count) + content[at:]
    return content[:at] + content[at + count :]


def anything(generator, content, start_bytes, size_bytes):
    """Bytes anywhere become others."""
    changed = bytearray(content)
    for _ in range(int(generator.integers(1, 200))):
        changed[int(generator.integers(len(changed)))] = int(generator.integers(256))
    return bytes(changed)


def told(reader, path, limit_bytes):
    """What a reader does with a file: its amplitudes, or None after one line; never anything else."""
    start_s = time.process_time()
    before, after = resource.getrlimit(resource.RLIMIT_AS)
    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes + limit_bytes + ROOM_BYTES, after))
    try:
        got = read(reader, path)
    except InputError as wrong:
        assert str(path) in str(wrong) and "\n" not in str(wrong)
        got = None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, after))
    assert time.process_time() - start_s < MOST_SECONDS
    return got


@pytest.mark.parametrize("mutation", [header_words, header_bytes])
def test_headers_that_are_changed_never_change_amplitudes(tmp_path, mutation, times):
    generator = np.random.default_rng(11)
    path = tmp_path / "été 1.segy"
    refused = passed = 0
    for name, content, reader, start_bytes, size_bytes in files(tmp_path):
        path.write_bytes(content)
        wanted, mended, warned = read(reader, path)
        assert not mended and not warned
        for _ in range(times):
            changed = mutation(generator, content, start_bytes, size_bytes)
            path.write_bytes(changed)
            got = told(reader, path, 8 * len(content))
            if got is None:
                refused += 1
                continue
            traces, mended, _ = got
            passed += not mended
            # A header may say that a trace is dead, auxiliary, late or weighted: then that is counted.
            assert mended or same(traces, wanted), name
    assert refused and passed > times


@pytest.mark.slow
@pytest.mark.parametrize("mutation", [cut, inserted])
def test_files_that_are_cut_or_shifted_are_refused_or_told(tmp_path, mutation):
    """What is told is read as far as it is whole; the last trace may be the one that was shifted within."""
    generator = np.random.default_rng(12)
    path = tmp_path / "b.segy"
    refused = passed = 0
    for name, content, reader, start_bytes, size_bytes in files(tmp_path):
        path.write_bytes(content)
        wanted, _, _ = read(reader, path)
        for _ in range(20):
            changed = mutation(generator, content, start_bytes, size_bytes)
            path.write_bytes(changed)
            got = told(reader, path, 8 * len(content))
            if got is None:
                refused += 1
                continue
            passed += 1
            traces, _, warned = got
            sure = len(traces) - (mutation is inserted)
            assert warned and same(traces[:sure], wanted[:sure]), name
    assert refused and passed


def test_bytes_that_are_changed_anywhere(tmp_path, times):
    generator = np.random.default_rng(13)
    path = tmp_path / "c.segy"
    for _, content, reader, start_bytes, size_bytes in files(tmp_path):
        for _ in range(times):
            path.write_bytes(anything(generator, content, start_bytes, size_bytes))
            told(reader, path, 8 * len(content))


def test_noise_for_files(tmp_path):
    generator = np.random.default_rng(14)
    path = tmp_path / "d.segy"
    for _ in range(60):
        path.write_bytes(generator.bytes(int(generator.integers(20_000))))
        assert told(SegySource, path, 160_000) is None
        assert told(SeismicUnixSource, path, 160_000) is None
