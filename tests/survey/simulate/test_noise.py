import dataclasses
import time

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.gather import LABELS
from glowseis.survey.simulate import (
    NOISE_KINDS,
    Acquisition,
    NoiseSettings,
    noise,
    noise_of_gather,
    parse_noise,
    simulate_recording,
    simulate_recordings,
    with_noise,
)
from glowseis.survey.simulate.acquisition import WATER_VELOCITY_M_S
from glowseis.survey.simulate.instruments import Sea
from glowseis.survey.simulate.labels import JUDGE_SPREAD, draw_noise, judge
from glowseis.survey.simulate.plan import Band, NoisePlan, draw_any_noise

SMALL = Acquisition.of_size(112, 80)
FULL = Acquisition.of_size(896, 640)
ROW_M = WATER_VELOCITY_M_S * 0.008
LEVELS = {"tug": "tug_microbar", "strum": "strum_microbar", "propeller": "propeller_microbar"}
LEVELS |= {"ambient": "ambient_microbar", "interference": "interference_microbar", "bird": "birds"}


def plan_of(swell=(), columns=(), dead=()):
    return NoisePlan(600, 0.7, swell=tuple(swell), columns=tuple(columns), dead=tuple(dead))


def power_share(noise, low_hz, high_hz):
    """Share of all traces' power between two frequencies."""
    power = (np.abs(np.fft.rfft(noise, axis=1)) ** 2).sum(axis=0)
    frequency = np.fft.rfftfreq(noise.shape[1], 0.008)
    return power[(frequency >= low_hz) & (frequency <= high_hz)].sum() / power.sum()


def lag_rows(later, earlier):
    return np.argmax(np.correlate(later, earlier, "full")) - (earlier.size - 1)


def test_the_rule_grades_swell_by_loudness_and_width_and_columns_as_medium():
    assert judge(plan_of()) == "good"
    assert judge(plan_of(swell=[Band(10, 90, 6.0)])) == "bad"
    assert judge(plan_of(swell=[Band(10, 9, 6.0)])) == "medium"
    assert judge(plan_of(columns=[Band(10, 90, 60.0)])) == "medium"
    assert judge(plan_of(dead=range(12))) == "medium"
    assert judge(dataclasses.replace(plan_of(), crossfeed=(3,))) == "medium"


def test_what_the_label_leaves_out():
    loud = {"tug_microbar": 9.0, "strum_microbar": 9.0, "propeller_microbar": 9.0, "interference_microbar": 99.0}
    assert judge(dataclasses.replace(plan_of(), ambient_microbar=5.0, **loud)) == "good"


def test_classes_overlap_but_mostly_follow_the_rule():
    random = np.random.default_rng(0)
    followed = {
        label: np.mean([judge(draw_noise(label, 640, random)) == label for _ in range(150)]) for label in LABELS
    }
    assert all(share > 0.8 for share in followed.values())
    assert min(followed.values()) < 1.0


def test_the_judge_s_uncertainty_is_all_between_rule_and_label(monkeypatch):
    from glowseis.survey.simulate import labels

    assert JUDGE_SPREAD > 0.0
    monkeypatch.setattr(labels, "JUDGE_SPREAD", 0.0)
    random = np.random.default_rng(0)
    assert all(judge(draw_noise(label, 640, random)) == label for label in LABELS for _ in range(50))


def test_anomalous_traces_make_a_gather_medium_beyond_their_threshold():
    def judged(count):
        return judge(dataclasses.replace(plan_of(dead=range(count)), traces=1000))

    assert [judged(count) for count in (0, 15, 16, 500)] == ["good", "good", "medium", "medium"]


def test_anomalous_traces_make_strong_swell_worse():
    swell = (Band(10, 90, 2.5),)
    assert judge(plan_of(swell=swell)) == "medium"
    assert judge(plan_of(swell=swell, dead=range(100, 120))) == "bad"


def test_the_plan_of_a_gather_is_what_was_put_in():
    label, plan = noise_of_gather(5, 3, SMALL)
    recording = simulate_recording(5, 3, SMALL)
    assert (label, plan.traces) == (recording.label, recording.amplitude.shape[1])
    silent = np.flatnonzero(~recording.amplitude.any(axis=0))
    assert tuple(silent) == plan.dead


def test_noise_added_to_the_events_is_the_gather():
    events = simulate_recording(5, 3, SMALL, noise=False)
    before = events.amplitude.copy()
    noisy, whole = with_noise(events, 5, 3, SMALL, (1, 1, 1)), simulate_recording(5, 3, SMALL, (1, 1, 1))
    assert noisy.label == whole.label
    assert np.array_equal(noisy.amplitude, whole.amplitude)
    assert np.array_equal(events.amplitude, before)


def test_noise_of_an_unknown_label():
    with pytest.raises(ValueError, match="label is 'awful'; give one of good, medium, bad"):
        draw_noise("awful", 640, np.random.default_rng(0))


def test_bands_are_cut_off_at_both_ends():
    random = np.random.default_rng(0)
    bands = [band for _ in range(3000) for band in draw_any_noise(640, random).swell]
    near = [band.traces for band in bands if band.first == 0]
    far = [band.traces for band in bands if band.first + band.traces == 640]
    inner = [band.traces for band in bands if 0 < band.first < 600]
    assert all(band.first >= 0 and band.first + band.traces <= 640 for band in bands)
    assert min(inner) == 6 and 1 <= min(near) < 6 and 1 <= min(far) < 6


def drawn(settings, count=400):
    random = np.random.default_rng(3)
    return [draw_any_noise(640, random, settings) for _ in range(count)]


def part_of(plan, kind):
    """What a plan holds of one kind of noise."""
    names = {**LEVELS, "swell": "swell", "columns": "columns"}
    return getattr(plan, names.get(kind, kind))


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_a_kind_switched_off_leaves_the_others_as_they_were(kind):
    on, off = drawn(NoiseSettings()), drawn(dataclasses.replace(NoiseSettings(), **{kind: 0.0}))
    assert any(part_of(plan, kind) for plan in on)
    assert not any(part_of(plan, kind) for plan in off)
    for other in set(NOISE_KINDS) - {kind}:
        assert [part_of(plan, other) for plan in on] == [part_of(plan, other) for plan in off]


@pytest.mark.parametrize("kind", ["dead", "weak", "reversed", "spiky", "saturated", "crossfeed"])
def test_a_larger_factor_spoils_more_channels_and_keeps_those_spoilt_before(kind):
    once, often = (drawn(dataclasses.replace(NoiseSettings(), **{kind: factor}), 1500) for factor in (1.0, 8.0))
    assert all(set(part_of(few, kind)) <= set(part_of(many, kind)) for few, many in zip(once, often, strict=True))
    count = [sum(len(part_of(plan, kind)) for plan in plans) for plans in (once, often)]
    assert 4.0 * count[0] < count[1] < 16.0 * count[0]


@pytest.mark.parametrize("kind", ["tug", "strum", "propeller", "interference", "bird", "ambient", "swell", "columns"])
def test_a_factor_multiplies_pressures(kind):
    def level(plan):
        part = part_of(plan, kind)
        return sum(band.level_microbar for band in part) if isinstance(part, tuple) else part

    once, twice = drawn(NoiseSettings()), drawn(dataclasses.replace(NoiseSettings(), **{kind: 2.0}))
    assert np.allclose([level(plan) for plan in twice], [2.0 * level(plan) for plan in once])


def test_a_kind_that_plays_no_part_in_the_label_switched_off_changes_nothing_else():
    settings = NoiseSettings(interference=0.0, tug=0.0, bird=1.0)
    for index in range(30):
        on, off = (noise_of_gather(index, 2, SMALL, settings=one)[1] for one in (NoiseSettings(), settings))
        assert dataclasses.replace(on, interference_microbar=0.0, tug_microbar=0.0) == off
        if not (on.interference_microbar or on.tug_microbar):
            before, after = (simulate_recording(index, 2, SMALL, settings=one) for one in (NoiseSettings(), settings))
            assert np.array_equal(before.amplitude, after.amplitude)


def test_all_noise_off_is_the_events_alone():
    silent = NoiseSettings(**dict.fromkeys(NOISE_KINDS, 0.0))
    clean = simulate_recording(4, 1, SMALL, (1, 0, 0), noise=False)
    assert np.array_equal(simulate_recording(4, 1, SMALL, (1, 0, 0), settings=silent).amplitude, clean.amplitude)


def test_settings_are_read():
    assert parse_noise([]) == NoiseSettings()
    assert parse_noise(["swell=0", "tug=2.5", "swell=3"]) == NoiseSettings(swell=3.0, tug=2.5)
    assert NoiseSettings(swell=0.0, tug=2.0).changed() == "swell=0 tug=2"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("waves=1", "no kind 'waves'; choose from ambient, swell"),
        ("swell", "KIND=FACTOR"),
        ("swell=loud", "'loud' is not a number"),
        ("swell=", "is not a number"),
        ("swell=-1", "from 0"),
        ("swell=nan", "from 0"),
        ("swell=inf", "from 0"),
        ("swell=101", "to 100"),
        ("=1", "no kind ''"),
    ],
)
def test_wrong_settings_are_told(word, told):
    with pytest.raises(InputError, match=told):
        parse_noise([word])


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        (NoiseSettings(swell=0.0), "bad"),
        (NoiseSettings(swell=100.0), "good"),
        (NoiseSettings(dead=100.0, swell=0.0), "good"),
    ],
)
def test_a_label_that_cannot_come_about_is_told_at_once(settings, label):
    start_s = time.process_time()
    acquisition = FULL if settings.dead > 1.0 else SMALL
    with pytest.raises(InputError, match=f"noise .*hardly any gathers are {label}; change that noise"):
        simulate_recordings(10, 1, acquisition, settings=settings)
    assert time.process_time() - start_s < 5.0
    shares = tuple(0.0 if one == label else 1.0 for one in LABELS)
    if label == "bad":
        assert len(list(simulate_recordings(3, 1, SMALL, shares, settings=settings))) == 3


def test_swell_is_alike_on_neighbours_as_measured():
    """In its core, with ambient noise over it; tails and gaps bring it to the measured 0.92, 0.65 and 0.31."""
    likeness = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        both = noise.swell(Band(0, 35, 6.0), FULL, random) + noise.ambient(35, 0.85, FULL, random)
        # Its tails fade into the ambient noise.
        matrix = np.corrcoef(both[6:29])
        likeness.append([np.diag(matrix, lag).mean() for lag in (1, 3, 6)])
    assert np.allclose(np.mean(likeness, axis=0), (0.93, 0.71, 0.39), atol=0.05)


def test_swell_is_low_and_columns_are_high_or_each_trace_its_own():
    slow = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        swell, columns = noise.swell(Band(0, 30, 3.0), FULL, random), noise.loud_columns(Band(0, 30, 3.0), FULL, random)
        assert power_share(swell, 1.5, 12.0) > 0.6
        assert power_share(columns, 13.0, 36.0) > 0.8 or power_share(columns, 3.0, 13.0) > 0.5
        slow += power_share(columns, 13.0, 36.0) < 0.5
        for made in (swell, columns):
            assert np.sqrt((made**2).mean()) == pytest.approx(3.0, rel=1e-3)
        assert abs(np.diag(np.corrcoef(columns), 3).mean()) < 0.3
    # About half of the bands are slow: frequency alone does not tell them from swell.
    assert 10 <= slow <= 30


def test_ambient_noise_is_everywhere_and_independent():
    made = noise.ambient(600, 2.0, FULL, np.random.default_rng(1))
    level = np.sqrt((made**2).mean(axis=1))
    assert np.median(level) == pytest.approx(2.0, rel=0.05) and 1.2 < level.min() < level.max() < 3.5
    assert abs(np.diag(np.corrcoef(made), 1).mean()) < 0.05


def test_depth_controllers_hang_every_300_metres():
    random = np.random.default_rng(0)
    bands = [band for _ in range(400) for band in draw_any_noise(640, random).birds]
    assert {(band.first + 1) % 24 for band in bands} == {0}
    made = noise.bird(Band(0, 3, 2.0), FULL, random)
    assert np.abs(made[1]).max() > 2.0 * np.abs(made[0]).max()
    assert np.corrcoef(made)[0, 1] > 0.99
    assert power_share(made, 4.0, 32.0) > 0.9


def test_the_propeller_s_noise_runs_down_the_cable_and_fades():
    made = noise.propeller(600, 2.0, FULL, np.random.default_rng(1))
    # 24 channels are 300 m, 25 rows.
    assert np.corrcoef(made[24, 25:], made[0, :-25])[0, 1] > 0.99
    assert np.corrcoef(made[24, 28:], made[0, :-28])[0, 1] < 0.0
    level = np.sqrt((made**2).mean(axis=1))
    assert level[0] == pytest.approx(2.0, rel=0.1) and level[300] < 0.05 * level[0]
    assert power_share(made, 16.0, 24.0) > 0.8


def test_strum_runs_down_the_cable_and_fades():
    made = noise.strum(600, 2.0, FULL, np.random.default_rng(1))
    lags = [lag_rows(made[trace], made[0]) for trace in (4, 8, 12)]
    assert np.all(np.abs(lags - np.array([4, 8, 12]) * 12.5 / 1400.0 / 0.008) <= 1.5)
    level = np.sqrt((made**2).mean(axis=1))
    assert level[300] < 0.05 * level[0]
    assert power_share(made, 2.0, 10.0) > 0.8


@pytest.mark.parametrize("seed", range(6))
def test_tug_runs_from_one_end_and_fades(seed):
    made = noise.tug(600, 3.0, FULL, np.random.default_rng(seed))
    assert 0.0 < np.abs(made).max() <= 3.0
    assert power_share(made, 2.0, 11.0) > 0.8
    level = np.abs(made).max(axis=1)
    assert min(level[0], level[-1]) < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_another_vessel_s_shot_crosses_the_cable_at_the_speed_of_sound(seed):
    """First arrivals are no steeper than the direct wave, and a hyperbola opens downwards in time."""
    loud = np.abs(noise.interference(600, 1.0, FULL, np.random.default_rng(seed))) > 0.02
    first = loud.argmax(axis=1)[::40][loud.any(axis=1)[::40]].astype(float)
    first = first[first < 0.85 * FULL.samples]
    slope = np.diff(first) / 40
    assert np.abs(slope).max() < 12.5 / ROW_M + 0.2
    if len(slope) > 4:
        assert slope[-2:].mean() > slope[:2].mean() - 0.1


def test_spoilt_traces():
    pressure = np.random.default_rng(0).normal(size=(600, FULL.samples)).astype(np.float32)

    def noisy(**spoilt):
        plan = dataclasses.replace(plan_of(swell=[Band(10, 20, 3.0)]), **spoilt)
        return noise.disturb(pressure, plan, FULL, np.random.default_rng(1))

    plain = noisy()
    spoilt = noisy(dead=(7, 20), reversed=(11, 599), weak=(300,), spiky=(400,), saturated=(500,))
    assert not spoilt[[7, 20]].any()
    assert np.array_equal(spoilt[[11, 599]], -plain[[11, 599]])
    assert 0.02 < np.abs(spoilt[300]).max() / np.abs(plain[300]).max() < 0.31
    assert 1 <= (spoilt[400] != plain[400]).sum() < 30
    limit = np.abs(spoilt[500]).max()
    assert (np.abs(spoilt[500]) == limit).mean() > 0.2
    assert np.array_equal(np.sign(spoilt[500]), np.sign(plain[500]))
    others = np.setdiff1d(np.arange(600), [7, 20, 11, 599, 300, 400, 500])
    assert np.array_equal(spoilt[others], plain[others])
    assert pressure.std() == pytest.approx(1.0, abs=0.01)


def test_crossfeed_leaks_within_its_module():
    pressure = np.zeros((600, 100), np.float32)
    pressure[60, 50] = 1.0
    noise.crossfeed(pressure, (2,), np.random.default_rng(0))
    leaked = pressure[:, 50]
    assert not leaked[:48].any() and not leaked[72:].any()
    assert (leaked[48:72] > 0.0).all()
    assert leaked[61] > leaked[65] > leaked[71]
    assert leaked[61] < 0.5 and leaked[60] == 1.0


def test_crossfeed_of_the_last_short_module():
    pressure = np.ones((30, 5), np.float32)
    noise.crossfeed(pressure, (1,), np.random.default_rng(0))
    assert (pressure[:24] == 1.0).all() and (pressure[24:] > 1.0).all()


def test_waves_of_the_cable_lean_as_their_velocity_says():
    """At 50 m/s a wave takes 31 samples of 8 ms from one channel to the next, 12.5 m away."""
    sea = Sea(waves_m_s=50.0)
    acquisition = dataclasses.replace(Acquisition.of_size(896, 640), sea=sea)
    random = np.random.default_rng(2)
    lags = []
    for _ in range(30):
        band = noise.swell(Band(0, 12, 1.0), acquisition, random)
        best = [lag_rows(band[trace + 1], band[trace]) for trace in range(4, 8)]
        lags.append(np.median(np.abs(best)))
    assert 24 <= np.median(lags) <= 40
    alike = noise.swell(Band(0, 12, 1.0), FULL, random)
    assert abs(lag_rows(alike[6], alike[5])) < 5


def test_drawn_acquisitions_have_seas_of_their_own_and_the_paper_s_has_none():
    seas = [Acquisition.drawn(896, 640, number).sea for number in range(1, 201)]
    carried = [sea.waves_m_s for sea in seas if sea.waves_m_s]
    assert 90 < len(carried) < 150 and min(carried) < 35 and max(carried) > 90
    assert min(sea.loudness for sea in seas) < 0.75 and max(sea.loudness for sea in seas) > 1.7
    assert min(sea.broadband for sea in seas) < 0.1 and 0.35 < max(sea.broadband for sea in seas) < 0.4
    assert FULL.sea == SMALL.sea == Sea()


def test_a_louder_sea_makes_the_same_swell_louder_and_is_judged_so():
    louder = dataclasses.replace(SMALL, sea=Sea(loudness=2.0))
    shares = {
        name: np.mean([noise_of_gather(index, 4, one, (0, 1, 0))[1].swell_microbar for index in range(60)])
        for name, one in (("calm", SMALL), ("louder", louder))
    }
    assert shares["louder"] > 1.5 * shares["calm"]
    assert all(judge(noise_of_gather(index, 4, louder, (0, 0, 1))[1]) != "good" for index in range(40))
