"""The gathers that are graded: of surveys, then of files, matched to a classifier."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from glowseis.run.grading import survey_gathers
from glowseis.survey.gather import Gather
from glowseis.survey.ingestion.ingest import gathers_of
from glowseis.survey.ingestion.request import Request, readable, readable_files
from glowseis.survey.matching.bringing import Bringing
from glowseis.survey.progress import progress
from glowseis.survey.store.survey import Survey


def gathers_to_grade(
    surveys: Sequence[Survey], files: Request, faults: Mapping[Path, str], bringing: Bringing, lines: list[str]
) -> Iterator[Gather]:
    """Gathers of surveys, then of files, matched to a classifier.

    Args:
        surveys: The surveys.
        files: The files, perhaps none, and how to read them.
        faults: Files that cannot be read, and why; they are left out.
        bringing: What matches gathers to the classifier.
        lines: A list to which lines for the user are added.

    Raises:
        InputError: A gather cannot be read or matched.
    """
    for survey in surveys:
        yield from progress(survey_gathers(survey, bringing), len(survey), "grading")
    if files.sources and (readable_files(files, faults) or not surveys):
        window = "x".join(map(str, bringing.window))
        asked = replace(readable(files, faults), size=window, fit=bringing.fit or "pad")
        yield from gathers_of(asked, lines, bringing)
