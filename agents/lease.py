"""The client of the resident process: get a served model, keep it, report it when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agents.endpoint import Endpoint, Serving
from agents.footprint import GIB
from agents.home import LOCK_NAME, owner_of, socket_path, state_home
from agents.profiles import ModelConfig, Profile, endpoint_for, memory_limit_gb
from agents.protocol import (
    LINE_LIMIT_BYTES,
    Acquire,
    Check,
    Embed,
    Message,
    Reply,
    ResidentStatus,
    Search,
    Status,
    Stop,
    Tend,
    decode_reply,
    encode,
)
from agents.server import end_orphans
from mcp_local_llm import ModelUnavailable, StoreUnavailable
from memory.layout import memory_folder
from memory.place import key_variable
from memory.private import private_folder
from tools.process import Spawned, scrubbed_env, spawn_detached

_IDLE_TIMEOUT_S: Final = 600.0
# Where the embedding model is found; everything else of the environment stays outside.
_MODEL_VARIABLES: Final = ("MCP_LOCAL_LLM_EMBEDDER", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME")
_START_TIMEOUT_S: Final = 40.0
_STOP_TIMEOUT_S: Final = 40.0
_SHORT_TIMEOUT_S: Final = 10.0
_SLACK_S: Final = 60.0  # a start may wait for another one, and for a server that has to end
_POLL_S: Final = 0.05
_ROOT: Final = Path(__file__).resolve().parents[1]
_BOOT: Final = (
    "import sys; sys.path.insert(0, {root!r}); from agents.resident import main; sys.exit(main())"
)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Lease:
    """A model that is served as long as this is open; an async context manager.

    For a remote endpoint there is nothing to keep, and ``check`` changes nothing. If the
    resident process dies, ``check`` starts a new one and acquires the model again.
    ``resources`` is for what has to be closed with it, such as a client's connections.
    """

    profile: Profile
    settings: ModelConfig
    home: Path
    endpoint: Endpoint
    resources: contextlib.AsyncExitStack = field(
        default_factory=contextlib.AsyncExitStack, repr=False
    )
    _connection: Connection | None = field(default=None, repr=False)
    _generation: int = 0
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    async def check(self) -> Endpoint:
        """Have a server that failed looked at, and return where the model is served now.

        Raises:
            ModelUnavailable: it cannot be started again.
        """
        if not self.profile.is_local:
            return self.endpoint
        async with self._asking:
            try:
                reply = await _ask(
                    self._connection, Check(generation=self._generation), _patience_s(self.settings)
                )
            except _Gone:
                await self._close()
                reply = await self._acquire()
            self._take(reply)
        return self.endpoint

    async def close(self) -> None:
        """Close ``resources`` and give the lease back; closing twice is fine."""
        await self.resources.aclose()
        await self._close()

    async def open(self) -> Self:
        """Acquire the model (what ``acquire`` does first)."""
        if not self.profile.is_local:
            return self
        granted = False
        try:
            async with self._asking:
                self._take(await self._acquire())
            granted = True
        finally:
            if not granted:
                await self._close()
        return self

    async def __aenter__(self) -> Self:
        """Return the open lease."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lease back."""
        await self.close()

    def _take(self, reply: Reply) -> None:
        self._generation = reply.generation
        self.endpoint = endpoint_for(self.profile, self.settings, reply.base_url)

    async def _acquire(self) -> Reply:
        request = _request(self.profile, self.settings)
        for _ in range(2):  # the resident process may be just about to end itself
            self._connection = await _connect_or_start(self.home, self.settings.idle_timeout_s)
            with contextlib.suppress(_Gone):
                return await _ask(self._connection, request, _patience_s(self.settings))
            await self._close()
        raise ModelUnavailable(
            f"the resident process ended while it was asked for a model; see {_log(self.home)!r}"
        )

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await _hang_up(connection)


async def acquire(profile: Profile, settings: ModelConfig, *, home: Path | None = None) -> Lease:
    """Return a lease on ``profile``, with ``lease.endpoint`` ready to answer.

    Starts the resident process and the model server where they are not running. The server stays
    until every lease on it is closed, or its holder has died, and ``idle_timeout_s`` is over.

    Raises:
        ModelUnavailable: it cannot be served; the message says why.
        StoreUnavailable: the state folder cannot be written.
    """
    endpoint = endpoint_for(profile, settings, profile.base_url or "")
    return await Lease(profile, settings, home or state_home(), endpoint).open()


async def ask_resident(
    home: Path, request: Search | Tend | Embed | Status, timeout_s: float
) -> Reply | None:
    """Return the answer of the resident process of ``home``, or None when there is no process.

    Raises:
        ModelUnavailable: it refuses, or does not answer within ``timeout_s``.
    """
    loop = asyncio.get_running_loop()
    line = bytearray()
    # Without streams: to make and to close them takes a fifth of a millisecond.
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        try:
            async with asyncio.timeout(timeout_s):
                await _reach(connection, socket_path(home))
                await loop.sock_sendall(connection, encode(request))
                while not line.endswith(b"\n"):
                    if not (part := await loop.sock_recv(connection, LINE_LIMIT_BYTES)):
                        return None
                    line += part
        except (FileNotFoundError, NotADirectoryError, ConnectionError):
            return None
        except TimeoutError as error:
            raise _late(timeout_s) from error
    return decode_reply(bytes(line))


async def _reach(connection: socket.socket, path: Path) -> None:
    """Connect, as soon as fewer clients than its queue holds wait for the other end."""
    while True:
        try:
            connection.connect(str(path))  # waits for nothing, as the socket does not block
        except BlockingIOError:  # the queue is full; asyncio would take this for a connection
            await asyncio.sleep(_POLL_S)
        else:
            return


def start_resident(home: Path) -> Spawned:
    """Start a resident process that opens the memory at once, and don't wait for it.

    Where there is one already, the new one ends itself.

    Raises:
        StoreUnavailable: the state folder cannot be written.
    """
    return _start_resident(home, _IDLE_TIMEOUT_S, "--open-memory")


async def resident_status(home: Path | None = None) -> ResidentStatus | None:
    """Return what is running, or None; nothing is started."""
    reply = await ask_resident(home or state_home(), Status(), _SHORT_TIMEOUT_S)
    return reply.status if reply else None


async def stop_resident(home: Path | None = None) -> bool:
    """End the resident process and every server of ``home``, orphans too.

    Return whether anything was running.

    Raises:
        ModelUnavailable: the resident process does not end.
    """
    home = home or state_home()
    connection = await _connect(home)
    if connection is not None:
        try:
            with contextlib.suppress(_Gone):
                await _ask(connection, Stop(), _SHORT_TIMEOUT_S)
        except ModelUnavailable:  # it hangs, or is of another version
            await asyncio.to_thread(_kill_resident, home)
        finally:
            await _hang_up(connection)
    # One that is starting would take the lock over from the one that ends.
    starting = await asyncio.to_thread(_end_residents, home)
    if connection is not None:
        await _until_unlocked(home)
    orphans = await asyncio.to_thread(end_orphans, owner_of(home))
    return connection is not None or starting or orphans > 0


class _Gone(Exception):
    """The other end of the connection is not there any more."""


def _request(profile: Profile, settings: ModelConfig) -> Acquire:
    if profile.model_path is None or profile.footprint is None:
        raise ModelUnavailable(f"the profile {profile.name!r} is not served by this machine")
    return Acquire(
        serving=Serving(
            model_path=profile.model_path,
            adapter_path=settings.adapter_path,
            kv_bits=settings.kv_bits,
            threads=settings.threads,
            prompt_cache_bytes=profile.footprint.prompt_cache_bytes,
        ),
        # The cached prompts yield to other servers; weights and one context do not.
        needs_bytes=profile.footprint.weights_bytes + profile.footprint.kv_bytes,
        limit_bytes=int(memory_limit_gb(settings) * GIB),
        port=settings.port,
        ready_timeout_s=settings.ready_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
    )


def _patience_s(settings: ModelConfig) -> float:
    return 2 * settings.ready_timeout_s + _SLACK_S


async def _ask(connection: Connection | None, request: Message, timeout_s: float) -> Reply:
    if connection is None:
        raise _Gone
    reader, writer = connection
    try:
        writer.write(encode(request))
        await writer.drain()
        async with asyncio.timeout(timeout_s):
            line = await reader.readline()
    except ConnectionError as error:
        raise _Gone from error
    except TimeoutError as error:
        raise _late(timeout_s) from error
    if not line:
        raise _Gone
    return decode_reply(line)


def _late(timeout_s: float) -> ModelUnavailable:
    return ModelUnavailable(
        f"the resident process has not answered for {timeout_s:g} s; run "
        "`mcp-local-llm model stop` and try again"
    )


async def _connect(home: Path) -> Connection | None:
    try:
        return await asyncio.open_unix_connection(str(socket_path(home)), limit=LINE_LIMIT_BYTES)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return None


async def _connect_or_start(home: Path, idle_timeout_s: float) -> Connection:
    deadline = time.monotonic() + _START_TIMEOUT_S
    started: Spawned | None = None
    while time.monotonic() < deadline:
        connection = await _connect(home)
        if connection is not None:
            return connection
        # One that ended gave way to another process, which may itself have ended since.
        if started is None or started.poll() == 0:
            started = await asyncio.to_thread(_start_resident, home, idle_timeout_s)
        elif started.poll() is not None:
            break
        await asyncio.sleep(_POLL_S)
    raise ModelUnavailable(
        f"the resident process for {str(home)!r} did not start; its log {_log(home)!r} says why"
    )


def _start_resident(home: Path, idle_timeout_s: float, *options: str) -> Spawned:
    argv = [sys.executable, "-P", "-c", _boot(), "--home", str(home)]
    passed = (*_MODEL_VARIABLES, key_variable(memory_folder(home)))
    try:
        private_folder(home / "logs")
        return spawn_detached(
            [*argv, "--idle-timeout-s", str(idle_timeout_s), *options],
            cwd=home,
            log=Path(_log(home)),
            env=scrubbed_env({k: v for k in passed if (v := os.environ.get(k))}),
        )
    except OSError as error:
        raise StoreUnavailable(
            f"the state folder {str(home)!r} cannot be used ({error}); point MCP_LOCAL_LLM_HOME "
            "at a writable folder"
        ) from error


def _boot() -> str:
    return _BOOT.format(root=str(_ROOT))  # a workspace may hold its own `agents/`: ours must win


async def _until_unlocked(home: Path) -> None:
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        if _is_unlocked(home / LOCK_NAME):
            return
        await asyncio.sleep(_POLL_S)
    raise ModelUnavailable(
        f"the resident process of {str(home)!r} does not end; end it by hand (its log is "
        f"{_log(home)!r})"
    )


def _kill_resident(home: Path) -> None:
    import psutil  # type: ignore[import-untyped]  # it ships no types

    with contextlib.suppress(OSError, ValueError, psutil.Error):
        holder = psutil.Process(int((home / LOCK_NAME).read_text()))
        if any("agents.resident" in part for part in holder.cmdline()):  # not a reused number
            holder.kill()


def _end_residents(home: Path) -> bool:
    """End every resident process of ``home``, also such as don't listen yet; say whether any."""
    import psutil

    ended = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if words[:1] == [sys.executable] and words[3:6] == [_boot(), "--home", str(home)]:
                process.terminate()
                ended.append(process)
    psutil.wait_procs(ended, timeout=_STOP_TIMEOUT_S)
    return bool(ended)


def _is_unlocked(lock: Path) -> bool:
    try:
        file = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


async def _hang_up(connection: Connection) -> None:
    writer = connection[1]
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def _log(home: Path) -> str:
    return str(home / "logs" / "resident.log")
