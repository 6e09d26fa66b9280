"""The command that says what is in a survey, or what a trained model is."""

from pathlib import Path
from typing import Annotated

import typer

from glowseis import command


def main(
    survey: Annotated[
        Path,
        typer.Argument(
            metavar="SURVEY|MODEL",
            callback=command.here,
            help="Folder of a survey, or of a SavedModel.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write pictures, tables and numbers to.", show_default=False)
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Also check the shards' checksums.")] = False,
    labels: command.SurveyLabels = None,
    judge: command.Judge = None,
    workers: Annotated[int, typer.Option(help="Reading threads; 0 means one per core.", min=0)] = 0,
) -> None:
    """Describe a survey, or what a model was trained on.

    For a survey, it prints labels, sail lines, widths, grey levels, broken traces, synthetic gathers and duplicates;
    every record is read once and its checksum checked. With --labels it also tells how far judges agree; where they
    do not, the majority decides unless --judge names one. For a SavedModel (savedmodels/NAME or NAME/VERSION), it
    prints the sample interval, trace spacing, offsets, size, class fractions and so on of its training data.

    Example: python -m glowseis.describe surveys/small --out descriptions/small --verify
    """
    from glowseis.errors import InputError
    from glowseis.export.about import about_lines
    from glowseis.export.folders import savedmodel_folder

    model = None if (survey / "manifest.json").exists() else savedmodel_folder(survey)
    if model is not None:
        if out is not None or verify or labels or judge:
            raise InputError(
                f"{survey}: is a SavedModel; leave out --out, --verify, --labels and --judge, which are for surveys"
            )
        print("\n".join(about_lines(model)))
        return

    from tqdm import tqdm

    from glowseis.files import check_output
    from glowseis.survey.content.description import describe
    from glowseis.survey.content.description_text import description_lines, write_description
    from glowseis.survey.gather import source_text
    from glowseis.survey.labels.adding import MAJORITY
    from glowseis.survey.labels.overlay import open_survey, read_overlay
    from glowseis.survey.labels.telling import weigh

    if out is not None:
        check_output(out)
    opened = open_survey(survey, judge=None if labels else judge)
    weighed = weigh(read_overlay(opened, labels, judge or MAJORITY)) if labels else None
    opened = weighed.overlay.laid_over() if weighed else opened
    with tqdm(desc="reading", total=len(opened), unit="gather", disable=None) as shown:
        description = describe(opened, verify=verify, seen=shown.update, workers=workers)
    print("\n".join([*description_lines(description), *(weighed.lines() if weighed else ())]))
    if out is not None:
        write_description(description, out, weighed.record() if weighed else None)
        print(f"pictures, tables and numbers: {source_text(out)}")
    if verify:
        print(f"{len(opened)} records and {len(opened.manifest.shards)} shards verified")


if __name__ == "__main__":
    command.run(main)
