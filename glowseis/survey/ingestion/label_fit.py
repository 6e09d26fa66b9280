"""Whether a table of labels and files of gathers match; checked before amplitudes are read if headers suffice."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.formats.source import ReadOptions, Remark, Source
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.label_rows import Key, ShotRange
from glowseis.survey.ingestion.label_table import LabelTable, place_of
from glowseis.survey.ingestion.naming import free_name, id_prefixes

SHOT_WORDS = ("FieldRecord", "EnergySourcePoint", "ShotPoint", "CDP", "TRACE_SEQUENCE_FILE")
"""Words of trace headers that may hold a table's shot numbers, the likeliest first."""

NAMED = 3
"""Most cells that a message shows."""

LOOKED_FOR = 4
"""Gathers that are named if no row of a table of labels fits any."""


@runtime_checkable
class Headed(Protocol):
    """A file whose headers give line, shot and cable of its gathers, such as SEG-Y.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def is_synthetic(self) -> bool:
        """Whether its gathers were made from others."""

    def numbers(self) -> np.ndarray:
        """Line, shot and cable of each gather, int64 `[gather, 3]`."""

    @property
    def shot_word(self) -> str:
        """The header word that gives shot numbers, for people."""

    def ids(self) -> list[str] | None:
        """Ids of the gathers; None if headers do not give them."""

    def word_values(self, name: str) -> np.ndarray:
        """The distinct values of a header word that may count shots, int64 `[value]`; none if it counts traces."""

    def remarks(self) -> list[Remark]:
        """What the user should know about it."""


def look_ahead(table: LabelTable, sources: Sequence[Source], options: ReadOptions) -> None:
    """Match rows with the gathers of files whose headers give line, shot and cable, and ids.

    Args:
        table: The labels; what matches counts as found.
        sources: All files, opened.
        options: What the user stated about them.

    Raises:
        InputError: As `LabelTable.find`; or a row by shot fits a shot and another that comes later in its file; or no
            row fits any gather, and all files give enough to decide.
    """
    if "gather_id" in table.keys:
        _look_for_ids(table, sources, options)
        return
    for source in sources:
        if isinstance(source, Headed):
            seen: set[tuple[int, int, int]] = set()
            for line, shot, cable in source.numbers().tolist():
                label = table.match("", source.path, line, shot, cable, synthetic=source.is_synthetic)
                if label and "shot" in table.keys and (line, shot, cable) in seen:
                    raise InputError(_twice(table, source, line, shot, cable))
                seen.add((line, shot, cable))
    traces = [source for source in sources if isinstance(source, Headed)]
    if len(traces) == len(sources):
        check_some_fit(table, sources, options)
    if traces and "shot" in table.keys and table.unknown():
        number = table.keys.index("shot")
        wanted, fitting = (np.unique(_numbers(keys, number)) for keys in (table.labels, table.found))
        told, hits = _better_word(wanted, traces, options)
        if hits > len(fitting):
            word = told.split()[0]
            table.remark = (
                f"{len(fitting)} of its {len(wanted)} shots match {options.shot_header}, and {hits} match {word}; is "
                f"--shot-header {word} meant?"
            )


def _look_for_ids(table: LabelTable, sources: Sequence[Source], options: ReadOptions) -> None:
    """Match rows by gather id, if the headers of all files give the ids."""
    headed = [(source, ids) for source in sources if isinstance(source, Headed) and (ids := source.ids()) is not None]
    if len(headed) < len(sources):
        return
    prefixes, taken = id_prefixes([source.path for source in sources]), dict[str, None]()
    for source, ids in headed:
        for own, (line, shot, cable) in zip(ids, source.numbers().tolist(), strict=True):
            name = free_name(f"{prefixes.get(source.path, '')}{own}", taken)
            taken[name] = None
            table.match(name, source.path, line, shot, cable)
    check_some_fit(table, sources, options, list(taken)[:LOOKED_FOR])


def check_some_fit(table: LabelTable, sources: Sequence[Source], options: ReadOptions, ids: Sequence[str] = ()) -> None:
    """Make sure that some row was found, after all gathers were looked up.

    Args:
        table: The labels.
        sources: The files that the gathers came from, opened.
        options: What the user stated about them.
        ids: The first gather ids.

    Raises:
        InputError: No row fits any gather; the message says what the table and the gathers have, and what may help.
    """
    if table.found:
        return
    if not table.seen:
        raise InputError(
            f"{source_text(table.path)}: no row fits any gather: all are synthetic, and rows by "
            f"{' and '.join(table.keys)} are for recorded ones; add a column file"
        )
    reasons = [_reason(table, number, sources, options, ids) for number in range(len(table.keys))]
    told = "; ".join(reason for reason in reasons if reason) or _otherwise(table)
    raise InputError(f"{source_text(table.path)}: no row fits any gather: {told}")


def _twice(table: LabelTable, source: Headed, line: int, shot: int, cable: int) -> str:
    """The message for a row that fits two gathers of one file with others between."""
    row = table.rows[table.key("", source.path, line, shot, cable)]
    told = f"{source_text(table.path)}, row {row}: shot {shot} occurs twice in {source_text(source.path)}, with others "
    found = next((remark.text for remark in source.remarks() if remark.kind == "again"), "")
    why = found.partition("; ")[2]
    return f"{told}between, and the row fits both; {why and f'{why}, or '}label by gather_id"


def _reason(table: LabelTable, number: int, sources: Sequence[Source], options: ReadOptions, ids: Sequence[str]) -> str:
    """Why a column's cells match no gather, and what to do; empty if some do."""
    name = table.keys[number]
    cells = {key[number] for key in table.labels}
    if name == "gather_id":
        there = f", the gathers' {', '.join(map(repr, ids[:NAMED]))}{' and so on' * (len(ids) > NAMED)}" if ids else ""
        return (
            f"its gather ids are {_shown(table, number)}{there}; name gathers by line, shot and cable instead, or give "
            "the survey that has these ids"
        )
    if name == "file":
        names = _listed([source.path.name for source in sources])
        right = cells & {place_of(source.path) for source in sources}
        return "" if right else f"its files are {_shown(table, number)}, the sources {names}; write their names"
    wanted = np.array(sorted(_numbers(table.labels, number)), np.int64)
    low, high = table.seen[name]
    if len(table.keys) > 1 and np.any((wanted >= low) & (wanted <= high)):
        return ""
    told = f"its {name}s are {_range(wanted)}, the gathers' {_range(np.array([low, high]))}"
    traces = [source for source in sources if isinstance(source, Headed)]
    if not traces:
        return f"{told}, which are counted because the files have none; use a column file or gather_id"
    told += f" ({options.shot_header})" if name == "shot" else ""
    word = _better_word(wanted, traces, options)[0] if name == "shot" else ""
    advice = f"{word}; try --shot-header {word.split()[0]}" if word else f"name their word by --{name}-header"
    return f"{told}; {advice}"


def _numbers(keys: Iterable[Key], number: int) -> list[int]:
    """The whole numbers in a column of keys; of a range its first and last."""
    values = [key[number] for key in keys]
    return [int(each) for value in values for each in (value if isinstance(value, ShotRange) else (value,))]


def _better_word(wanted: np.ndarray, sources: Sequence[Headed], options: ReadOptions) -> tuple[str, int]:
    """The header word that holds most of some shot numbers, with its range, and how many; empty if none does."""
    best, most = "", 0
    for word in SHOT_WORDS:
        if word == options.shot_header:
            continue
        found = np.unique(np.concatenate([source.word_values(word) for source in sources]))
        hits = int(np.isin(wanted, found).sum())
        if hits > most:
            best, most = f"{word} holds {_range(found)}", hits
    return best, most


def _otherwise(table: LabelTable) -> str:
    """The message if no column is wrong by itself."""
    first = table.describe(next(iter(table.labels)))
    return f"no gather matches a row in all columns, such as {first}; compare with a survey's gathers.csv"


def _shown(table: LabelTable, number: int) -> str:
    """The first cells of a column as written."""
    return _listed(list(dict.fromkeys(words[number] for words in table.words.values())))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:NAMED])) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _range(numbers: np.ndarray) -> str:
    low, high = numbers.min(), numbers.max()
    return str(low) if low == high else f"{low} to {high}"
