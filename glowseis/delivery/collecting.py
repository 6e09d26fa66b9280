"""What is handed over of graded gathers, collected in one pass over their files."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from glowseis.attributes.measuring import Settings, measure_gather
from glowseis.delivery.grades import FACTS, NOT_GRADED, PROBABILITY, GradesTable
from glowseis.delivery.kill_list import FAULTS, Range, killed, padding
from glowseis.delivery.navigation import feature, place_of
from glowseis.delivery.record import GradedFile, GradingRecord
from glowseis.errors import InputError
from glowseis.survey.formats.source import Source
from glowseis.survey.formats.source_place import Place, Unit, place_in_headers
from glowseis.survey.formats.trace_source import TraceSource
from glowseis.survey.gather import Picture, Recording, source_text
from glowseis.survey.ingestion.ingest import sourced_recordings
from glowseis.survey.ingestion.naming import id_prefixes
from glowseis.survey.ingestion.request import Request
from glowseis.survey.matching.bringing import by_offset

NUMBERS = ("severity", "unlike")
"""Columns of the table of grades that features have as numbers, besides the probabilities."""

FEWEST_SAMPLES = 16
"""Samples that a gather needs for its faults to be measured."""


@dataclass
class Found:
    """What one pass over the files collects: ranges to kill, features of the map, marks by file, words, and counts."""

    ranges: list[Range] = field(default_factory=list)
    places: Counter[tuple[int, ...]] = field(default_factory=Counter)
    features: list[dict[str, Any]] = field(default_factory=list)
    units: dict[Unit, str] = field(default_factory=dict)
    nowhere: list[str] = field(default_factory=list)
    ungraded: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)
    graded: int = 0
    killed: int = 0
    doubtful: list[str] = field(default_factory=list)
    channels: Counter[str] = field(default_factory=Counter)
    padded: list[str] = field(default_factory=list)
    padding: int = 0
    from_0: str = ""
    numbers: dict[Path, np.ndarray] = field(default_factory=dict)
    dead: dict[Path, np.ndarray] = field(default_factory=dict)
    words: list[dict[str, str]] = field(default_factory=list)


def collect(
    record: GradingRecord,
    paths: Mapping[Path, GradedFile],
    rows: Mapping[str, Mapping[str, dict[str, str]]],
    kill: Sequence[str],
    copied: Mapping[Path, TraceSource],
    table: GradesTable,
    told: list[str],
) -> Found:
    """Read all gathers, and find what is to be told of them.

    Args:
        record: What the table of grades was made of.
        paths: Where its files are now.
        rows: Rows of the table, by source and gather id.
        kill: Grades that kill a whole gather.
        copied: Files of which marked copies are made, opened.
        table: The table.
        told: A list to which lines on what was read are added.

    Raises:
        InputError: A file cannot be read, or lacks a gather that the table has.
    """
    found = Found()
    settings = Settings(zero_level=record.options.zero_level)
    current: Source | None = None
    headers: Iterator[tuple[np.ndarray, np.ndarray]] = iter(())
    waiting = {path: dict(rows[one.source]) for path, one in paths.items()}
    asked = Request(list(paths), record.options, record.kind)
    for source, one in sourced_recordings(asked, told, *_naming(paths, rows)):
        if source is not current:
            current = source
            headers = source.gather_headers() if isinstance(source, TraceSource) else iter(())
            if isinstance(source, TraceSource) and source.header_words not in found.words:
                found.words.append(source.header_words)
            if source.path in copied:
                traces = copied[source.path].facts.layout.traces
                found.numbers[source.path] = np.full(traces, NOT_GRADED, np.int16)
                found.dead[source.path] = np.zeros(traces, bool)
        row = waiting[source.path].pop(one.gather_id, None)
        numbered = next(headers, None)
        faults = faults_of(one, settings, found)
        _add_ranges(one, row, faults, kill, found)
        if source.path in copied and numbered is not None:
            found.numbers[source.path][numbered[0]] = table.numbers[row["grade"]] if row else NOT_GRADED
            found.dead[source.path][numbered[0]] = faults["dead"]
        if row is None:
            found.ungraded.append(one.gather_id)
            continue
        found.graded += 1
        if numbered and isinstance(source, TraceSource):
            place = place_in_headers(numbered[1], source.facts.layout.header_order, source.facts.unit_m)
        else:
            place = place_of(one.geometry)
        _add_feature(place, row, table, faults, found)
    for path, left in waiting.items():
        if left:
            raise InputError(
                f"{source_text(table.path)}: gather {next(iter(left))} is not in {source_text(path)} as it is read "
                "now; grade the files again"
            )
    if found.padded and found.from_0:
        raise InputError(
            f"gather {found.padded[0]} has a dead channel with the number 0, which looks like padding, but in gather "
            f"{found.from_0} channel 0 is live; name the header word that holds channel numbers in classify's "
            "--trace-header, and grade the files again"
        )
    return found


def _naming(
    paths: Mapping[Path, GradedFile], rows: Mapping[str, Mapping[str, dict[str, str]]]
) -> tuple[dict[Path, str], dict[Path, list[str]] | None]:
    """How the gathers of files got their ids: all together, or, by `classify --watch`, file by file.

    Returns:
        The prefixes of ids, and the ids of other files if each file was read on its own.
    """
    known = id_prefixes([Path(one.path) for one in paths.values()])
    prefixes = {path: known.get(Path(one.path), "") for path, one in paths.items()}
    ids = {path: list(rows[one.source]) for path, one in paths.items()}
    if all(name.startswith(prefixes[path]) for path, names in ids.items() for name in names):
        return prefixes, None
    return {}, {path: [name for other in ids if other != path for name in ids[other]] for path in ids}


def faults_of(one: Recording | Picture, settings: Settings, found: Found) -> dict[str, np.ndarray]:
    """Find the traces of a gather with a fault that kills them.

    Args:
        one: The gather.
        settings: How it is measured.
        found: Notes the gather if it cannot be measured.

    Returns:
        By fault, bool `[trace]`, in the order of the file.
    """
    samples, traces = (one.image if isinstance(one, Picture) else one.amplitude).shape
    if samples < FEWEST_SAMPLES or not one.geometry.sample_interval_s > 0:
        found.unmeasured.append(one.gather_id)
        return {fault: np.zeros(traces, bool) for fault in FAULTS}
    ordered, order = by_offset(one)
    measured = measure_gather(ordered, settings).traces
    place = np.arange(traces) if order is None else np.argsort(order)
    return {fault: measured[fault][place] for fault in FAULTS}


def _add_ranges(
    one: Recording | Picture,
    row: Mapping[str, str] | None,
    faults: dict[str, np.ndarray],
    kill: Sequence[str],
    found: Found,
) -> None:
    grade = row["grade"] if row and row["grade"] in kill else ""
    found.places[one.geometry.sail_line, one.geometry.shot, one.geometry.cable] += 1
    padded = padding(one.geometry, faults["dead"])
    if padded.any():
        found.padded.append(one.gather_id)
        found.padding += int(np.count_nonzero(padded))
    elif np.any(one.geometry.channel) and not np.all(one.geometry.channel) and one.gather_id not in found.unmeasured:
        found.from_0 = one.gather_id
    found.ranges += killed(f"gather {one.gather_id} of {one.source}", one.geometry, grade, faults)
    found.killed += bool(grade)
    if grade and row and (number_in(row.get("unlike", "")) or 0) > 1:
        found.doubtful.append(one.gather_id)
    if not grade:
        found.channels.update({fault: int(np.count_nonzero(faults[fault] & ~padded)) for fault in FAULTS})


def _add_feature(
    place: Place | None, row: Mapping[str, str], table: GradesTable, faults: Mapping[str, np.ndarray], found: Found
) -> None:
    """Add a gather to the map."""
    if place is None:
        found.nowhere.append(row["gather_id"])
    else:
        found.units.setdefault(place.unit, row["gather_id"])
    properties: dict[str, Any] = {name: row[name] for name in FACTS}
    properties |= {name: number_in(row[name]) for name in FACTS[2:]}
    properties |= {"grade": row["grade"], "grade_number": table.numbers[row["grade"]]}
    numbers = [f"{PROBABILITY}{label}" for label in table.labels] + [name for name in NUMBERS if name in row]
    properties |= {name: number_in(row[name]) for name in numbers}
    properties |= {f"{fault}_channels": int(np.count_nonzero(traces)) for fault, traces in faults.items()}
    found.features.append(feature(place, properties))


def number_in(cell: str) -> float | int | None:
    """A cell's number, which a spreadsheet may have given a comma; None if it is empty or has none.

    Args:
        cell: The cell's text.
    """
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return None
    return None if not math.isfinite(value) else int(value) if value.is_integer() else value
