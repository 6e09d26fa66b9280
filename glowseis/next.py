"""`python -m glowseis.next`: which gathers of a survey to label next."""

from pathlib import Path
from typing import Annotated

import typer

from glowseis import command

Shares = Annotated[
    list[str] | None,
    typer.Option(
        "--share",
        metavar="REASON=SHARE",
        help="Share of a reason: random, second-look, rare-class, uncertain or different; repeatable.",
    ),
]


def main(
    survey: command.Survey,
    *,
    labels: command.SurveyLabels = None,
    judge: command.Judge = None,
    whom: Annotated[str | None, typer.Option("--for", metavar="JUDGE", help="Only this judge's labels count.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many gathers to choose.")] = 25,
    model: command.Classifier = None,
    rare: Annotated[str | None, typer.Option(help="The rare class; by default the model's severest.")] = None,
    shares: Shares = None,
    apart: Annotated[int, typer.Option(min=0, help="Fewest shots between two choices on a line and cable.")] = 10,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the random order; keep it.")] = 1,
    out: Annotated[Path, typer.Option(help="CSV file to write.")] = Path("next.csv"),
) -> None:
    """Choose the gathers of a survey that are worth labelling next, and estimate how common each class is.

    The model looks at each gather once; the results are kept in the survey's folder. Some choices are random, to
    estimate how common each class is. The others are gathers whose label may be wrong or on which judges disagree,
    probable rare gathers, uncertain ones, and those most different from all labelled ones. Fill in the table's column
    label and pass it to --labels.

    Example: python -m glowseis.next surveys/mine --labels labels/anna.csv --out next.csv
    """
    from glowseis.choosing.mixture import parse_shares
    from glowseis.errors import InputError
    from glowseis.export.folders import read_about, version_folder
    from glowseis.files import check_output, whole_file
    from glowseis.shipped import ready_model
    from glowseis.survey.gather import source_text
    from glowseis.survey.labels.adding import MAJORITY
    from glowseis.survey.labels.overlay import open_survey, read_overlay
    from glowseis.survey.labels.telling import disputes

    if whom and judge:
        raise InputError(f"--for {whom} --judge {judge}: labels of others do not count with --for; pass only one")
    wanted = parse_shares(shares or [])
    check_output(out)
    opened = open_survey(survey, judge=None if labels else judge)
    overlay = read_overlay(opened, labels, judge or MAJORITY) if labels else None
    savedmodel = version_folder(model or ready_model("classifier"))
    read_about(savedmodel, "classifier")
    command.import_tensorflow()
    from glowseis.run.next_gathers import choose_next, labelled

    given = labelled(opened, overlay, whom)
    if overlay and not whom and overlay.disputed.any():
        again = f"; {len(given.disputed)} may come back for a second look"
        command.say(f"{disputes(overlay)}{again}{'' if judge else '; --judge NAME says whose label counts'}")
    if whom and not given.judged.any():
        others = f" ({', '.join(overlay.judges)} did)" if overlay and overlay.judges else ""
        command.say(f"--for {whom}: has not judged any gather yet{others}; all gathers count as not judged")
    chosen, table = choose_next(opened, given, savedmodel, count, wanted, apart, rare, seed, command.say)
    with whole_file(out) as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.4g", lineterminator="\n")
    print("\n".join([*chosen.lines(), f"table: {source_text(out)}"]))


if __name__ == "__main__":
    command.run(main)
