"""The resident process: owns the model servers so that commands can share them and come and go.

One per state folder, held by a file lock. Clients connect to a Unix socket only this user may
open; each connection is a lease. It ends itself when nobody has been connected for a while. Killed
outright, it leaves its servers behind; the next one finds them by their command line and ends
them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from agents.home import LOCK_NAME, owner_of, socket_path
from agents.memory_host import MemoryHost
from agents.pool import ServerPool, Shared
from agents.protocol import (
    LINE_LIMIT_BYTES,
    MAX_CLIENTS,
    Acquire,
    Check,
    Embed,
    Reply,
    Request,
    ResidentStatus,
    Search,
    Stop,
    Tend,
    decode_request,
    encode,
)
from agents.server import end_orphans
from mcp_local_llm import LocalLLMError, ModelUnavailable, StoreUnavailable
from memory.layout import memory_folder
from memory.private import private_folder

_LOG: Final = structlog.get_logger()
_LOCK_WAIT_S: Final = 30.0
_LOCK_POLL_S: Final = 0.1
_WATCH_EVERY_S: Final = 30.0
_PROBE_TIMEOUT_S: Final = 20.0


class AlreadyRunning(LocalLLMError):
    """Another resident process serves this state folder; there is nothing to do."""


class Resident:
    """Serves one state folder until it is idle, told to stop, or signalled."""

    def __init__(
        self,
        home: Path,
        *,
        idle_timeout_s: float = 600.0,
        watch_every_s: float = _WATCH_EVERY_S,
        probe_timeout_s: float = _PROBE_TIMEOUT_S,
    ) -> None:
        """Prepare; nothing is opened before ``serve``."""
        self.memory = MemoryHost(memory_folder(home))
        self._home = home
        self._idle_timeout_s = idle_timeout_s
        self._watch_every_s = watch_every_s
        self._owner = owner_of(home)
        self._pool = ServerPool(
            logs=home / "logs", owner=self._owner, probe_timeout_s=probe_timeout_s
        )
        self._clients: set[asyncio.Task[None]] = set()
        self._last_client = time.monotonic()
        self._stopping = asyncio.Event()

    async def serve(self, *, open_memory: bool = False) -> None:
        """Serve until idle or stopped; every server is ended before this returns.

        ``open_memory`` begins with it; otherwise the first request that needs it does.

        Raises:
            AlreadyRunning: another process holds the folder's lock and answers.
            StoreUnavailable: the folder, lock or socket cannot be created.
        """
        path = socket_path(self._home)
        try:
            private_folder(self._home / "logs")
            private_folder(path.parent)
            lock = await _locked(self._home / LOCK_NAME, path)
            try:
                await asyncio.to_thread(end_orphans, self._owner)
                if open_memory:
                    self.memory.open()
                await self._serve_locked(path)
            finally:
                os.close(lock)
        except OSError as error:
            raise StoreUnavailable(
                f"the resident process cannot use {str(self._home)!r} ({error}); point "
                "MCP_LOCAL_LLM_HOME at a writable folder"
            ) from error

    def stop(self) -> None:
        """Ask ``serve`` to end."""
        self._stopping.set()

    async def _serve_locked(self, path: Path) -> None:
        listener = await asyncio.start_unix_server(
            self._connected, sock=_bind(path), limit=LINE_LIMIT_BYTES
        )
        _LOG.info("resident.started", pid=os.getpid(), home=str(self._home))
        watching = asyncio.create_task(self._watch())
        try:
            await self._stopping.wait()
        finally:
            _unlink(path)  # first, so that a new client starts a new process
            listener.close()
            tasks = [watching, *self._clients]
            for task in tasks:
                task.cancel()  # one of them may be waiting for a server to start
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._pool.stop_all()
            await self.memory.close()
            _LOG.info("resident.ended")
        if not watching.cancelled():
            watching.result()

    async def _watch(self) -> None:
        checked = time.monotonic()
        try:
            while self._clients or self.memory.is_busy or self._idle_s() < self._idle_timeout_s:
                await asyncio.sleep(min(self._watch_every_s, max(0.05, self._idle_timeout_s / 10)))
                if time.monotonic() - checked >= self._watch_every_s:
                    checked = time.monotonic()
                    await self._pool.watch(self._idle_timeout_s)
        finally:
            self._stopping.set()

    def _idle_s(self) -> float:
        return time.monotonic() - self._last_client

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # No coroutine: cancelling the task that asyncio would make of it is logged as a bug.
        session = _Session(self, reader, writer)
        refused = len(self._clients) >= MAX_CLIENTS
        client = asyncio.create_task(session.refuse() if refused else session.run())
        self._clients.add(client)
        client.add_done_callback(partial(self._left, session))

    def _left(self, session: _Session, client: asyncio.Task[None]) -> None:
        self._clients.discard(client)
        self._last_client = time.monotonic()
        session.close()
        if not client.cancelled():
            client.result()

    async def answer(self, request: Request, held: Shared | None) -> tuple[Reply, Shared | None]:
        """Return the reply to ``request`` and what the connection holds afterwards."""
        if isinstance(request, Search | Tend | Embed):
            return await self.memory.answer(request), held
        if isinstance(request, Acquire):
            self._idle_timeout_s = request.idle_timeout_s
            held = await self._pool.acquire(request)
        elif isinstance(request, Check):
            if held is None:
                raise ModelUnavailable("there is nothing to check: acquire a model first")
            await self._pool.check(held, request.generation)
        elif isinstance(request, Stop):
            self.stop()
        else:
            return Reply(status=self._status()), held
        if held is None:
            return Reply(), None
        return Reply(base_url=held.base_url, generation=held.generation), held

    def give_back(self, held: Shared) -> None:
        """Take back what a connection held."""
        self._pool.release(held)

    def _status(self) -> ResidentStatus:
        return ResidentStatus(
            pid=os.getpid(),
            clients=len(self._clients) - 1,  # whoever asks is one
            idle_timeout_s=self._idle_timeout_s,
            servers=self._pool.status(),
        )


class _Session:
    """One connection: requests in order, and the lease it holds."""

    def __init__(
        self, resident: Resident, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._resident = resident
        self._reader = reader
        self._writer = writer
        self._held: Shared | None = None

    async def run(self) -> None:
        """Answer requests until the client leaves or breaks the rules."""
        with contextlib.suppress(ConnectionError):
            while line := await self._line():
                try:
                    request = decode_request(line)
                    if isinstance(request, Acquire):
                        self.release()
                    reply, self._held = await self._resident.answer(request, self._held)
                except LocalLLMError as error:
                    reply = Reply(error=str(error))
                await self.send(reply)

    async def refuse(self) -> None:
        """Say that there are too many clients."""
        with contextlib.suppress(ConnectionError):
            await self.send(Reply(error=f"more than {MAX_CLIENTS} commands at once; end some"))

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ValueError:
            await self.send(Reply(error=f"a request is at most {LINE_LIMIT_BYTES} bytes"))
            return b""

    async def send(self, reply: Reply) -> None:
        """Send one line."""
        self._writer.write(encode(reply))
        await self._writer.drain()

    def close(self) -> None:
        """Give back what this connection holds, and hang up."""
        self.release()
        self._writer.close()

    def release(self) -> None:
        """Give back what this connection holds."""
        if self._held is not None:
            self._resident.give_back(self._held)
            self._held = None


async def _locked(lock: Path, path: Path) -> int:
    """Return a descriptor that holds ``lock``; a predecessor may be busy ending its servers."""
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _answers(path) or time.monotonic() > deadline:
                os.close(file)
                raise AlreadyRunning(f"another process serves {str(lock.parent)!r}") from None
            await asyncio.sleep(_LOCK_POLL_S)
        else:
            os.ftruncate(file, 0)
            os.write(file, str(os.getpid()).encode())  # for a client that has to end us by force
            return file


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _bind(path: Path) -> socket.socket:
    _unlink(path)  # ours alone: the lock is held
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    return listener


def main(argv: Sequence[str] | None = None) -> int:
    """Run the resident process of one state folder; clients start this, not people."""
    parser = argparse.ArgumentParser(prog="resident")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--idle-timeout-s", type=float, default=600.0)
    parser.add_argument("--open-memory", action="store_true")
    options = parser.parse_args(argv)
    try:
        asyncio.run(_main(options.home, options.idle_timeout_s, options.open_memory))
    except AlreadyRunning:
        return 0
    except LocalLLMError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


async def _main(home: Path, idle_timeout_s: float, open_memory: bool) -> None:
    resident = Resident(home, idle_timeout_s=idle_timeout_s)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, resident.stop)
    await resident.serve(open_memory=open_memory)
