"""All that is handed over of some graded files, made in one pass over them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glowseis.delivery.collecting import FEWEST_SAMPLES, Found, collect, number_in
from glowseis.delivery.grades import NOT_GRADED, PROBABILITY, SIMULATED, GradesTable, read_grades
from glowseis.delivery.kill_list import FAULTS, write_kill_list
from glowseis.delivery.navigation import note, parse_crs, write_geojson
from glowseis.delivery.record import GradedFile, GradingRecord, file_sha256, found_record, read_record
from glowseis.errors import InputError
from glowseis.files import check_output, whole_folder, write_json
from glowseis.judging.decision import RARER
from glowseis.survey.formats.marked_copy import bytes_text, chosen_word, marked_copy
from glowseis.survey.formats.segy_headers import Word
from glowseis.survey.formats.sources import open_source
from glowseis.survey.formats.trace_source import TraceSource
from glowseis.survey.gather import source_text
from glowseis.survey.wording import first_names, number_of
from glowseis.version import __version__

KILL_LIST, MAP, COPIES, ABOUT = "kill.csv", "grades.geojson", "segy", "delivery.json"
"""Names in the folder that is handed over."""


@dataclass(frozen=True)
class Wanted:
    """What to hand over.

    Attributes:
        kill: Grades that kill a whole gather, separated by commas; the severest when empty.
        crs: Reference system of coordinates, such as `EPSG:32631`; empty if unknown.
        segy: Whether marked copies of SEG-Y and Seismic Unix files are made.
        word: Trace header word of the grade in these; a free one when None.
        folders: Where the files are, if they moved.
    """

    kill: str = ""
    crs: str = ""
    segy: bool = False
    word: str | None = None
    folders: Sequence[Path] = ()


def hand_over(grades: Path, out: Path, wanted: Wanted) -> list[str]:
    """Make a kill list, a map and marked copies from a table of grades and the files that it is of.

    Args:
        grades: The CSV file, with its record beside it.
        out: Folder to make.
        wanted: What to make.

    Returns:
        Lines for the user.

    Raises:
        InputError: An option, the table, its record or a file is wrong, or a file changed; nothing is left behind.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    check_output(out)
    crs = parse_crs(wanted.crs) if wanted.crs else None
    table = read_grades(grades)
    kill = _killing(wanted.kill, table)
    record = read_record(grades)
    rows, elsewhere = _rows_by_file(table, record)
    paths = {_path(one, wanted.folders): one for one in record.files if not one.reason}
    copied = _copied(paths, record) if wanted.segy else {}
    word = chosen_word(list(copied.values()), wanted.word) if copied else None
    told: list[str] = []
    with whole_folder(out) as folder:
        found = collect(record, paths, rows, kill, copied, table, told)
        told += _kill_lines(found, kill, write_kill_list(folder / KILL_LIST, found.ranges))
        told += _rarer_lines(table, kill) if record.how.get("prior") is None else ()
        told += _map_lines(folder / MAP, found, crs)
        told += _copy_lines(folder / COPIES, found, copied, word, table) if word else []
        _write_about(folder / ABOUT, grades, record, table, kill, crs, word, found.words)
    if wanted.segy and (others := [source_text(path) for path in paths if path not in copied]):
        told.append(
            f"{number_of(len(others), 'file')} not copied, as only SEG-Y and Seismic Unix are: {first_names(others)}"
        )
    if missing := [one.source for one in record.files if one.reason]:
        told.append(f"{number_of(len(missing), 'file')} left out that could not be graded: {first_names(missing)}")
    if elsewhere:
        told.append(f"{number_of(elsewhere, 'grade')} of survey gathers left out: give classify the files instead")
    return [*told, f"{number_of(found.graded, 'graded gather')}: {source_text(out)}"]


def _killing(text: str, table: GradesTable) -> tuple[str, ...]:
    """The grades that kill a gather."""
    wanted = tuple(dict.fromkeys(label.strip() for label in text.split(","))) if text else table.labels[-1:]
    for label in wanted:
        if label not in table.numbers:
            raise InputError(
                f"--kill {label}: not a grade in {source_text(table.path)}; choose from {', '.join(table.numbers)}"
            )
    return wanted


def _rows_by_file(table: GradesTable, record: GradingRecord) -> tuple[dict[str, dict[str, dict[str, str]]], int]:
    """Rows by gather id, by the graded file that they are of; and how many are of something else."""
    name = source_text(table.path)
    if table.labels != record.labels:
        raise InputError(
            f"{name}: has grades {', '.join(table.labels)}, but {source_text(found_record(table.path))} is of a model "
            f"with {', '.join(record.labels)}; copy the record that was written with the table"
        )
    rows: dict[str, dict[str, dict[str, str]]] = {one.source: {} for one in record.files if not one.reason}
    elsewhere = 0
    for row in table.rows:
        mine = rows.get(row["source"], rows.get(row["source"].rpartition(SIMULATED)[0]))
        if mine is None:
            elsewhere += 1
        elif row["gather_id"] in mine:
            raise InputError(f"{name}: gather {row['gather_id']} has two rows; grade the files again")
        else:
            mine[row["gather_id"]] = row
    if elsewhere == len(table.rows):
        raise InputError(
            f"{name}: none of its gathers comes from a file that {source_text(found_record(table.path))} names; "
            "grade files, not surveys, which hold pictures of gathers"
        )
    return rows, elsewhere


def _path(one: GradedFile, folders: Sequence[Path]) -> Path:
    """Where a graded file is now, its content unchanged."""
    name = Path(one.path).name
    places = [folder / name for folder in folders] + [Path(one.source), Path(one.path)]
    there = [path for path in dict.fromkeys(places) if path.is_file()]
    for path in there:
        if path.stat().st_size == one.size_bytes and file_sha256(path) == one.sha256:
            return path
    if there:
        raise InputError(f"{source_text(there[0])}: changed since it was graded; grade it again")
    raise InputError(f"{one.path}: no such file; if it was moved since it was graded, give its folder with --files")


def _copied(paths: Iterable[Path], record: GradingRecord) -> dict[Path, TraceSource]:
    """Files of traces, opened."""
    opened = {path: open_source(path, record.options, record.kind) for path in paths}
    return {path: source for path, source in opened.items() if isinstance(source, TraceSource)}


def _kill_lines(found: Found, kill: Sequence[str], ranges: int) -> Iterator[str]:
    if found.ungraded:
        yield (
            f"{number_of(len(found.ungraded), 'gather')} without a row in the table, such as those that classify "
            f"leaves out: {first_names(found.ungraded)}"
        )
    if found.unmeasured:
        yield (
            f"{number_of(len(found.unmeasured), 'gather')} without a sample interval, or of fewer than "
            f"{FEWEST_SAMPLES} samples, whose dead and wild channels are not known: {first_names(found.unmeasured)}"
        )
    if again := sorted({each[:3] for each in found.ranges if found.places[each[:3]] > 1}):
        named = first_names([f"line {line} shot {shot} cable {cable}" for line, shot, cable in again])
        yield (
            f"warning: {KILL_LIST} cannot tell several gathers of one line, shot and cable apart: {named}; grade again "
            "with --line-header, --shot-header or --cable-header, or hand over their files apart"
        )
    if found.doubtful:
        yield (
            f"warning: {len(found.doubtful)} of the {number_of(found.killed, 'gather')} graded {' or '.join(kill)} are "
            f"unlike the training data (unlike > 1): {first_names(found.doubtful)}; look at them before you kill them"
        )
    for words in found.words:
        told = ", ".join(f"{counted}s by {word}" for counted, word in words.items())
        yield f"{KILL_LIST} numbers {told}"
    if found.padded:
        yield (
            f"{number_of(found.padding, 'dead trace')} with channel number 0, taken for padding and not in "
            f"{KILL_LIST}: {first_names(found.padded)}"
        )
    channels = " and ".join(f"{found.channels[fault]} {fault}" for fault in FAULTS)
    yield (
        f"{KILL_LIST}: {number_of(found.killed, 'gather')} graded {' or '.join(kill)}, and {channels} channels of "
        f"others, in {number_of(ranges, 'range')}"
    )


def _rarer_lines(table: GradesTable, kill: Sequence[str]) -> Iterator[str]:
    """Of how many gathers the severest grade would remain the most probable if it were rarer than assumed."""
    severest = table.labels[-1]
    graded = [row for row in table.rows if row["grade"] == severest] if severest in kill else []
    shares = np.array([[number_in(row[f"{PROBABILITY}{label}"]) or 0.0 for label in table.labels] for row in graded])
    # Not those that were corrected by hand, or graded by a threshold.
    shares = shares[shares.argmax(axis=1) == len(table.labels) - 1] if len(shares) else shares
    if len(shares):
        left = int((shares[:, -1] / RARER > shares[:, :-1].max(axis=1)).sum())
        if left < len(shares):
            yield (
                f"warning: {severest} is the most probable grade of {number_of(len(shares), 'gather')} on the kill "
                f"list; if {severest} gathers were {RARER} times as rare as assumed, it would still be so for only "
                f"{left}. Look at these gathers before you kill them, or grade again with the class fractions that you "
                "expect, such as --prior 66,31,2"
            )


def _map_lines(path: Path, found: Found, crs: str | None) -> Iterator[str]:
    """Write the map, if there is any position."""
    if not found.units:
        yield f"no {path.name}: the files have no source coordinates"
        return
    if len(found.units) > 1 and (not crs or "degrees" in found.units):
        (unit, one), (other, another), *_ = sorted(found.units.items())
        mend = "" if "degrees" in found.units else ", or name the system of all coordinates with --crs EPSG:n"
        raise InputError(
            f"the source coordinates of gather {one} are {unit}, those of {another} {other}; a map cannot hold both: "
            f"grade and deliver their files separately{mend}"
        )
    unit = min(found.units)
    write_geojson(path, found.features, unit, crs)
    if found.nowhere:
        yield (
            f"{number_of(len(found.nowhere), 'gather')} without source coordinates, in the map without a position: "
            f"{first_names(found.nowhere)}"
        )
    mend = "" if crs or unit == "degrees" else "; --crs EPSG:n names it"
    yield f"{path.name}: {number_of(len(found.features), 'gather')}; {note(unit, crs)}{mend}"


def _copy_lines(
    folder: Path, found: Found, copied: Mapping[Path, TraceSource], word: Word, table: GradesTable
) -> Iterator[str]:
    """Make the marked copies."""
    folder.mkdir()
    names = Counter(path.name for path in copied)
    for path, source in copied.items():
        parent = f"{path.absolute().parent.name}-" if names[path.name] > 1 else ""
        copy = folder / f"{parent}{path.name}"
        if copy.exists():
            raise InputError(
                f"{source_text(path)}: two files with this name are in folders with the same name; rename one, and "
                "grade again"
            )
        changed = marked_copy(source, copy, word, found.numbers[path], found.dead[path])
        if changed.overwritten:
            yield (
                f"warning: {source_text(path)}: {bytes_text(word)} held numbers such as {changed.example} on "
                f"{number_of(changed.overwritten, 'trace')}, which the copy has lost; --grade-word names another word"
            )
        yield (
            f"{folder.name}/{copy.name}: grade in {bytes_text(word)}, {number_of(changed.dead, 'trace')} newly marked "
            "dead (bytes 29-30: 2), every other byte as in the original"
        )
    yield f"grade numbers: {_numbers_text(table)}"


def _numbers_text(table: GradesTable) -> str:
    told = {"not graded": NOT_GRADED} | table.numbers
    return ", ".join(f"{number} {label}" for label, number in told.items())


def _write_about(
    path: Path,
    grades: Path,
    record: GradingRecord,
    table: GradesTable,
    kill: Sequence[str],
    crs: str | None,
    word: Word | None,
    words: Sequence[Mapping[str, str]],
) -> None:
    """Say what the folder was made of, and what its numbers mean."""
    write_json(
        path,
        {
            "glowseis": __version__,
            "grades": source_text(grades.absolute()),
            "grades_sha256": file_sha256(grades),
            "model": record.model,
            "model_sha256": record.model_sha256,
            "killed_grades": list(kill),
            "grade_numbers": {"not graded": NOT_GRADED} | table.numbers,
            "grade_word": bytes_text(word) if word else None,
            "crs": crs,
            "header_words": list(words),
            "files": [one.model_dump(mode="json") for one in record.files],
        },
    )
