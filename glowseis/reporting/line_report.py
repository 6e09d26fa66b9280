"""A report, from sources to the page."""

import tempfile
from dataclasses import replace
from pathlib import Path

from glowseis.export.classifier import load_classifier
from glowseis.files import whole_file
from glowseis.judging.prior import parse_prior
from glowseis.reporting.acceptance import judge
from glowseis.reporting.checks import Asked
from glowseis.reporting.collecting import Grading, collect
from glowseis.reporting.origin import facts_table, sources_table
from glowseis.reporting.page import report_page
from glowseis.reporting.pdf import print_pdf
from glowseis.reporting.verdict import verdict
from glowseis.survey.formats.source import file_state
from glowseis.survey.formats.sources import source_files
from glowseis.survey.gather import source_text
from glowseis.survey.progress import stage, stages


def make_report(asked: Asked, batch: int = 16, prior: str | None = None) -> list[str]:
    """Grade, measure and judge, and write the page, whole or not at all; then print it, if that is asked for.

    Args:
        asked: What it is to be of.
        batch: Windows graded at a time; memory grows with it.
        prior: Class fractions to expect, such as `66,31,2`; those of the training when None.

    Returns:
        Lines for the user.

    Raises:
        InputError: Something cannot be read, measured or graded, and no page is left behind; or the page cannot be
            printed.
        OSError: The disk is full or not writable; nothing half-written is left behind.
    """
    with stages():
        return _made(asked, batch, prior)


def _made(asked: Asked, batch: int, prior: str | None) -> list[str]:
    output = asked.output
    stage("loading the classifier")
    classifier = load_classifier(asked.model)
    expected = None if prior is None else parse_prior(prior, classifier.labels)
    if expected is not None:
        classifier.fractions()
    states = {path: file_state(path) for path in source_files(asked.files.sources, asked.files.kind)}
    with whole_file(output.page) as path, tempfile.TemporaryDirectory(dir=path.parent) as tables:
        grading = Grading(classifier, batch, expected)
        findings = collect(grading, asked.surveys, asked.files, asked.settings, Path(tables), output.worst)
        findings = replace(findings, whose=asked.whose)
        if findings.tables is not None and not asked.rules.unit:
            findings.missing.append(
                "the unit of the amplitudes (levels are as in the files; in microbar, give --unit microbar)"
            )
        judgements = judge(findings.records, asked.rules, findings.severest)
        stage("taking checksums of the sources")
        origin = [sources_table(asked.surveys, states), facts_table(classifier.name, asked)]
        stage("drawing the page")
        path.write_text(report_page(findings, judgements, origin), encoding="utf-8")
    lines = [*findings.told, verdict(judgements, findings), f"report: {source_text(output.page)}"]
    if output.pdf is not None:
        stage("printing the page")
        print_pdf(asked.browser, output.page, output.pdf)
        lines.append(f"printed: {source_text(output.pdf)}")
    return lines
