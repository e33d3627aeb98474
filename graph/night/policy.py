"""Whether to train now: one pure decision from facts, so that a clock can be handed in.

A refusal is a value that says why and what to do. Two kinds: nothing is due (quiet), and something
is due but this machine should not be used for it now.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Literal

from pydantic import AwareDatetime, Field

from graph.night.config import NightConfig
from memory.records import Record

EXAMPLES_PER_ITEM: Final = 10
"""About as many examples are made from one rule: 8 to 12 wordings and contrasts."""

_WINDOW: Final = timedelta(hours=2)  # after the nightly hour: the machine may have slept
_EARLY: Final = timedelta(hours=12)  # a night may come sooner than a whole interval after the last
_DAY: Final = timedelta(days=1)

Verdict = Literal["go", "not_due", "refused"]


class Facts(Record):
    """What the decision rests on. Counts are of knowledge items.

    ``eligible`` may be trained; ``new`` of them were not in the last night; ``gone`` were in it and
    may no longer be trained. ``oldest_new`` is when the first of the new ones came, ``last_night``
    when the last night ended, which judged nothing if it was ``put_off``. ``crew`` says what is at
    work, empty for nothing, ``may_execute`` whether what a model writes can be executed here, as
    the gate does.
    """

    now: AwareDatetime
    eligible: int = Field(default=0, ge=0)
    new: int = Field(default=0, ge=0)
    gone: int = Field(default=0, ge=0)
    oldest_new: AwareDatetime | None = None
    last_night: AwareDatetime | None = None
    put_off: bool = False
    idle_s: float = 0.0
    on_battery: bool = False
    free_disk_gb: float = 1_000.0
    free_memory_gb: float = 1_000.0
    needs_memory_gb: float = 0.0
    crew: str = ""
    may_execute: bool = True


class Decision(Record):
    """Whether to train, why, and what to do about it when not."""

    verdict: Verdict
    why: str
    advice: str = ""

    @property
    def line(self) -> str:
        """Both in one line."""
        return f"{self.why}; {self.advice}" if self.advice else self.why


def decide(facts: Facts, config: NightConfig, *, asked: bool = False) -> Decision:
    """Return whether to train; ``asked`` by the user, no moment has to be waited for."""
    if (lacking := _lacking(facts, config)) is not None:
        return lacking
    due = "you asked for it" if asked else _due(facts, config)
    if not due:
        return Decision(verdict="not_due", why=_waiting(facts, config), advice=_NOW)
    return refusal(facts, config) or Decision(verdict="go", why=due)


def refusal(facts: Facts, config: NightConfig) -> Decision | None:
    """Return why this machine should not be used now, None where nothing speaks against it."""
    return next(_refusals(facts, config), None)


def interval(facts: Facts, config: NightConfig) -> timedelta:
    """Return how long to wait between nights: the fewer new insights, the longer.

    Linear from ``longest_days`` with none to ``hours`` with ``busy`` of them.
    """
    shortest, longest = timedelta(hours=config.hours), config.longest_days * _DAY
    share = min(1.0, (facts.new + facts.gone) / config.busy)
    return max(shortest, longest - share * (longest - shortest))


_NOW: Final = "`mcp-local-llm nightly --now` does not wait"


def _lacking(facts: Facts, config: NightConfig) -> Decision | None:
    """Return why there is nothing to train, if there isn't."""
    if facts.eligible < config.floor and not facts.gone:
        return Decision(
            verdict="not_due",
            why=f"{facts.eligible} items may be trained, and a night needs {config.floor}",
            advice='teach more (`mcp-local-llm teach "…"`), accept what waits in `mcp-local-llm '
            "insights`, or lower `floor` under [night]",
        )
    if not facts.new and not facts.gone:
        return Decision(
            verdict="not_due",
            why="nothing was taught or taken back since the last night",
            advice="go on working; the night comes by itself",
        )
    return None


def _due(facts: Facts, config: NightConfig) -> str:
    """Return which trigger says that it is time, or nothing."""
    wait = interval(facts, config)
    since = facts.last_night or facts.oldest_new or facts.now
    passed = facts.now - since
    is_soon = facts.last_night is not None and passed < wait - _EARLY
    # What one night could not do the next will not either, a quarter of an hour later.
    if facts.new * EXAMPLES_PER_ITEM >= config.examples and not (facts.put_off and is_soon):
        return f"about {facts.new * EXAMPLES_PER_ITEM} new examples"
    if passed >= wait:
        return f"{passed / timedelta(hours=1):.0f} h since {_since(facts)}"
    if is_soon:
        return ""
    if facts.idle_s >= 60 * config.idle_minutes:
        return f"nothing was asked for {facts.idle_s / 60:.0f} minutes"
    at = facts.now.replace(hour=config.hour, minute=0, second=0, microsecond=0)
    if at > facts.now:
        at -= _DAY  # the window of a late hour reaches into the next day
    return f"it is {config.hour:02}:00" if facts.now < at + _WINDOW else ""


def _since(facts: Facts) -> str:
    return "the last night" if facts.last_night else "the first of them was taught"


def _waiting(facts: Facts, config: NightConfig) -> str:
    days = interval(facts, config) / _DAY
    return (
        f"{facts.new} new and {facts.gone} withdrawn items wait for a night: at "
        f"{config.hour:02}:00, after {config.idle_minutes:g} idle minutes or with "
        f"{config.examples} new examples, about every {days:.1f} days at this rate"
    )


def _refusals(facts: Facts, config: NightConfig) -> Iterator[Decision]:
    """Yield why this machine should not be used now."""
    if facts.crew:
        yield _refused(f"{facts.crew}", "wait for it to end; the night comes afterwards")
    if facts.on_battery and not config.on_battery:
        yield _refused(
            "the machine runs on its battery",
            "plug it in, or set `on_battery = true` under [night]",
        )
    if facts.free_disk_gb < config.free_disk_gb:
        yield _refused(
            f"{facts.free_disk_gb:.1f} GiB of disk are free, and a night wants "
            f"{config.free_disk_gb:g}",
            "free some space (`mcp-local-llm adapters prune` helps), or lower `free_disk_gb` under "
            "[night]",
        )
    if facts.free_memory_gb < facts.needs_memory_gb:
        yield _refused(
            f"{facts.free_memory_gb:.1f} GiB of memory are free, and training takes about "
            f"{facts.needs_memory_gb:.1f}",
            "close other programs, or lower `max_tokens` in the recipe",
        )
    if facts.eligible and not facts.may_execute:  # what is only taken back needs no gate
        yield _refused(
            "an adapter is judged by executing what it writes, and no sandbox works here",
            "see `mcp-local-llm doctor`, or set `allow_unsandboxed = true` under [command] in your "
            "own settings",
        )


def _refused(why: str, advice: str) -> Decision:
    return Decision(verdict="refused", why=why, advice=advice)
