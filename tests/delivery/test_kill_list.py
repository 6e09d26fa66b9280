"""Channels to leave out, as ranges."""

import csv
import re
from types import SimpleNamespace

import numpy as np
import pytest

from glowseis.delivery.kill_list import Range, joined, killed, padding, write_kill_list
from glowseis.errors import InputError


def geometry(channels, line=7, shot=3, cable=2):
    return SimpleNamespace(channel=np.array(channels, np.int32), sail_line=line, shot=shot, cable=cable)


def faults(traces, **places):
    found = {fault: np.zeros(traces, bool) for fault in ("dead", "wild")}
    for fault, at in places.items():
        found[fault][list(at)] = True
    return found


def test_a_gather_is_killed_with_all_its_channels():
    place = geometry([12, 11, 10, 9, 20])
    assert killed("g", place, "bad", faults(5, dead=[0])) == [
        Range(7, 3, 2, 9, 12, ("bad",)),
        Range(7, 3, 2, 20, 20, ("bad",)),
    ]


def test_faulty_channels_are_joined_whatever_the_order_of_traces():
    place = geometry([8, 7, 6, 5, 4, 3, 2, 1])
    assert killed("g", place, "", faults(8, dead=[1, 2, 7], wild=[2, 3])) == [
        Range(7, 3, 2, 1, 1, ("dead",)),
        Range(7, 3, 2, 5, 7, ("wild", "dead")),
    ]
    assert killed("g", place, "", faults(8)) == []


def test_ranges_of_other_gathers_stay_apart():
    one = Range(1, 1, 1, 5, 6, ("dead",))
    ranges = [one._replace(shot=2), one._replace(first_channel=7, last_channel=9, reasons=("wild",)), one]
    ranges += [one._replace(cable=2), one._replace(first_channel=1, last_channel=20, shot=2)]
    assert joined(ranges) == [
        Range(1, 1, 1, 5, 9, ("dead", "wild")),
        Range(1, 1, 2, 5, 6, ("dead",)),
        Range(1, 2, 1, 1, 20, ("dead",)),
    ]


def test_channels_without_numbers_of_their_own_are_told():
    with pytest.raises(InputError, match="g: its channels cannot be listed: some have the number 0; name the right"):
        killed("g", geometry([0, 0, 0]), "bad", faults(3))
    with pytest.raises(InputError, match=r"two have the number 5; .* or in --cable-header if they are of two cables"):
        killed("g", geometry([5, 6, 5, 6]), "", faults(4, dead=[2]))
    assert killed("g", geometry([5, 6, 5, 6]), "bad", faults(4)) == [Range(7, 3, 2, 5, 6, ("bad",))]
    assert killed("g", geometry([0, 0, 0]), "", faults(3)) == []


@pytest.mark.parametrize(
    ("channels", "dead", "padded"),
    [
        ([1, 2, 0, 4, 5], [1, 2], [2]),
        ([0, 0, 3, 4, 5], [0, 1, 4], [0, 1]),
        # Channel 0 records elsewhere in the gather, or nothing is numbered.
        ([0, 0, 3, 4, 5], [0], []),
        ([0, 0, 0, 0, 0], [1], []),
        ([1, 2, 3, 4, 5], [1], []),
    ],
)
def test_dead_traces_numbered_0_pad_a_gather_whose_other_channels_are_numbered(channels, dead, padded):
    place, found = geometry(channels), faults(5, dead=dead)
    assert np.flatnonzero(padding(place, found["dead"])).tolist() == padded
    for grade in ("", "bad"):
        left = set(range(5) if grade else dead) - set(padded)
        if any(channels[trace] == 0 for trace in left):
            with pytest.raises(InputError, match="some have the number 0"):
                killed("g", place, grade, found)
            continue
        ranges = killed("g", place, grade, found)
        listed = [number for one in ranges for number in range(one.first_channel, one.last_channel + 1)]
        assert listed == sorted(channels[trace] for trace in left)


def test_the_file_is_in_order_and_no_formula(tmp_path):
    ranges = [Range(1, 2, 1, 5, 6, ("dead", "wild")), Range(1, 1, 1, 1, 9, ("=bad",))]
    assert write_kill_list(tmp_path / "kill.csv", ranges) == 2
    with (tmp_path / "kill.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["line", "shot", "cable", "first_channel", "last_channel", "reason"],
        ["1", "1", "1", "1", "9", "'=bad"],
        ["1", "2", "1", "5", "6", "dead wild"],
    ]
    assert not re.search("\r", (tmp_path / "kill.csv").read_bytes().decode())
