"""The command that measures the quality of recorded gathers: attributes of every trace and gather."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glowseis import command

if TYPE_CHECKING:
    from glowseis.survey.formats.source import ReadOptions

Out = Annotated[Path, typer.Option(help="Folder to write tables and maps to.", show_default=False)]


@command.reads_files
def main(
    sources: command.Files,
    *,
    out: Out,
    target: command.Target = "",
    noise: command.Noise = "",
    module: command.Module = 24,
    kind: command.Kind = None,
    strict: command.Strict = False,
    options: "ReadOptions",
) -> None:
    """Measure the quality of recorded gathers: levels, frequencies, faults of every trace, and bands of noise.

    It writes tables of traces, gathers and noise bands, as Parquet and CSV, and a map of each attribute, shot by
    channel. Levels are in the units of the file.

    Example: python -m glowseis.qc line12.segy --out quality/line12 --target 0.2-1.2@1500
    """
    from glowseis.attributes.measuring import settings_of
    from glowseis.attributes.quality import measure_sources
    from glowseis.survey.ingestion.request import Request

    settings = settings_of(target, noise, module, options.zero_level)
    print("\n".join(measure_sources(Request(sources, options, kind, strict=strict), settings, out)))


if __name__ == "__main__":
    command.run(main)
