"""Gathers put in a model's order by their offsets: blank headers, jitter, several cables and split spreads."""

import numpy as np
import pytest

from glowseis.survey.matching.trace_order import order_of_offsets

CABLE = 150 + 12.5 * np.arange(60)

TURNED = np.arange(60)[::-1]


def blank(offsets, *traces):
    changed = offsets.copy()
    changed[list(traces)] = 0
    return changed


def jittered(offsets, metres, seed=0):
    return offsets + np.random.default_rng(seed).normal(0, metres, len(offsets))


@pytest.mark.parametrize(
    "traces", [(0,), (20,), (59,), (58,), (0, 1, 2), (57, 58, 59), (10, 11, 12, 40), range(0, 40, 2)]
)
@pytest.mark.parametrize("missing", [0, np.nan])
def test_blank_headers_do_not_hide_the_direction(traces, missing):
    for offsets, wanted in ((CABLE, "far"), (-CABLE, "far"), (CABLE[::-1], "near")):
        changed = blank(offsets, *traces)
        changed[changed == 0] = missing
        assert np.array_equal(order_of_offsets(changed, wanted), TURNED)
        other = "near" if wanted == "far" else "far"
        for same in (other, "mixed", "unknown"):
            assert order_of_offsets(changed, same) is None


@pytest.mark.parametrize("metres", [1, 3, 6, 8, 12])
def test_jitter_does_not_hide_the_direction(metres):
    for seed in range(20):
        offsets = jittered(CABLE, metres, seed)
        assert np.array_equal(order_of_offsets(offsets, "far"), TURNED)
        assert np.array_equal(order_of_offsets(blank(offsets, 7)[::-1], "near"), TURNED)
        assert order_of_offsets(offsets, "near") is None and order_of_offsets(offsets[::-1], "far") is None


@pytest.mark.parametrize("traces", [{0: 900}, {30: 9999}, {59: 150}, {20: 800, 21: 800}, {5: 700, 25: 160, 45: 200}])
def test_single_wrong_offsets_do_not_hide_the_direction(traces):
    offsets = CABLE.copy()
    offsets[list(traces)] = list(traces.values())
    assert np.array_equal(order_of_offsets(offsets, "far"), TURNED) and order_of_offsets(offsets, "near") is None


@pytest.mark.parametrize(
    "offsets",
    [
        np.tile(CABLE, 2),
        np.tile(CABLE[::-1], 6),
        np.concatenate([CABLE, CABLE[:10]]),
        12.5 * np.arange(-30.0, 31.0),
        12.5 * np.arange(-10.0, 50.0),
        np.abs(12.5 * np.arange(-50.0, 10.0)),
    ],
    ids=["two cables", "six far first", "a short cable", "split spread", "source near the start", "absolute"],
)
@pytest.mark.parametrize("wanted", ["near", "far", "mixed"])
def test_cables_and_split_spreads_stay_as_they_are(offsets, wanted):
    for changed in (offsets, blank(offsets, 3), blank(offsets, 3, 50), jittered(offsets, 4), jittered(offsets, 8)):
        assert order_of_offsets(changed, wanted) is None


@pytest.mark.parametrize("seed", range(8))
def test_disorder_is_sorted_and_blank_traces_stay_beside_their_neighbours(seed):
    shuffled = np.random.default_rng(seed).permutation(CABLE)
    places = [0, 17, 18, 59]
    changed = blank(shuffled, *places)
    for wanted, sign in (("near", 1), ("far", -1), ("mixed", 1)):
        order = order_of_offsets(changed, wanted)
        assert sorted(order) == list(range(60))
        told = order[~np.isin(order, places)]
        assert (sign * np.diff(shuffled[told]) > 0).all()
        where = np.argsort(order)
        assert where[0] == where[1] - 1 and where[17] == where[16] + 1
        assert where[18] == where[16] + 2 and where[59] == where[58] + 1


def test_a_zero_that_carries_on_the_spacing_is_an_offset():
    offsets = np.array([3.0, 1, 2, 0, 5, 4]) * 25
    assert order_of_offsets(offsets, "near").tolist() == [3, 1, 2, 0, 5, 4]
    blank_header = np.array([400.0, 200, 300, 0, 600, 500])
    assert order_of_offsets(blank_header, "near").tolist() == [1, 2, 3, 0, 5, 4]


@pytest.mark.parametrize(
    "offsets", [np.zeros(60), np.full(60, np.nan), blank(CABLE, *range(40)), np.full(60, 9.0), [5.0]]
)
def test_offsets_that_tell_nothing(offsets):
    assert order_of_offsets(np.array(offsets), "far") is None
