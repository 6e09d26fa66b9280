import dataclasses
import errno
import os
import struct
import warnings

import numpy as np
import pytest
import segyio
from segyio import BinField, TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.segy import write_segy
from tests.support.field_files import field_file, read_segy, segy_interval_s, segy_shapes
from tests.support.random_gathers import random_recording
from tests.support.shot_files import Line, opened
from tests.support.shot_files import written as line_written


def test_shots_of_a_field_file(tmp_path):
    path = tmp_path / "Ligne 12 été.sgy"
    amplitude = field_file(path)
    first, second, third = read_segy(path, label="bad")
    assert [r.gather_id for r in (first, second, third)] == [
        "Ligne-12-été-shot3",
        "Ligne-12-été-shot4",
        "Ligne-12-été-shot3-2",
    ]
    assert [r.amplitude.shape for r in (first, second, third)] == [(50, 3), (50, 3), (50, 2)]
    assert list(segy_shapes(path)) == [(50, 3), (50, 3), (50, 2)]
    np.testing.assert_allclose(second.amplitude, amplitude[3:6].T, rtol=2e-6)
    geometry = second.geometry
    assert (geometry.sail_line, geometry.shot, geometry.cable, geometry.sample_interval_s) == (12, 4, 1, 0.004)
    assert geometry.offset_m.tolist() == [-3162, -3137, -3112] and geometry.channel.tolist() == [4, 5, 6]
    assert (geometry.source_x_m, geometry.source_y_m) == (4000.0, -70.0)
    assert geometry.receiver_x_m.tolist() == [150, 200, 250] and geometry.receiver_y_m.tolist() == [90, 90, 90]
    assert second.label == "bad" and second.source == str(path)


@pytest.mark.parametrize(("scalar", "source_x_m"), [(-100, 3.0), (0, 300.0), (1, 300.0), (100, 30_000.0)])
def test_coordinate_scalars(tmp_path, scalar, source_x_m):
    field_file(tmp_path / "a.sgy", scalar=scalar)
    assert next(read_segy(tmp_path / "a.sgy")).geometry.source_x_m == pytest.approx(source_x_m)


def test_feet(tmp_path):
    field_file(tmp_path / "a.sgy", binary={BinField.MeasurementSystem: 2})
    geometry = next(read_segy(tmp_path / "a.sgy")).geometry
    assert geometry.offset_m[0] == np.float32(-3237 * 0.3048)
    assert geometry.source_x_m == pytest.approx(3000 * 0.3048)


@pytest.mark.filterwarnings("ignore:Implicit conversion")
@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("sample_format", [1, 2, 3, 5])
def test_formats_and_byte_orders(tmp_path, endian, sample_format):
    amplitude = field_file(tmp_path / "a.sgy", sample_format=sample_format, endian=endian)
    got = np.concatenate([recording.amplitude.T for recording in read_segy(tmp_path / "a.sgy")])
    wanted = amplitude if sample_format in (1, 5) else np.trunc(amplitude)
    np.testing.assert_allclose(got, wanted, rtol=2e-6)
    assert got.dtype == np.float32


def test_header_words_by_name_and_number(tmp_path):
    path = tmp_path / "a.sgy"
    field_file(path, trace={TraceField.EnergySourcePoint: 8, TraceField.CDP_TRACE: 5})
    (recording,) = read_segy(path, shot_header="EnergySourcePoint", trace_header="25")
    assert recording.geometry.shot == 8 and recording.geometry.channel.tolist() == [5] * 8
    assert next(read_segy(path, shot_header="17")).gather_id == "a-shot8"
    for word in ("Shot", "0", "238", "241", "²", ""):
        with pytest.raises(InputError, match="FieldRecord or a byte number"):
            next(read_segy(path, shot_header=word))


def test_sample_interval(tmp_path):
    path = tmp_path / "a.sgy"
    field_file(path, binary={BinField.Interval: 0}, trace={TraceField.TRACE_SAMPLE_INTERVAL: 2000})
    assert next(read_segy(path)).geometry.sample_interval_s == 0.002
    field_file(path, binary={BinField.Interval: 0}, trace={TraceField.TRACE_SAMPLE_INTERVAL: 0})
    with pytest.raises(InputError, match="no sample interval; pass --sample-interval"):
        next(read_segy(path))
    assert next(read_segy(path, sample_interval_s=0.001)).geometry.sample_interval_s == 0.001


def test_a_file_that_contradicts_itself_about_its_sample_interval(tmp_path):
    path = tmp_path / "a.sgy"
    field_file(path, trace={TraceField.TRACE_SAMPLE_INTERVAL: 2000})
    for look in (segy_interval_s, lambda path: next(read_segy(path))):
        with pytest.raises(
            InputError, match=r"the file gives .* 4 ms, but that of trace 1 2 ms; pass --sample-interval"
        ):
            look(path)
    assert next(read_segy(path, sample_interval_s=0.002)).geometry.sample_interval_s == 0.002
    field_file(path, binary={BinField.Interval: 0}, trace={TraceField.TRACE_SAMPLE_INTERVAL: 2000})
    with segyio.open(str(path), "r+", ignore_geometry=True) as file:
        file.header[5] = {TraceField.TRACE_SAMPLE_INTERVAL: 1000}
    with pytest.raises(InputError, match="trace 6"):
        segy_interval_s(path)


@pytest.mark.parametrize("shots", [[0] * 40_000, [0] * 40_000 + [1] * 10, [1] * 10 + [0] * 70_000])
def test_one_shot_number_for_too_many_traces(tmp_path, shots):
    field_file(tmp_path / "a.sgy", shots=[0], samples=1)
    content = (tmp_path / "a.sgy").read_bytes()
    # A trace of one sample over and over, with its own shot and number.
    traces = np.tile(np.frombuffer(content[3600:], np.uint8), (len(shots), 1))
    numbers = np.column_stack([shots, np.arange(1, len(shots) + 1)])
    traces[:, 8:16] = np.ascontiguousarray(numbers, ">i4").view(np.uint8)
    (tmp_path / "a.sgy").write_bytes(content[:3600] + traces.tobytes())
    for read in (read_segy, segy_shapes):
        with pytest.raises(InputError, match="have FieldRecord 0; pass --shot-header"):
            list(read(tmp_path / "a.sgy"))


def test_cables_of_one_shot(tmp_path):
    path = tmp_path / "a.sgy"
    field_file(path, shots=[3] * 6)
    with segyio.open(str(path), "r+", ignore_geometry=True) as file:
        for trace in range(6):
            file.header[trace] = {TraceField.CDP_TRACE: 1 + trace // 2}
    assert [r.gather_id for r in read_segy(path)] == ["a-shot3"]
    for word in ("CDP_TRACE", "25"):
        read = list(read_segy(path, cable_header=word))
        assert [r.gather_id for r in read] == ["a-shot3-cable1", "a-shot3-cable2", "a-shot3-cable3"]
        assert [(r.geometry.shot, r.geometry.cable, r.amplitude.shape[1]) for r in read] == [
            (3, 1, 2),
            (3, 2, 2),
            (3, 3, 2),
        ]
        assert list(segy_shapes(path, cable_header=word)) == [(50, 2)] * 3
    with pytest.raises(InputError, match="'Cable' is unknown"):
        next(read_segy(path, cable_header="Cable"))


@pytest.mark.parametrize("unit", [2, 3, 4])
def test_angles_are_no_coordinates(tmp_path, unit):
    field_file(tmp_path / "a.sgy", scalar=-10, trace={TraceField.CoordinateUnits: unit})
    recording = next(read_segy(tmp_path / "a.sgy"))
    geometry = recording.geometry
    assert np.isnan([geometry.source_x_m, geometry.source_y_m, *geometry.receiver_x_m, *geometry.receiver_y_m]).all()
    assert geometry.offset_m.tolist() == [-3237, -3212, -3187]
    write_segy(tmp_path / "b.segy", [recording])
    with segyio.open(str(tmp_path / "b.segy"), ignore_geometry=True) as file:
        header = file.header[0]
        assert (header[TraceField.CoordinateUnits], header[TraceField.SourceX], header[TraceField.GroupX]) == (0, 0, 0)
    back = next(read_segy(tmp_path / "b.segy")).geometry
    assert np.isnan(back.source_x_m) and np.isnan(back.receiver_x_m).all()


UNUSABLE = [
    # Receivers in another system than the source, or all at one place, and a wrong scalar.
    {"sy": 6_000_000, "gy": 12 * Line().number},
    {"sx": 500_020, "gx": 499_900},
    {"scalco": 1000},
]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({}, 100 + 12 * np.arange(24)),
        ({"scalco": -10}, 10 + 1.2 * np.arange(24)),
        # Receivers of single traces may be unknown, as may all of them, or the source; and a section has no offset.
        (
            {"gx": np.where(Line().number == 3, 0, Line()["gx"])},
            [100, 112, 124, np.nan, *(100 + 12 * np.arange(4, 24))],
        ),
        ({"gx": 0}, np.full(24, np.nan)),
        ({"sx": 0}, np.full(24, np.nan)),
        ({"gx": Line()["sx"]}, np.full(24, np.nan)),
        ({"counit": 2, "scalco": -100}, np.full(24, np.nan)),
        ({"offset": 7 * Line().number}, 7 * np.arange(24)),
        *((words, np.full(24, np.nan)) for words in UNUSABLE),
    ],
)
def test_blank_offsets_are_distances_where_these_are_known(tmp_path, words, wanted):
    path = line_written(tmp_path, Line().with_words(**{"offset": 0} | words))
    np.testing.assert_allclose(next(opened(path).gathers()).geometry.offset_m, wanted, rtol=1e-6)
    told = {remark.kind: remark.text for remark in opened(path).remarks()}
    is_told = "offset" not in words and np.isfinite(wanted).any()
    low, high = np.nanmin([*wanted, np.inf]), np.nanmax([*wanted, 0])
    assert (f"({low:.0f} to {high:.0f} m in the first) are used" in told.get("blank offsets", "")) == is_told
    assert ("and stay unknown" in told.get("distances", "")) == any(words is one for one in UNUSABLE)


def test_coordinates_beyond_the_circle_are_lengths_whatever_the_header_says(tmp_path):
    field_file(tmp_path / "a.sgy", trace={TraceField.CoordinateUnits: 3})
    assert next(read_segy(tmp_path / "a.sgy")).geometry.source_x_m == 3000


@pytest.mark.filterwarnings("ignore:Implicit conversion")
def test_a_number_too_large_for_32_bits_is_told_without_a_remark(tmp_path):
    path = tmp_path / "a.sgy"
    field_file(path, sample_format=6)
    content = bytearray(path.read_bytes())
    content[3600 + 240 : 3600 + 248] = struct.pack(">d", 1e300)
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recording = next(read_segy(path))
    assert np.isposinf(recording.amplitude[0, 0]) and np.isfinite(recording.amplitude).sum() == 149


def test_a_file_name_that_is_no_text(tmp_path):
    field_file(tmp_path / "a\r.sgy")
    recording = next(read_segy(tmp_path / "a\r.sgy"))
    assert (recording.gather_id, recording.source) == ("a--shot3", f"{tmp_path}/a\\r.sgy")
    path = tmp_path / os.fsdecode(b"a\xff.sgy")
    (tmp_path / "a\r.sgy").rename(path)
    recording = next(read_segy(path))
    assert (recording.gather_id, recording.source) == ("a--shot3", f"{tmp_path}/a\\xff.sgy")


@pytest.fixture
def good_file(tmp_path):
    field_file(tmp_path / "good.sgy")
    return (tmp_path / "good.sgy").read_bytes()


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.sgy: no such file"):
        next(read_segy(tmp_path / "nowhere.sgy"))
    with pytest.raises(InputError, match=r"a folder; give|is a folder"):
        next(read_segy(tmp_path))


def test_files_that_are_not_segy(tmp_path, good_file):
    generator = np.random.default_rng(1)
    word = struct.Struct(">h")
    contents = {
        "empty": b"",
        "half a header": good_file[:2000],
        "headers alone": good_file[:3600],
        "cut in a trace": good_file[:-1],
        "cut in a trace header": good_file[: 3600 + 440 + 100],
        "text": b"shot,label\n" * 1000,
        "random": generator.bytes(50_000),
        "zeros": bytes(50_000),
        "0xff": b"\xff" * 50_000,
        "no samples": good_file[:3220] + word.pack(0) + good_file[3222:],
        "too many samples": good_file[:3220] + word.pack(32_767) + good_file[3222:],
        "unknown format": good_file[:3224] + word.pack(77) + good_file[3226:],
        "many text headers": good_file[:3500] + b"\1\0\0\0" + word.pack(32_767) + good_file[3506:],
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.sgy"
        path.write_bytes(content)
        for read in (read_segy, segy_shapes):
            with pytest.raises(InputError) as caught:
                list(read(path))
            assert str(path) in str(caught.value) and "\n" not in str(caught.value), name


def test_every_cut_is_noticed(tmp_path, good_file):
    """Unless whole traces are missing, which SEG-Y does not tell."""
    path = tmp_path / "cut.sgy"
    for length in range(0, len(good_file), 37):
        path.write_bytes(good_file[:length])
        if length > 3600 and (length - 3600) % 440 == 0:
            continue
        with pytest.raises(InputError, match=r"cut\.sgy"):
            list(read_segy(path))


@pytest.mark.slow
def test_flipped_header_bytes_never_end_in_a_traceback(tmp_path, good_file):
    path = tmp_path / "flipped.sgy"
    generator = np.random.default_rng(2)
    for position in [*range(3200, 3320), *range(3500, 3510), *range(3600, 3840, 7)]:
        content = bytearray(good_file)
        content[position] = generator.integers(256)
        path.write_bytes(content)
        try:
            assert all(r.amplitude.size <= len(good_file) for r in read_segy(path, sample_interval_s=0.004))
        except InputError as wrong:
            assert "flipped.sgy" in str(wrong)


def test_what_is_written_comes_back(tmp_path):
    recordings = [random_recording(7, line=1, cable=1), random_recording(7, line=1, cable=2)]
    recordings += [random_recording(8, traces=20, line=1), random_recording(7, line=2)]
    path = tmp_path / "new.segy"
    assert write_segy(path, iter(recordings), ["SYNTHETIC gathers, made by glowseis", "word " * 40]) == 4
    back = list(read_segy(path))
    assert [r.gather_id for r in back] == [
        "new-line1-shot7-cable1",
        "new-line1-shot7-cable2",
        "new-line1-shot8-cable2",
        "new-line2-shot7-cable2",
    ]
    for wanted, got in zip(recordings, back, strict=True):
        assert np.array_equal(got.amplitude, wanted.amplitude)
        assert np.array_equal(got.geometry.channel, wanted.geometry.channel)
        assert np.abs(got.geometry.offset_m - wanted.geometry.offset_m).max() <= 0.5
        for name in ("source_x_m", "source_y_m", "receiver_x_m", "receiver_y_m"):
            np.testing.assert_allclose(getattr(got.geometry, name), getattr(wanted.geometry, name), atol=0.0051, rtol=0)
        for name in ("sail_line", "shot", "cable", "sample_interval_s"):
            assert getattr(got.geometry, name) == getattr(wanted.geometry, name)


def test_gathers_of_one_shot_stay_apart_when_numbered(tmp_path):
    """And keep their geometry, as generate's do."""
    recordings = [random_recording(7), random_recording(7), random_recording(5), random_recording(7)]
    path = tmp_path / "new.segy"
    write_segy(path, recordings, numbered=True)
    back = list(read_segy(path))
    assert [r.gather_id for r in back] == [
        "new-line3-shot7-cable2",
        "new-line3-shot7-cable2-2",
        "new-line3-shot5-cable2",
        "new-line3-shot7-cable2-3",
    ]
    for wanted, got in zip(recordings, back, strict=True):
        assert np.array_equal(got.amplitude, wanted.amplitude)
        for name in ("sail_line", "shot", "cable", "sample_interval_s", "source_x_m"):
            assert getattr(got.geometry, name) == getattr(wanted.geometry, name)
    with segyio.open(str(path), ignore_geometry=True) as file:
        assert file.attributes(TraceField.FieldRecord)[::24].tolist() == [1, 2, 3, 4]
    assert list(segy_shapes(path)) == [(40, 24)] * 4


def test_segyio_reads_what_is_written(tmp_path):
    recording = random_recording(7)
    path = tmp_path / "new.segy"
    write_segy(path, [recording, random_recording(8)], ["SYNTHETIC gathers, made by glowseis"])
    with segyio.open(str(path), strict=False) as file:
        text = file.text[0].decode("ascii")
        assert text.startswith("C 1 SYNTHETIC gathers") and text[39 * 80 :].startswith("C40 END TEXTUAL HEADER")
        assert path.read_bytes()[:3] == "C 1".encode("cp037")
        assert (file.tracecount, int(file.format), file.bin[BinField.Interval]) == (48, 5, 8000)
        assert file.bin[BinField.SEGYRevision] == 1 and file.bin[BinField.TraceFlag] == 1
        assert segyio.dt(file) == 8000 and len(file.samples) == 40
        assert file.attributes(TraceField.FieldRecord)[:].tolist() == [7] * 24 + [8] * 24
        assert file.attributes(TraceField.TRACE_SEQUENCE_FILE)[:].tolist() == list(range(1, 49))
        header = file.header[1]
        assert header[TraceField.offset] in (-162, -163) and header[TraceField.SourceGroupScalar] == -100
        assert header[TraceField.TRACE_SAMPLE_COUNT] == 40 and header[TraceField.TRACE_SAMPLE_INTERVAL] == 8000
        assert np.array_equal(file.trace[3], recording.amplitude[:, 3])


def with_geometry(recording, **changes):
    return dataclasses.replace(recording, geometry=dataclasses.replace(recording.geometry, **changes))


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        ([], "no gathers to write"),
        ([random_recording(1), random_recording(2, samples=41)], "line3-shot2 has 41 samples"),
        ([random_recording(1), with_geometry(random_recording(2), sample_interval_s=0.004)], "of 4 ms"),
        ([with_geometry(random_recording(1), sample_interval_s=0.0000005)], "not fit into SEG-Y"),
        ([random_recording(1, samples=40_000, traces=1)], "SEG-Y holds 1 to 32767"),
        ([with_geometry(random_recording(1), source_x_m=1e9)], "its SourceX does not fit into a SEG-Y header"),
        ([with_geometry(random_recording(1), cable=2**40)], "its cable does not fit into a SEG-Y header"),
        ([with_geometry(random_recording(1), source_x_m=float("nan"))], "not fit into a SEG-Y header"),
    ],
)
def test_recordings_that_make_no_segy(tmp_path, recordings, message):
    with pytest.raises(InputError, match=message):
        write_segy(tmp_path / "new.segy", recordings, [])
    assert list(tmp_path.iterdir()) == []


def test_segy_output_that_exists_or_has_no_room(tmp_path):
    path = tmp_path / "new.segy"
    path.write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        write_segy(path, [random_recording(1)], [])
    assert path.read_text() == "precious"
    with pytest.raises(InputError, match=r"a folder; give|is a folder"):
        write_segy(tmp_path, [random_recording(1)], [])

    def recordings():
        yield random_recording(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_segy(tmp_path / "other.segy", recordings(), [])
    assert [each.name for each in tmp_path.iterdir()] == ["new.segy"]
    with pytest.raises(ValueError, match="at most 36"):
        write_segy(tmp_path / "other.segy", [random_recording(1)], ["line"] * 37)
