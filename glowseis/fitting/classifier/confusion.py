"""A confusion matrix as a picture."""

import numpy as np

from glowseis.scoring import Scores


def confusion_picture(judged: Scores) -> np.ndarray:
    """Draw a confusion matrix: shares of each class by grade, with the numbers of gathers.

    Args:
        judged: The scores.

    Returns:
        A picture, uint8 `[height, width, 3]`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shares = judged.confusion / np.maximum(judged.support, 1e-12)[:, None]
    side = 1.6 + 0.9 * len(judged.labels)
    figure = Figure((side, side), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = np.arange(len(judged.labels))
    axes.set_xticks(places, judged.labels)
    axes.set_yticks(places, judged.labels, rotation=90, va="center")
    axes.set_xlabel("graded as")
    axes.set_ylabel("labelled")
    for row, column in np.ndindex(shares.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = f"{judged.confusion[row, column]:.5g}\n{100 * shares[row, column]:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
