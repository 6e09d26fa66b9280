"""Copies of SEG-Y and Seismic Unix files with a number in a trace header word, and dead traces marked as such.

Dead traces get trace identification code 2 (bytes 29-30; SEG Technical Standards Committee, "SEG-Y_r1.0", 2002). Every
other byte stays as it is, and each copy is compared with its original, byte by byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from segyio import TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.segy_headers import TRACE_HEADER_BYTES, Word, field_name, header_word, values
from glowseis.survey.formats.trace_bytes import TraceBytes
from glowseis.survey.formats.trace_source import TraceSource
from glowseis.survey.gather import source_text

FREE = (233, 237, 231, 225)
"""First bytes of words that may hold a number if nothing else is said, the likeliest first: two that revision 1 leaves
unassigned, then the unit and the value of a source measurement, which marine files hardly use."""

NEEDED = (
    TraceField.TRACE_SEQUENCE_LINE,
    TraceField.TRACE_SEQUENCE_FILE,
    TraceField.FieldRecord,
    TraceField.TraceNumber,
    TraceField.EnergySourcePoint,
    TraceField.TraceIdentificationCode,
    TraceField.offset,
    TraceField.SourceGroupScalar,
    TraceField.SourceX,
    TraceField.SourceY,
    TraceField.GroupX,
    TraceField.GroupY,
    TraceField.CoordinateUnits,
    TraceField.DelayRecordingTime,
    TraceField.TRACE_SAMPLE_COUNT,
    TraceField.TRACE_SAMPLE_INTERVAL,
    TraceField.TraceWeightingFactor,
    TraceField.ScalarTraceHeader,
)
"""Words that readers need: they hold no number of ours."""

NAMES_FROM = 233
"""First of the bytes that revision 2 keeps for the name of a trace header."""

CODE = header_word(int(TraceField.TraceIdentificationCode))
DEAD_CODE = 2

PIECE_BYTES = 1 << 22


@dataclass(frozen=True)
class Copied:
    """What a copy changed.

    Attributes:
        dead: Traces that were given the code of dead ones, and had another.
        overwritten: Traces whose word held something other than zero.
        example: One of these values; 0 if there are none.
    """

    dead: int
    overwritten: int
    example: int


def bytes_text(word: Word) -> str:
    """The bytes of a word, such as `bytes 233-236`."""
    return f"bytes {word.byte}-{word.byte + int(word.kind[1]) - 1}"


def chosen_word(sources: Sequence[TraceSource], asked: str | None) -> Word:
    """The word of the trace headers that takes a number, the same in all files.

    Args:
        sources: The files.
        asked: A name or byte number, as for `header_word`; the first of `FREE` that is zero on all traces when None.

    Returns:
        The word.

    Raises:
        InputError: There is no such word, a file needs it, or none is free.
    """
    if asked is not None:
        try:
            word = header_word(asked)
        except InputError:
            raise InputError(
                f"--grade-word {asked}: no word of a trace header; give its first byte, from 1 to 237, or a name such "
                "as SourceMeasurementUnit"
            ) from None
        for source in sources:
            if clash := _clash(source, word):
                raise InputError(
                    f"--grade-word {asked}: its {bytes_text(word)} overlap {clash}, which readers of "
                    f"{source_text(source.path)} need; give another, such as 231"
                )
        return word
    left = [header_word(byte) for byte in FREE]
    left = [word for word in left if not any(_clash(source, word) for source in sources)]
    for source in sources:
        for _, headers in TraceBytes(source.path, source.facts.layout).headers():
            left = [word for word in left if not values(headers, word, source.facts.layout.header_order).any()]
    if not left:
        raise InputError(
            f"none of the trace header words at bytes {', '.join(map(str, FREE))} is free in all files; name one that "
            "may be overwritten by --grade-word"
        )
    return left[0]


def marked_copy(source: TraceSource, out: Path, word: Word, numbers: np.ndarray, dead: np.ndarray) -> Copied:
    """Copy a file with a number in a word of every trace header, and dead traces marked.

    Args:
        source: The file.
        out: The copy to make.
        word: Where the number goes.
        numbers: The number of each trace of the file, `[trace]`.
        dead: Its dead traces, bool `[trace]`.

    Returns:
        What was changed.

    Raises:
        InputError: The file cannot be read, or the copy differs elsewhere.
        OSError: The disk is full or not writable.
    """
    layout = source.facts.layout
    order, end_bytes = layout.header_order, layout.start_bytes + layout.traces * layout.trace_bytes
    told = np.asarray(numbers).astype(order + word.kind).view(np.uint8).reshape(layout.traces, -1)
    code = np.asarray([DEAD_CODE], order + CODE.kind).view(np.uint8)
    marked = overwritten = example = 0
    trace_bytes = TraceBytes(source.path, layout)
    with trace_bytes.opened() as original, out.open("wb") as copy:
        copy.writelines(_pieces(source.path, 0, layout.start_bytes))
        for first, last, block in trace_bytes.blocks(original, 0, layout.traces):
            headers = block[:, :TRACE_HEADER_BYTES]
            former = values(headers, word, order)
            overwritten += int(np.count_nonzero(former))
            example = example or next(iter(former[former != 0].tolist()), 0)
            marks = dead[first:last] & (values(headers, CODE, order) != DEAD_CODE)
            marked += int(np.count_nonzero(marks))
            block[:, word.byte - 1 : word.byte - 1 + told.shape[1]] = told[first:last]
            block[marks, CODE.byte - 1 : CODE.byte - 1 + len(code)] = code
            copy.write(block.data)
        copy.writelines(_pieces(source.path, end_bytes, source.path.stat().st_size))
    check_copy(source, out, word, numbers, dead)
    return Copied(marked, overwritten, example)


def check_copy(source: TraceSource, out: Path, word: Word, numbers: np.ndarray, dead: np.ndarray) -> None:
    """Compare a copy with its original, byte by byte.

    Args:
        source: The original.
        out: The copy.
        word: Where the number is.
        numbers: The number that each trace must have, `[trace]`.
        dead: Traces that must be marked dead; the others must have the code that they had, bool `[trace]`.

    Raises:
        InputError: The copy has another length, another number or code, or another byte that is not the original's.
    """
    layout = source.facts.layout
    order = layout.header_order
    wrong = InputError(f"{source_text(out)}: differs from {source_text(source.path)} where it must not; check the disk")
    if out.stat().st_size != source.path.stat().st_size:
        raise wrong
    ends = (0, layout.start_bytes), (layout.start_bytes + layout.traces * layout.trace_bytes, out.stat().st_size)
    for begin, end in ends:
        for piece, copied in zip(_pieces(source.path, begin, end), _pieces(out, begin, end), strict=True):
            if piece != copied:
                raise wrong
    mine, theirs = TraceBytes(source.path, layout), TraceBytes(out, layout)
    kept = np.ones(layout.trace_bytes, bool)
    kept[word.byte - 1 : word.byte - 1 + int(word.kind[1])] = False
    kept[CODE.byte - 1 : CODE.byte + 1] = False
    with mine.opened() as one, theirs.opened() as other:
        pairs = zip(mine.blocks(one, 0, layout.traces), theirs.blocks(other, 0, layout.traces), strict=True)
        for (first, last, block), (_, _, copy) in pairs:
            told, headers = copy[:, :TRACE_HEADER_BYTES], block[:, :TRACE_HEADER_BYTES]
            codes = np.where(dead[first:last], DEAD_CODE, values(headers, CODE, order))
            if (
                (values(told, word, order) != numbers[first:last]).any()
                or (values(told, CODE, order) != codes).any()
                or ((block != copy) & kept).any()
            ):
                raise wrong


def _clash(source: TraceSource, word: Word) -> str:
    """The needed word of a file that another overlaps; empty if there is none."""
    needed = [header_word(int(field))._replace(name=field_name(field)) for field in NEEDED]
    needed += [one._replace(name=f"the header word {one.name}") for one in source.words]
    if source.facts.is_named:
        needed.append(Word("the trace header's name", NAMES_FROM, "i8"))
    for one in needed:
        if one.byte < word.byte + int(word.kind[1]) and word.byte < one.byte + int(one.kind[1]):
            return f"{one.name} ({bytes_text(one)})"
    return ""


def _pieces(path: Path, begin: int, end: int) -> Iterator[bytes]:
    """The bytes of a part of a file."""
    with path.open("rb") as file:
        file.seek(begin)
        while begin < end:
            piece = file.read(min(PIECE_BYTES, end - begin))
            if not piece:
                return
            begin += len(piece)
            yield piece
