"""Names from other people's files and folders, which a terminal must show and not obey."""

import re

SHOWN_AS: dict[str, str] = {}
"""Addresses of files and folders that are copies, by the copies' paths."""


def addressed(text: str) -> str:
    """A text with addresses in place of the paths of copies; what else lies beside the copies keeps its path.

    Args:
        text: Any text.
    """
    for copy in sorted(SHOWN_AS, key=len, reverse=True):
        if copy in text:
            text = re.sub(rf"{re.escape(copy)}(?![\w/.-]*[\w/])", SHOWN_AS[copy].replace("\\", r"\\"), text)
    return text


def visible(text: str, kept: str = "") -> str:
    r"""A text with its control characters replaced by escapes such as `\r`, so that a terminal only shows them.

    Args:
        text: Any text.
        kept: Control characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else repr(one)[1:-1] for one in text)
