"""FlowSampler beside imbalanced-learn's over-samplers, on pictures that are not seismic: `python -m eval.samplers`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from glowseis import command
from glowseis.errors import InputError


def main(
    pictures: Annotated[str, typer.Argument(help="digits, cells or defects, as in eval.elsewhere.")],
    *,
    out: Annotated[Path | None, typer.Option(help="CSV file of the outcomes; default: samplers/PICTURES.csv.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Run only this many trials, the first ones.")] = None,
    flow_steps: Annotated[int | None, typer.Option(min=1, help="Training steps of a flow.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of divisions and all random numbers.")] = 1,
) -> None:
    """Compare over-samplers in the same imbalanced-learn pipeline, before a support vector machine.

    Example: python -m eval.samplers digits --out digits.csv
    """
    from eval.pictures.sets import SETS

    if pictures not in SETS:
        raise InputError(f"{pictures}: no such set of pictures; choose from {', '.join(SETS)}")
    path = out or Path("samplers") / f"{pictures}.csv"
    if path.exists():
        raise InputError(f"{path}: exists already; give another --out")
    chosen = SETS[pictures]
    loaded = chosen.load()
    command.import_tensorflow()
    import pandas as pd

    from eval.pictures.samplers import ARMS, compared
    from eval.results.elsewhere import table
    from glowseis.files import whole_file
    from glowseis.run.record import commit

    chosen = replace(chosen, arms=ARMS, flow_steps=flow_steps or chosen.flow_steps)
    found = []
    for one in compared(loaded, chosen, seed, trials):
        found.append({"set": pictures, "seed": seed, "flow_steps": chosen.flow_steps, **one, "commit": commit() or ""})
        command.say(
            f"{one['rare']}, part {one['fold']}, {one['arm']}: F1 {100 * one['f1_rare']:.1f}, PR-AUC "
            f"{100 * one['average_precision_rare']:.1f}, {one['processor_seconds']:.0f} s of processor time"
        )
    outcomes = pd.DataFrame(found)
    with whole_file(path) as unfinished:
        outcomes.to_csv(unfinished, index=False, float_format="%.6g", lineterminator="\n")
    print(table(outcomes, chosen).to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    command.run(main)
