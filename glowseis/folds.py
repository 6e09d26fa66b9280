"""The command that divides a survey's gathers into those that train and those that test, once for all comparisons."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from glowseis import command


class Kind(StrEnum):
    """Ways to divide gathers."""

    STRATIFIED = "stratified"
    GROUPED = "grouped"
    SPLIT = "split"
    GROUPED_SPLIT = "grouped-split"


def main(
    survey: command.Survey,
    *,
    out: Annotated[Path, typer.Option(help="JSON file to write, such as folds/lines.json.", show_default=False)],
    kind: Annotated[
        Kind, typer.Option(help="k folds, or one split of 70/10/20 %; grouped kinds keep each sail line together.")
    ] = Kind.STRATIFIED,
    folds: Annotated[int, typer.Option(help="Number of folds; a split has one.", min=2)] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the draw.", min=0, max=2**32 - 1)] = 1,
    rare: Annotated[
        str, typer.Option(help="Label that every part must contain; by default the one with the fewest gathers.")
    ] = "",
    labels: command.SurveyLabels = None,
    judge: command.Judge = None,
) -> None:
    """Divide a survey's gathers into folds or a split.

    The result is written to a file. Synthetic gathers and gathers without a label are left out. Folds made with
    --labels are for training with the same labels.

    Example: python -m glowseis.folds surveys/small --out folds/small.json --kind grouped
    """
    import pandas as pd

    from glowseis.files import check_output
    from glowseis.survey.gather import source_text
    from glowseis.survey.labels.overlay import open_survey
    from glowseis.survey.splits.fold_files import labelled_rows, make_folds, torn_duplicates, write_folds

    check_output(out)
    opened = open_survey(survey, labels or (), judge)
    made = make_folds(opened, kind.value, folds, seed, rare or None)
    write_folds(out, made)

    lines = opened.index["sail_line"].to_numpy()
    given = opened.index["label"].to_numpy(str)
    rows = []
    for fold in range(len(made)):
        for part, own in zip(made.part_names, made.parts(fold), strict=True):
            counts = {label: int((given[own] == label).sum()) for label in opened.labels}
            rows.append({"fold": fold, "part": part, **counts, "sail lines": len(set(lines[own].tolist()))})
    print(pd.DataFrame(rows).to_string(index=False))
    left_out = len(opened) - len(labelled_rows(opened))
    if left_out:
        print(f"{left_out} gathers are left out: they are synthetic or have no label")
    if torn := torn_duplicates(opened, made):
        print(torn)
    print(f"{source_text(out)}: {kind.value}, seed {seed}, rare label {made.content.rare}")
    print(f"SHA-256 {made.checksum}")


if __name__ == "__main__":
    command.run(main)
