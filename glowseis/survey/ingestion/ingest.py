"""From files of gathers to a survey, with a report of everything that was done to them."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from glowseis.cluster import ready
from glowseis.errors import InputError
from glowseis.files import STATE, check_output, resumable_folder
from glowseis.survey.formats.source import Source, SourceError, State, blamed_on, check_unchanged
from glowseis.survey.formats.sources import passed_over
from glowseis.survey.gather import Gather, Picture, Recording, source_text
from glowseis.survey.ingestion.apart import Parts, made_apart, remove_parts
from glowseis.survey.ingestion.finished import FILE, Finished, labels_sha256, read_note
from glowseis.survey.ingestion.label_fit import LOOKED_FOR, Headed, check_some_fit
from glowseis.survey.ingestion.label_table import LabelTable
from glowseis.survey.ingestion.naming import free_name, id_prefixes
from glowseis.survey.ingestion.opening import Opened, all_remarks, open_files, open_readable, shape_warnings
from glowseis.survey.ingestion.parts import Rendered, read_source, silent_traces, tasks_of
from glowseis.survey.ingestion.report import Tally, because, refuse_warnings, summary, treatment
from glowseis.survey.ingestion.request import Request, told_of
from glowseis.survey.progress import progress
from glowseis.survey.render import is_live, render
from glowseis.survey.store.survey import open_survey, take_up, write_records
from glowseis.survey.wording import number_of
from glowseis.version import __version__


def ingest(
    request: Request, out: Path, left_out: dict[Path, str] | None = None, jobs: int = 1, scheduler: str = ""
) -> list[str]:
    """Make a survey from files of gathers, whole or not at all, with memory for one gather.

    Gather ids are those of the sources, preceded by the folder's name if several sources have the same name; an id that
    is still taken gets `-2`, `-3` and so on. A trace with a NaN or infinite sample becomes zero; a gather without a
    live trace is left out.

    Args:
        request: What to read, and how; with `keep_going`, files that cannot be read are left out.
        out: Folder to make.
        left_out: Gets these files, and why they cannot be read.
        jobs: Processes that read files ahead of this one; the survey is the same.
        scheduler: Address of a Dask scheduler whose workers read files ahead of this process.

    Returns:
        What was done, line by line.

    Raises:
        InputError: A setting or an input is wrong; nothing is left behind. Or the scheduler's workers cannot share the
            work; what a stopped ingest finished is kept.
        StoppedError: It was interrupted; whole files are kept, and the same call goes on after them.
        OSError: The disk is full or not writable, and no file was finished; nothing is left behind.
    """
    check_output(out)
    faults = {} if left_out is None else left_out
    with ready(scheduler, jobs, request.sources, out) as client:
        opened = open_readable(request, faults)
        work = {"glowseis": __version__, "sources": [source_text(path) for path in request.sources], **request.about()}
        with resumable_folder(out, work) as (folder, keep):
            try:
                tally, told, table = _ingest(request, opened, faults, Finished(folder, keep), out, (jobs, client))
            except InputError:
                (folder / STATE).unlink(missing_ok=True)
                raise
    return told + summary(open_survey(out), tally, table)


def _first(count: int) -> Callable[[object], bool]:
    """Whether a record that is asked for is among the first ones, in their order."""
    numbers = itertools.count(1)
    return lambda _: next(numbers) <= count


def _ingest(
    request: Request,
    opened: Opened,
    faults: dict[Path, str],
    finished: Finished,
    out: Path,
    others: tuple[int, Any],
) -> tuple[Tally, list[str], LabelTable | None]:
    """Write a survey's files after those that are finished, from the last whole file on if a file is left out.

    The labels that are returned know which gathers they were for. `others` are the number of processes that read
    ahead, or the client of a scheduler.
    """
    assert finished.folder
    folder = finished.folder
    told: list[str] = []
    while True:
        note = finished.note = read_note(folder, opened.sources, opened.size, opened.table)
        written = take_up(folder, is_whole=_first(finished.gathers))
        if len(written) < finished.gathers:
            note = finished.note = None
            written = take_up(folder, is_whole=_first(0))
        tally = note.tally if note else Tally()
        finished.labels = labels_sha256(opened.table)
        finished.ids = {*written.ids, *tally.lifeless, *tally.unlabelled}
        if note and not told:
            done = f"{number_of(len(note.files), 'file')} and {number_of(note.gathers, 'gather')}"
            told.append(f"{source_text(out)}: continued after {done} that were finished before")
        about = request.about() | ({"left_out": told_of(faults)} if faults else {})
        try:
            with made_apart(folder, tasks_of(request, opened, finished.files), *others, finished.keep) as parts:
                gathers = _gathers(request, opened, tally, finished=finished, parts=parts)
                write_records(folder, gathers, opened.size, about, written=written)
            (folder / FILE).unlink(missing_ok=True)
            remove_parts(folder)
            return tally, shape_warnings(request, opened) + told, opened.table
        except SourceError as wrong:
            if not request.keep_going:
                raise
            faults |= wrong.faults
            opened = open_readable(request, faults)


def gathers_of(
    request: Request,
    told: list[str],
    bring: Callable[[Recording | Picture], Gather] | None = None,
    taken: Iterable[str] = (),
) -> Iterator[Gather]:
    """Read files of gathers as images, as `ingest` would write them, with memory for one gather.

    Args:
        request: What to read, and how.
        told: A list to which lines on what was done are added once the last gather is read.
        bring: Makes an image of any size from a gather; when None, the request decides. With it, files may have several
            sample intervals.
        taken: Ids of gathers of other files, which none of these gets.

    Yields:
        The gathers, one after another.

    Raises:
        InputError: A setting or an input is wrong.
    """
    opened = open_files(request, mixed=bring is not None)
    tally = Tally()
    yield from _gathers(request, opened, tally, bring, Finished(ids=set(taken)))
    told += shape_warnings(request, opened) if bring is None else []
    told += treatment(tally, None if bring else opened.size, opened.table)


def recordings_of(request: Request, told: list[str]) -> Iterator[Recording | Picture]:
    """Read files of gathers as they were recorded, with the ids that `ingest` gives them and memory for one gather.

    Args:
        request: What to read, and how; nothing is brought to a size.
        told: A list to which lines on what was done are added once the last gather is read.

    Yields:
        The gathers, one after another, dead ones too.

    Raises:
        InputError: A setting or an input is wrong.
    """
    return (found for _, found in sourced_recordings(request, told))


def sourced_recordings(
    request: Request,
    told: list[str],
    prefixes: Mapping[Path, str] | None = None,
    others: Mapping[Path, Iterable[str]] | None = None,
) -> Iterator[tuple[Source, Recording | Picture]]:
    """As `recordings_of`, each gather with the opened file that it comes from.

    Args:
        request: As for `recordings_of`.
        told: As for `recordings_of`.
        prefixes: Prefixes of ids by file, as `id_prefixes` gave them when the files lay elsewhere.
        others: Ids of the gathers of all other files, by file, if each file was first read on its own: then no id has a
            prefix.
    """
    opened = open_files(request, mixed=True)
    tally = Tally()
    if others is None:
        named = _named(opened.sources, opened.states, tally, prefixes=prefixes)
    else:
        apart = (
            _named([one], opened.states, tally, Finished(ids=set(others[one.path])), prefixes={})
            for one in opened.sources
        )
        named = itertools.chain.from_iterable(apart)
    for source, found in progress(named, len(opened.shapes), "reading"):
        assert not isinstance(found, Rendered)
        tally.add_mended(found.gather_id, found.mended)
        yield source, replace(found, label=_label(opened.table, source, found, tally) or found.label)
    if opened.table:
        check_some_fit(opened.table, opened.sources, request.options)
    tally.remarks = passed_over(request.sources, request.kind) + all_remarks(opened.sources, tally.told)
    lines = treatment(tally, None, opened.table)
    if request.strict:
        refuse_warnings(lines)
    told += lines


def _gathers(
    request: Request,
    opened: Opened,
    tally: Tally,
    bring: Callable[[Recording | Picture], Gather] | None = None,
    finished: Finished | None = None,
    parts: Parts | None = None,
) -> Iterator[Gather]:
    """The gathers of all sources, named, labelled and fitted, after those of files that are finished."""
    sources, table = opened.sources, opened.table
    finished = finished or Finished()
    taken = list(finished.note.first) if finished.note else []
    kept = finished.gathers

    def note(files: int) -> None:
        finished.write(sources[:files], opened.size, kept, taken, tally, table)

    named_ones = _named(sources, opened.states, tally, finished, note, parts=parts)
    for source, found in progress(named_ones, len(opened.shapes), "reading", kept):
        name = found.gather_id
        if len(taken) < LOOKED_FOR:
            taken.append(name)
        tally.add_origin(found.origin, source)
        label = _label(table, source, found, tally) or found.label
        if request.labelled_only and not label:
            tally.unlabelled.append(name)
            continue
        named = replace(found, label=label)
        with blamed_on(source.path):
            if isinstance(named, Rendered):
                gather: Gather = named
            elif bring:
                gather = bring(named)
            else:
                gather = render(named, *opened.size, request.fit, request.options.zero_level)
        tally.add_mended(name, gather.mended)
        for kind, traces in silent_traces(found, gather).items():
            getattr(tally, kind)[name] = traces
        if not is_live(gather):
            tally.lifeless.append(name)
            tally.dead.pop(name, None)
            continue
        tally.add(gather, opened.size)
        kept += 1
        yield gather
    if table and taken:
        check_some_fit(table, sources, request.options, taken)
    remarks = all_remarks(sources, tally.told)
    if not kept:
        raise InputError(f"no gather is left to write: {_lost(tally)}; check the sources and labels{because(remarks)}")
    tally.remarks = passed_over(request.sources, request.kind) + remarks
    if request.strict:
        size = None if bring else opened.size
        refuse_warnings(([] if bring else shape_warnings(request, opened)) + treatment(tally, size, table))


def _lost(tally: Tally) -> str:
    """Why no gather is left."""
    reasons = [(len(tally.lifeless), "without a live trace"), (len(tally.unlabelled), "without a label")]
    told = ", ".join(f"{number} {reason}" for number, reason in reasons if number) or "the sources have none"
    if broken := sum(number for number, _ in tally.broken.values()):
        told += f" ({broken} traces have NaN or infinite samples: check --sample-format and --byte-order)"
    if declared := tally.mended.get("declared_dead"):
        told += f" ({number_of(declared.traces, 'trace')} declared dead: trace identification 2 or 3, bytes 29-30)"
    return told


def _label(table: LabelTable | None, source: Source, found: Recording | Picture | Rendered, tally: Tally) -> str:
    """A gather's label in a table, if there is one; it is noted if no row is for it."""
    if table is None:
        return ""
    synthetic = bool(found.origin.parents)
    label = table.find(found.gather_id, source.path, found.geometry, synthetic=synthetic)
    if label is None and (table.tells_synthetic or not synthetic):
        tally.without_row.append(found.gather_id)
    return label or ""


def _named(
    sources: Sequence[Source],
    states: Mapping[Path, State | None],
    tally: Tally,
    finished: Finished | None = None,
    note: Callable[[int], None] = lambda files: None,
    prefixes: Mapping[Path, str] | None = None,
    parts: Parts | None = None,
) -> Iterator[tuple[Source, Recording | Picture | Rendered]]:
    """The gathers of all sources that are not finished, each with an id of its own.

    `note` is called with the number of finished sources after the last gather of each.
    """
    prefixes = id_prefixes([source.path for source in sources]) if prefixes is None else prefixes
    done = finished.files if finished else 0
    taken = dict.fromkeys(finished.ids) if finished else {}
    for number, source in enumerate(sources[done:], start=done + 1):
        shots: set[tuple[int, int, int]] = set()
        part = parts.wait_for(source.path) if parts else None
        for found in read_source(source, part, tally.told):
            wanted = f"{prefixes.get(source.path, '')}{found.gather_id}"
            name = free_name(wanted, taken)
            if name != wanted:
                tally.renamed.append(name)
            taken[name] = None
            shot = (found.geometry.sail_line, found.geometry.shot, found.geometry.cable)
            # Synthetic gathers have the shots of their parents; others are reported from the headers beforehand.
            if shot in shots and not found.origin.parents and not isinstance(source, Headed):
                tally.again.append(name)
            shots.add(shot)
            yield source, replace(found, gather_id=name)
        check_unchanged(source.path, states[source.path])
        if parts:
            parts.discard(source.path)
        note(number)
