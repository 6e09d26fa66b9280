"""`python -m glowseis.generate`: new gathers of a label, from a survey and a trained flow."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from glowseis import command
from glowseis.errors import InputError
from glowseis.survey.gather import Gather, Recording


class LatentPath(StrEnum):
    """Ways between two parents in latent space."""

    SPHERICAL = "spherical"
    LINEAR = "linear"


class Format(StrEnum):
    """What can be written."""

    SEGY = "segy"
    HDF5 = "hdf5"
    PICTURES = "pictures"
    SURVEY = "survey"


def main(
    savedmodel: Annotated[
        Path,
        typer.Argument(
            help="savedmodels/NAME for the newest version, or NAME/VERSION. Its code is run: use only models from "
            "people you trust."
        ),
    ],
    survey: Annotated[Path, typer.Option(help="Where the parents are.")],
    out: Annotated[Path, typer.Option(help="A .segy or .h5 file, or a folder.")],
    label: Annotated[
        str | None, typer.Option(help="Which gathers to make; those that the flow was trained for, if left out.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 600,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the pairs and weights.")] = 1,
    path: Annotated[
        LatentPath, typer.Option(help="spherical keeps the noise of the parents; linear lets it fade half-way.")
    ] = LatentPath.SPHERICAL,
    farthest: Annotated[
        float, typer.Option(help="How far from its first parent towards the other a gather may lie, at most 1.")
    ] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="Gathers made at a time; memory grows with it.")] = 4,
    kind: Annotated[
        Format | None,
        typer.Option("--format", help="segy or hdf5 for a file that ends so, survey for a folder, if left out."),
    ] = None,
) -> None:
    """Interpolate new gathers of a label between a survey's real ones, in a flow's latent space.

    Each has the geometry of its first parent. Its parents, alpha, seed and model stand in the survey or HDF5 file, or
    in a table beside SEG-Y and pictures.

    Example: python -m glowseis.generate savedmodels/demo --survey surveys/demo --count 20 --out new.segy
    """
    kind = kind or _format_of(out)
    if not 0 < farthest <= 1:
        raise InputError(f"--farthest {farthest:g}: give a number above 0, at most 1")

    from glowseis.files import check_output

    check_output(out)
    if kind is Format.SEGY:
        from glowseis.survey.formats.segy_origin import table_of

        check_output(table_of(out))
    from glowseis.export.folders import check_fits, model_name, read_about, version_folder
    from glowseis.survey.store.survey import open_survey

    about = read_about(savedmodel, "flow")
    real = open_survey(survey)
    check_fits(about, model_name(version_folder(savedmodel)), real)
    if known := label or about.get("label"):
        real.select(labels=[known])

    from tqdm import tqdm

    command.import_tensorflow()
    from glowseis.export.flow import load_flow
    from glowseis.synthesis import possible_parents, synthesise

    flow = load_flow(savedmodel)
    label = label or flow.about.get("label")
    if not label:
        raise InputError(f"{savedmodel}: does not say which gathers it was trained for; give --label")
    if flow.about.get("survey_checksum") != real.checksum:
        print(f"{flow.name} was trained on another survey, {flow.about.get('survey', 'which it does not name')}")
    possible = len(possible_parents(flow, real, label))
    made = synthesise(flow, real, label, count, seed, path.value, batch, farthest=farthest)
    reach = f", at most {farthest:g} of the way" if farthest < 1 else ""
    write = _writer(kind, (real.size[0], real.size[1]), f"{flow.name}, seed {seed}, {path.value} path{reach}")
    with tqdm(made, "generating", count, unit="gather", disable=None) as shown:
        write(out, shown)
    print(f"{count} synthetic {label} gathers by {flow.name}, of {possible} possible parents: {out}")


def _format_of(out: Path) -> Format:
    if out.suffix.lower() in (".segy", ".sgy"):
        return Format.SEGY
    if out.suffix.lower() in (".h5", ".hdf5", ".hdf"):
        return Format.HDF5
    if out.suffix:
        raise InputError(
            f"{out}: no format ends in {out.suffix}; name a .segy or .h5 file or a folder, or give --format"
        )
    return Format.SURVEY


def _writer(kind: Format, size: tuple[int, int], maker: str) -> Callable[[Path, Iterable[Gather]], object]:
    if kind is Format.PICTURES:
        from glowseis.survey.formats.pictures import write_pictures

        return write_pictures
    if kind is Format.SURVEY:
        from glowseis.survey.store.survey import write_survey

        return lambda out, gathers: write_survey(out, gathers, size, {"synthetic": maker})

    if kind is Format.HDF5:
        from glowseis.survey.formats.hdf5_layout import write_hdf5

        return lambda out, gathers: write_hdf5(out, map(_recording, gathers), maker)

    from glowseis.files import whole_file
    from glowseis.survey.formats.segy import write_segy
    from glowseis.survey.formats.segy_origin import synthetic_text, table_of

    def write(out: Path, gathers: Iterable[Gather]) -> int:
        with whole_file(table_of(out)) as table:
            return write_segy(out, _recordings(gathers, table), synthetic_text(maker, out), numbered=True)

    return write


def _recordings(gathers: Iterable[Gather], table: Path) -> Iterator[Recording]:
    """Gathers as recordings, with a row each in a table; closed before the last one's file has its name."""
    from glowseis.survey.formats.segy_origin import RECORD
    from glowseis.survey.store.index import index_writer

    with index_writer(table, [RECORD]) as write_row:
        for number, gather in enumerate(gathers, start=1):
            write_row(gather, {RECORD: number})
            yield _recording(gather)


def _recording(gather: Gather) -> Recording:
    """A gather as a recording of the shape that was recorded."""
    from glowseis.survey.render import amplitudes

    return Recording(gather.gather_id, amplitudes(gather), gather.label, gather.geometry, gather.source, gather.origin)


if __name__ == "__main__":
    command.run(main)
