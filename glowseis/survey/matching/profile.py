"""What a model was trained on: the properties of its training gathers that a gather must share to be graded by it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from glowseis.survey.matching.statistics import STATISTICS, image_statistics
from glowseis.survey.store.survey import Survey

Range = tuple[float, float, float]
"""Smallest value, median, largest."""

MOST_PICTURES = 64
"""Most images that are measured."""

SAME_ORDER = 0.98
"""Share of the gathers from which an order counts as theirs."""

ORDERS = {
    "near": "near trace first",
    "far": "far trace first",
    "mixed": "mixed order (near or far trace first)",
    "unknown": "unknown order of offsets",
}
"""Orders of traces by name, in words."""


@dataclass(frozen=True)
class Profile:
    """What a model was trained on; properties that no gather gave are None.

    Attributes:
        gathers: Number of gathers.
        labels: Number of each label, the mildest first.
        fractions: Share of each label in the training, summing to 1: its share of the gathers times its weight in the
            loss. The classifier's probabilities before calibration assume these fractions. None for a flow.
        interval_s: Time between two rows of the images, in seconds.
        spacing_m: Distance between two columns, in metres.
        order: A name from `ORDERS`.
        offset_m: Distance from the source, without its sign, in metres: smallest and largest.
        start_s: Time of the first row, in seconds.
        record_s: Length of the record, in seconds.
        samples: Rows that hold samples.
        traces: Columns that hold traces.
        size: Rows and columns of the survey's images.
        window: Rows and columns of the windows that were trained on; None if it was whole images.
        fits: How many gathers were padded, cropped or resized to the size, by `Gather.fit`.
        rendering: How amplitudes were rendered as grey levels.
        made_by: Which simulator made the gathers, with its version, or `recorded`.
        pictures: Figures of some images, by the names of `STATISTICS`.
    """

    gathers: int
    labels: dict[str, int]
    fractions: dict[str, float] | None
    interval_s: Range | None
    spacing_m: Range | None
    order: str
    offset_m: tuple[float, float] | None
    start_s: Range | None
    record_s: Range | None
    samples: Range
    traces: Range
    size: tuple[int, int]
    window: tuple[int, int] | None
    fits: dict[str, int]
    rendering: str
    made_by: str
    pictures: dict[str, Range]

    def record(self) -> dict[str, Any]:
        """The profile as JSON."""
        return asdict(self)


def profile_from(record: Mapping[str, Any]) -> Profile:
    """Restore a profile from what `Profile.record` made.

    Args:
        record: Its JSON; fields that this version does not know are ignored.

    Raises:
        KeyError, TypeError, ValueError: It is not a profile.
    """

    def three(values: Sequence[float]) -> Range:
        low, middle, high = map(float, values)
        return low, middle, high

    def range_of(name: str) -> Range | None:
        return None if record[name] is None else three(record[name])

    def two(name: str) -> tuple[float, float]:
        low, high = map(float, record[name])
        return low, high

    def size(name: str) -> tuple[int, int]:
        rows, columns = map(int, record[name])
        return rows, columns

    def counts(name: str) -> dict[str, int]:
        return {str(key): int(value) for key, value in record[name].items()}

    if record["order"] not in ORDERS:
        raise ValueError(f"order is {record['order']!r}")
    fractions = record["fractions"]
    return Profile(
        gathers=int(record["gathers"]),
        labels=counts("labels"),
        fractions=None if fractions is None else {str(key): float(value) for key, value in fractions.items()},
        interval_s=range_of("interval_s"),
        spacing_m=range_of("spacing_m"),
        order=record["order"],
        offset_m=None if record["offset_m"] is None else two("offset_m"),
        start_s=range_of("start_s"),
        record_s=range_of("record_s"),
        samples=three(record["samples"]),
        traces=three(record["traces"]),
        size=size("size"),
        window=None if record["window"] is None else size("window"),
        fits=counts("fits"),
        rendering=str(record["rendering"]),
        made_by=str(record["made_by"]),
        pictures={str(key): three(value) for key, value in record["pictures"].items()},
    )


def profile_of(
    survey: Survey,
    rows: np.ndarray,
    *,
    labels: Sequence[str] | None = None,
    fractions: Mapping[str, float] | None = None,
    window: tuple[int, int] | None = None,
) -> Profile:
    """Find out what some gathers of a survey have in common.

    Args:
        survey: The survey.
        rows: Their row numbers.
        labels: Their labels in order of severity; the survey's when None.
        fractions: As `Profile.fractions`.
        window: As `Profile.window`.

    Raises:
        InputError: A record is damaged.
    """
    index = survey.index.iloc[np.asarray(rows, np.int64)]
    intervals = image_intervals_s(index)
    first, last = (index[name].abs().to_numpy() for name in ("first_offset_m", "last_offset_m"))
    near, far = np.fmin(first, last), np.fmax(first, last)
    known = np.isfinite(near)
    chosen = np.asarray(rows, np.int64)[_spread(len(rows), MOST_PICTURES)]
    measured = np.array([_measured(survey, int(row)) for row in chosen]).reshape(-1, len(STATISTICS))
    return Profile(
        gathers=len(index),
        labels={label: int((index["label"] == label).sum()) for label in labels or survey.labels},
        fractions=dict(fractions) if fractions else None,
        interval_s=_range(intervals),
        spacing_m=_range(image_spacings_m(index)),
        order=_order(first[known], last[known]),
        offset_m=(float(near[known].min()), float(far[known].max())) if known.any() else None,
        start_s=_range(index["start_s"].to_numpy()),
        record_s=_range(intervals * index["valid_samples"].to_numpy()),
        samples=_range(index["valid_samples"].to_numpy()) or (0.0, 0.0, 0.0),
        traces=_range(index["valid_traces"].to_numpy()) or (0.0, 0.0, 0.0),
        size=(int(survey.size[0]), int(survey.size[1])),
        window=window,
        fits={fit: int((index["fit"] == fit).sum()) for fit in sorted(set(index["fit"]))},
        rendering=survey.manifest.rendering,
        made_by=_made_by(survey, index),
        pictures={name: _range(column) or (0.0, 0.0, 0.0) for name, column in zip(STATISTICS, measured.T, strict=True)},
    )


def image_intervals_s(index: pd.DataFrame) -> np.ndarray:
    """Time between two rows of images, float64 `[gather]`, NaN if unknown; resizing has changed it.

    Args:
        index: Rows of a survey's index.
    """
    taken = (index["recorded_samples"] / index["valid_samples"].clip(lower=1)).where(index["fit"] == "resize", 1.0)
    intervals = (index["sample_interval_s"] * taken).to_numpy(np.float64)
    return np.where(intervals > 0, intervals, np.nan)


def image_spacings_m(index: pd.DataFrame) -> np.ndarray:
    """Distance between two columns of images, float64 `[gather]`, NaN if unknown.

    Args:
        index: Rows of a survey's index.
    """
    spread = (index["last_offset_m"] - index["first_offset_m"]).abs().to_numpy(np.float64)
    gaps = index["valid_traces"].to_numpy() - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        spacings = spread / gaps
    return np.where((gaps > 0) & (spacings > 0), spacings, np.nan)


def profile_lines(profile: Profile) -> list[str]:
    """Describe a profile in plain words, for a terminal.

    Args:
        profile: The profile.
    """
    labels = ", ".join(f"{count} {label}" for label, count in profile.labels.items() if count)
    lines = [f"trained on: {profile.gathers} gathers ({labels}), {profile.made_by}"]
    if profile.fractions:
        told = ", ".join(f"{label} {100 * share:.3g} %" for label, share in profile.fractions.items())
        lines.append(f"  class fractions in the training, after weights: {told}")
    size = "x".join(map(str, profile.size))
    taken = f"windows of {'x'.join(map(str, profile.window))} cut from " if profile.window else ""
    done = {"pad": "padded", "crop": "cropped", "resize": "resized"}
    fits = ", ".join(f"{count} {done.get(fit, fit)}" for fit, count in profile.fits.items())
    lines += [
        f"  images: {taken}{size} samples x traces ({fits}); recorded: {words(profile.samples, 1, ' samples')} x "
        f"{words(profile.traces, 1, ' traces')}",
        f"  sample interval: {words(profile.interval_s, 1e3, ' ms')}",
        f"  record: {words(profile.record_s, 1, ' s')} long, starting at {words(profile.start_s, 1, ' s')}",
        f"  trace spacing: {words(profile.spacing_m, 1, ' m')}",
        f"  offsets: {_offsets(profile)}",
        f"  grey levels: {profile.rendering}",
    ]
    if profile.pictures and profile.interval_s:
        hertz = [profile.pictures[f"frequency_{share}"][1] / profile.interval_s[1] for share in (10, 50, 90)]
        lines.append(
            f"  median image: 10 / 50 / 90 % of the power below {' / '.join(f'{one:.0f}' for one in hertz)} Hz, "
            f"RMS {profile.pictures['rms'][1]:.3g} grey levels"
        )
    return lines


def words(values: Range | None, factor: float = 1.0, unit: str = "") -> str:
    """A range in words, such as `8 ms` or `6.25 to 25 m (median 12.5)`; `unknown` if there is none."""
    if values is None:
        return "unknown"
    low, middle, high = (f"{factor * value:.5g}" for value in values)
    if low == high:
        return f"{low}{unit}"
    return f"{low} to {high}{unit} (median {middle})"


def milliseconds(interval_s: float) -> str:
    """A sample interval in words, such as `4 ms`."""
    return f"{interval_s * 1e3:.6g} ms"


def _offsets(profile: Profile) -> str:
    if profile.offset_m is None:
        return ORDERS["unknown"]
    return f"{ORDERS[profile.order]}, {profile.offset_m[0]:.5g} to {profile.offset_m[1]:.5g} m"


def _range(values: np.ndarray) -> Range | None:
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    return float(known.min()), float(np.median(known)), float(known.max())


def _order(first: np.ndarray, last: np.ndarray) -> str:
    told = first != last
    if not told.any():
        return "unknown"
    near_first = float(np.mean(first[told] < last[told]))
    if near_first >= SAME_ORDER:
        return "near"
    return "far" if near_first <= 1 - SAME_ORDER else "mixed"


def _made_by(survey: Survey, index: pd.DataFrame) -> str:
    about = survey.manifest.about.get("simulator")
    if isinstance(about, Mapping) and about.get("version"):
        return f"simulator {about['version']}"
    simulated = index["source"].str.contains("simulator version", regex=False)
    if simulated.any():
        versions = sorted(set(re.findall(r"simulator version ([\w.]+)", "\n".join(index["source"][simulated]))))
        return f"simulator {' and '.join(versions)}" + ("" if simulated.all() else " and recorded")
    return "recorded"


def _measured(survey: Survey, row: int) -> np.ndarray:
    valid = survey.index[["valid_samples", "valid_traces"]].to_numpy()[row]
    return image_statistics(survey.read_images([row])[0][: valid[0], : valid[1]])


def _spread(count: int, most: int) -> np.ndarray:
    """At most `most` places of an array, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
