"""Recipes read from TOML files. An error is one line that names the key and its value."""

import difflib
import tomllib
import typing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from glowseis.errors import InputError
from glowseis.recipe.sections import ClassifierRecipe, Recipe, Section
from glowseis.shipped import found

LARGEST_BYTES = 1_000_000
"""Largest recipe in bytes; those that come with glowseis have a few thousand."""

DEEPEST = 20
"""How deeply the values of a recipe may be nested."""

ELSEWHERE = "study"
"""A section that a flow's recipe may hold for another program: not part of the run, and not checked."""

_TOO_DEEP = f"its values are nested too deeply; nest no setting more than {DEEPEST} times"
_TOO_LONG = "an integer has too many digits; it must fit into 64 bits"
_SHOWN_CHARACTERS = 80

AnyKind = TypeVar("AnyKind", bound=Section)


class Wording(NamedTuple):
    """What messages call a file.

    Attributes:
        word: What it is.
        examples: Where to find one.
        alike: Who gives every key that is needed.
        from_one: Whether sections of a list are named by numbers from 1, as people count, and by their key `name`; keys
            of a recipe are named as `--set` takes them, numbers from 0.
    """

    word: str = "recipe"
    examples: str = "the recipes that come with glowseis are in train/"
    alike: str = "as the recipes in train/ do"
    from_one: bool = False


_RECIPE = Wording()


def read_recipe(path: Path, changes: list[str] | None = None) -> Recipe | ClassifierRecipe:
    """Read a recipe: a classifier's if it has a section `[classifier]`, else a flow's.

    Args:
        path: A TOML file; `train/NAME.toml` for one that comes with glowseis, from any folder.
        changes: Changes such as `training.batch=2`, the value written as in TOML (a bare word is taken as text).

    Raises:
        InputError: The file is missing, too large or not TOML, a key is unknown, a value is of the wrong type or out of
            range, or settings contradict each other.
    """
    values = _values(path, changes, _RECIPE)
    both = [key for key in ("flow", "phases") if key in values]
    if "classifier" not in values:
        values.pop(ELSEWHERE, None)
        return _checked(path, values, Recipe, _RECIPE)
    if both:
        raise InputError(f"{path}: has {both[0]} and classifier; remove one, a recipe trains a flow or a classifier")
    return _checked(path, values, ClassifierRecipe, _RECIPE)


def read_toml(path: Path, changes: list[str] | None, model: type[AnyKind], wording: Wording = _RECIPE) -> AnyKind:
    """Read a recipe, or other settings, of a given kind, otherwise like `read_recipe`.

    Args:
        path: A TOML file.
        changes: As for `read_recipe`.
        model: Its kind.
        wording: What messages call it.

    Raises:
        InputError: As `read_recipe`.
    """
    return _checked(path, _values(path, changes, wording), model, wording)


def _values(path: Path, changes: list[str] | None, wording: Wording) -> dict[str, Any]:
    try:
        values = _toml(_text(path, wording), str(path))
    except tomllib.TOMLDecodeError as wrong:
        raise InputError(f"{path}: not a TOML file: {wrong}") from None
    for change in changes or []:
        _set(values, change)
    _check_values(values, path)
    return values


def _text(path: Path, wording: Wording) -> str:
    try:
        with found(path).open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise InputError(f"{path}: larger than {LARGEST_BYTES:,} bytes, so not a {wording.word}; name another file")
        return content.decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such {wording.word}; {wording.examples}") from None
    except OSError as wrong:
        raise InputError(f"{path}: cannot be read: {wrong.strerror}; name a TOML file") from None
    except UnicodeDecodeError as wrong:
        raise InputError(f"{path}: not a TOML file: {wrong}") from None


def _toml(text: str, where: str) -> dict[str, Any]:
    """Values of a TOML text; raises tomllib's error if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise InputError(f"{where}: {_TOO_DEEP}") from None
    except ValueError:
        # Python refuses to convert numbers of more than 4,300 digits.
        raise InputError(f"{where}: {_TOO_LONG}") from None


def _check_values(values: dict[str, Any], path: Path) -> None:
    """Refuse values that TOML allows but the later checks cannot handle."""
    level: list[Any] = [values]
    for _ in range(DEEPEST):
        nested = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [value for one in nested for value in one]
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in level):
            raise InputError(f"{path}: {_TOO_LONG}")
    if level:
        raise InputError(f"{path}: {_TOO_DEEP}")


def _checked(path: Path, values: dict[str, Any], model: type[AnyKind], wording: Wording) -> AnyKind:
    try:
        return model.model_validate(values)
    except ValidationError as wrong:
        raise InputError(f"{path}: {_first_problem(wrong, values, model, wording)}") from None


def _set(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {change}: write it as key=value, such as training.batch=2")
    try:
        value = _toml(f"value = {text}", f"--set {_short(change)}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    *sections, last = key.strip().split(".")
    place: Any = values
    try:
        for section in sections:
            place = place[_index(section)] if isinstance(place, list) else place.setdefault(section, {})
        place[_index(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError, TypeError, AttributeError):
        raise InputError(f"--set {change}: the recipe has no such key") from None


def _index(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _first_problem(wrong: ValidationError, values: dict[str, Any], kind: type[Section], wording: Wording) -> str:
    # If a value may have several types, the deepest problem belongs to the type that was meant.
    problem = max(wrong.errors(), key=lambda one: len(one["loc"]))
    place = _place(problem, values)
    where, keys = _section_of(place, values) if wording.from_one else ("", place)
    key = _short(".".join(keys))
    if problem["type"] == "value_error":
        # One of our own checks: it names the keys below the section that it checked.
        return where + ".".join([*keys, str(problem["ctx"]["error"])])
    if problem["type"] == "extra_forbidden":
        known = _known_keys(kind, place[:-1])
        near = difflib.get_close_matches(place[-1], known, 1)
        return f"{where}unknown key {key}" + (
            f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
        )
    if problem["type"] == "missing":
        return f"{where}the key {key} is missing; give it, {wording.alike}"
    return f"{where}{key} = {_short(repr(problem['input']))}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _short(text: str) -> str:
    """Text from a recipe, which may be of any length, shortened for a line on a terminal."""
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}.."


def _place(problem: Any, values: dict[str, Any]) -> list[str]:
    """Keys that lead to a problem: pydantic's location without the names of a union's members, which are not keys."""
    place: list[str] = []
    here: Any = values
    for number, part in enumerate(problem["loc"]):
        missing = problem["type"] == "missing" and number == len(problem["loc"]) - 1
        is_key = part in here if isinstance(here, dict) else isinstance(here, list) and isinstance(part, int)
        if missing or is_key:
            place.append(str(part))
            here = None if missing else here[part]
    return place


def _section_of(place: list[str], values: dict[str, Any]) -> tuple[str, list[str]]:
    """A section in a list as people would call it, such as `limit 2 (dead channels): `, and the keys below it."""
    here: Any = values
    for number, part in enumerate(place):
        if isinstance(here, list):
            section = here[int(part)]
            name = section.get("name") if isinstance(section, dict) else None
            called = f" ({_short(name)})" if isinstance(name, str) and name else ""
            return f"{'.'.join(place[:number])} {int(part) + 1}{called}: ", place[number + 1 :]
        here = here.get(part)
    return "", place


def _known_keys(kind: type[Section], place: list[str]) -> list[str]:
    """Keys of the section at a path of keys; a number leads into a list of sections."""
    section: Any = kind
    for key in place:
        if not key.isdecimal():
            wanted = section.model_fields[key].annotation
            section = next(iter(typing.get_args(wanted)), wanted)
    return list(section.model_fields)
