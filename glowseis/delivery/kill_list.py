"""The kill list: channels that processing leaves out, as ranges by line, shot and cable."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.cells import safe_cell
from glowseis.survey.gather import Geometry

COLUMNS = ("line", "shot", "cable", "first_channel", "last_channel", "reason")
"""Columns of the list; rows are in the order of the first four."""

FAULTS = ("dead", "wild")
"""Faults that kill a channel, by the names of `glowseis.attributes.faults.FAULTS`."""


class Range(NamedTuple):
    """Neighbouring channels to leave out, first and last included, and why."""

    line: int
    shot: int
    cable: int
    first_channel: int
    last_channel: int
    reasons: tuple[str, ...]


def padding(geometry: Geometry, dead: np.ndarray) -> np.ndarray:
    """The traces that only fill up a gather: dead ones with the number 0, where all others are numbered.

    Args:
        geometry: The gather's geometry.
        dead: Its dead traces, bool `[trace]`.

    Returns:
        bool `[trace]`.
    """
    unnumbered = np.asarray(geometry.channel) == 0
    if unnumbered.all() or (unnumbered & ~dead).any():
        return np.zeros(len(unnumbered), bool)
    return unnumbered


def killed(name: str, geometry: Geometry, grade: str, faults: dict[str, np.ndarray]) -> list[Range]:
    """The channels of a gather to leave out; padding has none.

    Args:
        name: The gather, for errors.
        geometry: Its geometry.
        grade: Its grade if that kills the whole gather, otherwise empty.
        faults: Its traces with each fault, by name, bool `[trace]` each.

    Returns:
        Ranges of channels, whatever the order of the traces.

    Raises:
        InputError: Channels to leave out are not numbered, or another channel has the same number.
    """
    channels = np.asarray(geometry.channel, np.int64)
    padded = padding(geometry, faults["dead"])
    found = {fault: traces & ~padded for fault, traces in faults.items()}
    if grade:
        found = {grade: ~padded}
    some = np.any(list(found.values()), axis=0) if found else np.zeros(len(channels), bool)
    if not some.any():
        return []
    where = f"{name}: its channels cannot be listed"
    mend = "name the right header word in classify's --trace-header, and grade the files again"
    if (channels[some] == 0).any():
        raise InputError(f"{where}: some have the number 0; {mend}")
    if not some.all() and np.isin(channels[some], channels[~some]).any():
        twice = int(channels[some][np.isin(channels[some], channels[~some])][0])
        raise InputError(
            f"{where}: two have the number {twice}; {mend}, or in --cable-header if they are of two cables"
        )
    place = (geometry.sail_line, geometry.shot, geometry.cable)
    return joined(
        Range(*place, int(channel), int(channel), tuple(reason for reason in found if found[reason][trace]))
        for trace, channel in zip(np.flatnonzero(some), channels[some], strict=True)
    )


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Ranges in order, those that touch or overlap made one.

    Args:
        ranges: Ranges of any gathers.
    """
    done: list[Range] = []
    for one in sorted(ranges):
        last = done[-1] if done else None
        if last and last[:3] == one[:3] and one.first_channel <= last.last_channel + 1:
            end = max(last.last_channel, one.last_channel)
            reasons = tuple(dict.fromkeys((*last.reasons, *one.reasons)))
            done[-1] = last._replace(last_channel=end, reasons=reasons)
        else:
            done.append(one)
    return done


def write_kill_list(path: Path, ranges: Iterable[Range]) -> int:
    """Write a kill list as CSV.

    Args:
        path: The file to make.
        ranges: What to leave out.

    Returns:
        The number of rows.

    Raises:
        OSError: The disk is full or not writable.
    """
    rows = joined(ranges)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([*one[:5], safe_cell(" ".join(one.reasons))] for one in rows)
    return len(rows)
