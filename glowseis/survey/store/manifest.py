"""The manifest of a survey, which lists what its folder holds."""

import json
from pathlib import Path
from typing import Any

import pydantic

from glowseis.errors import InputError, first_wrong
from glowseis.files import read_json
from glowseis.survey.store.framing import Shard

SCHEMA, OLDEST = 3, 2
"""Version of the layout on disk, and the oldest that can be read, which has no zeros and mending."""

MANIFEST, INDEX = "manifest.json", "gathers.csv"

PARQUET = "gathers.parquet"
"""The index again, in a large survey: the same rows and columns, read several times faster."""

RENDERING = (
    "level = clip(rint(128 + 128 (amplitude - zero_amplitude) / clip_amplitude), 0, 255); zero_amplitude is that of "
    "the gather, or of a trace that departs from it; clip_amplitude is exceeded by 4 % of the absolute amplitudes "
    "about zero, wild and dead traces left aside; dead traces, fill values, zero and padding are 128; padded below and "
    "on the right"
)

MEND = "copy the survey again or make it again"
"""What to do about a survey that is damaged."""


class Manifest(pydantic.BaseModel, frozen=True, extra="forbid"):
    """What a survey is.

    Attributes:
        schema_version: Version of the layout on disk.
        glowseis: Version that wrote it.
        size: Height in samples and width in traces of every image.
        rendering: How amplitudes were rendered as grey levels.
        gathers: Number of gathers.
        labels: Labels in use; the paper's classes first, in its order.
        counts: Gathers per label, without unlabelled ones.
        shards: The TFRecord files, in the order of the index.
        index_sha256: SHA-256 of the index.
        parquet_sha256: SHA-256 of `PARQUET`; None if there is none.
        sources: Files or simulators that the gathers came from.
        about: What the writing command adds, such as the simulator's version and seed.
    """

    schema_version: int
    glowseis: str
    size: tuple[int, int]
    rendering: str
    gathers: int
    labels: tuple[str, ...]
    counts: dict[str, int]
    shards: tuple[Shard, ...]
    index_sha256: str
    parquet_sha256: str | None = None
    sources: tuple[str, ...]
    about: dict[str, Any]


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of a survey.

    Args:
        path: The survey's folder.

    Returns:
        The manifest.

    Raises:
        InputError: It is not a survey, was written by an older or newer glowseis, or is damaged.
    """
    file = path / MANIFEST
    if not path.exists():
        raise InputError(f"{path}: no such survey; make one with glowseis ingest FILES --out {path}")
    if path.is_file():
        raise InputError(
            f"{path}: is a file, not a survey; make one from it with glowseis ingest {path} --out surveys/{path.stem}"
        )
    if not file.is_file():
        raise InputError(f"{path}: not a survey (no {MANIFEST}); give the folder that ingest or simulate made")
    try:
        content = read_json(file)
        version = content["schema_version"]
        if isinstance(version, int) and version > SCHEMA:
            raise InputError(
                f"{path}: written by a newer glowseis (schema {version}, this one reads {SCHEMA}); upgrade glowseis"
            )
        if isinstance(version, int) and version < OLDEST:
            raise InputError(
                f"{path}: written by an older glowseis (schema {version}, this one reads {SCHEMA}); make it again from "
                "its sources"
            )
        return Manifest.model_validate_json(json.dumps(content), strict=True)
    except pydantic.ValidationError as wrong:
        raise InputError(f"{file}: {first_wrong(wrong)}; {MEND}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{file}: damaged; it cannot be read as a survey's JSON; {MEND}") from None
