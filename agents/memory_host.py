"""The memory's owner inside the resident process, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import Final

import structlog

from agents.protocol import Embed, Reply, Search, Tend, pack, unpack
from mcp_local_llm import LocalLLMError, StoreUnavailable
from memory.embedder import Embedder, HashEmbedder
from memory.owner import MemoryOwner
from memory.records import OwnerStatus

EMBEDDER_VARIABLE: Final = "MCP_LOCAL_LLM_EMBEDDER"
"""A folder with the embedding model, or ``hash`` for word hashing without a model."""

_LOG: Final = structlog.get_logger()
_BROKEN: Final = "the memory's thread broke; see the log"
_POLL_S: Final = 1.0
_RETRY_S: Final = 30.0

_Job = tuple[Search | Tend | Embed, "Future[Reply]"]


def open_embedder() -> Embedder:
    """Open the embedding model of this machine; takes seconds.

    Raises:
        ModelUnavailable: there is none.
    """
    configured = os.environ.get(EMBEDDER_VARIABLE)
    if configured == "hash":
        return HashEmbedder()
    from memory.minilm import MiniLM

    threads = max(1, (os.cpu_count() or 2) // 2)  # indexing leaves room for what people wait for
    return MiniLM.resolve(Path(configured) if configured else None, threads=threads)


class MemoryHost:
    """Opens the memory of ``folder`` on the first request and keeps its index up to date.

    While it opens, searches are answered at once with the state ``starting``; when it cannot be
    opened, with ``failed`` and the reason, and it is tried again after ``retry_s``.
    """

    def __init__(
        self,
        folder: Path,
        embedder: Callable[[], Embedder] = open_embedder,
        *,
        retry_s: float = _RETRY_S,
    ) -> None:
        """Prepare; nothing is opened yet."""
        self._folder = folder
        self._retry_s = retry_s
        self._embedder = cache(embedder)  # a server that comes and goes costs no model's loading
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._handover = threading.Lock()
        self._leaving = threading.Event()
        self._state = OwnerStatus(state="starting")
        self._ended = 0.0
        self._behind = False

    @property
    def is_busy(self) -> bool:
        """Whether it opens the memory or has changes to index."""
        return self._is_running and (self._state.state == "starting" or self._behind)

    @property
    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def open(self) -> None:
        """Begin to open the memory, unless that is done or has just failed."""
        recently = self._state.state == "failed" and time.monotonic() - self._ended < self._retry_s
        if self._is_running or recently:
            return
        self._leaving.clear()
        self._state = OwnerStatus(state="starting")
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._thread.start()

    async def answer(self, request: Search | Tend | Embed) -> Reply:
        """Return the reply to ``request``; where journal or index fail, its state says so.

        Raises:
            UsageError: the request makes no sense.
        """
        if isinstance(request, Tend) and request.what == "release":
            await self.close()
            return Reply(memory=self._state)
        self.open()
        done: Future[Reply] = Future()
        with self._handover:
            if self._state.state != "ready":
                return Reply(memory=self._state)
            self._jobs.put((request, done))
        return await asyncio.wrap_future(done)

    async def close(self) -> None:
        """Close the memory after the step in hand; a later request opens it again."""
        self._leaving.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._state = OwnerStatus(state="starting")  # also after a failure: what stands may differ

    def _run(self) -> None:
        ended = OwnerStatus(state="failed", problem=_BROKEN)
        try:
            with MemoryOwner(self._folder, self._embedder) as owner:
                self._state = owner.status()
                self._serve(owner)
            ended = OwnerStatus(state="starting")
        except LocalLLMError as error:
            _LOG.warning("memory.failed", error=str(error))
            ended = OwnerStatus(state="failed", problem=str(error))
        finally:
            with self._handover:  # nobody hands a job to a thread that ends
                self._state, self._ended = ended, time.monotonic()
                self._refuse_the_rest()

    def _serve(self, owner: MemoryOwner) -> None:
        while not self._leaving.is_set():
            if self._jobs.empty():
                self._behind = owner.step()
            try:
                _do(owner, self._jobs.get(timeout=0.001 if self._behind else _POLL_S))
            except queue.Empty:
                continue

    def _refuse_the_rest(self) -> None:
        while not self._jobs.empty():
            _, done = self._jobs.get()
            if done.set_running_or_notify_cancel():
                done.set_result(Reply(memory=self._state))


def _do(owner: MemoryOwner, job: _Job) -> None:
    request, done = job
    if not done.set_running_or_notify_cancel():  # the client has gone
        return
    try:
        done.set_result(_answer(owner, request))
    except StoreUnavailable as error:
        done.set_result(Reply(memory=OwnerStatus(state="failed", problem=str(error))))
        raise  # open everything anew
    except LocalLLMError as error:
        done.set_exception(error)
    except BaseException:  # whoever asked must not wait for a thread that ends
        done.set_result(Reply(memory=OwnerStatus(state="failed", problem=_BROKEN)))
        raise


def _answer(owner: MemoryOwner, request: Search | Tend | Embed) -> Reply:
    if isinstance(request, Search):
        vector = unpack(request.vector) if request.vector else None
        found = owner.search(request.query, vector)
        return Reply(found=found, memory=owner.status(count=False))
    if isinstance(request, Embed):
        vectors = tuple(map(pack, owner.embed(request.texts)))
        return Reply(vectors=vectors, memory=owner.status(count=False))
    if request.what == "rebuild":
        owner.rebuild()
    return Reply(memory=owner.status())
