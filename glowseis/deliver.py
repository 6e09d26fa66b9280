"""The command that makes what a crew hands over from a table of grades: kill list, map, marked SEG-Y."""

from pathlib import Path
from typing import Annotated

import typer

from glowseis import command

Grades = Annotated[
    Path, typer.Argument(metavar="GRADES.csv", help="The table that classify wrote.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="Folder to write to.", show_default=False)]
Kill = Annotated[
    str,
    typer.Option(
        help="Grades that kill all channels of a gather, such as medium,bad; by default the severest.",
        show_default=False,
    ),
]
Crs = Annotated[
    str,
    typer.Option(
        metavar="EPSG:N",
        help="Reference system of the files' coordinates, named in the map; nothing is converted.",
        show_default=False,
    ),
]
Segy = Annotated[bool, typer.Option("--segy", help="Also copy SEG-Y files, with grades and dead traces marked.")]
GradeWord = Annotated[
    str | None,
    typer.Option(
        metavar="BYTE",
        help="Trace header word of the grade in copies: its first byte, from 1, or its name. By default the first of "
        "233, 237, 231 and 225 that holds zero on all traces.",
        show_default=False,
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--files", help="Folder where the graded files are now, if they moved. Repeatable.", show_default=False
    ),
]


def main(
    context: typer.Context,
    grades: Grades,
    *,
    out: Out,
    kill: Kill = "",
    crs: Crs = "",
    segy: Segy = False,
    grade_word: GradeWord = None,
    files: Files = None,
) -> None:
    """Turn grades into files for processing: a kill list, a map, and marked copies of SEG-Y files.

    The graded files are read again, as classify read them, and must not have changed. Dead and wild channels are killed
    too.

    Example: python -m glowseis.deliver grades.csv --out handover/line12 --segy --grade-word 233
    """
    from glowseis.delivery.handover import Wanted, hand_over

    if not segy:
        command.refuse_given(context, ["grade_word"], "--segy")
    print("\n".join(hand_over(grades, out, Wanted(kill, crs, segy, grade_word, files or ()))))


if __name__ == "__main__":
    command.run(main)
