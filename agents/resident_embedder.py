"""The embedding model of the resident process, for whoever cannot wait for one of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.lease import ask_resident
from agents.protocol import EMBEDDED_AT_ONCE, Embed, Reply, unpack
from mcp_local_llm import ModelUnavailable

_PATIENCE_S: Final = 0.5  # to learn that it is there
_WORKING_S: Final = 10.0  # for a few texts, while a step of indexing may be under way
_LONGEST: Final = 1_000  # characters of a text; the model reads about as many


class ResidentEmbedder:
    """Asks the resident process of ``home``; blocking, and fine within an event loop."""

    def __init__(self, home: Path, name: str, dimension: int) -> None:
        """Ask for vectors of the model ``name``; see ``open``."""
        self._home = home
        self._name = name
        self._dimension = dimension

    @classmethod
    def open(cls, home: Path) -> ResidentEmbedder | None:
        """Return it where the process runs and has the memory open; nothing is started."""
        try:
            reply = _run(ask_resident(home, Embed(texts=()), _PATIENCE_S))
        except ModelUnavailable:
            return None
        if reply is None or reply.memory is None or reply.memory.state != "ready":
            return None
        return cls(home, reply.memory.embedder, reply.memory.dimension)

    @property
    def name(self) -> str:
        """What identifies the model."""
        return self._name

    @property
    def dimension(self) -> int:
        """Components of a vector."""
        return self._dimension

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row per text; of a text the first 1,000 characters are read.

        Raises:
            ModelUnavailable: the process ended or does not answer in time.
        """
        rows = []
        for start in range(0, len(texts), EMBEDDED_AT_ONCE):
            some = tuple(text[:_LONGEST] for text in texts[start : start + EMBEDDED_AT_ONCE])
            reply = _run(ask_resident(self._home, Embed(texts=some), _WORKING_S))
            if reply is None or len(reply.vectors) != len(some):
                raise ModelUnavailable("the resident process embeds no more; try again")
            rows += [unpack(vector) for vector in reply.vectors]
        return np.stack(rows) if rows else np.zeros((0, self._dimension), np.float32)

    def windows(self, text: str) -> list[str]:
        """Return ``text`` whole: what is asked here is short."""
        return [text]


def _run(asking: Coroutine[Any, Any, Reply | None]) -> Reply | None:
    """Wait for ``asking`` in a loop of its own: the caller may be in one."""
    with ThreadPoolExecutor(1) as one:
        return one.submit(asyncio.run, asking).result()
