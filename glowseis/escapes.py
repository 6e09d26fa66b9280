"""Names from files and folders of others, which a terminal must show and not obey."""


def visible(text: str, kept: str = "") -> str:
    r"""A text whose control characters are escapes such as `\r`, so that it does nothing to a terminal.

    Args:
        text: Any text.
        kept: Control characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else repr(one)[1:-1] for one in text)
