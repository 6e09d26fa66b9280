"""The README's picture: real gathers of a label above, generated ones below.

python benchmarks/picture.py surveys/demo surveys/demo-new docs/real-and-generated.png
"""

import sys

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from glowseis import open_survey, plot_gather

SHOWN, GAIN = 5, 4


def main(real: str, generated: str, out: str, label: str = "bad") -> None:
    """Write the picture: the first gathers of the label from each survey, with a gain about mid-grey."""
    figure = Figure((2.3 * SHOWN, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(2, SHOWN, sharex=True, sharey=True)
    for path, axes in zip((real, generated), rows, strict=True):
        survey = open_survey(path)
        for number, place in zip(survey.select(labels=[label]), axes, strict=False):
            gather = survey.read(int(number))
            plot_gather(gather, place, clip=gather.clip_amplitude / GAIN).label_outer()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
