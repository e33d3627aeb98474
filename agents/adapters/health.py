"""Asking a candidate's own server before anything else may ask it."""

from __future__ import annotations

import asyncio
from typing import Final

from agents.adapters.records import Manifest, Pointer
from agents.adapters.registry import Registry
from agents.adapters.serving import known_base
from agents.chat import Message
from agents.profiles import ModelConfig, resolve_profile
from agents.serving import open_model
from mcp_local_llm import ModelUnavailable, UsageError

_HELLO: Final = (Message(role="user", content="Hello"),)


async def promote_checked(
    registry: Registry, id: str, settings: ModelConfig, *, why: str
) -> Pointer:
    """Promote ``id`` once its own server, over the model of ``settings``, has completed a token.

    Until then, and after a failed check, everything is as it was. Requests in flight go on: theirs
    is another server.

    Raises:
        UsageError: there is no such adapter, or it was trained for another base.
        ModelUnavailable: the server with the candidate does not start or does not answer.
        StoreUnavailable: the adapter is damaged, or the disk refuses.
    """
    manifest = await asyncio.to_thread(registry.verify, id)
    await check_health(registry, manifest, settings)
    return await asyncio.to_thread(registry.promote, id, why=why)


async def check_health(registry: Registry, manifest: Manifest, settings: ModelConfig) -> None:
    """Complete one token with the adapter of ``manifest``; raises as ``promote_checked``."""
    home = registry.home
    profile = await asyncio.to_thread(resolve_profile, None, settings, home=home)
    if profile.model_path is None or (
        await asyncio.to_thread(known_base, profile.model_path, home) != manifest.base
    ):
        raise UsageError(
            f"the adapter {manifest.id} was not trained for the model {profile.model_id!r}; name "
            "its own with --model, or leave the check out with --no-check"
        )
    candidate = settings.model_copy(update={"adapter_path": registry.folder(manifest.id)})
    try:
        async with open_model(candidate, home=home) as model:
            await model.complete(_HELLO, max_tokens=1)
    except ModelUnavailable as error:
        raise ModelUnavailable(
            f"the adapter {manifest.id} is not promoted, and what was served stays: its server "
            f"did not answer ({error})"
        ) from error
