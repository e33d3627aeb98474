"""The servers of the resident process: shared, watched, restarted, and stopped when idle."""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from agents.endpoint import LOOPBACK, ServerConfig, Serving, ServingKey
from agents.footprint import GIB
from agents.protocol import Acquire, ServerStatus
from agents.server import PortTaken, ServerProcess, free_port
from mcp_local_llm import LocalLLMError, ModelUnavailable

_LOG: Final = structlog.get_logger()
_PORT_ATTEMPTS: Final = 3


@dataclass
class Shared:
    """One server and who uses it. ``generation`` rises with each restart."""

    request: Acquire
    server: ServerProcess
    generation: int = 0
    leases: int = 0
    idle_since: float = field(default_factory=time.monotonic)

    @property
    def serving(self) -> Serving:
        """What it serves."""
        return self.request.serving

    @property
    def base_url(self) -> str:
        """Where it listens now; a restart may move it."""
        return self.server.config.base_url

    def idle_s(self) -> float:
        """Return for how long nobody has used it."""
        return 0.0 if self.leases else time.monotonic() - self.idle_since

    def status(self) -> ServerStatus:
        """Return what `model status` shows."""
        adapter = self.serving.adapter_path
        return ServerStatus(
            model_path=str(self.serving.model_path),
            adapter_path=str(adapter) if adapter else None,
            base_url=self.base_url,
            pid=self.server.pid,
            leases=self.leases,
            restarts=self.generation,
            needs_bytes=self.request.needs_bytes,
            idle_s=round(self.idle_s(), 1),
        )


class ServerPool:
    """Starts at most one server per ``Serving.key`` and keeps it while someone holds a lease.

    Starts and restarts happen one after the other. Not covered: servers of other owners.
    """

    def __init__(self, *, logs: Path, owner: str, probe_timeout_s: float) -> None:
        """Prepare an empty pool; each server logs to a file of its own in ``logs``."""
        self._logs = logs
        self._owner = owner
        self._probe_timeout_s = probe_timeout_s
        self._changing = asyncio.Lock()
        self._servers: dict[ServingKey, Shared] = {}

    async def acquire(self, request: Acquire) -> Shared:
        """Return the running server for ``request`` with one lease more, started if need be.

        Raises:
            ModelUnavailable: it cannot be started, or there is no memory left beside servers
                that others are using.
        """
        async with self._changing:
            shared = self._servers.get(request.serving.key)
            if shared is None:
                await self._make_room(request)
                shared = Shared(request, await self._started(request))
                self._servers[request.serving.key] = shared
            elif not shared.server.is_running:
                await self._restart(shared)
            shared.leases += 1
            return shared

    def release(self, shared: Shared) -> None:
        """Give one lease back."""
        shared.leases -= 1
        shared.idle_since = time.monotonic()

    async def check(self, shared: Shared, generation: int) -> None:
        """Restart ``shared`` if it is stuck and nobody has restarted it since ``generation``.

        Raises:
            ModelUnavailable: it cannot be started again.
        """
        if shared.generation != generation:
            return
        if shared.server.is_running and not await shared.server.is_stuck(self._probe_timeout_s):
            return
        async with self._changing:
            if shared.generation == generation:
                await self._restart(shared)

    async def watch(self, idle_timeout_s: float) -> None:
        """Stop what nobody has used for ``idle_timeout_s``; restart what is used and is stuck."""
        for shared in list(self._servers.values()):
            if shared.leases:
                try:
                    await self.check(shared, shared.generation)
                except LocalLLMError as error:  # its clients will hear of it when they ask
                    _LOG.warning("server.restart_failed", error=str(error))
            elif shared.idle_s() >= idle_timeout_s:
                async with self._changing:
                    if not shared.leases:
                        await self._stop(shared)

    async def stop_all(self) -> None:
        """Stop every server."""
        async with self._changing:
            for shared in list(self._servers.values()):
                await self._stop(shared)

    def status(self) -> tuple[ServerStatus, ...]:
        """Return what is running."""
        return tuple(shared.status() for shared in self._servers.values())

    async def _make_room(self, request: Acquire) -> None:
        idle_first = sorted(self._servers.values(), key=lambda shared: -shared.idle_s())
        for shared in idle_first:
            if self._fits(request):
                return
            if not shared.leases:
                await self._stop(shared)
        if not self._fits(request):
            raise ModelUnavailable(
                f"the model {str(request.serving.model_path)!r} needs "
                f"{request.needs_bytes / GIB:.2f} GiB, and beside "
                f"{', '.join(repr(key[0]) for key in self._servers)}, which other commands are "
                f"using, that passes the limit of {request.limit_bytes / GIB:g} GiB; wait for them "
                "or raise `memory_limit_gb`"
            )

    def _fits(self, request: Acquire) -> bool:
        used = sum(shared.request.needs_bytes for shared in self._servers.values())
        return not self._servers or used + request.needs_bytes <= request.limit_bytes

    async def _restart(self, shared: Shared) -> None:
        _LOG.warning("server.restarting", model=str(shared.serving.model_path))
        await shared.server.stop()
        shared.server = await self._started(shared.request)
        shared.generation += 1

    async def _stop(self, shared: Shared) -> None:
        self._servers.pop(shared.serving.key, None)
        await shared.server.stop()
        _LOG.info("server.stopped", model=str(shared.serving.model_path))

    async def _started(self, request: Acquire) -> ServerProcess:
        attempts = 1 if request.port else _PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            server = self._server(request, request.port or free_port(LOOPBACK))
            try:
                await server.start()
            except PortTaken:
                if attempt == attempts:
                    raise
            else:
                _LOG.info("server.started", pid=server.pid, port=server.config.port)
                return server
        raise AssertionError("the loop above returns or raises")

    def _server(self, request: Acquire, port: int) -> ServerProcess:
        config = ServerConfig(port=port, owner=self._owner, **dict(request.serving))
        digest = zlib.crc32(repr(request.serving.key).encode())
        name = f"server-{request.serving.model_path.name}-{digest:08x}.log"
        return ServerProcess(config, log=self._logs / name, ready_timeout_s=request.ready_timeout_s)
