import numpy as np
import pandas as pd
import pytest

from glowseis.errors import InputError
from glowseis.reporting.acceptance import judge
from glowseis.reporting.rules import DEFAULTS, Rules, read_rules

DEAD, NEIGHBOURS, AMBIENT = "dead channels", "neighbouring dead channels", "ambient noise, RMS"


GOOD = '[[limit]]\nattribute = "dead"\nmax = 1\n'


def records(bad=(), count=200, **columns):
    """Records of one line, good but for some."""
    grade = np.full(count, "good", object)
    grade[list(bad)] = "bad"
    usual = {"line": "line 7", "shot": np.arange(count) + 1001, "cable": 1, "grade": grade, "traces": 100}
    usual |= {"dead": 0, "dead_in_a_row": 0, "noise_rms_median": 1.0}
    return pd.DataFrame(usual | columns, index=np.arange(count))


def judged(frame, rules=None):
    return {one.rule: one for one in judge(frame, rules or read_rules(None), "bad")}


def rules_of(tmp_path, text, unit=""):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return read_rules(path, unit)


def test_defaults_are_those_of_the_models():
    assert read_rules(None) == Rules()


@pytest.mark.parametrize(("bad", "passed"), [(10, True), (11, False)])
def test_five_percent_of_a_line_may_be_bad(bad, passed):
    # Far apart, so that no fifty hold more than ten.
    found = judged(records(range(0, bad * 18, 18)))["bad records"]
    assert found.passed is passed and len(found.records) == bad
    assert found.found == f"{bad} of 200 ({bad / 2:.1f} %)"


@pytest.mark.parametrize(
    ("bad", "passed"),
    [
        ([*range(100, 109), 149], True),
        ([*range(100, 110), 149], False),
        ([*range(100, 110), 150], True),
        ([0, *range(20, 29), 49], False),
        ([150, *range(170, 179), 199], False),
    ],
)
def test_ten_in_any_fifty_may_be_bad(bad, passed):
    found = judged(records(bad))["bad records in any 50 consecutive"]
    assert found.passed is passed
    assert found.records.tolist() == ([] if passed else bad)


def test_fifty_consecutive_ones_follow_shot_numbers():
    frame = records(range(0, 200, 8))
    # Bad ones are every eighth in the file; by their numbers they follow each other.
    frame["shot"] = np.where(frame["grade"] == "bad", 0, 1000) + np.arange(200)
    assert not judged(frame)["bad records in any 50 consecutive"].passed


def test_a_short_line_is_one_window():
    found = judged(records(range(11), count=30))["bad records in any 50 consecutive"]
    assert found.passed is False and found.found == "11 in all 30"
    assert found.brief == "11 bad records in 30 consecutive, allowed 10"


def test_few_records_are_not_judged(tmp_path):
    rules = read_rules(None, "microbar")
    for count, short in ((20, None), (19, (19, 20)), (1, (1, 20))):
        found = judged(records([0, 1][:count], count=count, noise_rms_median=9.0 * (np.arange(count) < 2)), rules)
        assert {one.short for one in found.values()} == {short}
        assert [one.passed for one in found.values()] == ([None] * 5 if short else [False, True, True, True, False])
        # What was found is said all the same.
        bad = min(count, 2)
        assert found["bad records"].found.startswith(f"{bad} of {count} ") and len(found[AMBIENT].records) == bad
    one = rules_of(tmp_path, "fewest_records = 1")
    assert judged(records([0], count=1), one)["bad records"].passed is False


def test_too_many_bad_ones_in_a_window_are_too_many_in_a_short_line_too():
    found = judged(records(range(11), count=12))
    window, share = found["bad records in any 50 consecutive"], found["bad records"]
    assert (window.passed, window.short) == (False, None) and (share.passed, share.short) == (None, (12, 20))


def test_a_limit_measured_on_few_records_is_not_judged():
    found = judged(records(noise_rms_median=[9.0] * 19 + [np.nan] * 181), read_rules(None, "microbar"))
    assert (found[AMBIENT].passed, found[AMBIENT].short) == (None, (19, 20)) and found["bad records"].short is None


def test_what_cannot_be_graded_is_bad_and_unsure_is_as_the_rules_say(tmp_path):
    frame = records()
    frame.loc[:14, "grade"] = ""
    assert judged(frame)["bad records"].found.startswith("15 of 200")
    frame.loc[:14, "grade"] = "unsure"
    assert judged(frame)["bad records"].passed
    assert not judged(frame, rules_of(tmp_path, "bad_records.unsure = true"))["bad records"].passed


@pytest.mark.parametrize(("row", "breaks"), [(5, 0), (6, 1)])
def test_five_neighbouring_channels_may_be_dead(row, breaks):
    found = judged(records(dead_in_a_row=[row] + [0] * 199))
    assert len(found[NEIGHBOURS].records) == len(found["bad records"].records) == breaks


@pytest.mark.parametrize(("dead", "breaks"), [(6, 0), (7, 1)])
def test_five_percent_of_the_channels_may_be_dead(dead, breaks):
    frame = records(dead=[dead] + [0] * 199, traces=120)
    assert len(judged(frame)[DEAD].records) == breaks


@pytest.mark.parametrize(("breaking", "passed"), [(10, True), (11, False)])
def test_a_share_of_the_records_may_break_a_limit(breaking, passed):
    frame = records(noise_rms_median=[8.5] * breaking + [8.0] * (200 - breaking))
    found = judged(frame, read_rules(None, "microbar"))[AMBIENT]
    assert found.passed is passed and len(found.records) == breaking
    assert found.brief == f"ambient noise, RMS in {breaking} of 200 records ({breaking / 2:.1f} %), allowed 5 %"


def test_limits_are_not_judged_without_unit_or_attribute():
    found = judged(records(noise_rms_median=100.0))
    assert found[AMBIENT].passed is None and "microbar" in found[AMBIENT].found
    assert not len(found["bad records"].records)
    found = judged(records(noise_rms_median=np.nan), read_rules(None, "microbar"))
    assert found[AMBIENT].passed is None and found[AMBIENT].found == "not judged: could not be measured on any record"
    found = judged(records()[["line", "shot", "cable", "grade"]])
    assert found[DEAD].passed is None and found["bad records"].passed


def test_a_limit_is_judged_where_it_could_be_measured():
    found = judged(records(noise_rms_median=[9.0] * 2 + [1.0] * 18 + [np.nan] * 180), read_rules(None, "microbar"))
    assert found[AMBIENT].passed is False and "2 of 20 (10.0 %) break it, measured on 20 of 200" in found[AMBIENT].found


def test_lines_and_cables_are_judged_apart():
    frame = records(range(0, 40, 4))
    frame["line"] = np.where(np.arange(200) < 100, "line 9", "line 12")
    frame["cable"] = np.arange(200) % 2 + 1
    found = judge(frame, read_rules(None), "bad")
    assert [(one.line, one.cable) for one in found[::5]] == [
        ("line 9", 1),
        ("line 9", 2),
        ("line 12", 1),
        ("line 12", 2),
    ]
    assert [one.passed for one in found if one.rule == "bad records"] == [False, True, True, True]


def test_rules_of_a_user(tmp_path):
    text = '[[limit]]\nattribute = "peak_hz_median"\nmin = 20\nmax = 60.0\nshare = 0.0\n'
    rules = rules_of(tmp_path, text)
    assert rules.bad_records.share == 0.05 and len(rules.limit) == 1
    for value, passed in ((20.0, True), (60.0, True), (19.9, False), (60.1, False)):
        found = judged(records(peak_hz_median=[value] + [30.0] * 199), rules)
        assert found["peak_hz_median"].passed is passed
        assert found["bad records"].found.startswith("0 of")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[limit]]\nattribute = "noise_rms"\nmax = 1', "limit 1: attribute = 'noise_rms' is unknown; did you mean "),
        ('[[limit]]\nattribute = "colour"\nmax = 1', "'colour' is unknown; known: traces, samples, .*widest_band"),
        ('[[limit]]\nattribute = "dead"', "min and max are missing"),
        ('[[limit]]\nattribute = "dead"\nmin = 2\nmax = 1', "min = 2 is above max = 1"),
        ('[[limit]]\nattribute = "peak_hz_median"\nmin = 1\nof_traces = true', "is for counts of traces"),
        ('[[limit]]\nattribute = "dead"\nmax = 1\n[[limit]]\nattribute = "dead"\nmax = 2', "two are called 'dead'"),
        ("[[limit]]\nmax = 1", "limit 1: the key attribute is missing; give it, as glowseis report"),
        (f'{GOOD}[[limit]]\nname = "ours"\nattribute = "dead"\nmax = "a"', r"limit 2 \(ours\): max = 'a': "),
        (f'{GOOD}[[limit]]\nattribute = "dead"\nmost = 1', "limit 2: unknown key most; "),
        (f'{GOOD}[[limit]]\nname = "x"\nattribute = "dead"', r"limit 2 \(x\): min and max are missing"),
        ("limit = [3]", "limit 1: "),
        ("limit = 3", "limit = 3: "),
        ("bad_records.share = 5", r"bad_records\.share = 5: "),
        ("bad_record.share = 0.1", "unknown key bad_record; did you mean bad_records?"),
        ('unit = "pascal"', "unit = 'pascal'"),
        ("unit = ", "not a TOML file"),
    ],
)
def test_wrong_rules_are_told_in_a_line(tmp_path, text, told):
    with pytest.raises(InputError, match=rf"rules\.toml: .*{told}") as wrong:
        rules_of(tmp_path, text)
    assert "\n" not in str(wrong.value)


def test_missing_rules_and_unknown_units_are_told(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.toml: no such file of rules; glowseis report --show-rules"):
        read_rules(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="--unit bar is unknown; give microbar"):
        read_rules(None, "bar")
    assert "section 2.6" in DEFAULTS.read_text()
