"""One ``mlx_lm.server`` process: started, asked whether it really answers, and stopped.

Nothing of mlx is imported here. Readiness and health are a completion of one token, because the
server's own ``/health`` stays green when its generation is deadlocked.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from agents.blas import find_blas
from agents.endpoint import ServerConfig, Serving, build_server_command, is_server_of
from agents.hardware import Hardware, detect
from agents.weights import weight_files
from mcp_local_llm import ModelUnavailable, StoreUnavailable
from memory.private import private_folder
from tools.process import Spawned, scrubbed_env, spawn_detached

if TYPE_CHECKING:
    import psutil  # type: ignore[import-untyped]  # it ships no types

STOP_GRACE_S: Final = 10.0
_POLL_S: Final = 0.1
_READY_PROBE_S: Final = 10.0  # then the log is looked at; loading may take several of these
_LOG_LIMIT_BYTES: Final = 5_000_000
_LOG_TAIL_BYTES: Final = 4_000
_PORT_TAKEN: Final = "Address already in use"
# A working server uses far more than this share of a core; a deadlocked one far less.
_BUSY_SHARE: Final = 0.05
# Weights of fewer bytes are multiplied before a second thread has begun: two threads took five to
# eleven times the CPU of one beside other work, and longer (docs/decisions.md).
_SMALL_BYTES: Final = 64_000_000


class Probe(StrEnum):
    """How a server reacted to a request for one token."""

    OK = "ok"
    DOWN = "down"  # nobody listens
    SILENT = "silent"  # no answer in time
    BROKEN = "broken"  # it answered, and not with a token


class PortTaken(ModelUnavailable):
    """Another program listens on the port the server was to have."""


class ServerProcess:
    """Starts, watches and stops the server of one ``ServerConfig``; an async context manager.

    Not covered: restarting (see ``agents.pool``), and finding servers that an earlier process
    left behind (see ``end_orphans``).
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        log: Path,
        ready_timeout_s: float = 60.0,
        hardware: Hardware | None = None,
    ) -> None:
        """Prepare; nothing runs before ``start``. The server's output is appended to ``log``."""
        self.config = config
        self.log = log
        self._ready_timeout_s = ready_timeout_s
        self._hardware = hardware or detect()
        self._spawned: Spawned | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._spawned.pid if self._spawned and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the process is there; says nothing about whether it answers."""
        return self._spawned is not None and self._spawned.poll() is None

    async def start(self) -> None:
        """Start the server and return once it has produced a token; a second call does nothing.

        Raises:
            PortTaken: another program listens on the port.
            ModelUnavailable: it ended, cannot load the model, or was not ready in time. The
                message holds the last words of its log.
            StoreUnavailable: the log cannot be written.
        """
        if self.is_running:
            return
        require_free_port(self.config.host, self.config.port)
        self._spawned = await asyncio.to_thread(self._spawn)
        ready = False
        try:
            await self._until_ready()
            ready = True
        finally:
            if not ready:
                await self.stop()

    async def stop(self) -> None:
        """End the process: SIGTERM, ten seconds, SIGKILL. Stopping twice is fine."""
        if self._spawned is not None:
            await asyncio.to_thread(self._spawned.stop, STOP_GRACE_S)

    async def probe(self, timeout_s: float) -> Probe:
        """Ask for one token and say how the server reacted."""
        return await asyncio.to_thread(_ask_one_token, self.config, timeout_s)

    async def health_check(self, timeout_s: float = 20.0) -> bool:
        """Return whether the server produces a token within ``timeout_s``."""
        return await self.probe(timeout_s) is Probe.OK

    async def is_stuck(self, timeout_s: float) -> bool:
        """Return whether only a restart will help: gone, broken, or silent without computing.

        A server that is silent but busy (a long prompt before ours) is not stuck.
        """
        before, started = self.cpu_seconds(), time.monotonic()
        outcome = await self.probe(timeout_s)
        if outcome is not Probe.SILENT:
            return outcome is not Probe.OK
        used = self.cpu_seconds() - before
        return used < _BUSY_SHARE * (time.monotonic() - started)

    def cpu_seconds(self) -> float:
        """Return the processor time used so far; 0 for a process that is gone."""
        import psutil

        if self.pid is None:
            return 0.0
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    async def __aenter__(self) -> Self:
        """Start the server."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        await self.stop()

    def _spawn(self) -> Spawned:
        hub = self.log.parent / "hub"  # a missing hub cache makes the server answer emptily
        try:
            private_folder(hub)
            self._log_start = _rotate(self.log)
            return spawn_detached(
                build_server_command(self.config),
                cwd=self.log.parent,
                log=self.log,
                env=scrubbed_env(server_environment(self.config, self._hardware, hub)),
            )
        except OSError as error:
            raise StoreUnavailable(
                f"cannot write the model server's log {str(self.log)!r} ({error}); free some disk "
                "space or point MCP_LOCAL_LLM_HOME at a writable folder"
            ) from error

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + self._ready_timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            outcome = await self.probe(min(left_s, _READY_PROBE_S))
            if not self.is_running:
                raise self._failure("ended while starting")
            if _PORT_TAKEN in self._log_tail():
                # The process lingers without listening, and the token came from a stranger.
                raise PortTaken(_taken(self.config.host, self.config.port))
            if outcome is Probe.OK:
                return
            if outcome is Probe.BROKEN:
                raise self._failure("cannot load or run the model")
            await asyncio.sleep(_POLL_S)
        raise self._failure(f"was not ready within {self._ready_timeout_s:g} s")

    def _failure(self, what: str) -> ModelUnavailable:
        lines = [line.strip() for line in self._log_tail().splitlines() if line.strip()]
        return ModelUnavailable(
            f"the model server for {str(self.config.model_path)!r} {what}: "
            f"{lines[-1] if lines else 'it said nothing'} (whole log: {str(self.log)!r}); "
            "check the model's files, or raise `ready_timeout_s` on a slow machine"
        )

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(self._log_start, end - _LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
        return ""


def require_free_port(host: str, port: int) -> None:
    """Raise ``PortTaken`` when something listens on ``port``."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise PortTaken(_taken(host, port)) from error


def free_port(host: str) -> int:
    """Return a port that was free a moment ago; the server's start settles any race for it."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        port: int = listener.getsockname()[1]
        return port


def server_environment(config: Serving, hardware: Hardware, hub: Path) -> dict[str, str]:
    """Return what a server's environment holds beside the scrubbed one: offline, and tuned."""
    env = {
        "HF_HUB_CACHE": str(hub),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    if hardware.accelerator == "cpu":
        threads = str(config.threads or _threads(config.model_path, hardware))
        env |= {f"{name}_NUM_THREADS": threads for name in ("OMP", "OPENBLAS", "MKL")}
        env["MLX_DISABLE_COMPILE"] = "1"  # else a C++ compiler runs at the first request
        if library := find_blas():
            env["LD_PRELOAD"] = str(library)
    return env


def _threads(model: Path, hardware: Hardware) -> int:
    is_small = sum(path.stat().st_size for path in weight_files(model)) < _SMALL_BYTES
    return 1 if is_small else hardware.threads


def end_orphans(owner: str) -> int:
    """End every server that an earlier, killed process of ``owner`` left; return how many."""
    import psutil

    orphans = list(_servers_of(owner))
    for process in orphans:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(orphans, timeout=STOP_GRACE_S)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=STOP_GRACE_S)
    return len(orphans)


def _servers_of(owner: str) -> Iterator[psutil.Process]:
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if is_server_of(owner, process.cmdline()):
                yield process


def _taken(host: str, port: int) -> str:
    return (
        f"port {port} on {host} is taken by another program; end that program, or set `port` to "
        "another number or leave it out"
    )


def _rotate(log: Path) -> int:
    """Set an oversized log aside as ``*.1`` and return where the new run's output begins."""
    if not log.exists():
        return 0
    size = log.stat().st_size
    if size <= _LOG_LIMIT_BYTES:
        return size
    log.replace(log.with_name(log.name + ".1"))
    return 0


def _ask_one_token(config: ServerConfig, timeout_s: float) -> Probe:
    body: dict[str, object] = {
        "model": str(config.model_path),
        "messages": [{"role": "user", "content": "."}],
        "max_tokens": 1,
    }
    if config.adapter_path is not None:
        body["adapters"] = str(config.adapter_path)
    connection = http.client.HTTPConnection(config.host, config.port, timeout=timeout_s)
    try:
        connection.request(
            "POST",
            "/v1/chat/completions",
            body=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        response = connection.getresponse()
        usage = json.loads(response.read()).get("usage", {})
    except TimeoutError:
        return Probe.SILENT
    except OSError:
        return Probe.DOWN
    except (http.client.HTTPException, ValueError, AttributeError):
        return Probe.BROKEN
    finally:
        connection.close()
    return Probe.OK if usage.get("completion_tokens") == 1 else Probe.BROKEN
