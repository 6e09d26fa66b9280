"""Attributes as rows of tables: of traces, of gathers, of noise bands."""

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from glowseis.attributes.bands import LAGS
from glowseis.attributes.faults import FAULTS, runs
from glowseis.attributes.measuring import MARKS, NUMBERS, Measured, Settings
from glowseis.survey.gather import Gather, Geometry, Picture, Recording
from glowseis.survey.wording import number_of

WHOLE, FRACTION, COORDINATE, TEXT, MARK = "whole", "fraction", "coordinate", "text", "mark"
"""Types of columns: whole numbers of 32 bits, others of 32 bits and of 64, texts, and true or false."""

PLACE = {"gather": WHOLE, "gather_id": TEXT, "source": TEXT, "sail_line": WHOLE, "shot": WHOLE, "cable": WHOLE}
"""Columns of every table: the number of the gather, from 1 in the order of the sources, and where it is from."""

TRACES = {
    **PLACE,
    "trace": WHOLE,
    "channel": WHOLE,
    "offset_m": FRACTION,
    "receiver_x_m": COORDINATE,
    "receiver_y_m": COORDINATE,
    **dict.fromkeys(NUMBERS, FRACTION),
    **dict.fromkeys(MARKS, MARK),
    "band": WHOLE,
}
"""Columns of the table of traces; traces count from 1 in the order of the file."""

GATHERS = {
    **PLACE,
    "traces": WHOLE,
    "samples": WHOLE,
    "sample_interval_s": COORDINATE,
    "source_x_m": COORDINATE,
    "source_y_m": COORDINATE,
    "first_arrivals": WHOLE,
    **{f"{name}_median": FRACTION for name in NUMBERS},
    **dict.fromkeys(FAULTS, WHOLE),
    "dead_in_a_row": WHOLE,
    "crossfeed_modules": WHOLE,
    "crossfeed_channels": TEXT,
    "bands": WHOLE,
    "band_traces": WHOLE,
    "widest_band": WHOLE,
}
"""Columns of the table of gathers: counts of traces, and medians over the traces that were measured."""

BANDS = {
    **PLACE,
    "band": WHOLE,
    "first_trace": WHOLE,
    "last_trace": WHOLE,
    "first_channel": WHOLE,
    "last_channel": WHOLE,
    "width": WHOLE,
    "rms": FRACTION,
    "excess": FRACTION,
    "peak_hz": FRACTION,
    **{f"correlation_{lag}": FRACTION for lag in LAGS},
    "first_s": FRACTION,
    "last_s": FRACTION,
}
"""Columns of the table of noise bands."""


def place_of(number: int, found: Recording | Picture | Gather) -> dict[str, Any]:
    """The columns that say which gather it is.

    Args:
        number: Its number, from 1.
        found: The gather.
    """
    geometry = found.geometry
    return {
        "gather": number,
        "gather_id": found.gather_id,
        "source": found.source,
        "sail_line": geometry.sail_line,
        "shot": geometry.shot,
        "cable": geometry.cable,
    }


def shared_places(gathers: pd.DataFrame, synthetic: Collection[int] = ()) -> list[str]:
    """Warn of gathers of several files that have one sail line, shot and cable.

    Files of single streamers without a cable word have such gathers, and so have shots that were fired again.

    Args:
        gathers: Columns `PLACE`, one row a gather.
        synthetic: Numbers of gathers that were made from others, whose places they have.

    Returns:
        A line, or none. Gathers without a number of the line or of the shot are not looked at.
    """
    known = gathers[(gathers["sail_line"] > 0) & (gathers["shot"] > 0) & ~gathers["gather"].isin(list(synthetic))]
    first = known.groupby(["sail_line", "shot", "cable"], sort=False)["source"].transform("first")
    others = known[known["source"] != first]
    if others.empty:
        return []
    line, shot, cable, source = others.iloc[0][["sail_line", "shot", "cable", "source"]]
    return [
        f"warning: {number_of(len(others), 'gather')} with the same line, shot and cable as a gather in another file "
        f"(line {line} shot {shot} cable {cable} in {first.loc[others.index[0]]} and {source}), treated as further "
        "records of that cable: if the files are of different lines or cables, or repeat shots, give them one at a "
        "time, or pass --line-header or --cable-header"
    ]


def trace_columns(geometry: Geometry, measured: Measured) -> dict[str, np.ndarray]:
    """The columns of a gather's traces, without those of its place, `[trace]` each.

    Args:
        geometry: Its geometry.
        measured: Its attributes.
    """
    return {
        "trace": np.arange(1, len(geometry.channel) + 1),
        "channel": geometry.channel,
        "offset_m": geometry.offset_m,
        "receiver_x_m": geometry.receiver_x_m,
        "receiver_y_m": geometry.receiver_y_m,
        **measured.traces,
    }


def gather_row(found: Recording | Picture, measured: Measured, settings: Settings) -> dict[str, Any]:
    """The row of a gather, without the columns of its place.

    Args:
        found: The gather.
        measured: Its attributes.
        settings: What they were measured with.
    """
    geometry, traces = found.geometry, measured.traces
    samples, count = (found.image if isinstance(found, Picture) else found.amplitude).shape
    width = settings.module_channels
    return {
        "traces": count,
        "samples": samples,
        "sample_interval_s": geometry.sample_interval_s,
        "source_x_m": geometry.source_x_m,
        "source_y_m": geometry.source_y_m,
        "first_arrivals": int(np.count_nonzero(np.isfinite(traces["first_arrival_s"]))),
        **{f"{name}_median": _median(traces[name]) for name in NUMBERS},
        **{name: int(np.count_nonzero(traces[name])) for name in FAULTS},
        "dead_in_a_row": max((last - first for first, last in runs(traces["dead"])), default=0),
        "crossfeed_modules": len(measured.modules),
        "crossfeed_channels": " ".join(f"{one * width + 1}-{(one + 1) * width}" for one in measured.modules),
        "bands": len(measured.bands),
        "band_traces": int(np.count_nonzero(traces["band"])),
        "widest_band": max((band.width for band in measured.bands), default=0),
    }


def band_rows(geometry: Geometry, measured: Measured) -> list[dict[str, Any]]:
    """The rows of a gather's noise bands, without the columns of its place.

    Args:
        geometry: Its geometry.
        measured: Its attributes.
    """
    rows = []
    for number, band in enumerate(measured.bands, start=1):
        first, last = band.first_trace, band.last_trace
        rows.append(
            {
                "band": number,
                "first_trace": first + 1,
                "last_trace": last + 1,
                "first_channel": int(geometry.channel[first]),
                "last_channel": int(geometry.channel[last]),
                "width": band.width,
                "rms": band.rms,
                "excess": band.excess,
                "peak_hz": band.peak_hz,
                **{f"correlation_{lag}": value for lag, value in zip(LAGS, band.correlation, strict=True)},
                "first_s": band.first_s,
                "last_s": band.last_s,
            }
        )
    return rows


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else math.nan
