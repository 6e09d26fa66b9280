"""A figure of the pictures that arms make, with their parents."""

from collections.abc import Mapping
from pathlib import Path

from eval.pictures.arms import Children
from eval.pictures.sets import Pictures
from glowseis.files import whole_file

COLUMNS = 12


def draw_parents(path: Path, pictures: Pictures, made: Mapping[str, Children]) -> None:
    """Draw the first pictures that arms make, below their two parents, a block of three rows per arm.

    Args:
        path: PNG file to write.
        pictures: All pictures.
        made: What each arm makes, by its name.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(COLUMNS, 3.4 * len(made)), layout="constrained")
    for part, (arm, some) in zip(figure.subfigures(len(made), squeeze=False)[:, 0], made.items(), strict=True):
        part.suptitle(f"{arm}: first parents, second parents, children")
        rows = (pictures.images[some.first], pictures.images[some.second], some.images)
        for axes, images in zip(part.subplots(3, COLUMNS), rows, strict=True):
            for place, one in zip(axes, images, strict=False):
                place.imshow(one, cmap="gray", vmin=0, vmax=255)
            for place in axes:
                place.set_axis_off()
    with whole_file(path, replace=True) as unfinished:
        figure.savefig(unfinished, format="png", dpi=60)
