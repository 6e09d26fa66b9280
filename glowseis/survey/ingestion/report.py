"""The report of an ingest: counts of everything that was done to its gathers, the first few by name."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from glowseis.errors import InputError
from glowseis.survey.amplitudes.mending import MENDINGS
from glowseis.survey.formats.source import Remark, Source
from glowseis.survey.gather import UNKNOWN_PARENT, Gather, Origin, source_text
from glowseis.survey.ingestion.label_table import LabelTable
from glowseis.survey.matching.trace_order import order_of_offsets
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import first_names as _first
from glowseis.survey.wording import number_of as _number

LISTED = 12
"""Most gathers that the report's table lists; the index lists all."""

NAMED = 4
"""Most gathers that a line names."""

WARNING = "warning: "
"""The beginning of lines that `--strict` makes errors."""

KEPT_BY = {"auxiliary": "--keep-auxiliary keeps them"}
"""The option that turns off a kind of mending."""


@dataclass
class Mended:
    """How often something was mended: traces, gathers, and the first gathers with the number of their traces."""

    traces: int = 0
    gathers: int = 0
    first: list[str] = field(default_factory=list)


@dataclass
class Tally:
    """What was done to gathers on their way into a survey.

    Attributes:
        fits: How many were padded, cropped, resized, or had the size.
        largest: Largest sides of those that were cropped.
        broken: Traces with NaN or infinite samples, by gather: how many, and the first, from 1.
        dead: Traces of zeros, in the same form; without a first if others are declared dead.
        lifeless: Gathers left out because they have no live trace.
        unlabelled: Gathers left out because they have no label.
        without_row: Gathers without a row in the label table.
        again: Gathers of a line, shot and cable that came earlier in their file.
        renamed: New ids of gathers whose id was taken.
        disordered: Gathers whose traces do not follow one another along the cable.
        nowhere: Number of gathers without coordinates, by source.
        mended: What was mended, by the names of `glowseis.survey.amplitudes.mending.MENDINGS`.
        remarks: Lines about whole files.
        told: Remarks on files that were read to their end, by their printable paths.
        synthetic: Number of gathers that were made from others.
        orphans: Number of those whose parents are unknown, by file and what it lacks, as text.
    """

    fits: Counter[str] = field(default_factory=Counter)
    largest: tuple[int, int] = (0, 0)
    broken: dict[str, tuple[int, int]] = field(default_factory=dict)
    dead: dict[str, tuple[int, int]] = field(default_factory=dict)
    lifeless: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    without_row: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    nowhere: Counter[str] = field(default_factory=Counter)
    mended: dict[str, Mended] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    told: dict[str, list[Remark]] = field(default_factory=dict)
    synthetic: int = 0
    orphans: Counter[str] = field(default_factory=Counter)

    def add(self, gather: Gather, size: tuple[int, int]) -> None:
        """Add a gather.

        Args:
            gather: What goes into the survey.
            size: The survey's size.
        """
        recorded = gather.recorded_shape or (gather.valid_samples, gather.valid_traces)
        self.fits["whole" if recorded == size else gather.fit] += 1
        if gather.fit == "crop":
            self.largest = (max(self.largest[0], recorded[0]), max(self.largest[1], recorded[1]))
        if math.isnan(gather.geometry.source_x_m):
            self.nowhere[gather.source] += 1
        if order_of_offsets(gather.geometry.offset_m, "unknown") is not None:
            self.disordered.append(gather.gather_id)

    def add_mended(self, name: str, counts: Mapping[str, int]) -> None:
        """Add what was mended in a gather.

        Args:
            name: Its id.
            counts: Traces by the names of `glowseis.survey.amplitudes.mending.MENDINGS`.
        """
        for kind, count in counts.items():
            mended = self.mended.setdefault(kind, Mended())
            mended.traces += count
            mended.gathers += 1
            if len(mended.first) < NAMED:
                mended.first.append(f"{name}: {count}")

    def add_origin(self, origin: Origin, source: Source) -> None:
        """Add a gather that may be synthetic.

        Args:
            origin: How it was made.
            source: The file that it came from.
        """
        self.synthetic += bool(origin.parents)
        if origin.parents == (UNKNOWN_PARENT,):
            missing = getattr(source, "missing_table", "")
            lacks = f"; its table {missing} is not beside it" if missing else ""
            self.orphans[f"{source_text(source.path)} are unknown{lacks}"] += 1


def summary(survey: Survey, tally: Tally, table: LabelTable | None) -> list[str]:
    """Describe what a survey holds and what was done to its gathers.

    Args:
        survey: What was made.
        tally: The counts.
        table: The given labels, if any.

    Returns:
        Lines for a terminal.
    """
    lines = _gathers(survey) + treatment(tally, survey.size, table)
    counts = dict(survey.manifest.counts)
    counts["unlabelled"] = len(survey) - sum(counts.values())
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    height, width = survey.size
    return [*lines, f"{source_text(survey.path)}: {_number(len(survey), 'gather')} of {height}x{width} ({told})"]


def treatment(tally: Tally, size: tuple[int, int] | None, table: LabelTable | None) -> list[str]:
    """Describe what was done to gathers of files.

    Args:
        tally: The counts.
        size: Height in samples and width in traces of the images; None if each has its own.
        table: The given labels, if any.

    Returns:
        Lines for a terminal.
    """
    lines = [*(_fits(tally, size) if size else []), *tally.remarks]
    for kind, what in MENDINGS.items():
        # The code that matches gathers to a model reports that itself.
        told_elsewhere = size is None and kind in ("reordered", "resampled")
        if (mended := tally.mended.get(kind)) and not told_elsewhere:
            line = f"{what}: {mended.traces} in {_number(mended.gathers, 'gather')} "
            line += f"({_first(mended.first, mended.gathers)})"
            lines.append(f"{line}; {KEPT_BY[kind]}" if kind in KEPT_BY else line)
    for traces, what in (
        (tally.broken, "NaN or infinite samples, set to zero"),
        (tally.dead, "only zeros, kept"),
    ):
        if traces:
            count = sum(number for number, _ in traces.values())
            named = [
                f"{name} ({number}, first trace {first})" if first else f"{name} ({number})"
                for name, (number, first) in traces.items()
            ]
            lines.append(f"{_number(count, 'trace')} of {_number(len(traces), 'gather')} with {what}: {_first(named)}")
    for names, what in (
        (tally.lifeless, "left out, without a live trace"),
        (tally.unlabelled, "left out, without a label"),
        (tally.renamed, "renamed because their ids were taken"),
    ):
        if names:
            lines.append(f"{_number(len(names), 'gather')} {what}: {_first(names)}")
    if tally.again:
        lines.append(
            f"warning: {_number(len(tally.again), 'gather')} of a shot that came before in the file, with others "
            f"between: {_first(tally.again)}; if shots are split, sort the traces by shot or pass --shot-header"
        )
    if tally.disordered:
        lines.append(
            f"warning: {_number(len(tally.disordered), 'gather')} with traces in disorder, by their offsets: "
            f"{_first(tally.disordered)}; their images show them so: sort the traces by offset and ingest again"
        )
    if table:
        lines += _labels(table, tally)
    if tally.synthetic:
        lines.append(f"{_number(tally.synthetic, 'gather')} synthetic: folds, training and scores leave them out")
    for which, count in tally.orphans.items():
        lines.append(f"warning: the parents of {_number(count, 'synthetic gather')} of {which}")
    if tally.nowhere:
        gathers, sources = _number(sum(tally.nowhere.values()), "gather"), list(tally.nowhere)
        lines.append(f"{gathers} without usable coordinates (missing, or in degrees): {_first(sources)}")
    return lines


def remark_lines(found: Sequence[tuple[Source, Remark]]) -> list[str]:
    """Format the remarks on files, each kind once.

    Args:
        found: Files and their remarks.

    Returns:
        A line for each kind, with the first file's text.
    """
    kinds: dict[str, list[tuple[Source, Remark]]] = {}
    for source, remark in found:
        kinds.setdefault(remark.kind, []).append((source, remark))
    lines = []
    for each in kinds.values():
        source, remark = each[0]
        line = f"{WARNING if remark.is_warning else ''}{source_text(source.path)}: {remark.text}"
        if others := [source_text(source.path) for source, _ in each[1:]]:
            line += f" (also {_first(others)})"
        lines.append(line)
    return lines


def refuse_warnings(lines: Sequence[str]) -> None:
    """Turn warnings into errors, for `--strict`.

    Args:
        lines: Lines for a terminal.

    Raises:
        InputError: One of them is a warning.
    """
    warnings = [line.removeprefix(WARNING) for line in lines if line.startswith(WARNING)]
    if warnings:
        more = f" and {_number(len(warnings) - 1, 'more warning')}" if len(warnings) > 1 else ""
        raise InputError(f"{warnings[0]} (refused by --strict{more})")


def because(lines: Sequence[str]) -> str:
    """The first warning, to be added to an error that it may explain.

    Args:
        lines: Lines for a terminal.

    Returns:
        The text to add; empty if there is no warning.
    """
    return next((f"; {line}" for line in lines if line.startswith(WARNING)), "")


def resize_warnings(shapes: Sequence[tuple[int, int]], height: int, interval_s: float | None) -> list[str]:
    """Warn of what resizing does to the sample interval.

    Args:
        shapes: Samples and traces of the recordings.
        height: Rows of the images.
        interval_s: Time between two samples, in seconds; None if unknown.

    Returns:
        A line for each number of samples that is not the height, the commonest first, few in all.
    """
    lines = []
    counts = Counter(samples for samples, _ in shapes if samples != height).most_common()
    for samples, count in counts[:NAMED]:
        step = samples / height
        line = f"warning: {_number(count, 'gather')} resized from {samples} to {height} rows: "
        if interval_s is None:
            line += f"a row is {step:.4g} samples, and the Nyquist frequency {1 / step:.4g} times the original"
        else:
            line += (
                f"a row is {step * interval_s * 1e3:.4g} ms instead of {interval_s * 1e3:g}, the Nyquist frequency "
                f"{0.5 / interval_s / step:.4g} Hz instead of {0.5 / interval_s:.4g}"
            )
        lines.append(line)
    if len(counts) > NAMED:
        lines.append(f"warning: and {len(counts) - NAMED} more numbers of rows were resized")
    return lines


def _gathers(survey: Survey) -> list[str]:
    """The first gathers as a table."""
    index = survey.index.head(LISTED)
    table = index[["gather_id", "label", "shot", "recorded_traces", "recorded_samples", "fit"]].copy()
    table["sample_interval_ms"] = ["unknown" if math.isnan(s) else f"{s * 1e3:g}" for s in index["sample_interval_s"]]
    table["offsets_m"] = [
        "unknown" if math.isnan(first) else f"{first:g} to {last:g}"
        for first, last in zip(index["first_offset_m"], index["last_offset_m"], strict=True)
    ]
    table["clip_amplitude"] = index["clip_amplitude"].map("{:.4g}".format)
    lines = table.to_string(index=False).splitlines()
    if len(survey) > LISTED:
        lines.append(f"and {len(survey) - LISTED} more, listed in {source_text(survey.path / 'gathers.csv')}")
    return lines


def _fits(tally: Tally, size: tuple[int, int]) -> list[str]:
    done = {"whole": "as recorded", "pad": "padded", "resize": "resized"}
    told = [f"{tally.fits[fit]} {word}" for fit, word in done.items() if tally.fits[fit]]
    if tally.fits["crop"]:
        told.append(f"{tally.fits['crop']} cropped from up to {tally.largest[0]}x{tally.largest[1]}")
    return [f"to {size[0]}x{size[1]}: {', '.join(told)}"]


def _labels(table: LabelTable, tally: Tally) -> list[str]:
    """Mismatches between gathers and their labels."""
    name = source_text(table.path)
    lines = [f"warning: {name}: {table.remark}"] if table.remark else []
    for found, what in (
        (table.unknown(), "that no gather matches"),
        (table.empty(), "without a label"),
        ([table.describe(key) for key in table.repeated], "given before"),
    ):
        if found:
            lines.append(f"{name}: {_number(len(found), 'row')} {what}: {_first(found)}")
    if tally.without_row:
        lines.append(f"{name}: no row for {_number(len(tally.without_row), 'gather')}: {_first(tally.without_row)}")
    return lines
