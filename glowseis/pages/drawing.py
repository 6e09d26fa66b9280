"""Colours of classes, and matplotlib's figures as SVG for a page in light or dark mode."""

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from glowseis.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT = "#1f2328", "#8c959f"
"""Colours of text and lines, and of what only guides the eye."""

CLASS_COLOURS = ("#0969da", "#9a6700", "#cf222e", "#1a7f37", "#8250df", "#0e7490")
"""Colours of classes in order of severity; they repeat if there are more classes."""

CLASS_MARKERS = ("o", "s", "^", "D", "v", "P")

IN_THE_DARK = {
    INK: "#e6edf3",
    FAINT: "#7d8590",
    "#57606a": "#aab3bd",
    "#8250df": "#b794f6",
    "#0969da": "#58a6ff",
    "#1a7f37": "#3fb950",
    "#9a6700": "#d9a62e",
    "#cf222e": "#ff7b72",
    "#bf3989": "#f778ba",
    "#0e7490": "#39c5cf",
    "#6639ba": "#d2a8ff",
    "#4d7c0f": "#a3e635",
    "#c2410c": "#fb923c",
    "#0f766e": "#2dd4bf",
    "#9f1239": "#fda4af",
    "#4338ca": "#a5b4fc",
    "#86198f": "#f0abfc",
    "#92400e": "#fcd34d",
}
"""The replacement of each colour on a dark page."""

PIXELS_AN_INCH = 200

COLOURS_OF_IMAGES = 64
"""Most colours of an image in a figure on a page."""

WIDTH_INCH, HEIGHT_INCH = 4.4, 3.3
"""A panel's size: its text is still legible when a phone shows it 360 pixels wide."""


def plain(text: str) -> str:
    r"""A user's word, escaped for matplotlib: a dollar sign would start a formula."""
    return text.replace("$", r"\$")


def new_figure(width_inch: float = WIDTH_INCH, height_inch: float = HEIGHT_INCH) -> "Figure":
    """An empty figure that needs no display.

    Args:
        width_inch: Width, in inches.
        height_inch: Height, in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not pyplot: it needs a display, and keeps figures.
    figure = Figure((width_inch, height_inch), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Any) -> None:
    """Give axes a grid and the page's colours.

    Args:
        axes: The axes, of matplotlib.
    """
    axes.grid(color=FAINT, linewidth=0.5, alpha=0.4)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)
    for side, spine in axes.spines.items():
        spine.set_color(FAINT)
        spine.set_visible(side in ("left", "bottom"))
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(INK)
    legend = axes.get_legend()
    if legend:
        for text in legend.get_texts():
            text.set_color(INK)


def write_picture(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and as SVG, in place of older ones.

    Args:
        figure: The figure.
        folder: Folder for the files; made if missing.
        name: Their name, without extension.

    Returns:
        Both files, the PNG first.

    Raises:
        OSError: The disk is full or not writable.
    """
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    with whole_file(paths[0], replace=True) as png, whole_file(paths[1], replace=True) as svg:
        figure.savefig(png, format="png", dpi=PIXELS_AN_INCH, metadata={"Software": None})
        # A viewer in dark mode would show the ink on black.
        figure.patch.set_facecolor("white")
        svg.write_text(svg_text(figure, name, transparent=False), encoding="utf-8")
    return paths


def svg_text(figure: "Figure", name: str, *, transparent: bool = True) -> str:
    """A figure as an SVG file, the same bytes every time.

    Args:
        figure: The figure.
        name: Distinguishes its elements from those of other figures.
        transparent: Whether the background shows through.
    """
    import matplotlib

    target = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(target, format="svg", transparent=transparent, metadata={"Date": None, "Creator": None})
    return target.getvalue()


def inline_svg(figure: "Figure", name: str, description: str) -> Markup:
    """A figure as an `<svg>` element for a page, whose style sheet defines each colour as, for example, `--ink-1f2328`.

    Args:
        figure: The figure, in this module's colours.
        name: A name that is unique on the page: letters, digits and hyphens.
        description: What it shows, for readers who cannot see it; markup is escaped.

    Returns:
        The element.
    """
    text = svg_text(figure, name)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"(?<=data:image/png;base64,)[^\"]+", _lighter, text)
    # matplotlib uses the same ids in every figure; on a page they must differ.
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    for colour in IN_THE_DARK:
        text = text.replace(colour, f"var(--ink-{colour[1:]})")
    # The page, not the figure, sets its width.
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|xmlns(:\w+)?|version)="[^"]*"', "", head)
    rest = re.sub(r"xlink:href=", "href=", rest)
    return Markup(f'{head} role="img" aria-label="{escape(description)}">{rest.strip()}')


def _lighter(found: re.Match[str]) -> str:
    """A PNG in a figure with few colours, a third as long."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(found[0])))
    target = io.BytesIO()
    image.quantize(COLOURS_OF_IMAGES, Image.Quantize.FASTOCTREE).save(target, "PNG", optimize=True)
    return base64.b64encode(target.getvalue()).decode()
