"""The site, by Sphinx: `sphinx-build -W -c docs . docs/_build`. Code hosts show the same pages, where they are."""

import re

from sphinx.application import Sphinx
from sphinx.util import inspect

from glowseis.version import __version__

project = "glowseis"
author = "the authors of glowseis"
release = version = __version__
html_title = f"glowseis {__version__}"
html_theme = "furo"
html_show_copyright = False

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**.md",
    "eval/README.md",
    "savedmodels/**.md",
    "train/**.md",
]
# The folder above them may be opened as the site.
html_additional_pages = {"index": "redirect.html"}
templates_path = ["templates"]

# Commands and what they print have no language.
highlight_language = "none"

# Links to headings as code hosts make them.
myst_heading_anchors = 4

# Notebooks are run when the site is built; -D nb_execution_mode=off leaves them as they are.
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True
# TensorFlow tells about the machine there.
nb_output_stderr = "remove"

# Tables that a command wrote begin with headings of the third level.
suppress_warnings = ["myst.header"]

# Docstrings are Google's, with code in single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_custom_sections = ["Shapes"]


def as_printed(app: Sphinx, what: str, name: str, kind: object, options: object, lines: list[str]) -> None:
    """Keep formulas, shapes and code of a docstring on lines of their own."""
    place = ""
    for number, line in enumerate(lines):
        if line == "```":
            place = "" if place == "code" else "code"
            lines[number] = "::" if place else ""
            if place:
                lines.insert(number + 1, "")
        elif place == "code":
            lines[number] = f"    {line}"
        elif re.match(r"(forward|log-det|inverse): ", line):
            lines[number] = f"| {line}"
        elif line and line[0] != " ":
            place = "shapes" if line == "Shapes:" else ""
        elif place == "shapes" and line:
            lines[number] = re.sub(r"^    (?! )", "    | ", line) if line[4] != " " else f"  {line}"


def own_signature(
    app: Sphinx, what: str, name: str, kind: type, options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Give a Keras class the signature of its constructor: that of `__new__`, which Keras wraps, says nothing."""
    if what == "class" and signature == "(*args, **kwargs)":
        return inspect.stringify_signature(
            inspect.signature(kind.__init__, bound_method=True), unqualified_typehints=True
        ), None
    return signature, returned


def setup(app: Sphinx) -> None:
    """Come before napoleon."""
    app.connect("autodoc-process-signature", own_signature)
    app.connect("autodoc-process-docstring", as_printed, priority=100)
