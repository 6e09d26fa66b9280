"""`glowseis COMMAND`: all commands under one name, with `--version` and shell completion."""

import importlib
import inspect
import sys
from typing import Annotated

import typer

from glowseis import command
from glowseis.addresses import local_paths
from glowseis.version import __version__

COMMANDS = (
    "simulate",
    "ingest",
    "describe",
    "qc",
    "next",
    "label",
    "folds",
    "train",
    "generate",
    "classify",
    "deliver",
    "report",
    "convert",
)


def application() -> typer.Typer:
    """All commands in one application; none imports anything heavy before it is called."""
    app = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Grade seismic shot gathers, and make new ones of a rare class.",
    )
    app.callback()(_options)
    for name in COMMANDS:
        function = importlib.import_module(f"glowseis.{name}").main
        text = (inspect.getdoc(function) or "").replace("python -m glowseis.", "glowseis ")
        app.command(name, help=text)(local_paths(function))
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the command named by the first word, and exit with its status.

    Args:
        arguments: The words after `glowseis`; the process's own if None.
    """
    words = sys.argv[1:] if arguments is None else arguments
    called = ["glowseis", *(word for word in words[:1] if word in COMMANDS)]
    command.run_app(application(), "glowseis", " ".join(called), arguments)


def _version(asked: bool) -> None:
    if asked:
        print(f"glowseis {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_version)] = False,
) -> None:
    pass


if __name__ == "__main__":
    main()
