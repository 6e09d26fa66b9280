"""Files of gathers opened: all that is known of them, and may be wrong with them, before amplitudes are read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from glowseis.errors import InputError
from glowseis.survey.formats.source import Remark, Source, SourceError, State, file_state
from glowseis.survey.formats.sources import check_kind, open_sources, source_files
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.label_fit import look_ahead
from glowseis.survey.ingestion.label_table import LabelTable, read_labels
from glowseis.survey.ingestion.report import refuse_warnings, remark_lines, resize_warnings
from glowseis.survey.ingestion.request import Request, readable
from glowseis.survey.render import FITS
from glowseis.survey.size import enclosing_size, parse_size
from glowseis.survey.store.index import check_label

SHORTEST_MS, LONGEST_MS = 0.01, 500.0
"""Sample intervals that users may give; others were meant in seconds or microseconds."""

SHORTEST_TOLD_MS, ODD_MS = 0.1, 20.0
"""Shortest sample interval in a file that is believed, and the longest of any marine recording."""

MEANT_MS = (0.25, 16.0)
"""Range of a sample interval that was written in another unit."""


@dataclass(frozen=True)
class Opened:
    """Opened files: all that is known before amplitudes are read, and each file's state before it was opened."""

    sources: Sequence[Source]
    states: Mapping[Path, State | None]
    table: LabelTable | None
    shapes: Sequence[tuple[int, int]]
    size: tuple[int, int]
    interval_s: float | None


def open_files(request: Request, *, mixed: bool = False) -> Opened:
    """Open files, read their labels, and check all that headers tell.

    Args:
        request: What to read, and how.
        mixed: Whether files may have several sample intervals.

    Raises:
        InputError: A setting or an input is wrong; with `keep_going` a SourceError of all files that cannot be read.
    """
    wanted = _check(request)
    files = source_files(request.sources, request.kind)
    table = read_labels(request.labels, files) if request.labels else None
    states = {path: file_state(path) for path in files}
    faults: dict[Path, str] | None = {} if request.keep_going else None
    sources = open_sources(files, request.options, request.kind, faults, request.without)
    if faults is not None:
        _look_for_faults(sources, faults)
    if table:
        look_ahead(table, sources, request.options)
    interval_s = _check_intervals(sources, mixed=mixed)
    shapes = [shape for source in sources for shape in source.shapes()]
    if request.strict:
        # Warnings about headers come before hours of reading.
        refuse_warnings(all_remarks(sources))
    return Opened(sources, states, table, shapes, wanted or enclosing_size(shapes), interval_s)


def _look_for_faults(sources: Sequence[Source], faults: dict[Path, str]) -> None:
    """Raise all that is wrong with files by their headers."""
    for source in sources:
        try:
            if source.interval_s is not None:
                _check_interval(source, source.interval_s)
            for _ in source.shapes():
                pass
        except InputError as wrong:
            faults[source.path] = str(wrong)
    if faults:
        raise SourceError(faults)


def all_remarks(sources: Sequence[Source], told: Mapping[str, list[Remark]] | None = None) -> list[str]:
    """Remarks on the files, each kind once.

    Args:
        sources: The files, opened.
        told: Remarks on those that were read to their end, by their printable paths.
    """
    known = told or {}
    found = []
    for source in sources:
        name = source_text(source.path)
        remarks = [*_interval_remarks(source), *(known[name] if name in known else source.remarks())]
        found += [(source, remark) for remark in remarks]
    return remark_lines(found)


def _interval_remarks(source: Source) -> list[Remark]:
    interval_s = source.interval_s
    if interval_s is None or interval_s * 1e3 <= ODD_MS:
        return []
    text = f"a sample interval of {interval_s * 1e3:g} ms is long for a marine recording: nothing is recorded above "
    return [Remark("interval", f"{text}{0.5 / interval_s:.3g} Hz; pass --sample-interval if it is wrong")]


def shape_warnings(request: Request, opened: Opened) -> list[str]:
    """What the user should know about gathers that are resized; nothing if they are not."""
    return resize_warnings(opened.shapes, opened.size[0], opened.interval_s) if request.fit == "resize" else []


def _check(request: Request) -> tuple[int, int] | None:
    """The requested size, after checking everything that can be checked without files."""
    check_kind(request.kind)
    if request.fit not in FITS:
        raise InputError(f"--fit {request.fit} is unknown; choose {', '.join(FITS[:-1])} or {FITS[-1]}")
    if request.fit == "resize" and not request.size:
        raise InputError("--fit resize needs the size to resize to; pass --size, such as 448x320")
    if request.options.label:
        check_label(request.options.label)
    zero_level = request.options.zero_level
    if zero_level is not None and not math.isfinite(zero_level):
        raise InputError(
            f"--zero-level {zero_level:g} is not an amplitude; give a number, such as 128, or leave it out"
        )
    interval_s = request.options.sample_interval_s
    if interval_s is not None and not SHORTEST_MS <= interval_s * 1e3 <= LONGEST_MS:
        raise InputError(
            f"--sample-interval {interval_s * 1e3:g} is not a sample interval in milliseconds; give {SHORTEST_MS:g} to "
            f"{LONGEST_MS:g}, such as 2"
        )
    return parse_size(request.size) if request.size else None


def _check_interval(source: Source, interval_s: float) -> None:
    """Refuse an interval in a file that was meant in another unit."""
    interval_ms = interval_s * 1e3
    # Attributes of 32 bits are not exact.
    if SHORTEST_TOLD_MS * (1 - 1e-6) <= interval_ms <= LONGEST_MS * (1 + 1e-6):
        return
    meant = [interval_ms * factor for factor in (1e3, 1e-3, 1e6, 1e-6)]
    meant = [each for each in meant if MEANT_MS[0] <= each <= MEANT_MS[1]]
    mend = f"if you meant {meant[0]:g} ms, pass --sample-interval {meant[0]:g}" if meant else "pass --sample-interval"
    if SHORTEST_MS <= interval_ms < SHORTEST_TOLD_MS:
        mend += f", or --sample-interval {interval_ms:g} if it is right"
    raise InputError(
        f"{source_text(source.path)}: has a sample interval of {interval_ms:g} ms ({interval_s * 1e6:g} "
        f"microseconds), which no marine recording has; {mend}"
    )


def _check_intervals(sources: Sequence[Source], *, mixed: bool = False) -> float | None:
    """The sample interval that all sources share, unless they may differ; images may leave it unknown."""
    known = [(source, source.interval_s) for source in sources]
    given = [(source, interval_s) for source, interval_s in known if interval_s is not None]
    for source, interval_s in given:
        _check_interval(source, interval_s)
        # Attributes of 32 bits are not exact.
        if not mixed and not math.isclose(interval_s, given[0][1], rel_tol=1e-6):
            first = source_text(given[0][0].path)
            raise InputError(
                f"{source_text(source.path)} has samples every {interval_s * 1e3:g} ms, but {first} every "
                f"{given[0][1] * 1e3:g} ms; make a survey of each, or pass --sample-interval if a header is wrong"
            )
    return given[0][1] if given else None


def open_readable(request: Request, faults: dict[Path, str]) -> Opened:
    """Open files; with `keep_going`, without those that cannot be read, which are added to the faults."""
    while True:
        try:
            return open_files(readable(request, faults))
        except SourceError as wrong:
            if not request.keep_going:
                raise
            faults |= wrong.faults
