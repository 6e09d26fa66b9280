"""What synthesis is worth where rare gathers cluster: a study of independent surveys, `python -m eval.worth`.

Every survey has lines and weather of its own and gives each arm one classifier, which is scored on one independent
survey. Arms are compared over surveys, pair by pair. What is finished is kept.
"""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eval.study.names import ARMS
from glowseis import command
from glowseis.errors import FittingError, InputError, StoppedError

if TYPE_CHECKING:
    from eval.results.replicated import Replicated
    from eval.study.recipe import StudyRecipe

KEPT = "stopped; everything finished is kept, run the same command again to continue"


@command.resumes
def main(
    recipe: Annotated[Path, typer.Argument(help="TOML file with [study.replicates].")] = Path("train/worth.toml"),
    *,
    setting: Annotated[
        list[str] | None, typer.Option(help="Name of a setting, such as weather1-rare20; repeatable; default: all.")
    ] = None,
    survey: Annotated[
        list[int] | None, typer.Option(help="Number of a survey, from 0; repeatable; default: all.")
    ] = None,
    arms: Annotated[
        str, typer.Option(help=f"Comma-separated arms, from {', '.join(ARMS)}; default: the recipe's.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of the study; default: studies/NAME.")] = None,
    outcomes: Annotated[Path | None, typer.Option(help="Folder of the scores; default: OUT/outcomes.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, such as study.augmentations=300."),
    ] = None,
    take: Annotated[
        Path | None,
        typer.Option(help="Folder that python -m eval.worth_jax wrote: take its outcomes instead of running anything."),
    ] = None,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Only write tables and report, from what is finished.")
    ] = False,
) -> None:
    """Compare ways to train the classifier on many independent surveys whose rare gathers cluster.

    If it is stopped, run the same command again to continue; what is finished is skipped. To let several
    processes work on one study, give each its own surveys with --survey.

    Example: python -m eval.worth train/worth.toml --survey 0 --survey 1
    """
    from eval.study.recipe import read_replicates

    settings, replicates = read_replicates(recipe, arms, changes)
    known = replicates.every_setting
    for name in setting or []:
        if name not in known:
            raise InputError(f"--setting {name}: {recipe} has {', '.join(known)}; choose one of them")
    numbers = sorted(set(survey or range(replicates.count)))
    if not 0 <= numbers[0] <= numbers[-1] < replicates.count:
        wrong = next(number for number in numbers if not 0 <= number < replicates.count)
        raise InputError(f"--survey {wrong}: {recipe} has surveys 0 to {replicates.count - 1}")
    folder = out or Path("studies") / settings.name
    kept = outcomes or folder / "outcomes"
    try:
        if take:
            _take(settings, take, folder, kept)
        elif not tables_only:
            _run(
                settings, setting or list(known), settings.study.arms if arms.strip(" ,") else [], numbers, folder, kept
            )
        _tables(settings, folder, kept)
    except (KeyboardInterrupt, StoppedError):
        raise StoppedError(KEPT) from None


def _run(
    recipe: "StudyRecipe", chosen: list[str], arms: list[str], numbers: list[int], folder: Path, outcomes: Path
) -> None:
    """Run what is not finished, one survey after another, so that arms can be compared early; the curve comes last."""
    command.import_tensorflow()
    import keras

    from eval.running.folds import run_fold
    from eval.running.process import make_folder, without_remarks
    from eval.study.replicates import TooFewError, prepare_replicate

    without_remarks()
    make_folder(folder, "--out")
    make_folder(outcomes, "--outcomes")
    replicates = recipe.study.replicates
    assert replicates is not None
    first = [one.name for one in replicates.settings]
    for names in ([one for one in first if one in chosen], [one for one in chosen if one not in first]):
        for number, name in itertools.product(numbers, names):
            wanted = replicates.surveys_of(name, recipe.study.arms)
            todo = [arm for arm, count in wanted.items() if number < count and (not arms or arm in arms)]
            if todo:
                study = prepare_replicate(recipe, replicates.every_setting[name], number, folder, outcomes)
                try:
                    run_fold(study, name, number, todo, _say)
                except TooFewError as wrong:
                    if name in first:
                        raise
                    _say(f"{name} survey {number} is left out: {wrong}")
                # Otherwise Keras keeps the networks of all surveys.
                keras.backend.clear_session()


def _take(recipe: "StudyRecipe", graded: Path, folder: Path, outcomes: Path) -> None:
    """Take the outcomes of another machine."""
    command.import_tensorflow()
    from eval.running.process import make_folder
    from eval.running.taken import take

    make_folder(folder, "--out")
    make_folder(outcomes, "--outcomes")
    _say(f"{take(recipe, graded, folder, outcomes, _say)} outcomes taken from {graded}")


def _tables(recipe: "StudyRecipe", folder: Path, outcomes: Path) -> None:
    """Print and write the tables of what is finished, and write the page."""
    from eval.report.worth_page import write_page
    from eval.results.replicated import collect
    from eval.running.process import make_folder
    from eval.study.replicates import digest_of
    from glowseis.files import whole_file

    digest = digest_of(recipe)
    results = collect(outcomes, recipe, digest)
    table = results.table()
    print(table.to_string(index=False, float_format="{:.1f}".format))
    for line in _contrasts(results, recipe):
        print(line)
    tables = folder / "tables"
    make_folder(tables, "--out")
    for name, frame in (("means", table), ("each", results.each()), ("contrasts", results.contrasts())):
        with whole_file(tables / f"{name}.csv", replace=True) as temporary:
            frame.to_csv(temporary, index=False, float_format="%.4g")
    report = write_page(results, recipe, folder, digest)
    _say(f"tables in {tables}; report: {report}")
    if results.failed:
        first = results.failed[0]
        raise FittingError(
            f"{len(results.failed)} arms failed, the first {first.kind} survey {first.fold}, {first.arm}: "
            f"{first.error}; run the same command again to retry"
        )


def _contrasts(results: "Replicated", recipe: "StudyRecipe") -> list[str]:
    """The primary arm against each other one, in every setting; between which others, `contrasts.csv` says."""
    assert recipe.study.replicates is not None
    primary, lines = recipe.study.replicates.primary, []
    for setting in (one.name for one in recipe.study.replicates.settings):
        for other, (test, corrected) in results.against(setting, primary).items():
            if test.folds > 1:
                p = f"p = {test.p:.2g}" + (f", {corrected:.2g} by Holm" if corrected is not None else "")
                interval = f"{test.low:+.1f} to {test.high:+.1f}, {p}, {test.folds} surveys"
                between = f"{ARMS[primary].title} against {ARMS[other].title}"
                lines.append(f"{setting}, F1 of {results.rare}, {between}: {test.difference:+.1f} ({interval})")
    return lines


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    command.run(main)
