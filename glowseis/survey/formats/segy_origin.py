"""How the gathers of our own SEG-Y files were made: the text header, and the table of parents beside the file.

SEG-Y cannot hold a gather's id and parents. `generate` writes them to a table, a row for each FieldRecord, and the text
header says that the gathers are synthetic and names the table. Gathers of such a file never count as recorded, even if
the table is missing and their parents are unknown.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from segyio import TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.parent_table import rows_by, told_by_row
from glowseis.survey.formats.segy_headers import CABLE, SAIL_LINE, values
from glowseis.survey.formats.targets import table_of
from glowseis.survey.gather import UNKNOWN_PARENT, Origin, Recording, source_text
from glowseis.survey.render import CLIPPED_FRACTION

SYNTHETIC = "SYNTHETIC GATHERS, NOT RECORDED"
SIMULATED = "SIMULATED BY GLOWSEIS"
"""The beginning of the text header."""

MADE = {
    "spherical": "INTERPOLATED IN THE LATENT SPACE OF A FLOW",
    "linear": "INTERPOLATED IN THE LATENT SPACE OF A FLOW",
    "moved": "NOISE OF ONE ON THE EVENTS OF ANOTHER",
}
"""How synthetic gathers were made, by the path of their origin; other ways are only named."""

OWN_CLIP = "moved"
"""The way whose gathers have a clip of their own, because other noise makes them louder or quieter."""

MAKER, TABLE = "MODEL, SEED AND PATH: ", "PARENTS, ALPHA, SEED AND MODEL OF EACH: "

RECORD = "field_record"
"""The table's column that identifies a row's gather in the file."""

WORDS = {
    RECORD: TraceField.FieldRecord,
    "sail_line": SAIL_LINE,
    "shot": TraceField.EnergySourcePoint,
    "cable": CABLE,
}
"""The trace header words with the values of these columns of the table."""

CARD_CHARACTERS, NUMBER_CHARACTERS = 80, 4
"""Lines of a text header, and the prefix of each, such as `C12 `."""


def synthetic_text(maker: str, path: Path, way: str = "") -> list[str]:
    """The text header of a SEG-Y file of synthetic gathers.

    Args:
        maker: Model, seed and path.
        path: The file.
        way: The path of their origin.
    """
    of = "EACH GATHER" if way == OWN_CLIP else "THE FIRST PARENT"
    return [
        f"{SYNTHETIC}: {MADE[way]}" if way in MADE else SYNTHETIC,
        f"{MAKER}{maker}",
        f"AMPLITUDES ARE CLIPPED: {100 * CLIPPED_FRACTION:g} % OF A RECORDED GATHER'S WERE BEYOND THE CLIP,",
        f"AND HAVE 256 LEVELS FROM MINUS TO PLUS THE CLIP OF {of}",
        "GEOMETRY: THAT OF THE FIRST PARENT; ITS SHOT IN BYTES 17-20,",
        "RUNNING NUMBER OF THE SYNTHETIC GATHER IN BYTES 9-12",
        f"{TABLE}{table_of(path).name}",
    ]


def simulated_text(seed: int) -> list[str]:
    """The text header of a SEG-Y file of simulated gathers.

    Args:
        seed: Seed of the survey.
    """
    return [
        f"{SIMULATED}, SEED {seed}",
        "AMPLITUDES: PRESSURE IN MICROBAR, TIMES A GAIN THAT RISES WITH TIME AND IS 1",
        "A THIRD INTO THE RECORD. THE RECORDER OF A DRAWN ACQUISITION MAY CHANGE",
        "THEM FURTHER, BY FILTERS, MUTES AND AUTOMATIC GAIN",
    ]


@dataclass(frozen=True)
class SegyOrigin:
    """How the gathers of a SEG-Y file were made, according to its text header.

    Attributes:
        path: The file.
        lines: The text header's lines without their numbers and the blanks after them.
    """

    path: Path
    lines: Sequence[str]

    @property
    def is_synthetic(self) -> bool:
        """Whether its gathers were made from others."""
        return any(SYNTHETIC in line.upper() for line in self.lines)

    def told(self, recording: Recording, headers: np.ndarray, order: str) -> Recording:
        """Add the values of header and table to a gather.

        Args:
            recording: The gather as read from its traces.
            headers: Its trace headers' bytes, uint8 `[trace, 240]`.
            order: Their byte order, `>` or `<`.

        Returns:
            The gather. The source says if it is simulated, the origin if it is synthetic. If there is a table, id and
            label come from it, unless the gather has a label already; an id that a survey would refuse is ignored.

        Raises:
            InputError: The table has no row for it, or the row is about another gather.
        """
        simulated = next((line for line in self.lines if line.upper().startswith(SIMULATED)), "")
        if simulated:
            seed = simulated[len(SIMULATED) :].strip(" ,").lower()
            return replace(recording, source=f"{recording.source} (simulated by glowseis{seed and f', {seed}'})")
        if not self.is_synthetic:
            return recording
        table = self._table
        if table is None:
            return replace(recording, origin=self._unknown)
        file, rows = table
        there = {name: values(headers, word, order) for name, word in WORDS.items()}
        record = int(there[RECORD][0])
        if np.any(there[RECORD] != record):
            raise InputError(
                f"{source_text(self.path)}: a gather has FieldRecords {record} and others, but FieldRecord counts "
                "synthetic gathers; leave --shot-header out"
            )
        row = rows.get(record)
        if row is None:
            raise self._wrong(file, f"has no row for {RECORD} {record}")
        for name in ("sail_line", "shot", "cable"):
            if row[name] != there[name][0]:
                raise self._wrong(file, f"says {name} {row[name]} for {RECORD} {record}, the file {there[name][0]}")
        return told_by_row(recording, row, file)

    @property
    def missing_table(self) -> str:
        """Name of the table that a synthetic file lacks; empty if it exists, or none is needed."""
        return (self._table_name or table_of(self.path).name) if self.is_synthetic and self._table is None else ""

    def _wrong(self, file: Path, what: str) -> InputError:
        return InputError(
            f"{source_text(file)}: {what}; it is not the table of {source_text(self.path)}: replace it with that one, "
            "or remove it"
        )

    @property
    def _table_name(self) -> str:
        """The table's name in the text header."""
        return self._after(TABLE)

    def _after(self, start: str) -> str:
        """The text after some words in the text header; a long one continues on the next line."""
        lines = iter(self.lines)
        for line in lines:
            if line.upper().startswith(start.rstrip()):
                text = line[len(start) :]
                while len(line) > 60 and (line := next(lines, "")) and ":" not in line:
                    text += f" {line}"
                return text.strip()
        return ""

    @cached_property
    def _unknown(self) -> Origin:
        """What is known of a gather's origin without the table."""
        maker = re.fullmatch(r"(.+?), seed (\d{1,18}), (\w{1,16}) path\b.*", self._after(MAKER), re.IGNORECASE)
        if not maker or not maker[1].isprintable():
            return Origin((UNKNOWN_PARENT,))
        return Origin((UNKNOWN_PARENT,), seed=int(maker[2]), model=maker[1], path=maker[3])

    @cached_property
    def _table(self) -> tuple[Path, dict[int, dict[str, Any]]] | None:
        """The table that was written with the file, its rows by FieldRecord."""
        folder = self.path.parent
        wanted = _printed(self._table_name).lower()
        named = [table_of(self.path)]
        if wanted and folder.is_dir():
            named += sorted(file for file in folder.iterdir() if _printed(file.name).lower() == wanted)
        refused = None
        for file in dict.fromkeys(named):
            rows = rows_by(file, RECORD)
            if rows is None:
                continue
            if self._is_of(rows):
                return file, rows
            refused = refused or self._wrong(file, "was written with other gathers")
        if refused:
            raise refused
        return None

    def _is_of(self, rows: dict[int, dict[str, Any]]) -> bool:
        """Whether rows were made by the model, seed and path that the text header names."""
        said = _printed(self._after(MAKER)).upper()
        makers = {f"{row['model']}, seed {row['seed']}, {row['path']} path" for row in rows.values()}
        return all(said.startswith(_printed(maker).upper()) for maker in makers)


def origin_of(path: Path, head: bytes) -> SegyOrigin:
    """Read from the text header of a SEG-Y file how its gathers were made.

    Args:
        path: The file.
        head: Its first 3200 bytes, in EBCDIC or ASCII.
    """
    for code in ("cp037", "ascii"):
        text = head.decode(code, "replace")
        cards = [text[start : start + CARD_CHARACTERS] for start in range(0, len(text), CARD_CHARACTERS)]
        lines = [card[NUMBER_CHARACTERS:].strip() for card in cards]
        # Software that copies a text header may change its capitals.
        if any(SYNTHETIC in line.upper() or line.upper().startswith(SIMULATED) for line in lines):
            return SegyOrigin(path, lines)
    return SegyOrigin(path, ())


def _printed(text: str) -> str:
    """A text as in a text header but without blanks, because lines are broken at them."""
    return re.sub(r"\s", "", text.encode("cp037", "replace").decode("cp037"))
