"""The paper's two tables, by cross-validation: `python -m eval.cv`.

A fold is a unit of work: its flows are trained on its training gathers alone, each arm's classifier on the same
gathers plus what the arm adds, and each classifier is scored on the fold's test gathers. What is finished is kept.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eval.study.names import ARMS, check_arms
from glowseis import command
from glowseis.errors import FittingError, InputError, StoppedError

if TYPE_CHECKING:
    from eval.results.collection import Results
    from eval.study.preparation import Study
    from eval.study.recipe import StudyRecipe

KINDS = ("grouped", "stratified")

KEPT = "stopped; everything finished is kept, run the same command again to continue"


@command.resumes
def main(
    recipe: Annotated[Path, typer.Argument(help="TOML file with [study].")] = Path("train/demo.toml"),
    *,
    survey: Annotated[Path | None, typer.Option(help="Folder of a labelled survey; default: the recipe's own.")] = None,
    labels: command.SurveyLabels = None,
    judge: command.Judge = None,
    fold: Annotated[
        list[int] | None, typer.Option(help="Number of a fold, from 0; repeatable; default: all folds.")
    ] = None,
    kind: Annotated[str, typer.Option(help="grouped or stratified folds only; default: the recipe's kinds.")] = "",
    arms: Annotated[
        str, typer.Option(help=f"Comma-separated arms, from {', '.join(ARMS)}; default: the recipe's.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of the study; default: studies/NAME.")] = None,
    outcomes: Annotated[Path | None, typer.Option(help="Folder of the folds' scores; default: OUT/outcomes.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, such as study.folds=3."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Folds at once on this machine, a process each.")] = 1,
    scheduler: Annotated[str, typer.Option(help="Address of a dask scheduler whose workers run the folds.")] = "",
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Only write the tables and the report, from finished folds.")
    ] = False,
    attended: Annotated[bool, typer.Option("--attended", hidden=True)] = False,
) -> None:
    """Compare ways to train the classifier by cross-validation: the paper's two tables, statistics and a report.

    Without arguments it runs the demo on small surveys that it simulates. If it is stopped, run the same command
    again to continue; what is finished is skipped. Several processes can work on several folds of one study.

    Example: python -m eval.cv train/study.toml --jobs 2
    """
    from eval.study.recipe import read_study

    if tables_only and (fold or scheduler or jobs > 1):
        raise InputError("--tables-only trains nothing; leave out --fold, --jobs and --scheduler")
    if scheduler and jobs > 1:
        raise InputError("give --jobs or --scheduler, not both: a scheduler's workers set how many folds run at once")
    settings = read_study(recipe, [*(changes or []), *_chosen(kind, arms)])
    numbers = sorted(set(fold or range(settings.study.folds)))
    if not 0 <= numbers[0] <= numbers[-1] < settings.study.folds:
        wrong = next(number for number in numbers if not 0 <= number < settings.study.folds)
        raise InputError(f"--fold {wrong}: {recipe} has folds 0 to {settings.study.folds - 1}")

    if jobs > 1 or scheduler:
        # Processes that run at once, this one included, must leave each other memory on an accelerator.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    command.import_tensorflow()
    from eval.running.process import end_with_parent, make_folder, without_remarks
    from eval.study.preparation import check_folder, prepare, surveys_are_there

    without_remarks()
    if attended:
        end_with_parent()
    folder = out or Path("studies") / settings.name
    make_folder(folder, "--out")
    try:
        if tables_only:
            check_folder(folder, settings)
            there = survey or surveys_are_there(settings)
            study = prepare(settings, folder, survey, outcomes, labels=labels or (), judge=judge) if there else None
            _tables(settings, study, None, folder, outcomes or folder / "outcomes")
            return
        study = prepare(settings, folder, survey, outcomes, labels=labels or (), judge=judge)
        make_folder(study.outcomes, "--outcomes")
        if jobs == 1 and not scheduler:
            _run_here(study, numbers, attended)
        else:
            words = _words(recipe, survey, changes, arms, study) + _label_words(labels, judge)
            _run_elsewhere(study, numbers, words, jobs, scheduler)
        if not attended:
            _tables(settings, study, study.digest, folder, study.outcomes)
    except (KeyboardInterrupt, StoppedError):
        raise StoppedError(KEPT) from None


def _chosen(kind: str, arms: str) -> list[str]:
    """The options --kind and --arms as changes of the recipe."""
    changes = []
    if kind:
        if kind not in KINDS:
            raise InputError(f"--kind {kind}: choose grouped or stratified")
        changes.append(f'study.kinds=["{kind}"]')
    if arms:
        names = [name.strip() for name in arms.split(",") if name.strip()]
        check_arms(names, "--arms")
        changes.append(f"study.arms={names}")
    return changes


def _run_here(study: "Study", numbers: Sequence[int], attended: bool) -> None:
    """Run folds in this process, one after another."""
    import keras

    from eval.running.folds import run_fold

    recipe = study.recipe.study
    say = _say if attended else _with_time_left(study, numbers)
    for kind in recipe.kinds:
        for number in numbers:
            run_fold(study, kind, number, recipe.arms, say, wait=attended)
            # Otherwise Keras keeps the networks of all folds.
            keras.backend.clear_session()


def _run_elsewhere(study: "Study", numbers: Sequence[int], words: tuple[str, ...], jobs: int, scheduler: str) -> None:
    """Run folds in processes of their own, here or on a cluster; finished ones are not started."""
    from eval.running.folds import unfinished
    from eval.running.scheduling import fold_job, on_cluster, on_this_machine

    recipe = study.recipe.study
    todo = [
        fold_job(kind, number, words)
        for kind in recipe.kinds
        for number in numbers
        if unfinished(study, kind, number, recipe.arms)
    ]
    if not todo:
        return
    if scheduler:
        on_cluster(todo, scheduler, _say)
    else:
        at_once = min(jobs, len(todo))
        on_this_machine(todo, at_once, _with_time_left(study, numbers, at_once))


def _words(path: Path, survey: Path | None, changes: list[str] | None, arms: str, study: "Study") -> tuple[str, ...]:
    """The command line of a fold's process, without the fold itself."""
    words = [str(path), "--out", str(study.folder), "--outcomes", str(study.outcomes)]
    if survey:
        words += ["--survey", str(survey)]
    for change in changes or []:
        words += ["--set", change]
    return (*words, *(["--arms", arms] if arms else []))


def _label_words(labels: list[Path] | None, judge: str | None) -> tuple[str, ...]:
    """The part of that command line that says where labels come from."""
    words = [word for path in labels or () for word in ("--labels", str(path))]
    return (*words, *(("--judge", judge) if judge else ()))


def _with_time_left(study: "Study", numbers: Sequence[int], at_once: int = 1) -> Callable[[str], None]:
    """Print how much is to be done; return a function that prints a line and how long the rest will take."""
    from eval.running.crossval import duration
    from eval.running.estimate import estimate
    from eval.running.folds import unfinished
    from eval.study.outcome import outcome_path

    recipe = study.recipe.study
    todo = [
        (kind, number, arm)
        for kind in recipe.kinds
        for number in numbers
        for arm in unfinished(study, kind, number, recipe.arms)
    ]

    def left(arms: Sequence[tuple[str, int, str]]) -> str:
        seconds = estimate(study, arms)
        return f"; about {duration(seconds / at_once)} left" if seconds else ""

    def say(line: str) -> None:
        _say(line + left([one for one in todo if not outcome_path(study.outcomes, *one).exists()]))

    finished = len(recipe.kinds) * len(numbers) * len(recipe.arms) - len(todo)
    _say(f"{len(todo)} arms of folds to run, {finished} finished{left(todo)}")
    return say


def _tables(recipe: "StudyRecipe", study: "Study | None", digest: str | None, folder: Path, outcomes: Path) -> None:
    """Print and write the tables of what is finished, and write the report.

    Args:
        recipe: The study's settings.
        study: The study; None if its surveys do not exist here.
        digest: The digest that outcomes must have; None for any that they share.
        folder: The study's folder.
        outcomes: Folder of the outcomes.
    """
    from eval.report.fold_figure import write_folds
    from eval.report.writing import write_report
    from eval.results.collection import collect
    from eval.results.origin import check_settings, origin
    from eval.results.tables import terminal, write_tables
    from eval.running.process import make_folder

    section = recipe.study
    results = collect(outcomes, digest, section.kinds, section.arms, section.folds)
    if not digest:
        check_settings(results, recipe)
    print(terminal(results))
    tables = folder / "tables"
    make_folder(tables, "--out")
    written = [*write_tables(results, tables), *write_folds(results, tables)]
    report = write_report(results, recipe, study, folder)
    if results.missing:
        _say(f"not finished yet: {results.missing}")
    if remark := origin(results, study):
        _say(remark)
    _say(f"{len(written)} files of tables and their figure in {tables}; report: {report}")
    _tell_failures(results)


def _tell_failures(results: "Results") -> None:
    failed = [one for found in results.outcomes.values() for one in found if one.error]
    if failed:
        first = failed[0]
        raise FittingError(
            f"{len(failed)} of {sum(map(len, results.outcomes.values()))} arms of folds failed, the first {first.kind} "
            f"fold {first.fold}, {first.arm}: {first.error}; run the same command again to retry"
        )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    command.run(main)
