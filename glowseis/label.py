"""The command that serves a page on which gathers are labelled."""

from pathlib import Path
from typing import Annotated

import typer

from glowseis import command

Survey = Annotated[Path, typer.Argument(metavar="SURVEY", help="Folder of a survey.", show_default=False)]
Judge = Annotated[
    str, typer.Option("--judge", help="Name of the judge. Default: the user who is logged in.", show_default=False)
]
Labels = Annotated[
    Path | None,
    typer.Option(help="CSV file to add labels to. Default: SURVEY-labels/JUDGE.csv.", show_default=False),
]
Order = Annotated[
    Path | None,
    typer.Option(help="CSV file of gathers to label, in order: gather_id, optionally reason.", show_default=False),
]
Next = Annotated[str, typer.Option("--next", help="Order without --order: line (as stored) or random.")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port. Default: the first free one from 8640 on.", show_default=False),
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")]


def main(
    survey: Survey,
    *,
    judge: Judge = "",
    labels: Labels = None,
    order: Order = None,
    following: Next = "line",
    model: command.Classifier = None,
    port: Port = None,
    no_browser: NoBrowser = False,
) -> None:
    """Label gathers of a survey on a page in the browser.

    The page is served on this machine alone, at an address that contains a secret. Each label is on disk before the
    next gather is shown. describe, train and other commands take the file of labels with --labels. Ctrl-C ends it.

    Example: python -m glowseis.label surveys/line7 --judge anna
    """
    import contextlib

    from glowseis.labelling.start import begin, opinions_of, page_open, summary_line
    from glowseis.survey.gather import source_text

    session = begin(survey, labels, judge, order, following)
    opinions = opinions_of(session, model, command.import_tensorflow)
    from glowseis.labelling.server import bound, serve

    listener = bound(port)
    if session.warning:
        command.say(f"warning: {session.warning}", wrong=True)

    def opened(address: str) -> contextlib.AbstractContextManager[None]:
        command.say(f"label {source_text(survey)} as {session.judge} at {address} (Ctrl-C ends)")
        return contextlib.nullcontext() if no_browser else page_open(address, session.labels)

    serve(session, opinions, listener, opened)
    command.say(summary_line(session))


if __name__ == "__main__":
    command.run(main)
