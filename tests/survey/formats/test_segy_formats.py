"""SEG-Y of every format, byte order and revision; wrong format codes and byte orders."""

import dataclasses
import itertools
import os
import re
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
import segyio

from glowseis.errors import InputError
from glowseis.survey.formats.segy import SegySource, write_segy
from glowseis.survey.formats.source import ReadOptions
from tests.support.random_gathers import random_recording
from tests.support.trace_files import KINDS, NAMES, segy, swell


def written(folder, content, name="a.segy"):
    path = folder / name
    path.write_bytes(content)
    return path


def amplitudes_of(path, **options):
    """All traces of a file, `[trace, sample]`."""
    gathers = list(SegySource(path, ReadOptions(**options)).gathers())
    return np.concatenate([gather.amplitude.T for gather in gathers])


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("code", NAMES)
def test_every_format_in_both_byte_orders_as_segyio_reads_it(tmp_path, code, order):
    content, wanted = segy(swell(40, 200), code, order, shots=np.arange(40) // 10)
    path = written(tmp_path, content)
    got = amplitudes_of(path)
    assert got.dtype == np.float32 and np.array_equal(got, wanted)
    assert [shape for shape in SegySource(path, ReadOptions()).shapes()] == [(200, 10)] * 4
    if code == 9:
        return
    with segyio.open(str(path), ignore_geometry=True, endian="big" if order == ">" else "little") as file:
        assert np.array_equal(got, file.trace.raw[:].astype(np.float32))


@pytest.mark.parametrize(
    "how",
    itertools.product([1, 5], [">", "<"]),
    ids=str,
)
def test_ibm_taken_for_ieee_and_the_other_way(tmp_path, how):
    code, order = how
    content, wanted = segy(swell(40, 200) * 700, code, order)
    other = 6 - code
    content = bytearray(content)
    struct.pack_into(f"{order}h", content, 3224, other)
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=rf"a\.segy: .*pass --sample-format {NAMES[code]} ") as caught:
        SegySource(path, ReadOptions())
    assert "\n" not in str(caught.value) and f"--sample-format {NAMES[other]}, if the headers are right" in str(
        caught.value
    )
    assert np.array_equal(amplitudes_of(path, sample_format=NAMES[code]), wanted)
    assert not np.array_equal(amplitudes_of(path, sample_format=NAMES[other]), wanted)


@pytest.mark.parametrize("code", NAMES)
@pytest.mark.parametrize("order", [">", "<"])
def test_every_code_for_every_other_of_its_size(tmp_path, code, order):
    content, wanted = segy(swell(40, 200), code, order)
    for other in NAMES:
        if other == code or np.dtype(KINDS[other]).itemsize != np.dtype(KINDS[code]).itemsize:
            continue
        changed = bytearray(content)
        struct.pack_into(f"{order}h", changed, 3224, other)
        path = written(tmp_path, changed)
        with pytest.raises(InputError, match=f"pass --sample-format {NAMES[code]} "):
            SegySource(path, ReadOptions())
        assert np.array_equal(amplitudes_of(path, sample_format=NAMES[code]), wanted)


@pytest.mark.parametrize("code", [1, 2, 3, 5, 6, 9, 10, 11, 12])
@pytest.mark.parametrize("order", [">", "<"])
def test_samples_of_the_other_byte_order(tmp_path, code, order):
    other = "<" if order == ">" else ">"
    content, wanted = segy(swell(40, 200), code, order, sample_order=other)
    path = written(tmp_path, content)
    said = "big" if other == ">" else "little"
    with pytest.raises(InputError, match=f"pass .*--byte-order {said}"):
        SegySource(path, ReadOptions())
    assert np.array_equal(amplitudes_of(path, byte_order=said), wanted)
    assert SegySource(path, ReadOptions(byte_order="big" if order == ">" else "little")).facts.layout.samples == 200


@pytest.mark.parametrize("order", [">", "<"])
def test_trace_headers_of_the_other_byte_order(tmp_path, order):
    other, said = ("<", "little") if order == ">" else (">", "big")
    content, wanted = segy(swell(6, 200), 5, order, header_order=other, sample_order=other, shots=7)
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=f"trace headers are {said}-endian; pass --byte-order {said}"):
        SegySource(path, ReadOptions())
    (gather,) = SegySource(path, ReadOptions(byte_order=said)).gathers()
    assert gather.geometry.shot == 7 and np.array_equal(gather.amplitude.T, wanted)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_long_text_is_told_from_segy(tmp_path, ending):
    path = written(tmp_path, b"shot 7 is bad, look at it" + ending * 3 + ending.join([b"line 12\tshot 8"] * 400))
    with pytest.raises(InputError, match=r"a\.segy: not SEG-Y but text; give the file of traces"):
        SegySource(path, ReadOptions())


@pytest.mark.parametrize("wrong", [0, 4, 77, 0x0500])
def test_a_format_code_that_is_none(tmp_path, wrong):
    content, wanted = segy(swell(6, 200), 1, binary={(3225, "h"): wrong})
    path = written(tmp_path, content)
    message = "cut short or not SEG-Y" if wrong == 0x0500 else f"format code {wrong} is unknown; pass --sample-format"
    with pytest.raises(InputError, match=message):
        SegySource(path, ReadOptions())
    assert np.array_equal(amplitudes_of(path, sample_format="ibm"), wanted)
    for name in ("IBM ", "1"):
        assert np.array_equal(amplitudes_of(path, sample_format=name), wanted)
    with pytest.raises(InputError, match="sample format 'vax' is unknown; choose one of ibm, int32"):
        SegySource(path, ReadOptions(sample_format="vax"))
    with pytest.raises(InputError, match="byte order 'middle' is unknown; choose big or little"):
        SegySource(path, ReadOptions(byte_order="middle"))


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("encoding", ["ascii", "cp037"])
def test_revision_two(tmp_path, order, encoding):
    """More samples than 16 bits count, an interval below a microsecond, further headers, text before and after."""
    amplitude = swell(3, 70_000)
    extended = "".join(["((SEG: Other))".ljust(3200), "((seg: endtext ))".ljust(3200)])
    binary = {
        (3221, "H"): 0,
        (3217, "H"): 0,
        (3269, "I"): 70_000,
        (3273, "d"): 0.5,
        (3297, "I"): 16909060,
        (3505, "h"): -1,
        (3507, "I"): 2,
        (3529, "i"): 1,
    }
    text = "C 1 LINE".ljust(3200).encode(encoding)
    content, wanted = segy(
        amplitude,
        5,
        order,
        binary=binary,
        text=text,
        extended=extended.encode(encoding),
        further=2,
        trailer=b"((SEG: Trailer))".ljust(3200),
        interval_us=0,
        words={(115, "u2"): 0},
    )
    content = bytearray(content)
    struct.pack_into(f"{order}H", content, 3216, 0)
    content[3500:3502] = b"\2\0"
    path = written(tmp_path, content)
    source = SegySource(path, ReadOptions())
    assert source.interval_s == 0.5e-6 and list(source.shapes()) == [(70_000, 3)]
    assert np.array_equal(amplitudes_of(path), wanted)
    for change, value, message in [
        ((3529, "i"), 0, "cut short or not SEG-Y"),
        ((3529, "i"), -1, "gives neither the number of traces nor that of trailers"),
        ((3507, "I"), 3, "cut short or not SEG-Y"),
        ((3513, "Q"), 2, "2 traces of 70000 samples and 1 trailers are not"),
    ]:
        changed = bytearray(content)
        struct.pack_into(order + change[1], changed, change[0] - 1, value)
        with pytest.raises(InputError, match=message):
            SegySource(written(tmp_path, changed, "b.segy"), ReadOptions())
    struct.pack_into(f"{order}Q", content, 3512, 3)
    struct.pack_into(f"{order}i", content, 3528, -1)
    struct.pack_into(f"{order}Q", content, 3520, 3600 + 6400)
    assert np.array_equal(amplitudes_of(written(tmp_path, content)), wanted)


def test_revision_two_without_its_end(tmp_path):
    content, _ = segy(swell(3, 50), binary={(3505, "h"): -1}, extended=b"((SEG: Other))".ljust(3200))
    for major in (1, 2):
        changed = bytearray(content)
        changed[3500] = major
        with pytest.raises(InputError, match="no EndText stanza"):
            SegySource(written(tmp_path, changed), ReadOptions())


@pytest.mark.parametrize("order", [">", "<"])
def test_extended_text_headers_of_revision_one(tmp_path, order):
    revision = {(3501, "H"): 0x0100, (3505, "h"): 2}
    content, wanted = segy(swell(3, 50), 5, order, binary=revision, extended=b"x" * 6400)
    assert np.array_equal(amplitudes_of(written(tmp_path, content)), wanted)
    # Ten traces are as long as a text header here, and would go amiss.
    content, wanted = segy(swell(30, 20), 5, order, binary={**revision, (3505, "h"): 1})
    with pytest.raises(InputError, match="extended text headers where traces are"):
        SegySource(written(tmp_path, content), ReadOptions())
    content, wanted = segy(swell(30, 20), 5, order, binary={(3505, "h"): 1})
    assert np.array_equal(amplitudes_of(written(tmp_path, content)), wanted)


def test_words_that_other_commands_write_there(tmp_path):
    """Lines and shots by Seismic Unix' names and by bytes where no word of the standard begins."""
    words = {(3, "u1"): 0, (183, "i4"): [5, 5, 6, 6, 6, 6], (213, "i2"): [1, 1, 1, 1, 2, 2]}
    path = written(tmp_path, segy(swell(6, 50), words=words)[0])
    gathers = list(SegySource(path, ReadOptions(shot_header="183", line_header="213")).gathers())
    assert [(g.geometry.sail_line, g.geometry.shot, g.amplitude.shape[1], g.gather_id) for g in gathers] == [
        (1, 5, 2, "a-shot5"),
        (1, 6, 2, "a-shot6"),
        (2, 6, 2, "a-shot6-2"),
    ]
    (gather,) = SegySource(path, ReadOptions(shot_header="fldr", trace_header="offset")).gathers()
    assert gather.geometry.sail_line == 12 and gather.geometry.channel[0] == -3212
    with pytest.raises(InputError, match="trace header 'Line' is unknown"):
        SegySource(path, ReadOptions(line_header="Line"))


@pytest.mark.parametrize(
    ("revision", "delay", "scalar", "start_s"),
    [(1, 1500, 0, 1.5), (1, 15_005, -10, 1.5005), (1, 2, 1000, 2.0), (0, 2, 1000, 0.002), (1, -50, 1, -0.05)],
)
def test_times_of_first_samples(tmp_path, revision, delay, scalar, start_s):
    words = {(109, "i2"): delay, (215, "i2"): scalar}
    path = written(tmp_path, segy(swell(6, 50), words=words, binary={(3501, "B"): revision})[0])
    assert next(SegySource(path, ReadOptions()).gathers()).geometry.start_s == pytest.approx(start_s, abs=1e-12)


@pytest.mark.parametrize("blank", [1, 3])
def test_blank_first_traces_do_not_give_the_position(tmp_path, blank):
    """Nor do they say whether coordinates are angles."""
    zeros = np.zeros(blank, int)
    x, y = np.append(zeros, np.full(6 - blank, 4000)), np.append(zeros, np.full(6 - blank, -70))
    words = {(73, "i4"): x, (77, "i4"): y, (71, "i2"): 1}
    place = next(SegySource(written(tmp_path, segy(swell(6, 50), words=words)[0]), ReadOptions()).gathers()).geometry
    assert (place.source_x_m, place.source_y_m) == (4000, -70) and np.isnan(place.receiver_x_m).all()
    # What is known can be written again.
    (gather,) = SegySource(written(tmp_path, segy(swell(6, 50), words=words)[0]), ReadOptions()).gathers()
    write_segy(tmp_path / "again.segy", [gather])
    (again,) = SegySource(tmp_path / "again.segy", ReadOptions()).gathers()
    assert again.geometry.source_x_m == 4000 and np.isnan(again.geometry.receiver_x_m).all()
    words = {(73, "i4"): x // 100, (77, "i4"): y, (71, "i2"): 1, (89, "i2"): np.append(zeros, np.full(6 - blank, 3))}
    place = next(SegySource(written(tmp_path, segy(swell(6, 50), words=words)[0]), ReadOptions()).gathers()).geometry
    assert np.isnan([place.source_x_m, place.source_y_m]).all()


def test_traces_of_a_gather_that_begin_at_different_times(tmp_path):
    """They get one start; those so far apart that they have no time in common are refused."""
    amplitude = swell(6, 50)
    words = {(109, "i2"): [8, 0, 0, 100, 102, 99]}
    content, wanted = segy(amplitude, words=words)
    source = SegySource(written(tmp_path, content), ReadOptions())
    (gather,) = source.gathers()
    late = [2, 0, 0, 25, 26, 25]
    assert list(source.shapes()) == [(76, 6)] and gather.amplitude.shape == (76, 6)
    assert gather.mended == {"delayed": 4} and gather.geometry.start_s == 0
    for trace, shift in enumerate(late):
        assert np.array_equal(gather.amplitude[shift : shift + 50, trace], wanted[trace])
        assert not gather.amplitude[:shift, trace].any() and not gather.amplitude[shift + 50 :, trace].any()
    path = written(tmp_path, segy(amplitude, words={(109, "i2"): [0, 0, 0, 0, 0, 204]})[0])
    for look in (SegySource(path, ReadOptions()).shapes, SegySource(path, ReadOptions()).gathers):
        with pytest.raises(InputError, match=r"traces 1 to 6, one gather, begin between 0 and 204 ms .*--shot-header"):
            list(look())
    words = {(109, "i2"): [0, 0, 0, 100, 100, 100]}
    path = written(tmp_path, segy(amplitude, words=words, shots=[1, 1, 1, 2, 2, 2])[0])
    gathers = list(SegySource(path, ReadOptions()).gathers())
    assert [gather.geometry.start_s for gather in gathers] == [0, 0.1] and not any(each.mended for each in gathers)


@pytest.mark.parametrize("start_s", [0.0, 1.5, -0.05, 0.0123, 3.2767, 32.767, 0.00005])
def test_start_times_are_written_and_come_back(tmp_path, start_s):
    recording = random_recording(7)
    recording = dataclasses.replace(recording, geometry=dataclasses.replace(recording.geometry, start_s=start_s))
    write_segy(tmp_path / "new.segy", [recording])
    (back,) = SegySource(tmp_path / "new.segy", ReadOptions()).gathers()
    assert back.geometry.start_s == pytest.approx(start_s, abs=1e-12)
    with segyio.open(str(tmp_path / "new.segy"), ignore_geometry=True) as file:
        assert file.samples[0] == pytest.approx(start_s * 1e3, abs=1e-6)


@pytest.mark.parametrize("start_s", [-0.116985, 1.00005, 1e-8, -3.27654321])
def test_start_times_are_rounded_by_less_than_a_hundredth_of_a_sample(tmp_path, start_s):
    recording = random_recording(7)
    recording = dataclasses.replace(recording, geometry=dataclasses.replace(recording.geometry, start_s=start_s))
    write_segy(tmp_path / "new.segy", [recording])
    (back,) = SegySource(tmp_path / "new.segy", ReadOptions()).gathers()
    off_s = abs(back.geometry.start_s - start_s)
    assert 0 < off_s <= 0.01 * recording.geometry.sample_interval_s


@pytest.mark.parametrize("start_s", [33.0, float("nan"), 32.7604])
def test_start_times_that_have_no_place(tmp_path, start_s):
    recording = random_recording(7)
    recording = dataclasses.replace(recording, geometry=dataclasses.replace(recording.geometry, start_s=start_s))
    with pytest.raises(InputError, match=r"a first sample at .* ms does not fit into a SEG-Y header"):
        write_segy(tmp_path / "new.segy", [recording])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["ascii", "cp037"])
def test_text_headers_of_either_code(tmp_path, encoding):
    text = "C 1 Côte d'Azur".replace("ô", "o").ljust(3200).encode(encoding)
    content, wanted = segy(swell(6, 50), text=text)
    path = written(tmp_path, content, "Ligne 7 été (b).sgy")
    (gather,) = SegySource(path, ReadOptions()).gathers()
    assert gather.gather_id == "Ligne-7-été-b--shot1" and np.array_equal(gather.amplitude.T, wanted)
    write_segy(tmp_path / "new.segy", [random_recording(7)])
    content = (tmp_path / "new.segy").read_bytes()
    path = written(tmp_path, content[:3200].decode("cp037").encode(encoding) + content[3200:])
    assert [gather.gather_id for gather in SegySource(path, ReadOptions()).gathers()] == ["a-line3-shot7-cable2"]


def test_a_number_of_samples_that_fits_by_chance(tmp_path):
    """21 traces of 40 samples are as long as 16 of 65: the trace headers tell which."""
    content, _ = segy(swell(5, 40), words={(115, "u2"): 40})
    assert 5 * (240 + 160) == 4 * (240 + 260)
    changed = bytearray(content)
    struct.pack_into(">H", changed, 3220, 65)
    with pytest.raises(InputError, match="its file header says 65 samples per trace, its first trace 40"):
        SegySource(written(tmp_path, changed), ReadOptions())


@pytest.mark.parametrize("samples", [[50, 50, 50, 50, 49, 50], [9999, 3, 0, 50, 7, 8]])
def test_nonsense_for_the_number_of_samples(tmp_path, samples):
    content, wanted = segy(swell(6, 50), words={(115, "u2"): samples})
    assert np.array_equal(amplitudes_of(written(tmp_path, content)), wanted)


def test_amplitudes_that_are_not_finite_come_through(tmp_path):
    amplitude = swell(6, 200)
    amplitude[1] = np.nan
    amplitude[2, 5], amplitude[3], amplitude[4, 3] = np.inf, 0, -np.inf
    content, wanted = segy(amplitude)
    assert np.array_equal(amplitudes_of(written(tmp_path, content)), wanted, equal_nan=True)


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = written(tmp_path, segy(swell(6, 50), shots=[1, 1, 2, 2, 3, 3])[0])
    gathers = SegySource(path, ReadOptions()).gathers()
    next(gathers)
    with path.open("r+b") as file:
        file.truncate(3600 + 3 * 440)
    with pytest.raises(InputError, match="shrank while it was read"):
        list(gathers)


def test_a_gather_too_large_for_memory_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.segy"
    content, _ = segy(swell(1, 30_000))
    with path.open("wb") as file:
        file.write(content[:3600])
        for trace in range(5000):
            file.seek(3600 + trace * 120_240)
            file.write(content[3600:3840])
        file.truncate(3600 + 5000 * 120_240)
    for look in (SegySource(path, ReadOptions()).shapes, SegySource(path, ReadOptions()).gathers):
        with pytest.raises(
            InputError, match="more than 4473 consecutive traces have FieldRecord 1; pass --shot-header"
        ):
            list(look())


def test_nothing_but_files_is_opened(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        SegySource(tmp_path / "a", ReadOptions())
    with pytest.raises(InputError, match="a folder; give files"):
        SegySource(tmp_path, ReadOptions())
    os.mkfifo(tmp_path / "pipe.segy")
    with pytest.raises(InputError, match=re.escape("pipe.segy: not a regular file")):
        SegySource(tmp_path / "pipe.segy", ReadOptions())


@pytest.mark.slow
def test_memory_is_bounded_by_a_gather(tmp_path):
    """Two gigabytes, sparse, in gathers of 24 MB each."""
    path = tmp_path / "large.segy"
    content, _ = segy(swell(1, 60_000))
    trace_bytes, traces = len(content) - 3600, 8000
    with path.open("wb") as file:
        file.write(content[:3600])
        file.truncate(3600 + traces * trace_bytes)
        for trace in range(0, traces, 100):
            for each in range(trace, trace + 100):
                file.seek(3600 + each * trace_bytes + 8)
                file.write(struct.pack(">i", 1 + trace // 100))
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes + (128 << 20), most))
    try:
        source = SegySource(path, ReadOptions())
        assert list(source.shapes()) == [(60_000, 100)] * 80
        assert sum(1 for _ in source.gathers()) == 80
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))
