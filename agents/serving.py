"""A chat model for a command: resolved, served, and asked again once when its server dies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from agents.chat import Completion, Message, ModelLost, ServedModel, open_chat
from agents.lease import Lease, acquire
from agents.profiles import ModelConfig, resolve_profile


class LeasedModel:
    """The model behind a lease; implements ``ChatModel``.

    When the server dies or falls silent during a request, it is looked at, restarted if need be,
    and the request is repeated once. ``on_token`` then sees the answer from its start again.
    ``restarts`` counts how often that happened.
    """

    def __init__(self, lease: Lease) -> None:
        """Speak to the model of ``lease``; closing the lease closes the connections too."""
        self._lease = lease
        self._model: ServedModel = open_chat(lease.endpoint)
        self.restarts = 0
        lease.resources.push_async_callback(self._close)

    @property
    def model_id(self) -> str:
        """The model's name, as metadata tags carry it."""
        return self._model.model_id

    @property
    def adapter_id(self) -> str | None:
        """The adapter's name, or None when the base model answers alone."""
        return self._model.adapter_id

    def count(self, messages: Sequence[Message]) -> int:
        """Return how many prompt tokens ``messages`` are."""
        return self._model.count(messages)

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        on_token: Callable[[str], None] | None = None,
    ) -> Completion:
        """Answer ``messages``; see ``ServedModel.complete`` for what is raised.

        Raises:
            ModelLost: the repeated request failed as well, or the endpoint is not ours to restart.
        """
        try:
            return await self._model.complete(messages, max_tokens=max_tokens, on_token=on_token)
        except ModelLost:
            if not self._lease.profile.is_local:
                raise
        await self._model.close()
        self._model = open_chat(await self._lease.check())
        self.restarts += 1
        return await self._model.complete(messages, max_tokens=max_tokens, on_token=on_token)

    async def _close(self) -> None:
        await self._model.close()


@asynccontextmanager
async def open_model(
    settings: ModelConfig, *, profile: str | None = None, home: Path | None = None
) -> AsyncIterator[LeasedModel]:
    """Resolve, serve and lease a model for the length of a ``async with`` block.

    Raises:
        UsageError: the profile or the settings are wrong.
        ModelUnavailable: the model cannot be served.
    """
    resolved = resolve_profile(profile, settings, home=home)
    async with await acquire(resolved, settings, home=home) as lease:
        yield LeasedModel(lease)
