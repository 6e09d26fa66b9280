"""Small files that a study keeps: each holds one pydantic model, is written whole, and is read strictly."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from glowseis.errors import InputError, first_wrong
from glowseis.files import read_json, write_json

SCHEMA = 1


class Kept(BaseModel):
    """The content of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


AnyKept = TypeVar("AnyKept", bound=Kept)


def write_kept(path: Path, kept: Kept) -> None:
    """Write a file, whole or not at all, in place of an older one.

    Args:
        path: The file; its folder is made if missing.
        kept: What to write.
    """
    write_json(path, {"schema": SCHEMA, **kept.model_dump()}, indent=None)


def read_kept(path: Path, kind: type[AnyKept], mend: str) -> AnyKept | None:
    """Read a file.

    Args:
        path: The file.
        kind: Class of its content.
        mend: How to replace a damaged one, such as `run its fold again`.

    Returns:
        Its content; None if there is no such file.

    Raises:
        InputError: It is damaged or of another schema.
    """
    try:
        content = read_json(path)
        if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
            raise ValueError(f"it has another schema than {SCHEMA}")
        return kind.model_validate(content)
    except FileNotFoundError:
        return None
    except ValidationError as wrong:
        reason = first_wrong(wrong)
    except (OSError, ValueError) as other:
        reason = str(other)
    raise InputError(f"{path}: is damaged ({reason}); remove it and {mend}")
