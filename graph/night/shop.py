"""What the night's nodes work with: the clock, the journal, the base, the adapters, the nights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agents.adapters.records import Manifest
from agents.adapters.registry import Registry
from agents.adapters.serving import known_base
from agents.profiles import ModelConfig, Profile, memory_limit_gb, resolve_profile
from graph.night.nights import NightStore
from graph.settings import Settings
from mcp_local_llm import StoreUnavailable, UsageError
from memory.journal import Journal
from memory.layout import journal_path, memory_folder

if TYPE_CHECKING:
    from training.lora.recipe import Budget, Recipe
    from training.lora.records import Event


class NightWatcher(Protocol):
    """Whoever wants to see a night as it goes."""

    def stage_started(self, stage: str) -> None:
        """A node of the graph begins."""
        ...

    def trained(self, event: Event) -> None:
        """The training tells how it goes."""
        ...

    def judging(self, what: str) -> None:
        """The gate measures something."""
        ...

    def answered(self) -> None:
        """One more of the gate's questions is answered."""
        ...

    def worked(self, done: int, of: int) -> None:
        """The crew has done so many of the gate's role tasks."""
        ...


class Unwatched:
    """Watches nothing (Studio, tests)."""

    def stage_started(self, stage: str) -> None:
        """Do nothing."""

    def trained(self, event: Event) -> None:
        """Do nothing."""

    def judging(self, what: str) -> None:
        """Do nothing."""

    def answered(self) -> None:
        """Do nothing."""

    def worked(self, done: int, of: int) -> None:
        """Do nothing."""


def local_now() -> datetime:
    """Return the time by the local clock, whose zone it knows."""
    return datetime.now(UTC).astimezone()


@dataclass
class NightShop:
    """Everything the nodes need besides the state; what is dear is made on first use.

    ``clock`` tells the time of the night's decisions and records, ``seconds`` what stages take.
    """

    home: Path
    settings: Settings
    clock: Callable[[], datetime] = local_now
    seconds: Callable[[], float] = time.monotonic
    watcher: NightWatcher = field(default_factory=Unwatched)
    _held: ExitStack | None = None

    @cached_property
    def store(self) -> NightStore:
        """The nights."""
        return NightStore(self.home)

    @cached_property
    def registry(self) -> Registry:
        """The adapters."""
        return Registry(self.home, clock=lambda: self.clock())

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """Open the journal; ``StoreUnavailable`` when it cannot be used."""
        path = journal_path(memory_folder(self.home))
        with Journal(path, clock=lambda: self.clock().timestamp()) as journal:
            yield journal

    # -- the base ------------------------------------------------------------------------------

    @cached_property
    def model(self) -> ModelConfig:
        """The settings of the base alone: no adapter, whatever is served by day."""
        return self.settings.model.model_copy(update={"adapter_path": None, "learnt": False})

    @cached_property
    def profile(self) -> Profile:
        """The base model.

        Raises:
            UsageError: its weights are not on this machine, so that it cannot be trained.
            ModelUnavailable: they are missing or damaged.
        """
        profile = resolve_profile(None, self.model, home=self.home)
        if profile.model_path is None:
            raise UsageError(
                f"the model {profile.model_id!r} is served elsewhere and cannot be trained here; "
                "choose another with `profile` under [model]"
            )
        return profile

    @property
    def base_folder(self) -> Path:
        """The folder of the base's weights."""
        if self.profile.model_path is None:
            raise AssertionError("`profile` has seen to it")
        return self.profile.model_path

    @cached_property
    def base(self) -> str:
        """The hash that stands for the base."""
        return known_base(self.base_folder, self.home)

    @property
    def current(self) -> Manifest | None:
        """The adapter that is served everywhere over the base, if any."""
        return self.own("")

    def served(self, context: str) -> Manifest | None:
        """Return what answers in ``context`` now: its own adapter, else the one for everywhere."""
        return self.own(context) or self.current

    def own(self, context: str) -> Manifest | None:
        """Return the adapter of just that ``context``; a damaged one counts as none."""
        try:
            manifest = self.registry.current(context, base=self.base)
            return self.registry.verify(manifest.id) if manifest else None
        except StoreUnavailable:
            return None

    # -- the training --------------------------------------------------------------------------

    @cached_property
    def recipe(self) -> Recipe:
        """How the adapter is trained: the base's own recipe, changed by the user's file."""
        from training.lora.recipe import RECIPES, Recipe, read_recipe

        own = RECIPES.get(self.profile.name, Recipe())
        file = self.settings.night.recipe
        return read_recipe(file, own) if file else own

    @property
    def budget(self) -> Budget:
        """What the training may take."""
        from training.lora.recipe import Budget

        return Budget(
            seconds=60 * self.settings.night.budget_minutes,
            memory_gb=memory_limit_gb(self.settings.model),
        )

    def needs_memory_gb(self) -> float:
        """Return about how much memory training takes, in GiB."""
        from training.lora.estimate import estimate_training

        positions = min(self.recipe.max_tokens, self.profile.context_tokens)
        return estimate_training(self.base_folder, self.recipe, positions).total_gb

    # -- one at a time -------------------------------------------------------------------------

    def hold(self) -> None:
        """Hold the night for this process until ``release``; again does nothing.

        Raises:
            NightBusy: another process holds it.
        """
        if self._held is None:
            with ExitStack() as held:
                held.enter_context(self.store.lock())
                self._held = held.pop_all()

    def release(self) -> None:
        """Let others have the night."""
        if self._held is not None:
            self._held.close()
            self._held = None
