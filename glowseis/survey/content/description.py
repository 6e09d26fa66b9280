"""What is in a survey: counts, widths, grey levels and duplicates, found in one pass over its records."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from threadpoolctl import threadpool_limits

from glowseis.survey.amplitudes.mending import MENDINGS
from glowseis.survey.content.digests import image_digest, valid_region
from glowseis.survey.content.duplicates import (
    LARGEST_SHIFT,
    NearDuplicate,
    Sketcher,
    exact_duplicates,
    families,
    near_duplicates,
)
from glowseis.survey.gather import UNKNOWN_PARENT, Gather
from glowseis.survey.render import ZERO_LEVEL
from glowseis.survey.store.scanning import scan
from glowseis.survey.store.survey import Survey

UNLABELLED = "unlabelled"
"""The label in tables of gathers without one."""

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Description:
    """The description of a survey.

    Attributes:
        survey: The survey.
        gathers: One row per gather: `gather_id`, `label` (`unlabelled` if it has none), `sail_line`, `recorded_traces`,
            `recorded_samples`, `clip_amplitude`, whether it is `synthetic`, the shares of `black` and `white` pixels of
            its valid region, the `median` and `deviation` of its grey levels, and its `dead` and `broken` traces.
        levels: Pixels of each grey level in the valid regions, int64 `[label, 256]`, in the order of `labels`.
        exact: Rows of groups of gathers whose valid regions are equal.
        near: Pairs that differ by less than two recordings would.
        compared: Number of pairs that were compared for this.
        candidates: Number of pairs that were worth comparing.
        verified: Whether the shards' checksums were compared as well.
    """

    survey: Survey
    gathers: pd.DataFrame
    levels: np.ndarray
    exact: list[list[int]]
    near: list[NearDuplicate]
    compared: int
    candidates: int
    verified: bool

    @property
    def labels(self) -> list[str]:
        """Labels in use, the paper's first, and `unlabelled` if there are such gathers."""
        used = [*self.survey.labels]
        return [*used, UNLABELLED] if (self.gathers["label"] == UNLABELLED).any() else used

    @property
    def contradictions(self) -> list[list[int]]:
        """Rows of duplicates, exact or near, that have different labels."""
        labels = self.survey.index["label"]
        groups = families(len(self.survey), self.exact, self.near)
        return [rows for rows in groups if len(set(labels.iloc[rows]) - {""}) > 1]

    def by_label(self) -> pd.DataFrame:
        """One row per label: gathers, synthetic ones, and means over gathers of the grey-level columns of `gathers`."""
        grouped = self.gathers.groupby("label", sort=False)
        clip = grouped["clip_amplitude"].quantile(np.array(QUANTILES)).unstack()
        table = pd.DataFrame(
            {
                "gathers": grouped.size(),
                "per cent": 100 * grouped.size() / len(self.gathers),
                "synthetic": grouped["synthetic"].sum(),
                "black %": 100 * grouped["black"].mean(),
                "white %": 100 * grouped["white"].mean(),
                "median grey": grouped["median"].median(),
                "deviation": grouped["deviation"].mean(),
                **{f"clip {100 * share:g} %": clip[share] for share in QUANTILES},
                "dead traces": grouped["dead"].sum(),
                "broken traces": grouped["broken"].sum(),
            }
        )
        return table.reindex(self.labels)

    def by_line(self) -> pd.DataFrame:
        """One row per sail line: gathers per label."""
        table = self.gathers.groupby(["sail_line", "label"]).size().unstack(fill_value=0)
        return table.reindex(columns=self.labels, fill_value=0)

    def widths(self) -> pd.Series:
        """Gathers per number of recorded traces: the paper's Figure 3."""
        return self.gathers["recorded_traces"].value_counts().sort_index()

    def mended(self) -> dict[str, tuple[int, int]]:
        """For each kind of mending, in the order of `MENDINGS`, how many traces, and in how many gathers."""
        counts: dict[str, list[int]] = {name: [] for name in MENDINGS}
        for text in self.survey.index["mended"]:
            for word in text.split():
                name, _, count = word.partition("=")
                counts.setdefault(name, []).append(int(count))
        return {name: (sum(found), len(found)) for name, found in counts.items() if found}

    def largest_zero(self) -> float:
        """The largest zero that was subtracted from a gather, in clips."""
        index = self.survey.index
        return float((index["zero_amplitude"].abs() / index["clip_amplitude"]).max())

    def duplicates(self) -> pd.DataFrame:
        """One row per pair: the gathers, their labels, whether they are equal, and how a near duplicate differs."""
        names, labels = self.survey.index["gather_id"], self.survey.index["label"]
        pairs = [(rows[0], row, "equal", 0, 1.0, 0.0) for rows in self.exact for row in rows[1:]]
        pairs += [(*pair.rows, "near", pair.shift_samples, pair.gain, pair.difference) for pair in self.near]
        rows = [
            {
                "gather": names.iat[one],
                "duplicate": names.iat[other],
                "label": labels.iat[one],
                "duplicate's label": labels.iat[other],
                "kind": kind,
                "shift_samples": shift,
                "gain": round(gain, 4),
                "difference": round(difference, 4),
            }
            for one, other, kind, shift, gain, difference in pairs
        ]
        columns = ["gather", "duplicate", "label", "duplicate's label", "kind", "shift_samples", "gain", "difference"]
        return pd.DataFrame(rows, columns=columns)

    def example(self, label: str) -> int:
        """Row of a label's example: the recorded gather whose grey-level deviation is the label's median."""
        own = self.gathers[self.gathers["label"] == label]
        own = own[~own["synthetic"]] if not own["synthetic"].all() else own
        off = np.abs(own["deviation"] - own["deviation"].median())
        return int(own.index.to_numpy()[np.argmin(off.to_numpy())])

    def summary(self) -> dict[str, Any]:
        """Everything in numbers, as JSON."""
        survey = self.survey
        told = {"glowseis", "size", "rendering", "sources", "about"}
        interval_ms = survey.index["sample_interval_s"] * 1e3
        return {
            "survey": survey.manifest.model_dump(mode="json", include=told),
            "survey_checksum": survey.checksum,
            "verified": self.verified,
            "gathers": len(survey),
            "labels": {name: _plain(row) for name, row in self.by_label().iterrows()},
            "sail_lines": len(self.by_line()),
            "widths": {str(width): int(count) for width, count in self.widths().items()},
            "heights": _counts(self.gathers["recorded_samples"]),
            "sample_intervals_ms": _counts(interval_ms.map("{:g}".format)),
            "fits": _counts(survey.index["fit"]),
            "mended": self.mended(),
            "synthetic_parents": len(parents(survey)),
            "exact_duplicates": [list(survey.index["gather_id"].iloc[rows]) for rows in self.exact],
            "near_duplicates": [list(survey.index["gather_id"].iloc[list(pair.rows)]) for pair in self.near],
            "pairs_compared": self.compared,
            "pairs_worth_comparing": self.candidates,
            "contradictions": [list(survey.index["gather_id"].iloc[rows]) for rows in self.contradictions],
        }


def describe(
    survey: Survey, *, verify: bool = False, seen: Callable[[], None] = lambda: None, workers: int = 0
) -> Description:
    """Describe a survey, reading each record once.

    It needs about 1.7 kB of memory per gather, and one gather per worker.

    Args:
        survey: The survey.
        verify: Whether to compare the shards' checksums; the records' always are.
        seen: Called after each gather.
        workers: Threads that read; 0 uses one for each core.

    Returns:
        The description.

    Raises:
        InputError: Something is damaged; names the first shard and record that is.
    """
    count = len(survey)
    sketcher = Sketcher(survey.size)
    labels = [*survey.labels, UNLABELLED]
    label = survey.index["label"].where(survey.index["label"] != "", UNLABELLED)
    of_label = pd.Index(labels).get_indexer(pd.Index(label))
    levels = np.zeros((len(labels), 256), np.int64)
    share = {name: np.zeros(count) for name in ("black", "white", "median", "deviation")}
    traces = {name: np.zeros(count, np.int64) for name in ("dead", "broken")}
    digests = [""] * count
    sketches = np.zeros((count, LARGEST_SHIFT + 1, sketcher.length), np.float32)
    lock = threading.Lock()

    def look(row: int, gather: Gather) -> None:
        valid = np.ascontiguousarray(valid_region(gather))
        found = np.array(Image.fromarray(valid).histogram())
        share["black"][row], share["white"][row] = found[[0, 255]] / max(valid.size, 1)
        share["median"][row], share["deviation"][row] = _median(found), _deviation(found)
        traces["dead"][row], traces["broken"][row] = gather.dead_traces, gather.broken_traces
        digests[row] = image_digest(valid)
        sketches[row] = sketcher.sketch(valid)
        with lock:
            levels[of_label[row]] += found
            seen()

    # Each of our threads would wait for all threads of the matrix library, which takes longer than the product itself.
    with threadpool_limits(1, "blas"):
        scan(survey, look, shards=verify, workers=workers)
    exact = exact_duplicates(digests)
    near, compared, worth = near_duplicates(survey, sketches, exact)
    columns = ["gather_id", "sail_line", "recorded_traces", "recorded_samples", "clip_amplitude"]
    gathers = survey.index[columns].assign(label=label, synthetic=survey.index["parents"] != "", **share, **traces)
    used = levels if (label == UNLABELLED).any() else levels[:-1]
    return Description(survey, gathers, used, exact, near, compared, worth, verify)


def parents(survey: Survey) -> set[str]:
    """Ids of the gathers that synthetic ones were made from."""
    return {name for names in survey.index["parents"] for name in names.split(";")} - {"", UNKNOWN_PARENT}


def _median(levels: np.ndarray) -> float:
    """Median grey level of a histogram."""
    total = levels.sum()
    return float(np.searchsorted(np.cumsum(levels), total / 2)) if total else ZERO_LEVEL


def _deviation(levels: np.ndarray) -> float:
    """Standard deviation of a histogram, in grey levels."""
    total = max(levels.sum(), 1)
    level = np.arange(256)
    mean = (levels * level).sum() / total
    return float(np.sqrt((levels * (level - mean) ** 2).sum() / total))


def _counts(values: Sequence[Any] | pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in pd.Series(values).value_counts().sort_index().items()}


def _plain(row: pd.Series) -> dict[str, float | None]:
    """Numbers that JSON supports, counts as integers."""
    values = {str(name): float(value) for name, value in row.items()}
    return {
        name: (int(value) if value.is_integer() else float(f"{value:.6g}")) if np.isfinite(value) else None
        for name, value in values.items()
    }
