"""The README's picture: real gathers of a label above, generated ones below.

python benchmarks/picture.py surveys/demo surveys/demo-new docs/real-and-generated.png
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from glowseis.survey.batches.images import images
from glowseis.survey.store.survey import open_survey

SHOWN, GAIN, ENLARGED, GAP = 5, 4, 3, 2


def row(path: str, label: str) -> np.ndarray:
    """A survey's first gathers of a label side by side, their grey levels stretched about mid-grey."""
    survey = open_survey(Path(path))
    levels = images(survey, survey.select(labels=[label])[:SHOWN]).astype(np.float32)
    stretched = np.clip(128 + GAIN * (levels - 128), 0, 255).astype(np.uint8)
    return np.concatenate(list(np.pad(stretched, ((0, 0), (0, GAP), (0, GAP)), constant_values=255)), axis=1)


def main(real: str, generated: str, out: str, label: str = "bad") -> None:
    """Write the picture."""
    picture = Image.fromarray(np.concatenate([row(real, label), row(generated, label)]))
    picture.resize((picture.width * ENLARGED, picture.height * ENLARGED), Image.Resampling.NEAREST).save(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
