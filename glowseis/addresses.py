"""Arguments of commands that are addresses, such as `s3://bucket/line12.segy`: copied to this machine, or refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from glowseis.files import refuse_address


def here(sources: list[Path] | Path | None) -> list[Path] | Path | None:
    """Sources with copies in place of those that have an address, such as `s3://bucket/line12.segy`.

    Raises:
        InputError: As `glowseis.survey.remote.fetched`.
    """
    if not any(":/" in str(one) for one in (sources if isinstance(sources, list) else [sources])):
        return sources
    from glowseis.survey.remote import fetched

    return [fetched(one) for one in sources] if isinstance(sources, list) else fetched(sources) if sources else None


def _no_address(paths: list[Path] | Path | None) -> list[Path] | Path | None:
    """The same paths, none of which is an address.

    Raises:
        InputError: One is.
    """
    for path in paths if isinstance(paths, list) else [paths]:
        if path is not None and ":/" in str(path):
            refuse_address(path)
    return paths


def local_paths(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a command function refuse addresses as its paths, except those that it copies to this machine.

    Args:
        function: A function with typer annotations.

    Returns:
        The same function.
    """
    for annotation in function.__annotations__.values():
        if get_origin(annotation) is not Annotated:
            continue
        of, *about = get_args(annotation)
        if Path in (of, *get_args(of), *(one for each in get_args(of) for one in get_args(each))):
            for info in about:
                info.callback = info.callback or _no_address
    return function
