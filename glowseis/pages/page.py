"""A page, made from parts by the templates beside this file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from glowseis.pages.drawing import IN_THE_DARK


class Part(NamedTuple):
    """A piece of the page.

    Attributes:
        macro: The macro of `parts.html.j2` that shows it.
        content: The macro's argument.
    """

    macro: str
    content: Any


class Folded(NamedTuple):
    """Parts that a reader opens, the content of a part `folded`.

    Attributes:
        summary: What is shown of it while it is closed.
        parts: Parts with the macros `strips`, `table`, `panels` and `words`.
        open_on_screens: Whether it is open wherever the window is wider than a phone's; where a browser cannot do that,
            it is closed.
    """

    summary: str
    parts: Sequence[Part]
    open_on_screens: bool = False


def page(
    title: str,
    summary: str,
    about: list[str],
    sections: dict[str, tuple[str, list[Part]]],
    first: Sequence[Part] = (),
) -> str:
    """The whole page.

    Args:
        title: Its title.
        summary: Sentences with the result.
        about: Lines on the origin of the figures.
        sections: Heading and parts of each section, by id.
        first: What follows the summary before all else.

    Returns:
        The text of an HTML file that needs no other file: for phones and screens, light and dark.
    """
    return _template("page.html.j2").render(
        title=title, summary=summary, first=first, about=about, sections=sections, colours=IN_THE_DARK
    )


def style() -> str:
    """The style sheet of all pages, whose colours follow the reader's choice of light or dark."""
    return _template("style.css.j2").render(colours=IN_THE_DARK)


def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
