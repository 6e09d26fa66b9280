"""The arms on pictures that are not seismic: `python -m eval.elsewhere`.

Handwritten digits, and solar cells with defects. docs/protocol-elsewhere.md says what was fixed before the study.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from glowseis import command
from glowseis.errors import InputError, StoppedError
from glowseis.machine import cores


def main(
    pictures: Annotated[str, typer.Argument(help="digits, cells or defects.")],
    *,
    out: Annotated[Path | None, typer.Option(help="CSV file of the outcomes; default: elsewhere/PICTURES.csv.")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="Name of an arm; repeatable; default: all.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Run only this many trials, the first ones.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps of a classifier.")] = None,
    flow_steps: Annotated[int | None, typer.Option(min=1, help="Training steps of a flow.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of divisions and all random numbers.")] = 1,
    draw: Annotated[
        Path | None, typer.Option(help="PNG file; only draw the pictures that the arms make, with their parents.")
    ] = None,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Only print the table of finished trials.")
    ] = False,
) -> None:
    """Compare ways to add pictures of a rare class, on pictures that are not seismic.

    If it is stopped, run the same command again to continue; finished arms of each trial are skipped.

    Example: python -m eval.elsewhere digits --out digits.csv
    """
    from eval.pictures.sets import SETS

    if pictures not in SETS:
        raise InputError(f"{pictures}: no such set of pictures; choose from {', '.join(SETS)}")
    chosen = SETS[pictures]
    chosen = replace(chosen, steps=steps or chosen.steps, flow_steps=flow_steps or chosen.flow_steps)
    for name in arm or []:
        if name not in chosen.arms:
            raise InputError(f"--arm {name}: {pictures} has {', '.join(chosen.arms)}; choose one of them")
    from eval.results.elsewhere import FIXED, read_outcomes, table

    path = out or Path("elsewhere") / f"{pictures}.csv"
    fixed = (pictures, seed, chosen.steps, chosen.flow_steps)
    outcomes = read_outcomes(path, fixed)
    if not tables_only:
        loaded = chosen.load()
        command.import_tensorflow()
        from eval.report.parents_figure import draw_parents
        from eval.running.elsewhere import PictureRunner
        from glowseis.run.record import commit

        about = {"commit": commit() or "", "machine": f"{cores()} cores"}
        runner = PictureRunner(loaded, chosen, seed, {**dict(zip(FIXED, fixed, strict=True)), **about})
        if draw:
            draw_parents(draw, loaded, runner.made(arm or chosen.arms))
            print(f"drawn: {draw}")
            return
        try:
            outcomes = runner.run(path, outcomes, arm or chosen.arms, trials or len(loaded.images), command.say)
        except (KeyboardInterrupt, StoppedError):
            raise StoppedError("stopped; finished arms are kept; run the same command again to continue") from None
    if outcomes.empty:
        raise InputError(f"{path}: nothing is finished; leave out --tables-only to run it")
    print(table(outcomes, chosen).to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    command.run(main)
