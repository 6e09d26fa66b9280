"""What is to be made into a survey, and which of its files can be read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import source_files
from glowseis.survey.gather import source_text
from glowseis.survey.wording import number_of


@dataclass(frozen=True)
class Request:
    """What to make into a survey, and how.

    Attributes:
        sources: Files of gathers, and folders of them.
        options: What the files do not say, or say wrongly; its label is for gathers without one in `labels`.
        kind: Format of all the files; by their extensions when None.
        size: Samples x traces of the images, such as `896x640`; multiples of 64 that hold all gathers when empty.
        fit: `pad`, `crop` or `resize`.
        labels: A CSV file of labels; these override the options' label, which overrides a file's own.
        labelled_only: Whether gathers without a label are left out.
        strict: Whether warnings are errors.
        keep_going: Whether all files that cannot be opened are found, and not just the first.
        without: Files that are left out.
    """

    sources: Sequence[Path]
    options: ReadOptions = field(default_factory=ReadOptions)
    kind: str | None = None
    size: str = ""
    fit: str = "pad"
    labels: Path | None = None
    labelled_only: bool = False
    strict: bool = False
    keep_going: bool = False
    without: frozenset[Path] = frozenset()

    def about(self) -> dict[str, Any]:
        """The request as JSON, for the manifest."""
        labels = source_text(self.labels) if self.labels else None
        chosen = {"format": self.kind, "size": self.size, "fit": self.fit, "labels": labels}
        said = {"labelled_only": self.labelled_only, "strict": self.strict}
        return {"command": "ingest", **chosen, **said, **asdict(self.options)}


def readable(request: Request, faults: Mapping[Path, str]) -> Request:
    """A request without the files that cannot be read.

    Args:
        request: What to read.
        faults: Why some of the files cannot be read.

    Raises:
        InputError: None can.
    """
    if faults and not readable_files(request, faults):
        raise InputError(f"none of {number_of(len(faults), 'file')} can be read: {next(iter(faults.values()))}")
    return replace(request, without=frozenset(faults))


def readable_files(request: Request, faults: Mapping[Path, str]) -> list[Path]:
    """The files of a request that can be read.

    Args:
        request: What to read.
        faults: Why some of the files cannot be read.
    """
    return [path for path in source_files(request.sources, request.kind) if path not in faults]


def left_out_lines(faults: Mapping[Path, str]) -> list[str]:
    """A line for each file that could not be read.

    Args:
        faults: Why.
    """
    return [f"{source}: left out: {reason.removeprefix(f'{source}: ')}" for source, reason in told_of(faults).items()]


def told_of(faults: Mapping[Path, str]) -> dict[str, str]:
    """Why files cannot be read, by their printable paths."""
    return {source_text(path): reason for path, reason in faults.items()}
