"""What a report was made from, and with what: files, checksums, versions."""

import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path

import pandas as pd

from glowseis.delivery.record import file_sha256, graded_file
from glowseis.export.folders import savedmodel_sha256, version_folder
from glowseis.pages.table import Table
from glowseis.reporting.checks import Asked
from glowseis.survey.formats.source import State
from glowseis.survey.gather import source_text
from glowseis.survey.store.survey import Survey
from glowseis.version import __version__

PACKAGES = ("tensorflow", "keras", "numpy", "scipy")


def facts_table(classifier: str, asked: Asked) -> Table:
    """Versions, model, rules, command and date.

    Args:
        classifier: Name and version of the classifier.
        asked: What was asked for.
    """
    folder, rules, unit = version_folder(asked.model), asked.output.rules, asked.rules.unit
    facts = {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": asked.output.command,
        "model": f"{classifier}, {source_text(folder)}",
        "model's SHA-256": savedmodel_sha256(folder),
        "rules": f"{source_text(rules)}, SHA-256 {file_sha256(rules)}" if rules else "those that come with glowseis",
        "amplitudes": f"in {unit}" if unit else "in an unknown unit",
        "glowseis": __version__,
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in PACKAGES},
    }
    frame = pd.DataFrame(facts.items(), columns=["item", "value"])
    return Table("origin", "Model, rules and versions", frame, words=2)


def sources_table(surveys: Sequence[Survey], files: Mapping[Path, State | None]) -> Table:
    """Surveys and files, with sizes and checksums.

    Args:
        surveys: The surveys.
        files: The files, which are read once more, and their states when the report was begun.

    Raises:
        InputError: A file changed in the meantime, or cannot be read.
    """
    rows = [[source_text(one.path), f"{len(one)} gathers", one.checksum] for one in surveys]
    described = [graded_file(path, state) for path, state in files.items()]
    rows += [[one.source, f"{one.size_bytes:,} bytes", one.sha256] for one in described]
    return Table("sources", "Sources", pd.DataFrame(rows, columns=["source", "size", "SHA-256"]), words=3, headed=True)
