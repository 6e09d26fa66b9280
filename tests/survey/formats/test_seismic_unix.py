import re

import numpy as np
import pytest
import segyio

from glowseis.errors import InputError
from glowseis.survey.formats.seismic_unix import SeismicUnixSource
from glowseis.survey.formats.source import ReadOptions
from tests.support.trace_files import ibm, segy, seismic_unix, swell

WORDS = {
    (17, "i4"): 101,
    (71, "i2"): -10,
    (73, "i4"): 4312,
    (77, "i4"): -70,
    (81, "i4"): 10 * np.arange(6),
    (85, "i4"): 95,
    (109, "i2"): 40,
    (215, "i2"): 1000,
}


def written(folder, content, name="a.su"):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("order", "said"), [("<", "little"), (">", "big")])
def test_both_byte_orders_as_segyio_reads_them(tmp_path, order, said):
    content, wanted = seismic_unix(swell(6, 200), order, words=WORDS, shots=[3, 3, 3, 4, 4, 4])
    path = written(tmp_path, content, "Ligne 7 été.su")
    for options in (ReadOptions(label="good"), ReadOptions(byte_order=said, label="good")):
        source = SeismicUnixSource(path, options)
        assert (source.interval_s, list(source.shapes())) == (0.004, [(200, 3)] * 2)
        first, second = source.gathers()
        assert [first.gather_id, second.gather_id] == ["Ligne-7-été-shot3", "Ligne-7-été-shot4"]
        assert np.array_equal(np.concatenate([first.amplitude.T, second.amplitude.T]), wanted)
        geometry = second.geometry
        # Bytes 215-216 belong to other words here, and scale no times.
        assert (geometry.sail_line, geometry.shot, geometry.cable, geometry.start_s) == (0, 4, 1, 0.04)
        assert (geometry.source_x_m, geometry.source_y_m) == (pytest.approx(431.2), -7)
        assert geometry.receiver_x_m.tolist() == [3, 4, 5] and geometry.receiver_y_m.tolist() == [9.5] * 3
        assert geometry.channel.tolist() == [4, 5, 6] and geometry.offset_m.tolist() == [-3137, -3112, -3087]
        assert second.label == "good" and second.source == str(path)
    with segyio.su.open(str(path), ignore_geometry=True, endian=said) as file:
        assert np.array_equal(file.trace.raw[:], wanted)
        assert file.attributes(segyio.su.fldr)[:].tolist() == [3, 3, 3, 4, 4, 4]


def test_words_by_their_names_here(tmp_path):
    path = written(tmp_path, seismic_unix(swell(6, 50), words=WORDS)[0])
    options = ReadOptions(shot_header="ep", trace_header="gx", cable_header="tracf", line_header="sy")
    gathers = list(SeismicUnixSource(path, options).gathers())
    assert [gather.gather_id for gather in gathers] == [f"a-shot101-cable{cable}" for cable in range(1, 7)]
    assert [gather.geometry.channel.tolist() for gather in gathers] == [[10 * number] for number in range(6)]
    assert gathers[0].geometry.sail_line == -70
    assert next(SeismicUnixSource(path, ReadOptions(shot_header="17")).gathers()).geometry.shot == 101


def test_sample_interval(tmp_path):
    path = written(tmp_path, seismic_unix(swell(6, 50), interval_us=0)[0])
    with pytest.raises(InputError, match="no sample interval; pass --sample-interval"):
        list(SeismicUnixSource(path, ReadOptions()).gathers())
    assert SeismicUnixSource(path, ReadOptions(sample_interval_s=0.001)).interval_s == 0.001
    path = written(tmp_path, seismic_unix(swell(6, 50), interval_us=np.array([4000] * 5 + [2000]))[0])
    with pytest.raises(InputError, match="trace 1 gives a sample interval of 4 ms, but that of trace 6 2 ms"):
        _ = SeismicUnixSource(path, ReadOptions()).interval_s


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_number_of_samples_that_reads_the_same_both_ways(tmp_path, order):
    content, wanted = seismic_unix(swell(6, 257), order)
    (gather,) = SeismicUnixSource(written(tmp_path, content), ReadOptions()).gathers()
    assert np.array_equal(gather.amplitude.T, wanted) and gather.geometry.shot == 1


@pytest.mark.parametrize(("order", "other", "said"), [("<", ">", "big"), (">", "<", "little")])
def test_samples_of_the_other_byte_order(tmp_path, order, other, said):
    content, _ = seismic_unix(swell(6, 200), order, sample_order=other)
    with pytest.raises(InputError, match=f"make no sense as .*; pass --byte-order {said} "):
        SeismicUnixSource(written(tmp_path, content), ReadOptions())


@pytest.mark.parametrize("order", ["<", ">"])
def test_ibm_floats(tmp_path, order):
    amplitude = swell(6, 400) * 300
    content, _ = seismic_unix(ibm(amplitude).view(np.float32), order)
    path = written(tmp_path, content)
    with pytest.raises(InputError, match="pass --sample-format ibm "):
        SeismicUnixSource(path, ReadOptions())
    (gather,) = SeismicUnixSource(path, ReadOptions(sample_format="ibm")).gathers()
    np.testing.assert_allclose(gather.amplitude.T, amplitude, rtol=2e-6)


@pytest.mark.parametrize("order", ["<", ">"])
def test_traces_of_several_lengths(tmp_path, order):
    long, short = seismic_unix(swell(3, 60), order)[0], seismic_unix(swell(2, 45), order)[0]
    with pytest.raises(
        InputError, match=r"trace 4 has 45 samples \(bytes 115-116\), the first one 60; all traces must have"
    ):
        SeismicUnixSource(written(tmp_path, long + short), ReadOptions())
    # The file's length shows that only the header of trace 5 is wrong.
    content, _ = seismic_unix(swell(6, 50), order, words={(115, "u2"): [50, 50, 50, 50, 49, 50]})
    (remark,) = SeismicUnixSource(written(tmp_path, content), ReadOptions()).remarks()
    assert remark.text.startswith("the headers of 1 trace give another number of samples (trace 5: 49")


def test_files_that_are_not_seismic_unix(tmp_path):
    good, _ = seismic_unix(swell(6, 50))
    contents = {
        "empty": b"",
        "half a header": good[:100],
        "cut after a trace": good[: 440 + 300],
        "zeros": bytes(5000),
        "text": b"shot,label\n" * 1000,
        "random": np.random.default_rng(1).bytes(50_000),
        "a header alone": good[:240],
        "SEG-Y": segy(swell(6, 50))[0],
    }
    for name, content in contents.items():
        path = written(tmp_path, content, f"{name}.su")
        with pytest.raises(InputError, match=re.escape(str(path))) as caught:
            SeismicUnixSource(path, ReadOptions())
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        SeismicUnixSource(tmp_path / "nowhere.su", ReadOptions())
