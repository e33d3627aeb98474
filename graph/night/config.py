"""The settings of the night: when it trains, and what it may take."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class NightConfig(BaseModel):
    """When to train, and with what; the user's alone to set.

    A training is due at ``hour`` (of the local clock), after ``idle_minutes`` without work, with
    ``examples`` new ones, or ``hours`` after the last. With ``busy`` or more new insights it may
    come every night; with fewer it waits longer, up to ``longest_days``. ``floor`` is the least
    number of eligible items; ``context_examples`` is how many examples about one project or kind of
    file an adapter of its own takes. ``conflict_hours`` is how old a rule must be that contradicted
    another. ``recipe`` is a YAML file that sets fields of the training's recipe. A night that was
    broken off ``attempts`` times is given up, and ``keep`` adapters are kept. So many
    ``generations`` of adapters go on from one another before one begins with the base again; 1 has
    each begin there.

    The gate works on ``tasks`` role tasks and ``forbidden`` changes of protected regions, and asks
    its other questions in ``phrasings`` wordings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hour: int = Field(default=3, ge=0, le=23)
    idle_minutes: float = Field(default=30.0, gt=0)
    examples: int = Field(default=100, ge=1)
    hours: float = Field(default=24.0, gt=0)
    busy: int = Field(default=10, ge=1)
    longest_days: float = Field(default=7.0, ge=1)
    floor: int = Field(default=3, ge=1)
    context_examples: int = Field(default=100, ge=1)
    conflict_hours: float = Field(default=48.0, ge=0)
    on_battery: bool = False
    free_disk_gb: float = Field(default=2.0, ge=0)
    budget_minutes: float = Field(default=240.0, gt=0)
    recipe: Path | None = None
    seed: int = Field(default=7, ge=0)
    attempts: int = Field(default=30, ge=1)
    keep: int = Field(default=10, ge=2)
    generations: int = Field(default=7, ge=1)
    tasks: int = Field(default=50, ge=1)
    forbidden: int = Field(default=10, ge=1)
    phrasings: int = Field(default=2, ge=1)
