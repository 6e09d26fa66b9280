"""Which files a table of grades is of: a record beside the table, so that they can be told if they changed or moved."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic

from glowseis.errors import InputError, first_wrong
from glowseis.files import read_json, write_json
from glowseis.survey.formats.source import ReadOptions, State, check_unchanged, file_state, open_file
from glowseis.survey.gather import source_text
from glowseis.version import __version__

SCHEMA = 1
"""Version of the record."""


class GradedFile(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A file that was graded, or could not be.

    Attributes:
        source: Its path as it was given, printable; the table's column `source` begins with it.
        path: The same path from the root of the file system.
        size_bytes: Its length.
        modified_ns: When it was last changed, in nanoseconds since 1970.
        sha256: SHA-256 of its content; empty if it could not be read.
        reason: Why it was not graded; empty if it was.
    """

    source: str
    path: str
    size_bytes: int
    modified_ns: int
    sha256: str
    reason: str = ""


class GradingRecord(pydantic.BaseModel, frozen=True, extra="forbid", protected_namespaces=()):
    """What a table of grades was made of.

    Attributes:
        schema_version: Version of the record.
        glowseis: Version that wrote it.
        model: Name and version of the classifier.
        model_sha256: SHA-256 of its files.
        labels: Its classes, the mildest first.
        how: What else decides the grades: the prior and the size that gathers were brought to.
        kind: Format of the files; by their extensions when None.
        options: How the files were read.
        files: The files, in the order of the table.
    """

    schema_version: int
    glowseis: str
    model: str
    model_sha256: str
    labels: tuple[str, ...]
    how: dict[str, Any]
    kind: str | None
    options: ReadOptions
    files: tuple[GradedFile, ...]


def record_path(table: Path) -> Path:
    """Where the record of a table of grades lies: `grades.csv.files.json` beside `grades.csv`.

    Args:
        table: The CSV file.
    """
    return table.with_name(f"{table.name}.files.json")


def found_record(table: Path) -> Path:
    """As `record_path`; or where an earlier glowseis put it, `grades.files.json`, if it is there alone.

    Args:
        table: The CSV file.
    """
    path, former = record_path(table), table.with_name(f"{table.stem}.files.json")
    return former if former.exists() and not path.exists() else path


def new_record(
    model: str,
    model_sha256: str,
    labels: Sequence[str],
    how: dict[str, Any],
    kind: str | None,
    options: ReadOptions,
    files: Sequence[GradedFile] = (),
) -> GradingRecord:
    """A record of this version; the arguments are its attributes."""
    return GradingRecord(
        schema_version=SCHEMA,
        glowseis=__version__,
        model=model,
        model_sha256=model_sha256,
        labels=tuple(labels),
        how=how,
        kind=kind,
        options=options,
        files=tuple(files),
    )


def write_record(table: Path, record: GradingRecord) -> None:
    """Write the record of a table of grades, in place of an older one.

    Args:
        table: The CSV file.
        record: What it was made of.

    Raises:
        OSError: The disk is full or not writable; an older record stays.
    """
    write_json(record_path(table), record.model_dump(mode="json"))


def read_record(table: Path) -> GradingRecord:
    """Read the record of a table of grades.

    Args:
        table: The CSV file.

    Raises:
        InputError: It is missing or damaged, or a newer glowseis wrote it.
    """
    path = found_record(table)
    name = source_text(path)
    try:
        content = read_json(path)
        version = content.get("schema_version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > SCHEMA:
            raise InputError(f"{name}: written by a newer glowseis; upgrade glowseis")
        return GradingRecord.model_validate(content)
    except FileNotFoundError:
        raise InputError(
            f"{name}: missing; classify writes it beside the table of grades, so copy it there too, or grade the files "
            "again"
        ) from None
    except pydantic.ValidationError as wrong:
        raise InputError(f"{name}: {first_wrong(wrong)}; copy it again or grade the files again") from None
    except (OSError, ValueError):
        raise InputError(f"{name}: cannot be read as JSON; copy it again or grade the files again") from None


def graded_file(path: Path, before: State | None = None, reason: str = "") -> GradedFile:
    """Describe a file that was graded, or could not be.

    Args:
        path: The file.
        before: Its `file_state` when grading began; not compared when None.
        reason: Why it was not graded; empty if it was.

    Raises:
        InputError: It changed in the meantime, or cannot be read.
    """
    sha256 = "" if reason else file_sha256(path)
    if before is not None:
        check_unchanged(path, before)
    size_bytes, modified_ns = file_state(path) or (0, 0)
    return GradedFile(
        source=source_text(path),
        path=source_text(path.absolute()),
        size_bytes=size_bytes,
        modified_ns=modified_ns,
        sha256=sha256,
        reason=reason,
    )


def whole_path(path: Path) -> Path:
    """A file's path from the root, the same for all names of its folder.

    A link to the file itself is not followed: where it leads may change.

    Args:
        path: The file.
    """
    return path.parent.resolve() / path.name


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits.

    Args:
        path: The file.

    Raises:
        InputError: It is missing or cannot be read.
    """
    try:
        with open(open_file(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as wrong:
        raise InputError(f"{source_text(path)}: cannot be read ({wrong.strerror}); copy it again") from None
