"""Gathers graded and measured in one pass, with memory for the worst of them."""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glowseis.attributes.bands import NoiseBand
from glowseis.attributes.measuring import Settings, measure_gathers
from glowseis.attributes.quality import Summary
from glowseis.attributes.rows import GATHERS, PLACE, TEXT, TRACES, gather_row, place_of, shared_places, trace_columns
from glowseis.attributes.tables import read_columns, table_writer
from glowseis.errors import InputError
from glowseis.export.classifier import SavedClassifier
from glowseis.export.known import optimism
from glowseis.judging.decision import RARER, UNSURE
from glowseis.judging.gathers import Seen, gather_probabilities
from glowseis.judging.occlusion import Box, Occlusion, occlude
from glowseis.judging.prior import reweighted
from glowseis.judging.symmetries import Symmetric
from glowseis.judging.unlike import TYPICAL_JUDGES, summary
from glowseis.reporting.findings import Findings, Worst
from glowseis.reporting.records import probability_column
from glowseis.run.grading import Graded, bringing_for, graded
from glowseis.survey.gather import Gather, Picture, Recording
from glowseis.survey.ingestion.ingest import sourced_recordings
from glowseis.survey.ingestion.label_fit import Headed
from glowseis.survey.ingestion.report import Tally, treatment
from glowseis.survey.ingestion.request import Request
from glowseis.survey.matching.bringing import Bringing, by_offset
from glowseis.survey.progress import progress
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import line_names, number_of

MEASURED = {name: kind for name, kind in GATHERS.items() if name not in PLACE and kind != TEXT}
"""Columns of the records that attributes fill."""


@dataclass(frozen=True)
class Grading:
    """How records are graded.

    Attributes:
        classifier: What grades them.
        batch: Windows at a time; memory grows with it.
        prior: Class fractions to expect, `[class]`; those that its probabilities assume when None.
    """

    classifier: SavedClassifier
    batch: int = 16
    prior: np.ndarray | None = None


@dataclass(frozen=True)
class _Candidate:
    """A gather that may be one of the worst."""

    row: int
    noise: float
    gather: Gather
    order: np.ndarray
    channel: np.ndarray
    bands: list[NoiseBand]


def collect(
    grading: Grading, surveys: Sequence[Survey], files: Request, settings: Settings, folder: Path, worst: int
) -> Findings:
    """Grade gathers of files and surveys, measure those of files, and explain the worst.

    Args:
        grading: What grades them, and how.
        surveys: Surveys, whose gathers are images: nothing is measured of them.
        files: Files, perhaps none, and how to read them.
        settings: What is measured, and where.
        folder: An empty folder, for the tables of attributes.
        worst: How many of the worst gathers are kept, and explained.

    Raises:
        InputError: Something cannot be read, measured or graded.
        OSError: The disk is full or not writable.
    """
    walk = _Walk(bringing_for(grading.classifier, zero_level=files.options.zero_level), settings, folder)
    kept: list[tuple[tuple[float, float, int], _Candidate, Graded]] = []
    labels = grading.classifier.labels
    gathers = walk.gathers(surveys, files)
    for _, grade in graded(grading.classifier, gathers, walk.bringing, grading.batch, grading.prior):
        candidate = walk.waiting.popleft()
        walk.rows[candidate.row] |= {
            "grade": UNSURE if grade.unsure else labels[grade.number],
            **dict(zip(map(probability_column, labels), grade.probabilities.tolist(), strict=True)),
            "severity": grade.severity,
            "unlike": np.nan if grade.unlike is None else grade.unlike,
            "trained": grade.trained,
        }
        # Between equal ones the first comes first.
        worth = (float(grade.probabilities[-1]), candidate.noise, -candidate.row)
        heapq.heappush(kept, (worth, candidate, grade))
        if len(kept) > worst:
            heapq.heappop(kept)
    if not walk.rows:
        raise InputError("the sources have no gathers; check them")
    records = _records(walk, labels)
    seen = int(records["trained"].sum())
    judges = len(grading.classifier.about.get("validation_ids", ())) or TYPICAL_JUDGES
    explained = [
        Worst(one.row, one.gather, one.order, one.channel, one.bands, _explained(grading, one, grade))
        for _, one, grade in progress(sorted(kept, key=lambda one: one[0], reverse=True), len(kept), "explaining")
    ]
    return Findings(
        records=records,
        labels=labels,
        classifier=grading.classifier.name,
        unlike=summary(records["line"], records["unlike"], judges),
        worst=explained,
        tables=folder if walk.measured.gathers else None,
        missing=_missing(records, walk),
        seen=optimism(f"{seen} of the {number_of(len(records), 'record')}", grading.classifier.name) if seen else "",
        shot_words=list(walk.shot_words),
        expected=grading.classifier.assumed(grading.prior),
        noise=settings.noise_text if walk.measured.gathers else "",
        lasting=_lasting(records, grading),
        told=[
            *shared_places(records, walk.synthetic),
            *walk.told,
            *walk.bringing.lines(),
            *(walk.measured.lines(settings) if walk.measured.gathers else ()),
        ],
    )


def _lasting(records: pd.DataFrame, grading: Grading) -> int:
    """How many records would still be graded bad if bad ones were `RARER` times as rare as assumed."""
    labels = grading.classifier.labels
    bad = records[records["grade"] == labels[-1]]
    probabilities = bad[[probability_column(label) for label in labels]].to_numpy()
    rarer = np.array([*[1.0] * (len(labels) - 1), 1 / RARER])
    found = grading.classifier.decision.graded(reweighted(probabilities, np.ones(len(labels)), rarer))
    return int((found == len(labels) - 1).sum())


class _Walk:
    """Goes through gathers: measures them, notes where they are from, and matches them to the classifier.

    Attributes:
        bringing: What matches them.
        rows: A row of each gather so far.
        waiting: Gathers that were given out and are not graded yet.
        measured: What was found in those that were measured.
        told: Lines on what was done when they were read.
        unnumbered: Gathers whose channels have no numbers.
        shot_words: The header words that gave shot numbers.
        synthetic: Numbers of gathers that were made from others.
    """

    def __init__(self, bringing: Bringing, settings: Settings, folder: Path):
        self.bringing, self._settings, self._folder = bringing, settings, folder
        self.rows: list[dict[str, Any]] = []
        self.waiting: deque[_Candidate] = deque()
        self.measured = Summary()
        self.told: list[str] = []
        self.unnumbered = 0
        self.shot_words: dict[str, None] = {}
        self.synthetic: list[int] = []

    def gathers(self, surveys: Sequence[Survey], files: Request) -> Iterator[Gather]:
        """The gathers that can be graded, those of files first: tables number their gathers from 1."""
        if files.sources:
            rendered = Tally()
            with ExitStack() as stack:
                traces, gathers = (
                    stack.enter_context(table_writer(self._folder, name, columns))
                    for name, columns in (("traces", TRACES), ("gathers", GATHERS))
                )
                along = ((source, by_offset(one)[0]) for source, one in sourced_recordings(files, self.told))
                every = measure_gathers(along, self._settings, itemgetter(1))
                for number, ((source, found), measured) in enumerate(every, start=1):
                    if isinstance(source, Headed) and found.geometry.shot:
                        self.shot_words[source.shot_word] = None
                    place = place_of(number, found)
                    traces.add(place | trace_columns(found.geometry, measured), len(found.geometry.channel))
                    row = gather_row(found, measured, self._settings)
                    gathers.add_row(place | row)
                    self.measured.add(found, measured)
                    channel = found.geometry.channel
                    self.unnumbered += len(np.unique(channel[channel > 0])) < len(channel)
                    noise = row["noise_rms_median"]
                    brought = self.bringing(found)
                    new = {kind: count for kind, count in brought.mended.items() if kind not in found.mended}
                    rendered.add_mended(found.gather_id, new)
                    yield from self._given(found, brought, measured.bands, noise)
            # What the classifier sees is mended further than what is measured.
            self.told += treatment(rendered, None, None)
        for survey in surveys:
            for gather in progress(map(survey.read, range(len(survey))), len(survey), "grading"):
                yield from self._given(gather, self.bringing.gather(gather), [], np.nan)

    def _given(
        self, found: Recording | Picture | Gather, gather: Gather, bands: list[NoiseBand], noise: float
    ) -> Iterator[Gather]:
        place = place_of(len(self.rows) + 1, found)
        if found.origin.parents:
            self.synthetic.append(place["gather"])
        reason = self.bringing.left_out.get((gather.source, gather.gather_id), "")
        self.rows.append(place | {"label": found.label, "grade": "", "reason": reason, "trained": False})
        if reason:
            return
        orders = self.bringing.orders.get((gather.source, gather.gather_id))
        order = np.arange(gather.valid_traces) if not orders else orders[-1]
        noise = noise if np.isfinite(noise) else -np.inf
        self.waiting.append(_Candidate(len(self.rows) - 1, noise, gather, order, found.geometry.channel, bands))
        yield gather


def _records(walk: _Walk, labels: Sequence[str]) -> pd.DataFrame:
    numbers = [*map(probability_column, labels), "severity", "unlike"]
    records = pd.DataFrame(walk.rows, columns=[*PLACE, "line", "label", "grade", "reason", "trained", *numbers])
    records["line"] = line_names(zip(records["sail_line"], records["source"], strict=True))
    records[numbers] = records[numbers].astype(np.float64)
    if not walk.measured.gathers:
        return records
    read = list(read_columns(walk._folder / "gathers.parquet", list(MEASURED)))
    # Gathers of surveys come last, and have none.
    return records.join(pd.DataFrame({name: np.concatenate([part[name] for part in read]) for name in MEASURED}))


def _explained(grading: Grading, one: _Candidate, grade: Graded) -> Occlusion | None:
    """What speaks for the severest class, or against the mildest one if the gather has neither."""
    if grade.number == 0 and not grade.unsure:
        return None
    classifier = grading.classifier
    severest = grade.number == len(classifier.labels) - 1 and not grade.unsure

    def probability(seen: Seen, weights: np.ndarray) -> float:
        found = gather_probabilities(seen, weights, classifier.combination)
        found = classifier.calibrated(found, grading.prior)
        return float(found[-1] if severest else 1 - found[0])

    looker = Symmetric(classifier, classifier.symmetries)
    known = _band_boxes(one)
    return occlude(looker, one.gather, classifier.size, probability, grading.batch, known=known)


def _band_boxes(one: _Candidate) -> list[Box]:
    """Noise bands as samples and columns of the matched gather."""
    geometry = one.gather.geometry
    if not geometry.sample_interval_s > 0:
        return []
    boxes: list[Box] = []
    for band in one.bands:
        first, last = (
            round((time_s - geometry.start_s) / geometry.sample_interval_s) for time_s in (band.first_s, band.last_s)
        )
        columns = np.flatnonzero((one.order >= band.first_trace) & (one.order <= band.last_trace))
        boxes.append((slice(max(first, 0), last + 1), columns))
    return boxes


def _missing(records: pd.DataFrame, walk: _Walk) -> list[str]:
    """What the sources do not tell."""
    total, measured = len(records), walk.measured

    def some(count: int) -> str:
        return "" if count == total else f" of {number_of(count, 'record')}"

    found = [
        (int((records["sail_line"] == 0).sum()), "sail line numbers", "each file counts as a line"),
        (int((records["shot"] == 0).sum()), "shot numbers", ""),
        (walk.unnumbered, "channel numbers", "traces are counted from 1 in the order of the file"),
        (len(measured.nowhere), "offsets", "traces are taken to be 25 m apart"),
        (len(measured.silent), "first arrivals", ""),
        (
            total - measured.gathers,
            "attributes",
            "a survey holds pictures, each with its own clip: give the files it was made from",
        ),
    ]
    return [f"{what}{some(count)}{f' ({why})' if why else ''}" for count, what, why in found if count]
