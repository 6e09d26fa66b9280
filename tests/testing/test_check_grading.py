"""check_grading: every change by itself, graders that it must pass and graders that it must catch."""

import dataclasses
import warnings

import numpy as np
import pytest

from glowseis.export.classifier import export_classifier, load_classifier
from glowseis.fitting.classifier.trainer import make_classifier, predict
from glowseis.survey.gather import Picture
from glowseis.survey.render import render, render_recording
from glowseis.testing import CHANGES, Change, check_grading, clip_of, grade_recordings, perturb
from glowseis.testing.changes import as_recording, zero_of
from tests.support.random_gathers import random_recording

SIZE = (120, 32)


def recording(shot, size=SIZE, interval_s=0.008):
    """A few dipping events that fade, the near trace first; good, unless noise is added."""
    random = np.random.default_rng(shot)
    time_s = np.arange(size[0])[:, None] * interval_s
    offset_m = 100 + 12.5 * np.arange(size[1])
    amplitude = 0.01 * random.standard_normal(size)
    for start_s, velocity in ((0.05, 1500.0), (0.25, 1700.0), (0.5, 2000.0)):
        phase = (np.pi * 30 * (time_s - np.hypot(start_s, offset_m / velocity))) ** 2
        amplitude += (1 - 2 * phase) * np.exp(-phase)
    one = random_recording(shot, *size)
    geometry = dataclasses.replace(one.geometry, sample_interval_s=interval_s)
    return dataclasses.replace(one, amplitude=(40 * amplitude).astype(np.float32), geometry=geometry)


RECORDINGS = [recording(shot) for shot in range(6)]


def low_level(gather):
    """Amplitude below 9 Hz of the last third of the noisier traces, as a part of the clip; events have next to none."""
    one = as_recording(gather)
    traces = one.amplitude[:, one.amplitude.any(axis=0)].astype(np.float64)
    traces -= np.median(traces, axis=0)
    late = np.clip(traces / clip_of(traces), -1, 1)[2 * len(traces) // 3 :]
    spectrum = np.fft.rfft((late - late.mean(axis=0)) * np.hanning(len(late))[:, None], axis=0)
    low = np.fft.rfftfreq(len(late), one.geometry.sample_interval_s) < 9
    return np.quantile(np.sqrt((np.abs(spectrum[low]) ** 2).sum(axis=0)) / len(late), 0.85)


def by_swell(gathers):
    """The louder the low frequencies the worse."""
    level = np.array([low_level(one) for one in gathers])
    bad = level / (level + 0.012)
    return np.column_stack([1 - bad, 0 * bad, bad])


def caught(grader, **settings):
    result = check_grading(grader, RECORDINGS, report_only=True, **settings)
    return {effect.change for effect in result.failures}


@pytest.fixture(scope="module")
def honest():
    return check_grading(by_swell, RECORDINGS, report_only=True)


def test_a_grader_that_looks_at_swell_alone_passes(honest):
    assert honest.failures == (), honest.text()
    assert all(effect.gathers == 6 for effect in honest.effects)
    last = honest.effects[-1]
    assert last.change == "swell" and last.worsens and last.severity > 0.5
    assert max(abs(effect.severity) for effect in honest.effects[:-1]) < 0.6


def test_what_it_says(honest):
    lines = honest.text().splitlines()
    assert len(lines) == 1 + len(honest.effects) and lines[0].split() == [
        "change",
        "gathers",
        "flips,",
        "%",
        "severity",
    ]
    assert lines[-1].startswith("swell") and "must worsen" in lines[-1]
    first = honest.record()[0]
    assert first["change"] == "constant +2 %" and first["holds"] and first["gathers"] == 6


def mean_of(gathers):
    """Bad where the mean is below zero by more than 1 % of the clip: what the first classifiers did."""
    bad = np.array([float(one.amplitude.mean() < -0.01 * clip_of(one.amplitude)) for one in map(as_recording, gathers)])
    return np.column_stack([1 - bad, 0 * bad, bad])


def loud(gathers):
    bad = np.array([float(clip_of(as_recording(one).amplitude) > 1e3) for one in gathers])
    return np.column_stack([1 - bad, bad])


def by_first_trace(gathers):
    """Bad where the far trace comes first, by its amplitudes."""
    energy = [np.abs(as_recording(one).amplitude[:20]).mean(axis=0) for one in gathers]
    bad = np.array([float(one[:8].sum() < one[-8:].sum()) for one in energy])
    return np.column_stack([1 - bad, bad])


def by_size(gathers):
    bad = np.array([float(as_recording(one).amplitude.shape[0] > SIZE[0]) for one in gathers])
    return np.column_stack([1 - bad, bad])


def by_offset(gathers):
    bad = np.array([float(np.isnan(one.geometry.offset_m).any()) for one in gathers])
    return np.column_stack([1 - bad, bad])


def by_kind(gathers):
    bad = np.array([float(isinstance(one, Picture)) for one in gathers])
    return np.column_stack([1 - bad, bad])


def by_dead(gathers):
    bad = np.array([float((~as_recording(one).amplitude.any(axis=0)).any()) for one in gathers])
    return np.column_stack([1 - bad, bad])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grader", "changes"),
    [
        (mean_of, {"constant -2 %", "constant -20 %"}),
        (loud, {"gain 1e6", "int32", "int16", "uint16"}),
        (by_first_trace, {"trace order", "trace order, no offsets"}),
        (by_size, {"half the interval"}),
        (by_offset, {"trace order, no offsets", "NumPy", "PNG"}),
        (by_kind, {"clip share 1 %", "clip share 2 %", "clip share 8 %"}),
        (by_dead, {"dead traces"}),
    ],
)
def test_graders_that_look_at_something_else_are_caught(grader, changes):
    found = caught(grader)
    # None of them sees swell.
    assert changes | {"swell"} <= found, found
    told = {name for name in found - changes if name.startswith(("constant", "gain", "trace order", "HDF5", "SEG-Y"))}
    assert not told or grader in (mean_of, loud)


def test_failures_are_named_and_bounds_are_kept():
    with pytest.raises(AssertionError) as wrong:
        check_grading(mean_of, RECORDINGS, changes={name: CHANGES[name] for name in ("constant -2 %", "gain 1e6")})
    assert str(wrong.value) == (
        "too many grades are wrong after a change: constant -2 %: 6 of 6 flip (at most 2 % may be)"
    )
    flips = Change(lambda one, random, folder: one if one.geometry.shot else dataclasses.replace(one, label="flip"))

    def by_label(gathers):
        bad = np.array([float(one.label == "flip") for one in gathers])
        return np.column_stack([1 - bad, bad])

    result = check_grading(by_label, RECORDINGS, changes={"mine": flips}, bound=0.2)
    assert result.effects[0].wrong == pytest.approx(1 / 6) and result.effects[0].severity == 1
    with pytest.raises(AssertionError, match="mine: 1 of 6 flip"):
        check_grading(by_label, RECORDINGS, changes={"mine": flips}, bound=0.1)


@pytest.mark.slow
def test_surely_bad_gathers_need_not_become_worse():
    bad = check_grading(lambda gathers: np.tile([0.0, 0.02, 0.98], (len(gathers), 1)), RECORDINGS)
    assert bad.effects[-1].wrong == 0 and not bad.failures


@pytest.mark.parametrize("name", CHANGES)
def test_no_change_loses_a_recording_beside_a_large_constant(name, tmp_path):
    """Readers give float64 where 32 bits would lose the signal."""
    plain = dataclasses.replace(RECORDINGS[0], amplitude=(RECORDINGS[0].amplitude / 40).astype(np.float64))
    far = dataclasses.replace(plain, amplitude=plain.amplitude + 1e8)
    changed = []
    for number, one in enumerate((plain, far)):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = CHANGES[name].make(one, np.random.default_rng(0), folder)
        changed.append(render(made, 512, 64).image.astype(int))
    assert changed[0].std() > 4
    # Grey levels that differ are those where a zero was measured a little otherwise.
    assert np.abs(changed[0] - changed[1]).max() <= 2, name


def one_nan(amplitude):
    amplitude[50, 7] = np.nan


def broken_at_the_ends(amplitude):
    amplitude[0, 7], amplitude[-1, 7] = np.nan, np.inf


def dead_beside_a_constant(amplitude):
    amplitude += 1000
    amplitude[:, 7] = 0


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("silence", [one_nan, broken_at_the_ends, dead_beside_a_constant])
def test_traces_that_carry_nothing_still_carry_nothing(name, silence, tmp_path):
    one = dataclasses.replace(RECORDINGS[0], amplitude=RECORDINGS[0].amplitude.copy())
    silence(one.amplitude)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = render(CHANGES[name].make(one, np.random.default_rng(0), tmp_path), 512, 64)
    trace = SIZE[1] - 1 - 7 if name.startswith("trace order") else 7
    assert (made.image[:, trace] == 128).all()
    assert made.dead_traces == (2 if name == "dead traces" else 1)


@pytest.mark.parametrize("name", ["int32", "int16", "uint16", "uint8", "IBM float", "SEG-Y", "NumPy"])
@pytest.mark.parametrize("traces", [[7], [7, 20]])
def test_single_spikes_do_not_round_the_others_away(name, traces, tmp_path):
    one = dataclasses.replace(RECORDINGS[0], amplitude=RECORDINGS[0].amplitude.copy())
    one.amplitude[60, traces] = 1e6 * np.abs(one.amplitude).mean() * np.arange(1, 1 + len(traces))
    made = CHANGES[name].make(one, np.random.default_rng(0), tmp_path)
    images = [render(each, *SIZE).image.astype(int) for each in (one, made)]
    away = np.delete(np.abs(images[0] - images[1]), traces, axis=1)
    assert images[0].std() > 10 and away.max() <= (2 if name == "uint8" else 1)


def test_whole_numbers_of_a_wild_trace_leave_the_others_alone(tmp_path):
    one = dataclasses.replace(RECORDINGS[0], amplitude=RECORDINGS[0].amplitude.copy())
    one.amplitude[:, 7] *= 1e5
    made = CHANGES["int16"].make(one, np.random.default_rng(0), tmp_path)
    images = [np.delete(render(each, *SIZE).image.astype(int), 7, axis=1) for each in (one, made)]
    # It saturates, and then counts where the clip is measured.
    assert np.abs(images[0] - images[1]).max() <= 8


def test_a_gain_beyond_the_precision_is_not_made(tmp_path):
    make = CHANGES["gain 1e6"].make, CHANGES["gain 1e-6"].make
    for factor, made in ((1e-3, (True, True)), (1e34, (False, True)), (1e-36, (True, False))):
        one = dataclasses.replace(RECORDINGS[0], amplitude=RECORDINGS[0].amplitude * np.float32(factor))
        assert tuple(each(one, np.random.default_rng(0), tmp_path) is not None for each in make) == made


@pytest.mark.slow
def test_swell_shows_beside_a_large_constant():
    far = [dataclasses.replace(one, amplitude=one.amplitude.astype(np.float64) / 40 + 1e8) for one in RECORDINGS]
    result = check_grading(by_swell, far, report_only=True)
    assert result.failures == (), result.text()


def test_draws_do_not_hang_on_other_changes():
    def first_samples(seen):
        def grade(gathers):
            seen.append(np.concatenate([as_recording(one).amplitude.ravel() for one in gathers]))
            return np.tile([0.0, 1.0], (len(gathers), 1))

        return grade

    alone, among = [], []
    check_grading(first_samples(alone), RECORDINGS, changes={"swell": CHANGES["swell"]})
    some = {name: CHANGES[name] for name in ("dead traces", "constants by trace", "swell")}
    check_grading(first_samples(among), RECORDINGS, changes=some)
    assert np.array_equal(alone[-1], among[-1])


@pytest.mark.parametrize(
    "name", ["SEG-Y", "Seismic Unix", "HDF5", "NumPy", "IBM float", "int32", "int16", "uint16", "uint8", "PNG"]
)
def test_files_hold_what_was_recorded(name, tmp_path):
    one = RECORDINGS[0]
    got = as_recording(CHANGES[name].make(one, np.random.default_rng(0), tmp_path))
    assert got.amplitude.shape == SIZE and got.geometry.sample_interval_s == pytest.approx(0.008)
    # Readers leave the zero of whole numbers where it is.
    wanted, found = (
        (each.amplitude.astype(np.float64) - zero_of(each.amplitude)) / clip_of(each.amplitude) for each in (one, got)
    )
    tolerance = {"SEG-Y": 0, "Seismic Unix": 0, "HDF5": 0, "NumPy": 0, "IBM float": 1e-5, "int32": 1e-6}.get(name, 0.03)
    inside = np.abs(wanted) < 0.9
    np.testing.assert_allclose(found[inside], wanted[inside], atol=tolerance + 1e-7)


def test_auxiliary_traces_are_marked_and_loud(tmp_path):
    CHANGES["auxiliary traces"].make(RECORDINGS[0], np.random.default_rng(0), tmp_path)
    content = np.frombuffer((tmp_path / "gather.segy").read_bytes(), np.uint8, offset=3600).reshape(SIZE[1] + 2, -1)
    assert content[:, 28:30].copy().view(">i2")[:, 0].tolist() == [1] * SIZE[1] + [4, 4]
    samples = content[:, 240:].copy().view(">f4").T
    assert np.array_equal(samples[:, :-2], RECORDINGS[0].amplitude)
    assert np.abs(samples[:, -1]).max() > 90 * clip_of(samples[:, :-2])


def test_twice_as_many_samples_pass_where_there_were_some(tmp_path):
    finer = CHANGES["half the interval"].make(RECORDINGS[0], np.random.default_rng(0), tmp_path)
    assert finer.amplitude.shape == (2 * SIZE[0] - 1, SIZE[1]) and finer.geometry.sample_interval_s == 0.004
    error = np.abs(finer.amplitude[10:-10:2] - RECORDINGS[0].amplitude[5:-5]).max()
    assert error < 0.02 * np.abs(RECORDINGS[0].amplitude).max()


def test_gathers_of_unknown_interval_are_counted_where_they_can_be_changed():
    image = render_recording(RECORDINGS[0], *SIZE).image
    unknown = dataclasses.replace(RECORDINGS[0].geometry, sample_interval_s=np.nan)
    picture = Picture("picture", image, "", unknown, "picture.png")
    result = check_grading(lambda gathers: np.tile([0.1, 0.9], (len(gathers), 1)), [picture, RECORDINGS[1]])
    counts = {effect.change: effect.gathers for effect in result.effects}
    assert counts["constant +2 %"] == counts["PNG"] == counts["HDF5"] == 2
    assert counts["SEG-Y"] == counts["swell"] == counts["20 ms later"] == counts["NumPy"] == 1
    only = check_grading(lambda gathers: np.tile([0.1, 0.9], (len(gathers), 1)), [picture])
    assert {effect.gathers for effect in only.effects} == {0, 1} and "-" in only.text()


def test_gathers_of_files(tmp_path):
    from glowseis.survey.formats.segy_writer import write_segy

    write_segy(tmp_path / "line.segy", RECORDINGS)
    seen = []

    def grade(gathers):
        seen.append(len(gathers))
        return by_swell(gathers)

    check_grading(
        grade, [tmp_path / "line.segy", str(tmp_path / "line.segy")], changes={"polarity": CHANGES["polarity"]}
    )
    assert seen == [12, 12]


@pytest.mark.parametrize(
    ("grader", "message"),
    [
        (lambda gathers: np.zeros(len(gathers)), r"returns \(6,\) for 6 gathers"),
        (lambda gathers: np.zeros((1, 3)), r"returns \(1, 3\) for 6 gathers"),
        (lambda gathers: np.full((len(gathers), 3), np.nan), "all finite"),
    ],
)
def test_what_is_no_grader(grader, message):
    with pytest.raises(ValueError, match=message):
        check_grading(grader, RECORDINGS)
    with pytest.raises(ValueError, match="there are no gathers to check"):
        check_grading(by_swell, [])


@pytest.mark.slow
def test_a_saved_classifier_grades_as_its_pictures_are_graded(tmp_path):
    model = make_classifier(3, 1, "softmax", 5)
    perturb(model, 0.15)
    export_classifier(model, ("good", "medium", "bad"), tmp_path / "grader" / "1", {"image_shape": [128, 32, 1]})
    found = grade_recordings(load_classifier(tmp_path / "grader"), RECORDINGS)
    images = np.stack([render_recording(one, 128, 32).image for one in RECORDINGS])
    np.testing.assert_allclose(found, predict(model, images), atol=1e-6)
