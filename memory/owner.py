"""The one process that has the index open: it replays the journal, embeds, and answers searches.

Everything it holds besides the journal is disposable: an index that is damaged, of another version
or made with another embedding model is thrown away and made again. What is on a Qdrant server is
never thrown away: it is written again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import structlog

from mcp_local_llm import StoreUnavailable, UsageError
from memory.catch_up import Position, Replay, cached_vectors, read_position
from memory.chunks import CHUNKER
from memory.embedder import Embedder
from memory.embedding import embedding
from memory.entries import Stored
from memory.index import Dense, Index, NoRoom
from memory.journal import Journal
from memory.layout import index_folder, journal_path
from memory.move import progress_path, reached
from memory.place import ServerPlace, read_place
from memory.private import private_folder
from memory.records import OwnerStatus
from memory.replay import content_hash
from memory.retrieval import Found, Query, retrieve

_LOG: Final = structlog.get_logger()
_LAYOUT: Final = "1"  # of the points; another one means that they are made again
_FEW: Final = 8  # operations that a search can wait for

OpenIndex = Callable[[Path, int], Index]
OpenServer = Callable[[ServerPlace, int], Index]


def open_edge(folder: Path, dimension: int) -> Index:
    """Open the embedded index."""
    from memory.edge_index import EdgeIndex

    return EdgeIndex(folder, dimension)


def open_server(place: ServerPlace, dimension: int) -> Index:
    """Open the index on a server."""
    from memory.server_index import open_place

    return open_place(place, dimension)


class MemoryOwner:
    """Index and embedder of one memory folder; a context manager, for one thread.

    The index is on the server that ``memory.place`` names for the folder, else embedded. Another
    owner of the same folder is refused before it can touch the index.
    """

    def __init__(
        self,
        folder: Path,
        open_embedder: Callable[[], Embedder],
        open_index: OpenIndex = open_edge,
        open_server: OpenServer = open_server,
    ) -> None:
        """Open everything; the index is made anew when it does not fit the journal.

        Raises:
            StoreUnavailable: another process owns the folder, or it or the server cannot be used.
            UsageError: the server's API key is not where it should be.
            ModelUnavailable: there is no embedding model.
        """
        self._folder = folder
        self._open_index = open_index
        self._open_server = open_server
        self._problem = ""
        with ExitStack() as opened:
            opened.callback(os.close, _locked(folder))
            self._place = read_place(folder)
            self._journal = opened.enter_context(Journal(journal_path(folder)))
            self._embedder = open_embedder()
            self._index, self._replay = self._opened()
            self._resources = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the open owner."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close index, journal and lock."""
        with self._resources:
            self._index.close()

    def step(self) -> bool:
        """Do a share of what brings the index to the journal's state; return whether there is more.

        Raises:
            StoreUnavailable: journal or index fail; what was applied before is kept.
        """
        try:
            more = self._replay.step()
        except NoRoom as error:
            self._problem = str(error)
            return False
        self._problem = ""
        return more

    def catch_up(self) -> None:
        """Apply all of the journal's changes."""
        while self.step():
            pass

    def embed(self, texts: Sequence[str]) -> list[Dense]:
        """Return the vectors of ``texts``; ``status`` names the model."""
        return list(self._embedder.embed(texts)) if texts else []

    def search(self, query: Query, vector: Dense | None = None) -> tuple[Found, ...]:
        """Return what the index has for ``query``; embed its text unless ``vector`` is given.

        A few changes that wait are applied first; many, or a long text, are not waited for:
        ``status`` says how far the index goes.

        Raises:
            UsageError: ``vector`` has another dimension.
            StoreUnavailable: journal or index fail.
        """
        if not self._replay.is_amid and 0 < self._replay.pending() <= _FEW:
            self.step()
        if vector is None:
            vector = self._embedder.embed([query.text])[0]
        elif vector.shape != (self._embedder.dimension,):
            raise UsageError(
                f"a vector of {vector.size} components was given; {self._embedder.name} makes "
                f"{self._embedder.dimension}"
            )
        known: dict[str, Stored] = {}

        def info(ids: Sequence[str]) -> Mapping[str, Stored]:
            known.update(self._journal.get(ids))
            return known

        def vectors_of(ids: Sequence[str]) -> Mapping[str, Dense]:
            hashes = {one: content_hash(known[one].item.text) for one in ids}
            cached = self._journal.vectors(list(hashes.values()), self._embedder.name)
            return {one: cached[digest][0] for one, digest in hashes.items() if digest in cached}

        return retrieve(
            self._widened(query),
            index=self._index,
            vector=vector,
            vectors_of=vectors_of,
            info=info,
            rewards=self._journal.mean_rewards,
        )

    def _widened(self, query: Query) -> Query:
        """Return ``query`` without its project where there is no other one in the index.

        A filter that all pass makes a search of all vectors twice as long. A server may hold what
        is not in this journal, and an index that is behind what is no longer in it.
        """
        project = query.where.project
        if not project or self._place is not None or self._replay.pending():
            return query
        if not self._journal.is_alone(project):
            return query
        where = query.where.model_copy(update={"project": None})
        return query.model_copy(update={"where": where})

    def rebuild(self) -> None:
        """Have ``step`` make the index again; the embedded one is thrown away before."""
        self._index.close()
        if self._place is None:
            self._discard("it was asked for")
        else:
            self._progress(self._place).unlink(missing_ok=True)
        self._index, self._replay = self._opened()

    def status(self, *, count: bool = True) -> OwnerStatus:
        """Return how the index is; the points are counted only on demand."""
        return OwnerStatus(
            state="ready",
            problem=self._problem,
            index=str(self._place or ""),
            applied=self._replay.applied,
            pending=self._replay.pending(),
            points=self._index.count() if count else 0,
            embedder=self._embedder.name,
            dimension=self._embedder.dimension,
        )

    def _opened(self) -> tuple[Index, Replay]:
        """Return index and replay, both from the start when what is there does not fit."""
        if self._place is None:
            index, start = self._embedded()
            path = index_folder(self._folder) / "applied.json"
        else:
            index = self._on_server(self._place)
            path = self._progress(self._place)
            start = reached(self._journal, self._embedder.name, index, path)
        replay = Replay(
            self._journal,
            index,
            cached_vectors(self._journal, self._embedder.name),
            path=path,
            start=start,
            embed=embedding(self._journal, self._embedder),
            links=True,
        )
        return index, replay

    def _on_server(self, place: ServerPlace) -> Index:
        try:
            return self._open_server(place, self._embedder.dimension)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error}, or go back with `mcp-local-llm memory move --embedded`"
            ) from error

    def _progress(self, place: ServerPlace) -> Path:
        return progress_path(self._folder, place.url, place.collection)

    def _embedded(self) -> tuple[Index, Position]:
        folder = index_folder(self._folder)
        make = self._make()
        position = read_position(folder / "applied.json")
        index: Index | None = None
        if folder.exists():
            if wrong := self._misfit(position, make):
                self._discard(wrong)
            else:
                index = self._tried(folder)
        if index is None or position is None:
            position, index = make, self._created(folder)
        return index, position

    def _make(self) -> Position:
        return Position(
            journal=self._journal.identity,
            embedder=self._embedder.name,
            chunker=CHUNKER,
            layout=_LAYOUT,
        )

    def _misfit(self, position: Position | None, make: Position) -> str:
        if position is None or not (index_folder(self._folder) / "shard").exists():
            return "a part of it is missing"
        if not position.is_like(make):
            return f"it is of another make or journal ({position.embedder}, {position.layout})"
        if position.seq > self._journal.last_seq:
            return "the journal is an older one"
        return ""

    def _tried(self, folder: Path) -> Index | None:
        try:
            return self._open_index(folder / "shard", self._embedder.dimension)
        except NoRoom:
            raise
        except StoreUnavailable as error:
            self._discard(str(error))
            return None

    def _created(self, folder: Path) -> Index:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _unusable(folder, error) from error
        return self._open_index(folder / "shard", self._embedder.dimension)

    def _discard(self, reason: str) -> None:
        folder = index_folder(self._folder)
        _LOG.warning("index.rebuilding", folder=str(folder), reason=reason)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise _unusable(folder, error) from error


def _locked(folder: Path) -> int:
    """Return a descriptor that holds the folder's lock; it is let go with the process."""
    path = folder / "owner.lock"
    try:
        private_folder(folder)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise StoreUnavailable(
            f"another process has the memory in {str(folder)!r} open; search through it, or end it "
            "with `mcp-local-llm model stop`"
        ) from error
    return file


def _unusable(folder: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"the memory folder {str(folder)!r} cannot be used ({error.strerror}); make it writable, "
        "or point MCP_LOCAL_LLM_HOME at another one"
    )
