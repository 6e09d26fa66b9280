"""The command that reports on a line or a survey: grades, attributes and acceptance, on one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glowseis import command

if TYPE_CHECKING:
    from glowseis.survey.formats.source import ReadOptions

Pdf = Annotated[Path | None, typer.Option(help="PDF file to print it to, with Chromium.", show_default=False)]
RulesFile = Annotated[Path | None, typer.Option(help="TOML file of acceptance rules.", show_default=False)]
Unit = Annotated[str, typer.Option(help="Unit of the amplitudes: microbar, or leave it out.", show_default=False)]
Worst = Annotated[int, typer.Option(min=0, max=20, help="Number of worst gathers to draw and explain.")]


def _show_rules(asked: bool) -> None:
    if asked:
        from glowseis.reporting.rules import DEFAULTS

        print(DEFAULTS.read_text(encoding="utf-8"), end="")
        raise typer.Exit


Eager = typer.Option("--show-rules", is_eager=True, callback=_show_rules, help="Print the default rules and exit.")
ShowRules = Annotated[bool, Eager]


@command.reads_files
def main(
    sources: command.Sources,
    *,
    out: Annotated[Path, typer.Option(help="HTML file to write.", show_default=False)],
    model: command.Classifier = None,
    pdf: Pdf = None,
    rules: RulesFile = None,
    show_rules: ShowRules = False,
    unit: Unit = "",
    worst: Worst = 5,
    target: command.Target = "",
    noise: command.Noise = "",
    module: command.Module = 24,
    prior: command.Prior = None,
    labels: command.ScoredLabels = None,
    judge: command.Judge = None,
    batch: command.Batch = 16,
    kind: command.Kind = None,
    strict: command.Strict = False,
    options: "ReadOptions",
) -> None:
    """Report on a line or a survey on one page: is it accepted, which gathers are bad, and why.

    It grades and measures every gather, judges each line by acceptance rules, and says which grades differ from labels.

    Example: python -m glowseis.report line12.segy --out line12.html
    """
    from glowseis.attributes.measuring import settings_of
    from glowseis.reporting.checks import Output, check_report
    from glowseis.run.graded_sources import model_among
    from glowseis.survey.ingestion.request import Request
    from glowseis.survey.progress import stages

    settings = settings_of(target, noise, module, options.zero_level)
    output = Output(out, pdf, rules, unit, worst, command.typed())
    savedmodel, named, told = model_among(sources, model)
    request = Request(named, options, kind, strict=strict)
    asked = check_report(savedmodel, request, settings, output, labels or (), judge)
    with stages():
        command.import_tensorflow()
        from glowseis.reporting.line_report import make_report

        print("\n".join([*told, *make_report(asked, batch, prior)]))


if __name__ == "__main__":
    command.run(main)
