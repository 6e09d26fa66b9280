"""Names from other people's files and folders, which a terminal must show and not obey."""


def visible(text: str, kept: str = "") -> str:
    r"""A text with its control characters replaced by escapes such as `\r`, so that a terminal only shows them.

    Args:
        text: Any text.
        kept: Control characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else repr(one)[1:-1] for one in text)
