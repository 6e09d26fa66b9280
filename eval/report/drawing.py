"""Colours and dashes of arms."""

import itertools
from typing import Any

from eval.study.names import ARMS

COLOURS = (
    *("#57606a", "#8250df", "#0969da", "#1a7f37", "#9a6700", "#cf222e", "#bf3989", "#0e7490"),
    *("#6639ba", "#4d7c0f", "#c2410c", "#0f766e", "#9f1239", "#4338ca", "#86198f", "#92400e"),
)

ARM_COLOURS = dict(zip(ARMS, itertools.cycle(COLOURS), strict=False))
"""Each arm's colour on white; arms beyond the list have colours of others, with other dashes."""

DASHES: tuple[Any, ...] = (
    *((0, (1, 1)), (0, (5, 1, 1, 1)), (0, (4, 1.5)), (0, (2, 1)), (0, (6, 2, 1, 2, 1, 2)), "-", (0, (8, 2)), "-."),
    *((0, (3, 1, 1, 1)), (0, (3, 3)), "--", (0, (10, 2, 2, 2)), (0, (1, 3)), (0, (6, 1)), (0, (2, 1, 6, 1))),
)

ARM_DASHES: dict[str, Any] = dict(zip(ARMS, itertools.cycle(DASHES), strict=False))
"""Each arm's dashes, for readers who cannot tell the colours apart."""
