"""What the measured nights wrote down: one file, a step at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from graph.bench_night.rules import Rule
from memory.records import Record
from training.embedded.evaluation import Share, TaskOutcome, share


class Asked(Record):
    """The held-out questions, asked of one adapter: right answers by rule, and all that was said.

    ``said`` holds the answers by the probe's id, so that a rollback can be compared.
    """

    adapter: str
    right: dict[str, int]
    of: dict[str, int]
    said: dict[str, str]
    seconds: float

    def share(self, rules: Iterable[Rule]) -> Share:
        """Return the share of right answers about ``rules``, those that were asked about."""
        names = [rule.name for rule in rules if rule.name in self.of]
        return share(sum(self.right[one] for one in names), sum(self.of[one] for one in names))


class Paired(Record):
    """The same role tasks before and after: how many were delivered, and which way they moved."""

    before: int
    after: int
    of: int
    lost: int
    gained: int

    @property
    def net_loss(self) -> int:
        """How many more were lost than gained."""
        return self.lost - self.gained

    @property
    def interval(self) -> tuple[float, float]:
        """The net loss as a share of all, with 95 % confidence.

        Wald's interval for paired shares with half a task added to each cell (Agresti and Min,
        2005).
        """
        lost, gained, of = self.lost + 0.5, self.gained + 0.5, self.of + 2
        middle = (lost - gained) / of
        half = 1.96 * max(0.0, lost + gained - (lost - gained) ** 2 / of) ** 0.5 / of
        return middle - half, middle + half


def paired(before: Sequence[TaskOutcome], after: Sequence[TaskOutcome]) -> Paired:
    """Return how the same tasks came out, paired by their order."""
    pairs = [(old.delivered, new.delivered) for old, new in zip(before, after, strict=True)]
    return Paired(
        before=sum(old for old, _ in pairs),
        after=sum(new for _, new in pairs),
        of=len(pairs),
        lost=sum(old and not new for old, new in pairs),
        gained=sum(new and not old for old, new in pairs),
    )


class NightResult(Record):
    """One night: what was taught, how it came out, and what is known without retrieval after it."""

    number: int
    kind: str
    night: str
    taught: int
    forgotten: int
    outcome: str
    why: str
    adapter: str
    previous: str
    failed: tuple[str, ...]
    examples: int
    tasks: Paired | None
    asked: Asked
    stages: dict[str, float]

    @property
    def step(self) -> str:
        """The step's name."""
        return f"night {self.number}"


class RolledBack(Record):
    """Answers after a rollback, compared with those of the same adapter before."""

    adapter: str
    prompts: int
    same: int
    seconds: float


class Killed(Record):
    """A small night that was killed again and again: ``wrong`` says what does not fit together.

    ``stages`` counts the kills by what the night was doing, ``whole_s`` is an undisturbed night.
    """

    kills: int
    nights: int
    stages: dict[str, int]
    wrong: tuple[str, ...]
    whole_s: float
    seconds: float


class Overhead(Record):
    """What a night takes outside training and evaluation."""

    examples: int
    rules: int
    stages: dict[str, float]

    @property
    def total_s(self) -> float:
        """All of these stages together."""
        return sum(self.stages.values())


class Results(Record):
    """All steps so far; what is None has not been done yet."""

    format: Literal[1] = 1
    base: Share | None = None
    before: Asked | None = None
    nights: tuple[NightResult, ...] = ()
    tasks: Paired | None = None
    rolled_back: RolledBack | None = None
    killed: Killed | None = None
    overhead: Overhead | None = None
    seconds: dict[str, float] = Field(default_factory=dict)

    @property
    def total_s(self) -> float:
        """All steps together; a night that was killed knows by itself what its stages took."""
        least = {one.step: sum(one.stages.values()) + one.asked.seconds for one in self.nights}
        return sum(max(took, least.get(step, 0.0)) for step, took in self.seconds.items())


def read_results(path: Path) -> Results:
    """Return the results in ``path``, empty ones where there are none yet."""
    try:
        return Results.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Results()
