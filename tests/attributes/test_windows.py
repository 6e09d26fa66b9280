"""Windows as users write them."""

import numpy as np
import pytest

from glowseis.attributes.windows import parse_window
from glowseis.errors import InputError


def test_times_and_times_after_the_offset():
    window = parse_window("0.5-1.5", "--target")
    first, last = window.edges_s(np.array([100.0, np.nan]), np.array([1, 2]))
    assert first.tolist() == [0.5, 0.5] and last.tolist() == [1.5, 1.5]
    first, last = parse_window("-.1-1@1500", "--target").edges_s(np.array([-1500.0, np.nan]), np.array([1, 2]))
    assert first[0] == pytest.approx(0.9) and last[0] == pytest.approx(2.0) and np.isnan([first[1], last[1]]).all()


def test_windows_by_hand(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text("offset_m,first_s,last_s\n1000,1,2\n-200,0.2,0.6\n")
    first, last = parse_window(str(path), "--noise").edges_s(np.array([600.0, 100.0, 4000.0]), np.arange(3))
    assert first == pytest.approx([0.6, 0.2, 1.0]) and last == pytest.approx([1.3, 0.6, 2.0])
    path.write_text("channel,first_s,last_s\n1,0,1\n11,1,3\n")
    first, last = parse_window(str(path), "--noise").edges_s(np.full(2, np.nan), np.array([1, 6]))
    assert first == pytest.approx([0.0, 0.5]) and last == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize(
    ("headers", "numbers"),
    [
        ([7, 8, 9], [7, 8, 9]),
        ([3, 3, 2], [3, 3, 2]),
        ([0, 0, 0], [1, 2, 3]),
        ([5, 5, 5], [1, 2, 3]),
        ([0, 8, 9], [0, 8, 9]),
    ],
)
def test_channels_without_numbers_are_counted(tmp_path, headers, numbers):
    path = tmp_path / "w.csv"
    path.write_text("channel,first_s,last_s\n0,0,1\n10,10,11\n")
    first, last = parse_window(str(path), "--noise").edges_s(np.full(3, np.nan), np.array(headers, np.int32))
    assert first.tolist() == numbers and last.tolist() == [one + 1 for one in numbers]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.5-0.5", "--target 1.5-0.5: a window of no length; give the earlier time first"),
        ("1-1", "a window of no length"),
        ("0-1@3", "3 is no velocity; give 300 to 10000 m/s"),
        ("0-1@", "neither a window such as 0.5-1.5"),
        ("soon", "--target soon: neither a window such as 0.5-1.5 or 0.2-1.2@1500"),
        ("nan-1", "neither a window"),
    ],
)
def test_what_is_no_window(text, message):
    with pytest.raises(InputError, match=message):
        parse_window(text, "--target")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no rows with the columns first_s, last_s and offset_m"),
        ("offset_m,first_s\n1,2\n", "has no rows with the columns"),
        ("offset_m,first_s,last_s\n1,0.5,x\n", "line 2: offset_m, first_s and last_s must be numbers"),
        ("offset_m,first_s,last_s\n1,0.5,1\n2,3,2\n", "line 3: offset_m, first_s and last_s must be numbers"),
        ("offset_m,first_s,last_s\n1,0.5\n", "line 2: .* must be numbers"),
        ("offset_m,first_s,last_s\n1,0,1\n-1,0,2\n", "gives one offset_m twice"),
        (b"\xff\xfe\x00", "is no CSV file"),
    ],
)
def test_what_is_no_list_of_windows(tmp_path, content, message):
    path = tmp_path / "w.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        parse_window(str(path), "--target")
