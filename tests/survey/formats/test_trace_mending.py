"""What headers say of single traces is done and counted, or doubted: auxiliary, dead, weighted and late ones."""

import numpy as np
import pytest

from glowseis.survey.formats.trace_kinds import AUXILIARY, CHANNEL, DEAD, FOREIGN, trace_kinds
from tests.support.shot_files import Line, opened, told, written
from tests.support.trace_files import swell

BOTH = pytest.mark.parametrize("ending", [".segy", ".su"])


def gathers(path, **options):
    source = opened(path, **options)
    found = list(source.gathers())
    assert [gather.amplitude.shape for gather in found] == list(source.shapes())
    return found


def amplitudes(path, **options):
    return np.concatenate([gather.amplitude.T for gather in gathers(path, **options)])


def test_kinds_of_traces():
    kinds = {
        CHANNEL: (0, 1, -1, 11, 12, 14, 17, 25, 256, 256 * 12),
        AUXILIARY: (4, 5, 6, 7, 8, 9, 10, 18, 22, 24, 1024),
        DEAD: (2, 3, 512, 768),
        FOREIGN: (77, 255, 257, -2, -32768, 32767),
    }
    for kind, codes in kinds.items():
        assert (trace_kinds(np.array(codes)) == kind).all(), (kind, trace_kinds(np.array(codes)))


@BOTH
def test_auxiliary_traces_are_left_out_and_counted(tmp_path, ending):
    line = Line()
    codes = np.ones(72, int)
    codes[[0, 1, 24, 30, 47, 71]] = [4, 5, 6, 9, 10, 1024]
    amplitude = swell(72, 60)
    amplitude[codes != 1] *= 1e6
    path = written(tmp_path, line.with_words(trid=codes), ending, amplitude=amplitude)
    found = gathers(path)
    assert [gather.mended for gather in found] == [{"auxiliary": 2}, {"auxiliary": 3}, {"auxiliary": 1}]
    assert np.array_equal(amplitudes(path), amplitude[codes == 1].astype(np.float32))
    assert found[0].geometry.channel.tolist() == list(range(3, 25)) and told(path) == {}
    kept = gathers(path, keep_auxiliary=True)
    assert [gather.amplitude.shape[1] for gather in kept] == [24] * 3 and not any(gather.mended for gather in kept)


@BOTH
def test_gathers_of_auxiliary_traces_alone(tmp_path, ending):
    line = Line()
    path = written(tmp_path, line.with_words(trid=np.where(line.shot == 1, 7, 1)), ending)
    assert [gather.gather_id for gather in gathers(path)] == ["a-shot1001", "a-shot1003"]
    (remark,) = opened(path).remarks()
    assert (
        not remark.is_warning
        and "1 gather with only auxiliary traces (bytes 29-30: 7) left out: shot1002" in remark.text
    )
    path = written(tmp_path, line.with_words(trid=np.where(line.shot == 1, 1, 7)), ending)
    assert "48 of its 72 traces are auxiliary" in told(path)["auxiliary"] and len(gathers(path)) == 1


@BOTH
def test_a_code_that_all_traces_have_is_not_believed(tmp_path, ending):
    path = written(tmp_path, Line().with_words(trid=9, cable=Line().streamer), ending)
    assert len(amplitudes(path)) == 72
    assert "all of its 72 traces are auxiliary" in told(path)["auxiliary kept"]
    assert told(path, keep_auxiliary=True) == {}
    path = written(tmp_path, Line().with_words(trid=2), ending)
    assert amplitudes(path).any(axis=1).all() and "72 of 72 traces are declared dead" in told(path)["declared dead"]
    path = written(tmp_path, Line().with_words(trid=2), ending, amplitude=np.zeros((72, 60)))
    assert told(path) == {}
    # The first records may be blank, and so may be one channel of many.
    for silent in (slice(0, 400), slice(100, None), slice(0, None, 2)):
        amplitude = swell(480, 60)
        amplitude[silent] = 0
        path = written(tmp_path, Line(20).with_words(trid=2), ending, amplitude=amplitude)
        assert np.array_equal(amplitudes(path), amplitude.astype(np.float32))
        assert "480 of 480 traces are declared dead" in told(path)["declared dead"]


@BOTH
def test_traces_that_are_declared_dead_become_zero(tmp_path, ending):
    line = Line()
    codes = np.ones(72, int)
    codes[[3, 4, 30, 50]] = [2, 3, 512, 256]
    path = written(tmp_path, line.with_words(trid=codes), ending)
    found = amplitudes(path)
    assert np.flatnonzero(~found.any(axis=1)).tolist() == [3, 4, 30]
    assert [gather.mended for gather in gathers(path)] == [{"declared_dead": 2}, {"declared_dead": 1}, {}]


def test_dead_traces_without_coordinates_move_no_source(tmp_path):
    line = Line()
    dead = line.number == 7
    blank = {name: np.where(dead, 0, line[name]) for name in ("sx", "gx")}
    assert told(written(tmp_path, line.with_words(trid=np.where(dead, 2, 1), **blank))) == {}


@BOTH
def test_weighting_factors_are_applied_where_amplitudes_follow_them(tmp_path, ending):
    line, amplitude = Line(), swell(72, 60)
    weights = np.where(line.shot == 2, 4, 3 * (line.number % 3) - 1)
    path = written(tmp_path, line.with_words(trwf=weights), ending, amplitude=amplitude * 2.0 ** weights[:, None])
    np.testing.assert_allclose(amplitudes(path), amplitude, rtol=1e-6)
    assert [gather.mended for gather in gathers(path)] == [{"weighted": 24}] * 3 and told(path) == {}
    source = opened(written(tmp_path, line, ending, amplitude=amplitude))
    found = list(source.gathers())
    assert np.array_equal(found[0].amplitude.T, amplitude[:24].astype(np.float32)) and not found[0].mended
    (remark,) = source.remarks()
    assert remark.is_warning and "traces of 2 gathers (a-shot1001, a-shot1002) have weighting factors" in remark.text


@BOTH
def test_weighting_factors_beyond_reason_are_none(tmp_path, ending):
    path = written(tmp_path, Line().with_words(trwf=np.arange(72)), ending)
    assert "holds 0 to 71, beyond 31 powers of two; it is not applied" in told(path)["weights beyond"]
    assert not any(gather.mended for gather in gathers(path))


@BOTH
def test_traces_of_several_starts(tmp_path, ending):
    line, amplitude = Line(), swell(72, 60)
    late = np.where(line.shot == 1, 3 * (line.number % 2), 0)
    path = written(tmp_path, line.with_words(delrt=20 + 4 * late), ending, amplitude=amplitude)
    found = gathers(path)
    assert [gather.amplitude.shape for gather in found] == [(60, 24), (63, 24), (60, 24)]
    assert [gather.mended for gather in found] == [{}, {"delayed": 12}, {}] and found[1].geometry.start_s == 0.02
    for trace in range(24):
        shift = late[24 + trace]
        row = found[1].amplitude[:, trace]
        assert np.array_equal(row[shift : shift + 60], amplitude[24 + trace].astype(np.float32))
        assert np.count_nonzero(row) <= 60
    # An auxiliary trace may begin when it likes.
    line.with_words(delrt=np.where(line.number == 5, 30_000, 20), trid=np.where(line.number == 5, 6, 1))
    assert [gather.mended for gather in gathers(written(tmp_path, line, ending))] == [{"auxiliary": 1}] * 3


@BOTH
@pytest.mark.parametrize(
    ("delay", "begin"), [(32_767, "32.767 s after"), (-32_768, "32.768 s before"), (19_000, ""), (-9_000, "")]
)
def test_doubtful_starts_are_told(tmp_path, ending, delay, begin):
    line = Line()
    path = written(tmp_path, line.with_words(delrt=np.where(line.shot == 1, delay, 0)), ending)
    assert [gather.geometry.start_s for gather in gathers(path)] == [0, delay / 1e3, 0]
    if begin:
        assert f"traces begin {begin} the shot (DelayRecordingTime" in told(path)[f"delay {begin.split()[-1]}"]
    else:
        assert told(path) == {}
    # Nothing is told of traces that are left out or dead.
    aside = np.where((line.shot == 1) & (line.number > 2), np.where(line.number % 2, 3, 6), 1)
    line.with_words(trid=aside, delrt=np.where(aside > 1, delay, 0))
    path = written(tmp_path, line, ending)
    assert not any(kind.startswith("delay") for kind in told(path))


@BOTH
@pytest.mark.parametrize("delay", [20, 120, 3000])
@pytest.mark.parametrize("dead", [[0], [7], [23], [0, 1, 11, 23]])
@pytest.mark.parametrize(
    ("code", "cleared"),
    [
        (2, ("delrt",)),
        (3, ("delrt", "offset", "sx", "gx")),
        (512, ("delrt", "offset", "sx", "gx")),
        (1, ("delrt", "offset", "sx", "gx")),
        (2, ()),
    ],
)
def test_dead_and_blank_traces_do_not_tell_when_a_gather_begins(tmp_path, ending, delay, dead, code, cleared):
    line, amplitude = Line().with_words(delrt=delay), swell(72, 60)
    is_dead = np.isin(line.number, dead) & (line.shot != 1)
    amplitude[is_dead] = 0
    line.with_words(trid=np.where(is_dead, code, 1), delrt=np.where(line.shot == 1, 0, delay))
    line.with_words(**{name: np.where(is_dead, 0, line[name]) for name in cleared})
    found = gathers(written(tmp_path, line, ending, amplitude=amplitude))
    assert [gather.amplitude.shape for gather in found] == [(60, 24)] * 3
    assert [gather.geometry.start_s for gather in found] == [delay / 1e3, 0, delay / 1e3]
    assert not any("delayed" in gather.mended for gather in found)
    # Others that are late are shifted all the same.
    late = np.where((line.number == 5) & (line.shot == 2), 8, 0)
    found = gathers(written(tmp_path, line.with_words(delrt=line["delrt"] + late), ending, amplitude=amplitude))
    assert [gather.amplitude.shape for gather in found] == [(60, 24), (60, 24), (62, 24)]
    assert found[2].mended["delayed"] == 1 and found[2].geometry.start_s == delay / 1e3


@BOTH
def test_delays_of_traces_that_are_not_believed_to_be_dead_count(tmp_path, ending):
    line = Line()
    line.with_words(trid=np.where(line.number < 20, 2, 1), delrt=8 * (line.number > 2))
    path = written(tmp_path, line, ending)
    assert [gather.mended for gather in gathers(path)] == [{"delayed": 21}] * 3 and "declared dead" in told(path)
    # Gathers of dead traces alone have no others that tell.
    line.with_words(trid=np.where(line.shot == 0, 2, 1))
    assert [gather.amplitude.shape for gather in gathers(written(tmp_path, line, ending))] == [(62, 24)] * 3


@BOTH
def test_auxiliary_traces_with_places_make_no_others_blank(tmp_path, ending):
    line = Line().with_words(trid=np.where(Line().number == 0, 6, 1), delrt=20 * (Line().number > 3))
    line.with_words(**{name: np.where(line.number == 0, line[name], 0) for name in ("offset", "sx", "gx", "gy")})
    found = gathers(written(tmp_path, line, ending))
    assert [gather.mended for gather in found] == [{"auxiliary": 1, "delayed": 20}] * 3


@BOTH
def test_all_of_it_at_once(tmp_path, ending):
    line = Line().with_words(trwf=2)
    line.with_words(trid=np.select([line.number == 0, line.number == 9], [4, 2], 1), delrt=4 * (line.number > 11))
    counts = {"auxiliary": 1, "declared_dead": 1, "weighted": 23, "delayed": 12}
    assert [gather.mended for gather in gathers(written(tmp_path, line, ending))] == [counts] * 3
