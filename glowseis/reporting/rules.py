"""Acceptance rules, read from TOML."""

import difflib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from glowseis.attributes.rows import GATHERS, PLACE, TEXT, WHOLE
from glowseis.errors import InputError
from glowseis.recipe import Section, Wording, read_toml

DEFAULTS = Path(__file__).parent / "rules.toml"
"""The rules that hold if no others are given."""

ATTRIBUTES = tuple(name for name, kind in GATHERS.items() if name not in PLACE and kind != TEXT)
"""What a limit can be set to: the numbers in the table of gathers."""

UNITS = ("microbar",)
"""Units that amplitudes may be said to have."""

WORDING = Wording(
    "file of rules",
    "glowseis report --show-rules prints the default ones",
    "as glowseis report --show-rules shows",
    from_one=True,
)

Share = Annotated[float, Field(ge=0, le=1)]
Unit = Literal["", "microbar"]


class BadRecords(Section):
    """How many bad records a line may have.

    A record is bad if it has the severest grade, cannot be graded, or breaks a limit that says so.
    """

    share: Share = 0.05
    """Largest share of a line's records."""
    window: PositiveInt = 50
    """Number of consecutive records."""
    most: Annotated[int, Field(ge=0)] = 10
    """Most bad ones among them."""
    unsure: bool = False
    """Whether a record graded unsure is one."""


class Limit(Section):
    """A limit to an attribute of a record."""

    attribute: str
    """A column of numbers of the table of gathers."""
    name: str = ""
    """What the report calls it; the attribute's name when empty."""
    min: float | None = None
    """Smallest value that keeps it."""
    max: float | None = None
    """Largest value that keeps it."""
    of_traces: bool = False
    """Whether the attribute, a count of traces, is divided by the record's number of traces."""
    unit: Unit = ""
    """The unit of `min` and `max`; with one, the limit is judged only where amplitudes are in it."""
    share: Share = 0.05
    """Largest share of a line's records that may break it."""
    bad_record: bool = False
    """Whether a record that breaks it is bad."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.attribute not in ATTRIBUTES:
            near = difflib.get_close_matches(self.attribute, ATTRIBUTES, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"attribute = {self.attribute!r} is unknown; {meant}known: {', '.join(ATTRIBUTES)}")
        if self.min is None and self.max is None:
            raise ValueError("min and max are missing; give one of them, or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min = {self.min:g} is above max = {self.max:g}; no record can satisfy both")
        if self.of_traces and GATHERS[self.attribute] != WHOLE:
            raise ValueError(f"of_traces = true is for counts of traces, which {self.attribute} is not; leave it out")
        return self

    @property
    def title(self) -> str:
        """What the report calls it."""
        return self.name or self.attribute


def _default_limits() -> list[Limit]:
    return read_toml(DEFAULTS, None, Rules, WORDING).limit


class Rules(Section):
    """When a line is accepted."""

    unit: Unit = ""
    """Unit of the amplitudes; empty if it is not known."""
    fewest_records: PositiveInt = 20
    """Fewest records of a line on a cable by which a share, or a number within a window, is judged."""
    bad_records: BadRecords = BadRecords()
    limit: list[Limit] = Field(default_factory=_default_limits)

    @model_validator(mode="after")
    def _check(self) -> Self:
        titles = [limit.title for limit in self.limit]
        again = next((title for title in titles if titles.count(title) > 1), None)
        if again is not None:
            raise ValueError(f"limit: two are called {again!r}; give one another name")
        return self


def read_rules(path: Path | None, unit: str = "") -> Rules:
    """Read rules.

    Args:
        path: A TOML file; the rules that come with glowseis when None.
        unit: Unit of the amplitudes, in place of the one in the file; empty to keep that.

    Raises:
        InputError: The file is missing or not TOML, a key or attribute is unknown, a value is of the wrong type or out
            of range, or the unit is unknown.
    """
    if unit and unit not in UNITS:
        raise InputError(f"--unit {unit} is unknown; give {' or '.join(UNITS)}, or leave it out")
    return read_toml(path or DEFAULTS, [f"unit={unit}"] if unit else None, Rules, WORDING)
