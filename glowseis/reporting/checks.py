"""What a report is asked for, checked before TensorFlow is loaded so that errors appear at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glowseis.attributes.measuring import Settings
from glowseis.errors import InputError
from glowseis.files import check_output
from glowseis.reporting.labelled import whose_labels
from glowseis.reporting.pdf import find_browser
from glowseis.reporting.rules import Rules, read_rules
from glowseis.run.graded_sources import look_at
from glowseis.survey.ingestion.request import Request
from glowseis.survey.store.survey import Survey


@dataclass(frozen=True)
class Output:
    """What is written, and by what rules.

    Attributes:
        page: The HTML file.
        pdf: The PDF; None if there is to be none.
        rules: TOML file of acceptance rules; those that come with glowseis when None.
        unit: Unit of the amplitudes, in place of the rules'; empty to keep that.
        worst: How many gathers are drawn and explained.
        command: The command, for the page.
    """

    page: Path
    pdf: Path | None = None
    rules: Path | None = None
    unit: str = ""
    worst: int = 5
    command: str = ""


@dataclass(frozen=True)
class Asked:
    """What a report is to be of, and how it is made.

    Attributes:
        model: Path of the classifier's SavedModel.
        surveys: Surveys; their gathers are graded, but not measured.
        files: Files, perhaps none, and how to read them.
        settings: What is measured, and where.
        rules: When a line is accepted.
        output: What is written.
        browser: What prints the PDF; empty if there is to be none.
        whose: Whose labels the records have, in words.
    """

    model: Path
    surveys: Sequence[Survey]
    files: Request
    settings: Settings
    rules: Rules
    output: Output
    browser: str
    whose: str


def check_report(
    model: Path,
    request: Request,
    settings: Settings,
    output: Output,
    labels: Sequence[Path] = (),
    judge: str | None = None,
) -> Asked:
    """Open surveys, and make sure that classifier, files and rules are there and outputs are not.

    Args:
        model: Path of the classifier's SavedModel.
        request: Surveys and files, and how to read files.
        settings: What is measured, and where.
        output: What is written.
        labels: As for `look_at`.
        judge: Likewise.

    Raises:
        InputError: Something is missing, wrong or there already.
    """
    for path in (output.page, output.pdf):
        if path is not None:
            check_output(path)
    if output.pdf is not None and output.pdf.absolute() == output.page.absolute():
        raise InputError(f"{output.pdf}: is given as both --out and --pdf; give them different names")
    rules = read_rules(output.rules, output.unit)
    surveys, files = look_at(model, replace(request, fit=""), labels, judge)
    whose = whose_labels(surveys, files, labels, judge)
    browser = find_browser() if output.pdf is not None else ""
    return Asked(model, surveys, replace(files, fit="pad"), settings, rules, output, browser, whose)
