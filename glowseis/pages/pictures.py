"""Pictures on a page, which holds their data."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup


@dataclass(frozen=True)
class Picture:
    """A picture on the page.

    Attributes:
        source: Its data as an address.
        width: In pixels.
        height: In pixels.
        words: The text below it.
        description: What it shows, for readers who cannot see it.
    """

    source: str
    width: int
    height: int
    words: str
    description: str


@dataclass(frozen=True)
class Card:
    """Pictures side by side, with a caption."""

    pictures: list[Picture]
    words: str


@dataclass(frozen=True)
class Panel:
    """A figure on a page, and its caption."""

    svg: Markup
    caption: str


def png_source(pixels: np.ndarray) -> str:
    """A picture's data as an address, a PNG of 64 colours or grey levels.

    Args:
        pixels: uint8 `[height, width]` or `[height, width, 3]`.
    """
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(pixels).quantize(64).save(target, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(target.getvalue()).decode()}"
