"""The attributes of files of gathers: tables, maps, and what was found in plain words."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from glowseis.attributes.faults import FAULTS
from glowseis.attributes.maps import draw_maps
from glowseis.attributes.measuring import Measured, Settings, measure_gathers
from glowseis.attributes.rows import (
    BANDS,
    GATHERS,
    PLACE,
    TRACES,
    band_rows,
    gather_row,
    place_of,
    shared_places,
    trace_columns,
)
from glowseis.attributes.tables import read_columns, table_writer
from glowseis.errors import InputError
from glowseis.files import check_output, whole_folder
from glowseis.survey.formats.source import check_file
from glowseis.survey.formats.sources import source_files
from glowseis.survey.gather import Picture, Recording, source_text
from glowseis.survey.ingestion.ingest import recordings_of
from glowseis.survey.ingestion.request import Request
from glowseis.survey.matching.bringing import by_offset
from glowseis.survey.store.manifest import MANIFEST
from glowseis.survey.wording import first_names, number_of

FARTHEST_LEVELS = 1000.0
"""Ratio of two files' levels above which their units probably differ: not even swell is so much louder than signal."""

FARTHEST_TOGETHER = 50.0
"""The same, if the noise before the first arrival differs as much: weather changes noise, the sea floor the signal."""


@dataclass
class Summary:
    """What was found, for a terminal.

    Attributes:
        gathers: Gathers.
        traces: Traces.
        faults: Traces by fault.
        noise_rms: Median noise before the first arrival of each gather that has one.
        bands: Noise bands.
        banded: Gathers with one.
        leaking: Gathers with cross-feed.
        silent: Gathers without first arrivals.
        lifeless: Gathers without a live trace.
        nowhere: Gathers with a trace without offset.
        pictures: Gathers that are pictures.
        inside: Traces with a level in each window, by its attribute.
        sorted: Gathers whose traces were sorted by offset.
        levels: Median levels of the target and of the noise, NaN if unknown, of each gather with a target, by source.
    """

    gathers: int = 0
    traces: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    noise_rms: list[float] = field(default_factory=list)
    bands: int = 0
    banded: int = 0
    leaking: int = 0
    silent: list[str] = field(default_factory=list)
    lifeless: list[str] = field(default_factory=list)
    nowhere: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    inside: Counter[str] = field(default_factory=Counter)
    sorted: list[str] = field(default_factory=list)
    levels: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, found: Recording | Picture, measured: Measured) -> None:
        """Add a gather.

        Args:
            found: The gather.
            measured: Its attributes.
        """
        traces, name = measured.traces, found.gather_id
        self.gathers += 1
        self.traces += len(traces["dead"])
        for fault in FAULTS:
            self.faults[fault] += int(np.count_nonzero(traces[fault]))
        noise = traces["noise_rms"][np.isfinite(traces["noise_rms"])]
        if len(noise):
            self.noise_rms.append(float(np.median(noise)))
        for level in ("noise_rms", "target_rms"):
            self.inside[level] += int(np.count_nonzero(np.isfinite(traces[level])))
        target = traces["target_rms"][traces["target_rms"] > 0]
        if len(target):
            quiet = float(np.median(noise)) if len(noise) else np.nan
            self.levels.setdefault(found.source, []).append((float(np.median(target)), quiet))
        self.bands += len(measured.bands)
        self.banded += bool(measured.bands)
        self.leaking += bool(measured.modules)
        if traces["dead"].all():
            self.lifeless.append(name)
        elif np.isnan(traces["first_arrival_s"]).all():
            self.silent.append(name)
        if "reordered" in found.mended:
            self.sorted.append(name)
        if not np.isfinite(found.geometry.offset_m).all():
            self.nowhere.append(name)
        if isinstance(found, Picture) or found.one_zero:
            self.pictures.append(name)

    def lines(self, settings: Settings) -> Iterator[str]:
        """Everything in plain words.

        Args:
            settings: What was measured, and where.
        """
        if self.lifeless:
            yield f"{number_of(len(self.lifeless), 'gather')} without a live trace: {first_names(self.lifeless)}"
        if self.silent:
            columns = [name for name in ("noise", "target") if getattr(settings, name) is None]
            empty = f"; without --{' and --'.join(columns)} the columns of these are empty" if columns else ""
            yield f"{number_of(len(self.silent), 'gather')} without first arrivals{empty}: {first_names(self.silent)}"
        windows = (("--noise", settings.noise, "noise_rms"), ("--target", settings.target, "target_rms"))
        for option, window, level in windows:
            if window and not self.inside[level]:
                yield (
                    f"warning: {option} {window.text} lies outside the record of every live trace; its columns are "
                    "empty: check its times, and offsets if it follows them"
                )
        levels = {source: float(np.median([target for target, _ in each])) for source, each in self.levels.items()}
        loud, quiet = (pick(levels, key=levels.__getitem__, default="") for pick in (max, min))
        if levels and self._differ(loud, quiet):
            yield (
                f"warning: {loud} is {levels[loud] / levels[quiet]:,.0f} times as loud as {quiet} (RMS of the target, "
                f"medians {levels[loud]:.3g} and {levels[quiet]:.3g}); their units probably differ: measure them "
                "separately"
            )
        if self.nowhere:
            yield (
                f"{number_of(len(self.nowhere), 'gather')} with traces without an offset, taken to be 25 m apart: "
                f"{first_names(self.nowhere)}"
            )
        if self.sorted:
            yield (
                f"{number_of(len(self.sorted), 'gather')} with traces in disorder, measured in the order of their "
                f"offsets: {first_names(self.sorted)}"
            )
        if self.pictures:
            yield (
                f"{number_of(len(self.pictures), 'gather')} from pictures, whose amplitudes are grey levels and "
                f"clipped: {first_names(self.pictures)}"
            )
        told = ", ".join(f"{self.faults[fault]} {fault}" for fault in FAULTS)
        yield f"{number_of(self.gathers, 'gather')}, {number_of(self.traces, 'trace')}: {told}"
        yield (
            f"{number_of(self.bands, 'noise band')} in {number_of(self.banded, 'gather')}; cross-feed in "
            f"{number_of(self.leaking, 'gather')}"
        )
        if self.noise_rms:
            low, middle, high = np.percentile(self.noise_rms, [5, 50, 95])
            spread = f" (5 to 95 % of the gathers: {low:.4g} to {high:.4g})" if len(self.noise_rms) > 1 else ""
            yield f"noise {settings.noise_text}, median of a gather: {middle:.4g}{spread}"

    def _differ(self, loud: str, quiet: str) -> bool:
        """Whether the units of two sources probably differ."""
        targets, noises = [], []
        for source in (loud, quiet):
            target, noise = np.array(self.levels[source]).T
            known = noise > 0
            targets.append(np.median(target))
            noises.append(np.median(noise[known]) if known.any() else np.nan)
        target, noise = targets[0] / targets[1], noises[0] / noises[1]
        return bool(target > FARTHEST_LEVELS or np.minimum(target, noise) > FARTHEST_TOGETHER)


def measure_sources(request: Request, settings: Settings, out: Path) -> list[str]:
    """Measure the attributes of all gathers of some files, with memory for one gather.

    Args:
        request: What to read, and how.
        settings: What is measured, and where.
        out: Folder to make: tables of `traces`, `gathers` and `bands` as Parquet and CSV, and `maps`.

    Returns:
        Lines for the user.

    Raises:
        InputError: Something cannot be read or measured; nothing is left behind.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    check_output(out)
    _check_sources(request)
    told: list[str] = []
    synthetic: list[int] = []
    summary = Summary()
    with whole_folder(out) as folder:
        with (
            table_writer(folder, "traces", TRACES) as traces,
            table_writer(folder, "gathers", GATHERS) as gathers,
            table_writer(folder, "bands", BANDS) as bands,
        ):
            along = (by_offset(found)[0] for found in recordings_of(request, told))
            every = measure_gathers(along, settings, lambda found: found)
            for number, (found, measured) in enumerate(every, start=1):
                place = place_of(number, found)
                traces.add(place | trace_columns(found.geometry, measured), len(found.geometry.channel))
                gathers.add_row(place | gather_row(found, measured, settings))
                for row in band_rows(found.geometry, measured):
                    bands.add_row(place | row)
                summary.add(found, measured)
                if found.origin.parents:
                    synthetic.append(number)
        if not summary.gathers:
            raise InputError("the sources have no gathers; check them")
        places = pd.concat(map(pd.DataFrame, read_columns(folder / "gathers.parquet", list(PLACE))), ignore_index=True)
        told += shared_places(places, synthetic)
        maps = draw_maps(folder)
    return [*told, *summary.lines(settings), f"tables and {number_of(len(maps), 'map')}: {source_text(out)}"]


def _check_sources(request: Request) -> None:
    """Refuse surveys, which hold no amplitudes, and files that are missing or empty."""
    for source in request.sources:
        if (source / MANIFEST).exists() and not (source / "survey.segy").exists():
            raise InputError(
                f"{source_text(source)}: is a survey, whose gathers are pictures scaled one by one; give the files "
                "that it was made from"
            )
    for file in source_files(request.sources, request.kind):
        check_file(file)
