"""What an hour of labelling is worth: `python -m eval.hour`.

Target surveys are simulated acquisitions that the ready model never saw. Labels are bought some at a time, chosen at
random or by `glowseis next`. Classifiers trained on them are scored on another survey of the same acquisition.
docs/protocol-hour.md says what was fixed before the study.

```
hours/NAME/
  surveys/  looks/  bought/   of each target: pool and test survey, the ready model's view of them, labels
  work/                       trainings that are not finished, and their logs
  outcomes/                   TARGET-ARM-LABELS.json; tables and page are made from these alone
  tables/  report.html
```
"""

from pathlib import Path
from typing import Annotated

import typer

from glowseis import command
from glowseis.errors import FittingError, InputError, StoppedError

KEPT = "stopped; finished points are kept; run the same command again to continue"


def main(
    recipe: Annotated[Path, typer.Argument(help="TOML file of the benchmark.")] = Path("train/hour.toml"),
    *,
    out: Annotated[Path | None, typer.Option(help="Folder of the study; default: hours/NAME.")] = None,
    outcomes: Annotated[Path | None, typer.Option(help="Folder of the outcomes; default: OUT/outcomes.")] = None,
    target: Annotated[
        list[int] | None, typer.Option(help="Number of a target survey, from 0; repeatable; default: all.")
    ] = None,
    arm: Annotated[list[str] | None, typer.Option(help="Name of an arm; repeatable; default: all.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe.")
    ] = None,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Only write tables and report, from what is finished.")
    ] = False,
) -> None:
    """Measure what labels are worth on surveys that the ready model never saw, and whether choosing them helps.

    If it is stopped, run the same command again to continue; finished points are skipped.

    Example: python -m eval.hour train/hour.toml --target 0
    """
    from eval.budget.recipe import READY, read_hour

    settings = read_hour(recipe, changes)
    names = [READY, *(one.name for one in settings.arms)]
    for name in arm or []:
        if name not in names:
            raise InputError(f"--arm {name}: {recipe} has {', '.join(names)}; choose one of them")
    for number in target or []:
        if not 0 <= number < settings.targets.count:
            raise InputError(f"--target {number}: {recipe} has targets 0 to {settings.targets.count - 1}")
    folder = out or Path("hours") / settings.name
    kept = outcomes or folder / "outcomes"
    command.import_tensorflow()
    from eval.budget.arms import settings_digest
    from eval.report.hour_page import write_hour_page
    from eval.results.hour import collect, verdict
    from eval.running.points import Runner, model_digest
    from eval.running.process import make_folder, without_remarks
    from glowseis.files import whole_file

    try:
        if not tables_only:
            without_remarks()
            make_folder(folder, "--out")
            make_folder(kept, "--outcomes")
            Runner(settings, folder, kept, command.say).run(target or range(settings.targets.count), arm or names)
        shared = model_digest(settings)
        hour = collect(kept, settings, shared, {name: settings_digest(settings, name) for name in names})
        for name, frame in (("means", hour.table()), ("each", hour.each()), ("contrasts", hour.contrasts())):
            with whole_file(folder / "tables" / f"{name}.csv", replace=True) as unfinished:
                frame.to_csv(unfinished, index=False, float_format="%.4g", lineterminator="\n")
        report = write_hour_page(hour, folder, shared)
    except (KeyboardInterrupt, StoppedError):
        raise StoppedError(KEPT) from None
    print(hour.table().to_string(index=False, float_format="{:.1f}".format))
    print(verdict(hour))
    print(f"tables in {folder / 'tables'}; report: {report}")
    if hour.failed:
        one = hour.failed[0]
        raise FittingError(
            f"{len(hour.failed)} points failed, the first target {one.target}, {one.arm}, {one.bought} labels: "
            f"{one.error}; run the same command again to retry"
        )


if __name__ == "__main__":
    command.run(main)
