"""Files that are longer or shorter than their headers say: read where it is sure, told, or an option decides."""

import struct

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats import trace_bytes
from tests.support.shot_files import Line, opened, told, written

BOTH = pytest.mark.parametrize("ending", [".segy", ".su"])
SAMPLES = (3221, "H")


def traces_of(path, **options):
    return np.concatenate([gather.amplitude.T for gather in opened(path, **options).gathers()])


@BOTH
@pytest.mark.parametrize("padding", [1, 100, 480, 512, 960, 100_000])
def test_zeros_after_the_last_trace(tmp_path, ending, padding):
    """Also where they are as long as traces: 480 bytes each here."""
    wanted = traces_of(written(tmp_path, Line(), ending))
    path = written(tmp_path, Line(), ending, tail=bytes(padding))
    assert np.array_equal(traces_of(path), wanted)
    (remark,) = opened(path).remarks()
    assert not remark.is_warning and remark.text.startswith(f"{padding} bytes of zeros after its last whole trace")


@BOTH
@pytest.mark.parametrize("missing", [1, 100, 239, 240, 300, 470])
def test_files_cut_short(tmp_path, ending, missing):
    path = written(tmp_path, Line(), ending)
    wanted = traces_of(path)
    path.write_bytes(path.read_bytes()[:-missing])
    assert np.array_equal(traces_of(path), wanted[:-1])
    text = told(path)["cut"]
    assert "trace 72 has only" in text if missing <= 240 else "after its last whole trace, number 71" in text
    assert str(480 - missing) in text


@BOTH
def test_other_bytes_after_the_last_trace(tmp_path, ending):
    path = written(tmp_path, Line(), ending, tail=b"END OF TAPE")
    assert len(traces_of(path)) == 72 and "11 bytes after its last whole trace, number 72" in told(path)["cut"]


def test_headers_without_a_number_of_samples(tmp_path):
    """Nothing shows where traces lie; the user must say it."""
    path = written(tmp_path, Line().with_words(ns=0), tail=bytes(7))
    with pytest.raises(InputError, match=r"72 whole traces of 60 samples, then 7 bytes; .* pass --samples 60 to read"):
        opened(path)
    assert len(traces_of(path, samples=60)) == 72


def test_the_file_header_says_no_samples(tmp_path):
    path = written(tmp_path, Line(), binary={SAMPLES: 0})
    assert len(traces_of(path)) == 72
    (remark,) = opened(path).remarks()
    assert not remark.is_warning and "says 0 samples per trace, its trace headers 60, which is used" in remark.text
    path = written(tmp_path, Line().with_words(ns=0), binary={SAMPLES: 0})
    with pytest.raises(InputError, match="its headers say 0 samples per trace; pass --samples"):
        opened(path)
    assert len(traces_of(path, samples=60)) == 72


@pytest.mark.parametrize("tail", [b"", bytes(512)])
@pytest.mark.parametrize("said", [59, 61, 600])
def test_file_and_trace_headers_say_different_numbers(tmp_path, said, tail):
    path = written(tmp_path, Line(), binary={SAMPLES: said}, tail=tail)
    with pytest.raises(InputError, match=f"says {said} samples per trace, its trace headers 60, .* pass --samples 60"):
        opened(path)
    assert len(traces_of(path, samples=60)) == 72


def test_seismic_unix_without_a_number_of_samples(tmp_path):
    path = written(tmp_path, Line().with_words(ns=0), ".su")
    with pytest.raises(InputError, match=r"says 0 samples .ns, bytes 115-116.; pass --samples"):
        opened(path)
    assert len(traces_of(path, samples=60, byte_order="little")) == 72


@pytest.mark.parametrize("said", [70, 80])
def test_revision_two_that_tells_another_number_of_traces(tmp_path, said):
    binary = {(3501, "B"): 2, (3513, "Q"): said}
    path = written(tmp_path, Line(), binary=binary)
    assert len(traces_of(path)) == 72
    assert f"says {said} traces, but it has 72 whole ones" in told(path)["cut"]
    content = bytearray(path.read_bytes())
    struct.pack_into(">Q", content, 3512, 72)
    path.write_bytes(content)
    assert told(path) == {}


def varied(folder, ending, lengths):
    """Shots of several lengths, one file after the other."""
    parts = [written(folder, Line(1), ending, samples=samples).read_bytes() for samples in lengths]
    start = 3600 if ending == ".segy" else 0
    path = folder / f"several{ending}"
    path.write_bytes(parts[0] + b"".join(part[start:] for part in parts[1:]))
    return path


@BOTH
@pytest.mark.parametrize("lengths", [(60, 50), (60, 71, 60), (60, 50, 40), (60, 50, 70), (60, 70, 50)])
def test_traces_of_several_lengths(tmp_path, ending, lengths):
    path = varied(tmp_path, ending, lengths)
    with pytest.raises(InputError, match=rf"trace 25 has {lengths[1]} samples.*, the first one 60; .* one length"):
        list(opened(path).shapes())


@BOTH
@pytest.mark.parametrize(
    ("traces", "said"),
    [([71], 7), ([30], 7), (range(48, 72), 50), ([3, 4, 9], 65), ([10, 11], [7, 8]), ([10], {"dt": 1, "ns": 7})],
)
@pytest.mark.parametrize("block", [1 << 20, 2400, 2640])
def test_single_wrong_numbers_of_samples_are_told(tmp_path, monkeypatch, ending, traces, said, block):
    """As of dead traces, or of shots that were filled up to one length: the headers lie where they should."""
    monkeypatch.setattr(trace_bytes, "BLOCK_BYTES", block)
    line, traces = Line().with_words(ns=np.full(72, 60), dt=np.full(72, 4000)), list(traces)
    for name, value in (said if isinstance(said, dict) else {"ns": said}).items():
        line[name][traces] = value
    path = written(tmp_path, line, ending)
    assert len(traces_of(path, sample_interval_s=0.004)) == 72
    (remark,) = (one for one in opened(path, sample_interval_s=0.004).remarks() if one.kind == "other samples")
    assert not remark.is_warning and f"of {len(traces)} trace" in remark.text
    assert f"(trace {traces[0] + 1}: {line['ns'][traces[0]]};" in remark.text


def test_the_number_of_samples_that_the_user_states_is_not_doubted(tmp_path):
    """Without sample intervals in the trace headers, nothing else shows that these lie where they should."""
    line = Line().with_words(ns=np.where(Line().shot == 2, 50, 60), dt=0)
    path = written(tmp_path, line)
    with pytest.raises(InputError, match="trace 49 has 50 samples, the first one 60; all traces must have one length"):
        list(opened(path).shapes())
    assert len(traces_of(path, samples=60)) == 72
    assert "24 traces give another number of samples (trace 49: 50" in told(path, samples=60)["other samples"]


@BOTH
def test_text_after_the_last_trace(tmp_path, ending):
    """Longer than several traces, as trailers are: no traces are made of it."""
    path = written(tmp_path, Line(), ending, tail=b"C 1 PROCESSED".ljust(3200))
    assert len(traces_of(path)) == 72
    assert "3200 bytes after its last whole trace, number 72, are not read" in told(path)["cut"]


def test_a_number_of_samples_that_fits_nothing(tmp_path):
    path = written(tmp_path, Line())
    with pytest.raises(InputError, match="--samples 50 does not fit the file: its trace headers say 60"):
        opened(path, samples=50)
    assert len(traces_of(path, samples=60)) == 72


def test_trace_headers_that_give_a_longer_record_are_told(tmp_path):
    """As where samples were cut off and only the file header was changed, such as Viking's; the length proves it."""
    path = written(tmp_path, Line().with_words(ns=1500), binary={SAMPLES: 60})
    assert len(traces_of(path)) == 72
    (remark,) = opened(path).remarks()
    assert not remark.is_warning and "its first trace says 1500 samples" in remark.text and "header 60" in remark.text
    assert not opened(path, samples=60).remarks()


@pytest.mark.parametrize("left", [0, 100, 240, 479])
def test_files_without_a_whole_trace(tmp_path, left):
    path = written(tmp_path, Line())
    path.write_bytes(path.read_bytes()[: 3600 + left])
    with pytest.raises(
        InputError, match=rf"60 samples takes 480 bytes, and after its headers come {left}; copy it again"
    ):
        opened(path)
