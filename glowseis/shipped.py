"""What comes with glowseis: trained models and recipes, in the installed package or in a checkout."""

from pathlib import Path

from glowseis.errors import InputError

PACKAGE = Path(__file__).parent

SHIPPED = PACKAGE / "ready" if (PACKAGE / "ready").is_dir() else PACKAGE.parent
"""Folder of `savedmodels/` and `train/`; the build copies them into the package (see `setup.py`)."""

READY = {"classifier": Path("savedmodels/robust/3"), "flow": Path("savedmodels/swell/1")}
"""The models that come with glowseis, by kind."""


def ready_model(kind: str) -> Path:
    """Folder of the trained model that comes with glowseis.

    Args:
        kind: `classifier`, for marine shot gathers of any survey; `flow`, of windows of bad ones, to start others from.

    Raises:
        InputError: It is missing.
    """
    folder = SHIPPED / READY[kind]
    if not folder.is_dir():
        raise InputError(f"{folder}: the {kind} that comes with glowseis is missing; install glowseis again")
    return folder


def found(path: Path) -> Path:
    """A path as given, or that of the recipe or model of this name that comes with glowseis.

    So `train/demo.toml` and `savedmodels/robust` may be named in any folder.

    Args:
        path: Any path. If nothing is there, it may name a recipe as `train/NAME.toml` or a ready model as
            `savedmodels/NAME` or `savedmodels/NAME/VERSION`.
    """
    comes = path.parent == Path("train") or any(path in (one, one.parent) for one in READY.values())
    return SHIPPED / path if comes and not path.exists() and (SHIPPED / path).exists() else path
