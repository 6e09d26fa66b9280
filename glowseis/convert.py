"""The command that writes a trained network as an ONNX or LiteRT file."""

from pathlib import Path
from typing import Annotated

import typer

from glowseis import command


def main(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="savedmodels/NAME, or one of its versions.", show_default=False)
    ],
    *,
    out: Annotated[Path, typer.Option(help="File to write: .onnx, or .tflite for LiteRT.", show_default=False)],
) -> None:
    """Write a classifier, or the decoder of a flow, as a file that runs without TensorFlow.

    A file ending in .onnx is for ONNX Runtime (install 'glowseis[onnx]' to make one), one ending in .tflite for LiteRT,
    which only classifiers can be converted to. It is kept only if its numbers are the network's. Such a file
    gives a classifier's probabilities for one window; what classify makes of windows, mirror images and class fractions
    is not in it.

    Example: python -m glowseis.convert savedmodels/robust --out robust.onnx
    """
    from glowseis.export.portable import check_portable, write_portable
    from glowseis.files import check_output

    check_portable(model, out)
    check_output(out)
    command.import_tensorflow()
    difference = write_portable(model, out)
    print(f"{out}: the largest difference from the network's numbers is {difference:.1g}")


if __name__ == "__main__":
    command.run(main)
