"""From the options of a command to a session: survey, judge, file of labels, order, model."""

import contextlib
import getpass
import html
import os
import re
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

from glowseis.errors import InputError
from glowseis.files import private_file
from glowseis.labelling.opinions import Opinions
from glowseis.labelling.order import ORDERS, from_file
from glowseis.labelling.session import Session
from glowseis.shipped import ready_model
from glowseis.survey.gather import source_text
from glowseis.survey.store.survey import open_survey
from glowseis.survey.wording import number_of

LEADING = """<!doctype html>
<meta charset="utf-8"><title>glowseis label</title><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}"><a href="{address}">Label</a>
"""
"""A page that redirects to another."""


def begin(survey: Path, labels: Path | None, judge: str, order: Path | None, following: str) -> Session:
    """Open a survey for a judge.

    Args:
        survey: Its folder.
        labels: The CSV file of labels to add to; `labels_beside` by default.
        judge: Who judges; empty for whoever is logged in.
        order: A CSV file of gathers, as `glowseis.labelling.order.from_file` takes it.
        following: Otherwise a name from `ORDERS`.

    Raises:
        InputError: One of them is missing or wrong.
    """
    if following not in ORDERS:
        raise InputError(f"--next {following}: choose {' or '.join(ORDERS)}")
    opened = open_survey(survey)
    judge = judge or _logged_in()
    place = labels or labels_beside(survey, judge)
    if order is None:
        session = Session(opened, place, judge, ORDERS[following](opened))
    else:
        session = Session(opened, place, judge, *from_file(opened, order))
    if not session.progress()["of"]:
        raise InputError(
            f"{survey}: has no recorded gather to label; synthetic ones already have the label they were made for"
        )
    return session


def labels_beside(survey: Path, judge: str) -> Path:
    """Where a judge's labels are kept: beside the survey, so that they stay if it is rebuilt.

    Args:
        survey: The survey's folder.
        judge: The judge; whatever cannot be in a file's name becomes a hyphen.
    """
    folder = Path(os.path.abspath(survey)) if survey.name in ("", "..") else survey
    name = re.sub(r"[^\w.-]+", "-", judge).lstrip(".")
    return folder.parent / f"{folder.name}-labels" / f"{name or 'judge'}.csv"


def opinions_of(session: Session, model: Path | None, prepare: Callable[[], None]) -> Opinions | str:
    """A model's opinions, or why there are none.

    Args:
        session: The session.
        model: A classifier's SavedModel; the ready one when None, if it knows the survey's classes.
        prepare: As for `Opinions`.

    Raises:
        InputError: The model that was named is missing or knows other classes.
    """
    if model is not None:
        return Opinions(session.survey.path, model, session.classes, prepare)
    try:
        return Opinions(session.survey.path, ready_model("classifier"), session.classes, prepare)
    except InputError as wrong:
        return str(wrong)


@contextlib.contextmanager
def page_open(address: str, labels: Path) -> Iterator[None]:
    """Open a page in a browser, if there is a display; a text browser could take over the terminal.

    All users of a machine can see the command lines of its programs. So the browser opens a file beside the labels
    that redirects to the page and that only its owner can read. The file is removed when the block ends.

    Args:
        address: The page's, with its token.
        labels: The file of labels.
    """
    with contextlib.ExitStack() as stack:
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            leading = labels.parent / f".{labels.stem}.html"
            # The address has been printed, so the page can be opened without this file.
            with contextlib.suppress(OSError):
                stack.enter_context(private_file(leading, LEADING.format(address=html.escape(address))))
                webbrowser.open(leading.resolve().as_uri())
        yield


def summary_line(session: Session) -> str:
    """What was labelled, and where it is.

    Args:
        session: The session.

    Raises:
        InputError: The file of labels cannot be read any more.
    """
    added = f"{number_of(session.added, 'gather')} labelled in this session"
    try:
        progress = session.progress()
    except InputError as wrong:
        raise InputError(f"{wrong} ({added})") from None
    each = ", ".join(f"{label} {count}" for label, count in progress["counts"].items() if count)
    where = f"; labels: {source_text(session.labels)}" if session.labels.exists() else ""
    return f"{added}, {progress['judged']} of {progress['of']} in all{f' ({each})' if each else ''}{where}"


def _logged_in() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise InputError("cannot find out who is logged in; give --judge NAME") from None
