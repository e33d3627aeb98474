"""Questions to the journal's tables: filters, words, vectors, indexed files."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memory.entries import FileState, Stored
from memory.index import Hit
from memory.records import Item, Status, Where
from memory.replay import microseconds, moment
from memory.sparse import parts, telling

_PAGE: Final = 500  # rows and bound values at once
_MAX_WORDS: Final = 64  # of a query
_COMPARED: Final = 128  # items whose scores are worked out where words match more, at least
_PER_HIT: Final = 4  # and this many for each hit
_HOLDERS: Final = 5_000  # items looked at for one word, the newest
_WORD: Final = re.compile(r"\w+")
_STORED: Final = (
    "SELECT item.id, payload, item.seq, created, updated, state, superseded_by, reason, status "
    "FROM item JOIN op ON op.seq = put"
)


def stored(row: tuple[Any, ...]) -> Stored:
    """Return a row of ``item`` with its payload as readers see it."""
    id, payload, seq, created, updated, state, superseded_by, reason, status = row
    item = Item.model_validate_json(payload)
    if item.status != status:
        item = item.model_copy(update={"status": Status(status)})
    return Stored(
        id=id,
        item=item,
        seq=seq,
        created=moment(created),
        updated=moment(updated),
        state=state,
        superseded_by=superseded_by,
        reason=reason,
    )


def conditions(where: Where) -> tuple[str, list[object]]:
    """Return ``where`` as SQL over live rows of ``item``, with its values."""
    tests, values = ["state = 'live'"], list[object]()

    def add(test: str, *given: object) -> None:
        tests.append(test)
        values.extend(given)

    if where.project is not None:
        add("project IN (?, '')", where.project)
    for column, wanted in (
        ("kind", where.kinds), ("level", where.levels), ("status", where.statuses),
        ("scope", where.scopes),
    ):  # fmt: skip
        if wanted:
            add(f"{column} IN ({_marks(wanted)})", *wanted)
    if where.since is not None:
        add("updated >= ?", microseconds(where.since))
    if where.until is not None:
        add("updated <= ?", microseconds(where.until))
    return " AND ".join(tests), values


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def by_id(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Stored]:
    """Return the items of ``ids`` that are known, in any state."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, Stored] = {}
    for page in _pages(wanted):
        query = f"{_STORED} WHERE item.id IN ({_marks(page)})"
        for row in connection.execute(query, page):
            found[row[0]] = stored(row)
    return {id: found[id] for id in wanted if id in found}


def is_alone(connection: sqlite3.Connection, project: str) -> bool:
    """Return whether every live item is of ``project`` or holds everywhere."""
    query = (  # two ranges of an index; "another project" would read all of it
        "SELECT EXISTS (SELECT 1 FROM item WHERE project > '' AND project < ?1 AND state = 'live') "
        "OR EXISTS (SELECT 1 FROM item WHERE project > ?1 AND state = 'live')"
    )
    (others,) = connection.execute(query, (project,)).fetchone()
    return not others


def ids_from(connection: sqlite3.Connection, start: str, limit: int) -> list[str]:
    """Return the first ids that begin with ``start``; ids are ASCII, so ``~`` ends their range."""
    query = "SELECT id FROM item WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
    return [id for (id,) in connection.execute(query, (start, start + "~", limit))]


def _pages(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[at : at + _PAGE] for at in range(0, len(values), _PAGE))


def live_page(
    connection: sqlite3.Connection, where: Where, after: int
) -> tuple[list[Stored], int | None]:
    """Return some live items behind row ``after``, and the row to go on behind (None: the end)."""
    condition, values = conditions(where)
    rows = connection.execute(
        f"SELECT n, put FROM item WHERE n > ? AND {condition} ORDER BY n LIMIT ?",  # noqa: S608
        (after, *values, _PAGE),
    ).fetchall()
    if not rows:
        return [], None
    query = f"{_STORED} WHERE n IN ({_marks(rows)}) ORDER BY n"
    items = [stored(row) for row in connection.execute(query, [n for n, _ in rows])]
    return items, rows[-1][0]


def changed(connection: sqlite3.Connection, after: int, limit: int) -> list[Stored]:
    """Return up to ``limit`` items touched behind ``after``, in order of their last change."""
    query = f"{_STORED} WHERE item.seq > ? ORDER BY item.seq LIMIT ?"
    return [stored(row) for row in connection.execute(query, (after, limit))]


def by_words(connection: sqlite3.Connection, query: str, where: Where, limit: int) -> list[Hit]:
    """Return live items that share words with ``query``, best (BM25) first; any text will do.

    A name is found as a whole (``round_half_even``: the words in this order) and by its parts.
    Where common words match more than some hundred items, those are compared that hold the most
    and rarest of the words, of equals the newest: BM25 of one item takes longer than finding ten.
    """
    names = telling(list(dict.fromkeys(_WORD.findall(query))))[:_MAX_WORDS]
    terms = dict.fromkeys(term.casefold() for name in names for term in (name, *parts(name)))
    if not terms or limit < 1:
        return []
    phrases = [f'"{term}"' for term in terms]
    condition, values = conditions(where)
    compared = max(_COMPARED, _PER_HIT * limit)
    likely = _likeliest(connection, phrases)
    if len(likely) > compared:
        some = _passing(connection, likely, compared, condition, values)
        if len(some) > _PER_HIT // 2 * limit:  # else so few pass that all of them are compared
            condition = "word.rowid >= ? AND +word.rowid IN (SELECT value FROM json_each(?))"
            values = [min(some), json.dumps(some)]
    rows = connection.execute(
        "SELECT id, -bm25(word) AS score FROM word JOIN item ON n = word.rowid "  # noqa: S608
        f"WHERE word MATCH ? AND {condition} ORDER BY score DESC, id LIMIT ?",
        (" OR ".join(phrases), *values, limit),
    )
    return [Hit(id, score) for id, score in rows]


def _likeliest(connection: sqlite3.Connection, phrases: Sequence[str]) -> NDArray[np.int64]:
    """Return rows that hold any of ``phrases``: with the most and rarest first, then the newest."""
    (last,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM word").fetchone()
    weights = np.zeros(last + 1)
    query = (
        "SELECT group_concat(rowid) FROM "  # one text: reading thousands of rows takes longer
        "(SELECT rowid FROM word WHERE word MATCH ? ORDER BY rowid DESC LIMIT ?)"
    )
    for phrase in phrases:
        (listed,) = connection.execute(query, (phrase, _HOLDERS)).fetchone()
        if listed:
            rows = np.fromstring(listed, np.int64, sep=",")
            weights[rows] += np.log1p(last / len(rows))
    held = np.flatnonzero(weights)
    return held[np.lexsort((-held, -weights[held]))]


def _passing(
    connection: sqlite3.Connection,
    rows: NDArray[np.int64],
    enough: int,
    condition: str,
    values: Sequence[object],
) -> list[int]:
    """Return the first ``enough`` of ``rows`` that meet ``condition``; few are looked at."""
    query = (
        "SELECT n FROM item NOT INDEXED WHERE "  # noqa: S608 - by row, not by project
        f"n IN (SELECT value FROM json_each(?)) AND {condition}"
    )
    passing: list[int] = []
    for start in range(0, min(len(rows), _PER_HIT * enough), enough):
        page = rows[start : start + enough].tolist()
        found = {n for (n,) in connection.execute(query, (json.dumps(page), *values))}
        passing += [n for n in page if n in found]
        if len(passing) >= enough:
            break
    return passing[:enough]


def vectors(
    connection: sqlite3.Connection, hashes: Sequence[str], model: str
) -> dict[str, NDArray[np.float32]]:
    """Return the cached vectors of ``model`` for those of ``hashes`` that have some."""
    found: dict[str, NDArray[np.float32]] = {}
    for page in _pages(hashes):
        rows = connection.execute(
            "SELECT hash, windows, data FROM vector WHERE model = ? "  # noqa: S608
            f"AND hash IN ({_marks(page)})",
            (model, *page),
        )
        for hash, windows, data in rows:
            found[hash] = np.frombuffer(data, np.dtype("<f4")).reshape(windows, -1)
    return found


def keep_vectors(
    connection: sqlite3.Connection, model: str, given: Mapping[str, NDArray[np.float32]]
) -> None:
    """Cache ``given``: hash to (windows, dimension)."""
    for hash, matrix in given.items():
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ValueError(f"vectors of shape {matrix.shape}; expected (windows, dimension)")
        row = (hash, model, len(matrix), np.ascontiguousarray(matrix, np.dtype("<f4")).tobytes())
        connection.execute("INSERT OR REPLACE INTO vector VALUES (?, ?, ?, ?)", row)


def file_states(connection: sqlite3.Connection, project: str) -> dict[str, FileState]:
    """Return the files that ``project``'s live items come from, as they were when indexed."""
    rows = connection.execute(
        "SELECT path, -1, -1, '' FROM item WHERE project = ?1 AND path <> '' AND state = 'live' "
        "UNION ALL SELECT path, size, mtime_ns, hash FROM file WHERE project = ?1",
        (project,),
    )  # the second wins: the first stands for files whose state was not kept
    return {
        path: FileState(size=size, mtime_ns=mtime_ns, hash=hash)
        for path, size, mtime_ns, hash in rows
    }


def live_ids_of_file(connection: sqlite3.Connection, project: str, path: str) -> set[str]:
    """Return the live items that were indexed from one file."""
    rows = connection.execute(
        "SELECT id FROM item WHERE project = ? AND path = ? AND path <> '' AND state = 'live'",
        (project, path),
    )
    return {id for (id,) in rows}


def keep_file(
    connection: sqlite3.Connection, project: str, path: str, state: FileState | None
) -> None:
    """Remember ``state`` of an indexed file; None forgets it."""
    if state is None:
        connection.execute("DELETE FROM file WHERE project = ? AND path = ?", (project, path))
    else:
        row = (project, path, state.size, state.mtime_ns, state.hash)
        connection.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)", row)


def figures(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return the counts that JournalStats holds."""
    states = dict(connection.execute("SELECT state, count(*) FROM item GROUP BY state").fetchall())
    kinds = connection.execute(
        "SELECT kind, count(*) FROM item WHERE state = 'live' GROUP BY kind ORDER BY kind"
    ).fetchall()
    rest = connection.execute(
        "SELECT (SELECT count(*) FROM op), (SELECT count(*) FROM link), "
        "(SELECT count(DISTINCT payload) FROM op WHERE op = 'mark'), "
        "(SELECT count(*) FROM vector), (SELECT count(*) FROM file), "
        "(SELECT count(DISTINCT project) FROM item WHERE project <> '' AND state = 'live'), "
        "(SELECT coalesce(max(seq), 0) FROM op)"
    ).fetchone()
    names = ("operations", "links", "marks", "vectors", "files", "projects", "last_seq")
    counts = {state: states.get(state, 0) for state in ("live", "superseded", "deleted")}
    return {**counts, **dict(zip(names, rest, strict=True)), "kinds": dict(kinds)}
