"""The recipe of the benchmark of the hour: target surveys, how labels are bought, and what is trained on them."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from glowseis.choosing.mixture import APART, REASONS, SHARES, parse_shares
from glowseis.recipe import Section, read_toml, refusing
from glowseis.survey.simulate import SIMULATOR_VERSION, parse_noise
from glowseis.survey.size import parse_size

Fraction = Annotated[float, Field(ge=0)]
Fractions = Annotated[list[Fraction], Field(min_length=3, max_length=3)]

READY = "ready"
"""The arm without training: the ready model as it is."""

STRATEGIES = ("random", "chosen")
"""Ways to buy labels: all at random, or as `glowseis next` chooses them."""


class TargetsSection(Section):
    """The target surveys, one acquisition each, which no model has seen."""

    count: Annotated[int, Field(ge=2, le=1000)]
    first_acquisition: PositiveInt
    """Acquisitions from this number on are taken whose records fill the ready model's window."""
    first_seed: Annotated[int, Field(ge=0)]
    """Seed of the first target's survey; the next have the following numbers, and test surveys 1000 more."""
    size: str
    pool: PositiveInt
    """Gathers of the survey whose labels can be bought."""
    test: PositiveInt
    """Gathers of another survey of the same acquisition, on which models are scored."""
    fractions: Fractions
    """Class fractions of the pool, to which scores are weighted."""
    test_fractions: Fractions
    weather: Annotated[float, Field(ge=0, le=1)]
    noise: Annotated[list[list[str]], Field(min_length=1)]
    """Factors of kinds of noise, as `glowseis simulate --noise` takes them; targets take turns."""
    judge_spread: Annotated[float, Field(ge=0, lt=2)]
    """Standard deviation of the logarithm of the factor by which the simulated judge misjudges noise, anew each time;
    labels near a threshold flip to the neighbouring class."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        with refusing():
            parse_size(self.size)
            for one in self.noise:
                parse_noise(one)
        return self


class BuyingSection(Section):
    """How labels are bought."""

    at_once: PositiveInt
    most: PositiveInt
    """Labels bought in all."""
    apart: Annotated[int, Field(ge=0)] = APART
    shares: dict[str, Fraction] = SHARES

    @model_validator(mode="after")
    def _check(self) -> Self:
        if unknown := sorted(set(self.shares) - set(REASONS)):
            raise ValueError(f"shares has {unknown[0]!r}; choose from {', '.join(REASONS)}")
        with refusing():
            parse_shares(f"{reason}={share}" for reason, share in self.shares.items())
        return self


class ArmSection(Section):
    """A way to spend labels."""

    name: str = Field(pattern=r"^[a-z][a-z-]*$")
    title: str
    labels: Literal["random", "chosen"]
    """How they were bought."""
    recipe: str = ""
    """Recipe of the classifier that is trained; if empty, only a last layer is fitted to the ready model's features."""
    changes: list[str] = Field(default_factory=list)
    """Changes of the recipe, as for `--set`."""
    budgets: Annotated[list[PositiveInt], Field(min_length=1)]
    """Numbers of labels."""
    targets: PositiveInt | None = None
    """Only so many targets, the first ones; all if None."""


class HourRecipe(Section):
    """Settings of the benchmark."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    labels: Annotated[list[str], Field(min_length=2)]
    model: str = "savedmodels/robust"
    targets: TargetsSection
    buying: BuyingSection
    primary: list[str] = Field(min_length=2, max_length=2)
    """Two arms, the first of which is to be better."""
    budget: PositiveInt
    """Labels at which they are compared."""
    arms: Annotated[list[ArmSection], Field(min_length=2)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [one.name for one in self.arms]
        if len(set(names)) < len(names) or READY in names:
            raise ValueError(f"arms are {', '.join(names)}; give each a name of its own, and none is called {READY}")
        for name in self.primary:
            if name not in names or self.budget not in self.arm(name).budgets:
                raise ValueError(f"primary names {name!r}, which is no arm with {self.budget} among its budgets")
        if self.targets.pool < 2 * self.buying.most:
            raise ValueError(f"targets.pool = {self.targets.pool} is less than twice buying.most; raise it")
        for one in self.arms:
            if one.budgets != sorted(set(one.budgets)) or one.budgets[-1] > self.buying.most:
                raise ValueError(f"arms.{one.name}.budgets: give rising numbers up to buying.most = {self.buying.most}")
        return self

    @property
    def rare(self) -> int:
        """Number of the rare class, the severest."""
        return len(self.labels) - 1

    def arm(self, name: str) -> ArmSection:
        """An arm by name."""
        return next(one for one in self.arms if one.name == name)

    @property
    def points(self) -> list[tuple[int, str, int]]:
        """Target, arm and number of labels of every outcome, in the order in which they are run.

        Targets come in turn, so that arms can be compared early; on each, the primary arms at their budget come first.
        """
        made = []
        for target in range(self.targets.count):
            own = [(READY, 0)]
            own += [(one.name, n) for one in self.arms for n in one.budgets if target < (one.targets or target + 1)]
            first = {(name, self.budget) for name in self.primary}
            made += [(target, *one) for one in sorted(own, key=lambda one: (one[0] != READY, one not in first))]
        return made

    def shared(self, model_sha256: str) -> str:
        """SHA-256 of what all outcomes depend on.

        Args:
            model_sha256: The ready model's checksum.
        """
        content = {
            "seed": self.seed,
            "labels": self.labels,
            "model": model_sha256,
            "targets": self.targets.model_dump(exclude={"count"}),
            "buying": self.buying.model_dump(exclude={"most"}),
            "simulator": SIMULATOR_VERSION,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_hour(path: Path, changes: list[str] | None = None) -> HourRecipe:
    """Read the benchmark's recipe.

    Args:
        path: A TOML file.
        changes: Changes of its keys, as for `--set`.

    Raises:
        InputError: It is missing or wrong.
    """
    return read_toml(path, changes, HourRecipe)
