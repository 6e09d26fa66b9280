"""Windows of time on traces: before the first arrival, by time, by offset and velocity, or by hand from a file."""

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import source_text

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
TIMES = re.compile(rf"({NUMBER})-({NUMBER})(?:@({NUMBER}))?")
COLUMNS = ("offset_m", "channel")
SLOWEST_M_S, FASTEST_M_S = 300.0, 10_000.0
"""Velocities that users may give: of the slowest waves along a cable, and faster than any rock."""

MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Window:
    """A window of time on every trace.

    Attributes:
        text: As the user gave it.
        by: What `at` counts: `offset_m` or `channel`; empty if the window is the same on all traces.
        at: Where the edges are given, float64 `[place]`, rising; between them they are interpolated.
        first_s: Beginning at each, in seconds after the shot, float64 `[place]`.
        last_s: End at each.
        velocity_m_s: If positive, both edges are later by the offset over this velocity.
    """

    text: str
    by: str
    at: np.ndarray
    first_s: np.ndarray
    last_s: np.ndarray
    velocity_m_s: float = 0.0

    def edges_s(self, offset_m: np.ndarray, channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Beginning and end on each trace.

        Args:
            offset_m: Offsets `[trace]`, in metres, of any sign; NaN where unknown.
            channel: Channel numbers `[trace]`.

        Returns:
            Seconds after the shot, float64 `[trace]` each; NaN where the offset that is needed is unknown.
        """
        distance = np.abs(np.asarray(offset_m, np.float64))
        place = channel_numbers(channel).astype(np.float64) if self.by == "channel" else distance
        if not self.by:
            place = np.zeros(len(distance))
        late = distance / self.velocity_m_s if self.velocity_m_s else np.zeros(len(distance))
        known = np.isfinite(place) & np.isfinite(late)
        edges = (np.interp(np.where(known, place, 0.0), self.at, edge) + late for edge in (self.first_s, self.last_s))
        first, last = (np.where(known, edge, np.nan) for edge in edges)
        return first, last


def channel_numbers(channel: np.ndarray) -> np.ndarray:
    """Channels by their headers; counted from 1 in the order of traces if all are blank, or the same.

    Args:
        channel: Channel numbers of the headers `[trace]`.

    Returns:
        int64 `[trace]`.
    """
    numbers = np.asarray(channel, np.int64)
    given = (numbers >= 1).any() and (len(numbers) == 1 or np.ptp(numbers) > 0)
    return numbers if given else np.arange(1, len(numbers) + 1)


def parse_window(text: str, option: str) -> Window:
    """Read a window.

    Args:
        text: `0.5-1.5`, seconds after the shot; `0.2-1.2@1500`, the same after the time that sound of this velocity, in
            m/s, takes along the offset; or the name of a CSV file with the columns `first_s`, `last_s` and either
            `offset_m` or `channel`, between whose rows the window is interpolated.
        option: The option that gave it, for errors.

    Returns:
        The window.

    Raises:
        InputError: It is none of these.
    """
    told = TIMES.fullmatch(text.strip())
    if told is None:
        return _from_file(text, option)
    first_s, last_s = float(told[1]), float(told[2])
    velocity_m_s = float(told[3]) if told[3] else 0.0
    if not first_s < last_s:
        raise InputError(f"{option} {text}: a window of no length; give the earlier time first, such as 0.5-1.5")
    if told[3] and not SLOWEST_M_S <= velocity_m_s <= FASTEST_M_S:
        raise InputError(
            f"{option} {text}: {velocity_m_s:g} is no velocity; give {SLOWEST_M_S:g} to {FASTEST_M_S:g} m/s, such as "
            "0.2-1.2@1500"
        )
    return Window(text, "", np.zeros(1), np.array([first_s]), np.array([last_s]), velocity_m_s)


def _from_file(text: str, option: str) -> Window:
    path = Path(text)
    if not path.is_file():
        raise InputError(
            f"{option} {source_text(path)}: neither a window such as 0.5-1.5 or 0.2-1.2@1500 (seconds, m/s) nor a CSV "
            "file of windows; correct it"
        )
    where = f"{option} {source_text(path)}"
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{where}: is larger than a mebibyte, so it is no list of windows; give another file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as wrong:
        raise InputError(f"{where}: is no CSV file ({wrong}); write columns offset_m,first_s,last_s") from None
    names = set(rows[0]) if rows else set()
    by = next((name for name in COLUMNS if name in names), None)
    if by is None or not {"first_s", "last_s"} <= names:
        raise InputError(f"{where}: has no rows with the columns first_s, last_s and offset_m (or channel); add them")
    found = []
    for number, row in enumerate(rows, start=2):
        try:
            place, first_s, last_s = (float(row[name] or "") for name in (by, "first_s", "last_s"))
            right = all(map(math.isfinite, (place, first_s, last_s))) and first_s < last_s
        except ValueError:
            right = False
        if not right:
            raise InputError(
                f"{where}: line {number}: {by}, first_s and last_s must be numbers, the earlier time first"
            )
        found.append((abs(place) if by == "offset_m" else place, first_s, last_s))
    at, first, last = np.array(sorted(found)).T
    if len(np.unique(at)) < len(at):
        raise InputError(f"{where}: gives one {by} twice; give each once")
    return Window(text, by, at, first, last)
