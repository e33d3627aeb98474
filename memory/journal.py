"""The journal: everything that was ever said to the memory, in one file that is the truth.

Items are never changed in place: each change appends an operation, and the tables that answer
questions follow from the operations in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mcp_local_llm import UsageError
from memory import lookup, replay
from memory.entries import (
    PURGED,
    Change,
    Compacted,
    FileState,
    JournalStats,
    Operation,
    Stored,
)
from memory.erasure import is_erased, scrub
from memory.index import Hit
from memory.learnt import LearningLedger
from memory.records import Item, Status, Where
from memory.replay import content_hash, dumped
from memory.schema import connect, translated

NEAR: Final = "near"  # the relation of two items that say almost the same
_PURGED_HASH: Final = content_hash(PURGED)


class Journal(LearningLedger):
    """One open journal. Any number of processes and threads may have the same one open.

    An operation that was acknowledged (the method returned) survives the death of any process;
    see memory/schema.py for what holds when the power goes. Not covered: use across ``fork``, and
    network file systems, where SQLite's locks cannot be relied upon.

    Every method raises ``StoreUnavailable`` when file or disk do not play along, and
    ``UsageError`` for an item that is not there or a text that is blank or no Unicode; then
    nothing was changed.
    """

    # -- writing -------------------------------------------------------------------------------

    def put(self, *items: Item) -> int:
        """Append ``items`` in one transaction; return the last one's position.

        A live item that is the same already is not written again. The same id with other content
        is a new version, and one that was superseded or forgotten is live again.
        """
        with self.write():
            seqs = [self.put_item(item) for item in items]
            return seqs[-1] if seqs else self.last()

    def supersede(self, old: str, new: str, reason: str) -> int:
        """Say that ``new``, which is live, replaces ``old``."""
        with self.write():
            if self.known(old).state == "deleted" or self.known(new).state != "live":
                raise UsageError(
                    f"{new!r} cannot replace {old!r}: the new one must be live and the old one "
                    "not forgotten"
                )
            if old == new:
                raise UsageError(f"{old!r} cannot replace itself; put its new version instead")
            return self.append("supersede", old, new, dumped(reason=reason))

    def forget(self, id: str, reason: str) -> int:
        """Take ``id`` out of every answer; its history stays until ``compact(purge=True)``."""
        with self.write():
            known = self.known(id)
            if known.state == "deleted":
                return known.seq
            return self.append("forget", id, payload=dumped(reason=reason))

    def set_status(self, id: str, status: Status, reason: str) -> int:
        """Say how far ``id`` has been confirmed."""
        with self.write():
            known = self.known(id)
            if known.item.status == status:
                return known.seq
            return self.append("status", id, payload=dumped(status=status, reason=reason))

    def erase(self, ids: Iterable[str], reason: str) -> int:
        """Erase ``ids`` for good; return how many were not erased already.

        Nothing in the file tells afterwards what they said, neither tables nor free pages nor the
        log; that they were erased stays, with ``reason``. Back-ups and exports made before still
        hold them. Takes as long as writing the file anew.

        Raises:
            StoreUnavailable: also when the log is still being read; the erasure holds then, and
                ``compact`` finishes it.
        """
        with self.write() as connection:
            wanted = [self.known(id) for id in dict.fromkeys(ids)]
            wanted = [one for one in wanted if not is_erased(connection, one.id)]
            for one in wanted:
                self.erase_one(one.id, one.item, reason)
            connection.execute("INSERT INTO word (word) VALUES ('optimize')")
        with self.read() as connection:
            scrub(connection)
        return len(wanted)

    def link(self, one: str, other: str, relation: str = NEAR) -> int:
        """Relate two items, which is seen from both; again does nothing."""
        with self.write():
            self.known(one), self.known(other)
            if (other, relation) in self._links(one):
                return self.last()
            return self.append("link", one, other, dumped(relation=relation))

    def index_file(
        self, project: str, path: str, state: FileState | None, items: Iterable[Item]
    ) -> int:
        """Make ``items`` all there is from the file ``path``, in one transaction.

        Each item says that it comes from there: ``data["path"]``, source ``index`` and project.
        ``state`` None and no items: the file is gone.
        """
        with self.write():
            gone = lookup.live_ids_of_file(self._connection, project, path)
            for item in items:
                if (item.project, replay.path_of(item)) != (project, path):
                    raise ValueError(f"{item.id} is not an indexed item of {path!r}")
                self.put_item(item)
                gone.discard(item.id)
            for id in sorted(gone):
                self.append("forget", id, payload=dumped(reason=f"no longer in {path}"))
            lookup.keep_file(self._connection, project, path, state)
            return self.last()

    def keep_vectors(self, model: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Cache vectors, content hash to (windows, dimension); see ``content_hash``."""
        with self.write():
            lookup.keep_vectors(self._connection, model, vectors)

    def mark(self, name: str) -> int:
        """Name this position; once this returns, all before it survives a loss of power too."""
        if not name.strip():
            raise UsageError("a mark needs a name")
        with self.write(durable=True):
            return self.append("mark", payload=dumped(name=name))

    def return_to(self, name: str) -> int:
        """Make the live state what it was at mark ``name``, by appending what undoes the rest.

        Nothing is erased, so one can return to before the return. Links stay, and so does the
        absence of what was purged.
        """
        with self.write():
            seq = self._marks().get(name)
            if seq is None:
                raise UsageError(f"there is no mark {name!r}; there are: {sorted(self._marks())}")
            touched = "id IN (SELECT id FROM item WHERE seq > ?)"
            past = replay.replayed(
                replay.entries(self._connection, f"seq <= ? AND {touched}", seq, seq)
            )
            try:
                for now in lookup.changed(self._connection, seq, -1):
                    lookup.keep_file(
                        self._connection, now.item.project, replay.path_of(now.item), None
                    )  # its state is that of the items taken back: let it be looked at again
                    self.undo(now, past, f"return to {name}")
            finally:
                past.close()
            return self.last()

    # -- asking --------------------------------------------------------------------------------

    @property
    def identity(self) -> str:
        """What tells this journal from others; positions of another identity mean nothing here."""
        with self.read() as connection:
            (identity,) = connection.execute("SELECT identity FROM about").fetchone()
            return str(identity)

    @property
    def last_seq(self) -> int:
        """The position of the last operation; 0 when there is none."""
        with self.read():
            return self.last()

    def get(self, ids: Iterable[str]) -> dict[str, Stored]:
        """Return those of ``ids`` that were ever put, in whatever state, in the order given."""
        with self.read() as connection:
            return lookup.by_id(connection, ids)

    def is_alone(self, project: str) -> bool:
        """Return whether every live item is of ``project`` or holds everywhere."""
        with self.read() as connection:
            return lookup.is_alone(connection, project)

    def ids(self, start: str, limit: int = 2) -> list[str]:
        """Return up to ``limit`` ids, in any state, that begin with ``start``, in any case."""
        with self.read() as connection:
            return lookup.ids_from(connection, start.lower(), limit)

    def live(self, where: Where = Where()) -> Iterator[Stored]:  # noqa: B008 - frozen
        """Yield live items, oldest first, in pages: writers are not held up meanwhile."""
        after: int | None = 0
        while after is not None:
            with self.read() as connection:
                page, after = lookup.live_page(connection, where, after)
            yield from page

    def find(self, query: str, where: Where = Where(), limit: int = 8) -> list[Hit]:  # noqa: B008
        """Return live items that share words with ``query``, best (BM25) first.

        Any text is a valid query; more than 64 words of it are not used.
        """
        with self.read() as connection:
            return lookup.by_words(connection, query, where, limit)

    def changes(self, after: int, limit: int) -> list[Change]:
        """Return up to ``limit`` items touched behind ``after``, each once, in order."""
        with self.read() as connection:
            return [
                Change(seq=s.seq, id=s.id, state=s.state, item=s.item, at=s.updated)
                for s in lookup.changed(connection, after, limit)
            ]

    def history(self, id: str) -> tuple[Operation, ...]:
        """Return every operation on ``id``, oldest first; none when it was never put."""
        with self.read() as connection:
            found = replay.entries(connection, "id = ? OR (op = 'link' AND other = ?)", id, id)
            return tuple(entry.operation() for entry in found)

    def replaced_by(self, id: str) -> tuple[tuple[str, str], ...]:
        """Return (other item, reason) for what ``id`` took the place of and is still replaced."""
        with self.read() as connection:
            return tuple(
                connection.execute(
                    "SELECT id, reason FROM item WHERE superseded_by = ? ORDER BY seq", (id,)
                )
            )

    def links(self, id: str) -> tuple[tuple[str, str], ...]:
        """Return (other item, relation) for what ``id`` is related to and is not forgotten."""
        with self.read():
            return self._links(id)

    def marks(self) -> dict[str, int]:
        """Return name and position of every mark; a name that was used again is the last one."""
        with self.read():
            return self._marks()

    def vectors(self, hashes: Sequence[str], model: str) -> dict[str, NDArray[np.float32]]:
        """Return cached vectors, (windows, dimension) per hash, for those that have some."""
        with self.read() as connection:
            return lookup.vectors(connection, hashes, model)

    def file_states(self, project: str) -> dict[str, FileState]:
        """Return the indexed files of ``project`` as they were; unknown states have size -1."""
        with self.read() as connection:
            return lookup.file_states(connection, project)

    def stats(self) -> JournalStats:
        """Return figures about this journal."""
        with self.read() as connection:
            return JournalStats(**lookup.figures(connection), size_bytes=self._size())

    # -- care ----------------------------------------------------------------------------------

    def verify(self) -> tuple[str, ...]:
        """Return what is wrong, up to twenty things; nothing when the journal is sound.

        Replays everything, and writers wait meanwhile.
        """
        with translated(self.path):
            connection = connect(self.path)  # so that this process' readers need not wait
            try:
                return replay.problems(connection)
            finally:
                connection.close()

    def rebuild(self) -> None:
        """Make the tables that answer questions anew from the operations.

        Raises:
            StoreUnavailable: an operation cannot be read; restore a back-up.
        """
        with self.write() as connection:
            replay.rebuild(connection)

    def compact(self, *, purge: bool = False) -> Compacted:
        """Give unused space back, and drop vectors of texts that are no longer live.

        ``purge`` erases the words of forgotten items from the history too, for good.

        Raises:
            StoreUnavailable: also when the log is still being read and may hold erased words.
        """
        before = self._size()
        with self.write() as connection:
            purged = self._purge() if purge else 0
            dropped = connection.execute(
                "DELETE FROM vector WHERE hash NOT IN (SELECT hash FROM item WHERE state = 'live')"
            ).rowcount
            connection.execute("INSERT INTO word (word) VALUES ('optimize')")
        with self.read() as connection:
            scrub(connection)
        return Compacted(
            before_bytes=before,
            after_bytes=self._size(),
            vectors_dropped=dropped,
            purged=purged,
        )

    def _links(self, id: str) -> tuple[tuple[str, str], ...]:
        rows = self._connection.execute(
            "SELECT item.id, relation FROM link JOIN item ON item.id = iif(one = ?1, other, one) "
            "WHERE (one = ?1 OR other = ?1) AND state <> 'deleted' ORDER BY relation, item.id",
            (id,),
        )
        return tuple((other, relation) for other, relation in rows)

    def _marks(self) -> dict[str, int]:
        found = replay.entries(self._connection, "op = 'mark'")
        return {str(entry.operation().payload["name"]): entry.seq for entry in found}

    def _purge(self) -> int:
        """Blank what forgotten items said, in every version; return how many versions that was."""
        said = replay.entries(
            self._connection,
            "op = 'put' AND id IN (SELECT id FROM item WHERE state = 'deleted' AND hash <> ?)",
            _PURGED_HASH,
        )
        versions = [(replay.blank(entry.payload), entry.seq) for entry in said]
        self._connection.executemany("UPDATE op SET payload = ? WHERE seq = ?", versions)
        self._connection.execute(
            "UPDATE item SET hash = ?, path = '' WHERE state = 'deleted'",
            (_PURGED_HASH,),
        )
        return len(versions)

    def _size(self) -> int:
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
