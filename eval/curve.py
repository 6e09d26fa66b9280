"""The paper's Figure 4, F1 of each class against the number of augmentations: `python -m eval.curve`.

There is one split into 70/10/20 per cent training, validation and test gathers. The gathers of the largest count are
made once, and a smaller count takes the first of them. Each run has another seed for the classifier's weights and order
of gathers. The count is chosen on the validation curve; the test curve is shown beside it.
"""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eval.cv import KEPT
from eval.study.names import PRIMARY, check_arms
from glowseis import command
from glowseis.errors import InputError, StoppedError

if TYPE_CHECKING:
    import pandas as pd

    from eval.study.preparation import Study

KINDS = {"grouped": "grouped-split", "stratified": "split"}


@command.resumes
def main(
    recipe: Annotated[Path, typer.Argument(help="TOML file with [study].")] = Path("train/demo.toml"),
    *,
    survey: Annotated[Path | None, typer.Option(help="Folder of a labelled survey; default: the recipe's own.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the study; default: studies/NAME.")] = None,
    points: Annotated[
        Path | None, typer.Option(help="Folder of the classifiers' scores; default: OUT/curve/ARM-KIND.")
    ] = None,
    runs: Annotated[int | None, typer.Option(help="Classifiers trained at each count; default: the recipe's.")] = None,
    counts: Annotated[
        str, typer.Option(help="Numbers of added gathers, such as 0,300,600; default: the recipe's.")
    ] = "",
    arm: Annotated[str, typer.Option(help="Arm that makes the added gathers.")] = PRIMARY,
    kind: Annotated[
        str, typer.Option(help="grouped keeps sail lines together; stratified is the paper's.")
    ] = "grouped",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, such as seed=2.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at once on this machine, a process each.")] = 1,
    attended: Annotated[bool, typer.Option("--attended", hidden=True)] = False,
    run: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Plot the F1 of each class against the number of augmentations, and choose the number on validation gathers.

    If it is stopped, run the same command again to continue; finished classifiers are kept. Runs and counts can be
    added later.

    Example: python -m eval.curve train/study.toml --runs 10 --counts 0,200,400,600,800,1000
    """
    from eval.study.recipe import check_flows, read_study

    if kind not in KINDS:
        raise InputError(f"--kind {kind}: choose grouped or stratified")
    check_arms([arm], "--arm")
    settings = read_study(recipe, [*(changes or []), *_chosen(counts, runs)])
    wanted = sorted(set(settings.study.curve.counts))
    check_flows(settings, [arm], str(recipe))

    # Processes that run at once, this one included, must leave each other memory on an accelerator.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    command.import_tensorflow()
    from eval.report.curve_figure import write_curve
    from eval.running.curve_runs import choose, kept_points, made_by, study_of_curve, table_of
    from eval.running.process import end_with_parent, make_folder, without_remarks
    from eval.study.preparation import prepare
    from glowseis.locks import locked

    without_remarks()
    if attended:
        end_with_parent()
    folder, division = out or Path("studies") / settings.name, KINDS[kind]
    make_folder(folder, "--out")
    try:
        study = study_of_curve(prepare(settings, folder, survey, say=_silent if attended else _say, kinds=[division]))
        work, points = study.work(division, 0), points or folder / "curve" / f"{arm}-{division}"
        make_folder(points, "--points")
        if attended:
            _run_part(study, arm, run, wanted, points)
            return
        busy = f"{folder}: another process is working on this curve; wait for it"
        with locked(work.with_name(f"{work.name}.lock"), busy):
            for lock in work.parent.glob(f"{work.name}-*.lock"):
                # The processes of a killed command outlive it for a while.
                with locked(lock, busy):
                    pass
            every = range(settings.study.curve.runs)
            finished = kept_points(study, arm, wanted, every, points)
            todo = [(count, run) for run in every for count in wanted if (count, run) not in finished]
            _say(f"{len(todo)} classifier{'s' * (len(todo) != 1)} to train, {len(finished)} finished")
            words = [str(recipe), "--out", str(folder), "--points", str(points), "--arm", arm, "--kind", kind]
            words += ["--counts", ",".join(map(str, wanted))]
            words += ["--survey", str(survey)] if survey else []
            for change in changes or []:
                words += ["--set", change]
            _run_in_processes(words, todo, jobs, work.with_name(f"{work.name}.log"))
            finished = kept_points(study, arm, wanted, every, points)
    except (KeyboardInterrupt, StoppedError):
        raise StoppedError(KEPT) from None
    table = table_of(list(finished.values()))
    chosen = choose(table, study.rare)
    own = (arm, kind) == (PRIMARY, "grouped")
    written = write_curve(table, chosen, folder, "" if own else f"-{arm}-{kind}")
    print(text_of(table, chosen, study.rare))
    print(made_by(list(finished.values())))
    print("; ".join(str(file) for file in written))


def _run_part(study: "Study", arm: str, run: int | None, counts: Sequence[int], points: Path) -> None:
    """The work of one of the curve's processes: a run, or making the gathers before all runs."""
    from eval.running.curve_runs import make_gathers, run_points
    from eval.running.process import logged
    from eval.study.fold import Fold
    from glowseis.locks import locked

    (division,) = study.folds
    work, part = study.work(division, 0), "gathers" if run is None else f"run-{run:02d}"
    with locked(work.with_name(f"{work.name}-{part}.lock"), "", wait=True), logged(work, _say) as say:
        fold = Fold(study, division, 0)
        if run is None:
            make_gathers(fold, arm)
        else:
            run_points(fold, arm, counts, [run], points, say)


def _run_in_processes(words: Sequence[str], todo: Sequence[tuple[int, int]], jobs: int, log: Path) -> None:
    """Make the gathers in a process, then run the unfinished runs at once.

    Each run has a process of its own: what Keras and TensorFlow keep of a classifier is freed with it.
    """
    from eval.running.crossval import duration
    from eval.running.scheduling import Job, on_this_machine

    if not todo:
        return
    _say(f"first making the added gathers, and the flow that they need; see {log} for progress")
    on_this_machine([Job("making the gathers", "eval.curve", tuple(words))], 1, _say)
    started, done, lock = time.monotonic(), 0, threading.Lock()

    def say(line: str) -> None:
        nonlocal done
        with lock:
            done += 1
            left = (time.monotonic() - started) / done * (len(todo) - done)
            _say(f"{line}{f'; about {duration(left)} left' if done < len(todo) else ''}")

    runs = sorted({run for _, run in todo})
    every = [Job(f"run {run}", "eval.curve", (*words, "--run", str(run))) for run in runs]
    on_this_machine(every, min(jobs, len(every)), say)


def _say(line: str) -> None:
    print(line, flush=True)


def _silent(line: str) -> None:
    """Drop a line that the command itself has printed."""


def _chosen(counts: str, runs: int | None) -> list[str]:
    """The options --counts and --runs as changes of the recipe."""
    changes = [] if runs is None else [f"study.curve.runs={runs}"]
    if counts:
        words = [word.strip() for word in counts.split(",")]
        if not all(word.isdecimal() for word in words) or not any(map(int, words)):
            raise InputError(f"--counts {counts}: write numbers from 0, one of them above 0, such as 0,100,200")
        changes.append(f"study.curve.counts=[{','.join(str(int(word)) for word in words)}]")
    return changes


def text_of(table: "pd.DataFrame", chosen: int, rare: str) -> str:
    """The means in per cent, one row per count, for the terminal."""
    from eval.report.curve_figure import curve_means

    means = curve_means(table)
    means["text"] = [
        f"{100 * mean:.1f} +- {100 * error:.1f}" if runs > 1 else f"{100 * mean:.1f}"
        for mean, error, runs in zip(means["mean"], means["standard_error"], means["runs"], strict=True)
    ]
    means["column"] = means["part"] + " " + means["class"]
    shown = means.pivot(index="count", columns="column", values="text")[list(dict.fromkeys(means["column"]))]
    return (
        "F1 in per cent, mean +- standard error over runs, against the number of added gathers\n"
        f"{shown.rename_axis(index=None, columns=None).to_string()}\n"
        f"chosen on validation gathers: {chosen}, by F1 of {rare}"
    )


if __name__ == "__main__":
    command.run(main)
