"""Names of the arms, for recipes, tables and figures; the arms themselves are in `eval.study.arms`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from glowseis.errors import InputError

BASELINE, RIVAL, PRIMARY = "none", "oversampling", "flow"
"""The arm without augmentation; the primary contrast, fixed in advance, is `PRIMARY` against `RIVAL`."""


Flow = Literal["rare", "all", "noise", "transplant"]


@dataclass(frozen=True)
class ArmName:
    """An arm in words.

    Attributes:
        title: Its name in tables.
        flow: The flow of the fold that it needs: `rare` is trained on the rare class alone, `all` on all classes first,
            `noise` on the low frequencies of noisy gathers, `transplant` on these given the higher ones.
    """

    title: str
    flow: Flow | None = None


ARMS: dict[str, ArmName] = {
    BASELINE: ArmName("none"),
    "class-weights": ArmName("class weights"),
    RIVAL: ArmName("random oversampling"),
    "pixel-mixing": ArmName("pixel mixing"),
    "smote": ArmName("SMOTE"),
    PRIMARY: ArmName("flow interpolation", "rare"),
    "flow-all": ArmName("flow interpolation, all classes first", "all"),
    "latent-levels": ArmName("latents recombined by levels", "all"),
    "flow-prior": ArmName("flow prior samples", "rare"),
    "logit-adjustment": ArmName("logit adjustment"),
    "trace-blocks": ArmName("blocks of traces pasted"),
    "low-band": ArmName("noise moved to other gathers"),
    "low-band-fresh": ArmName("noise moved to other gathers, redrawn every epoch"),
    "symmetric": ArmName("noise moved within every class"),
    "noise-flow": ArmName("flow-made noise on other gathers", "noise"),
    "noise-transplant": ArmName("noise moved to other gathers by a flow", "transplant"),
}
"""The arms, in the order of the tables."""

ON_JAX = (RIVAL, "trace-blocks", "pixel-mixing", PRIMARY, "low-band", "noise-flow")
"""The arms that `eval.worth_jax` makes."""


def check_arms(names: Sequence[str], where: str) -> None:
    """Make sure that arms are known, each named once.

    Args:
        names: The names.
        where: Where they are named, for the error.

    Raises:
        InputError: One is unknown or named twice, or there is none.
    """
    unknown = [name for name in names if name not in ARMS]
    if unknown:
        raise InputError(f"{where}: no arm is called {unknown[0]!r}; choose from {', '.join(ARMS)}")
    if not names or len(set(names)) < len(names):
        raise InputError(f"{where}: name at least one arm, and each only once")
