"""Arguments of commands that are addresses, such as `s3://bucket/line12.segy`: copied to this machine, or refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from glowseis.files import refuse_address

Paths = list[Path] | tuple[()] | Path | None


def here(parameter: typer.CallbackParam, sources: Paths) -> Paths:
    """Sources with copies in place of those that have an address, such as `s3://bucket/line12.segy`.

    Raises:
        InputError: As `glowseis.survey.remote.fetched`.
    """
    if not any(":/" in str(one) for one in (sources if isinstance(sources, list) else [sources])):
        return _as_given(parameter, sources)
    from glowseis.survey.remote import fetched

    return [fetched(one) for one in sources] if isinstance(sources, list) else fetched(sources) if sources else None


def _as_given(parameter: typer.CallbackParam, paths: Paths) -> Paths:
    # typer 0.17 with click before 8.3 converts an empty list to None, and again what a callback made of it.
    return () if paths is None and (parameter.nargs == -1 or getattr(parameter, "multiple", False)) else paths


def _no_address(parameter: typer.CallbackParam, paths: Paths) -> Paths:
    """The same paths, none of which is an address.

    Raises:
        InputError: One is.
    """
    for path in paths if isinstance(paths, list) else [paths]:
        if isinstance(path, Path) and ":/" in str(path):
            refuse_address(path)
    return _as_given(parameter, paths)


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
