"""The journal's file: opening it, its tables, and what its errors mean to a user.

``synchronous`` is NORMAL: an operation that was acknowledged is in the write-ahead log, so it
survives the death of any process. When the power goes, operations since the last checkpoint may be
missing from the end, but the file is sound; ``Journal.mark`` and a back-up wait for the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mcp_local_llm import StoreUnavailable
from memory.private import private_file
from memory.sparse import joined_parts

VERSION: Final = 3
BUSY_TIMEOUT_S: Final = 30.0
_APPLICATION_ID: Final = 0x6D6C6D6A  # "mlmj": tells a journal from any other database

# `op` is the truth about items. `item`, `link` and `word` follow from it (see replay.py); `vector`
# is a cache and `file` can be found again by looking at the files. `stage`, `signal` and `seen` are
# truths of their own, see lifecycle.py and signals.py.
DERIVED: Final = """
CREATE TABLE item (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  put INTEGER NOT NULL, seq INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
  state TEXT NOT NULL, superseded_by TEXT, reason TEXT NOT NULL,
  project TEXT NOT NULL, kind TEXT NOT NULL, scope TEXT NOT NULL, status TEXT NOT NULL,
  level TEXT, path TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE INDEX item_seq ON item (seq);
CREATE INDEX item_project ON item (project, state, kind);
CREATE INDEX item_path ON item (project, path) WHERE path <> '';
CREATE INDEX item_hash ON item (hash);
CREATE TABLE link (
  one TEXT NOT NULL, other TEXT NOT NULL, relation TEXT NOT NULL,
  PRIMARY KEY (one, other, relation)
) WITHOUT ROWID;
CREATE INDEX link_other ON link (other);
CREATE VIRTUAL TABLE word USING fts5 (text, parts, tokenize = 'porter unicode61');
"""
_TABLES: Final = f"""
CREATE TABLE about (identity TEXT NOT NULL);
CREATE TABLE op (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, op TEXT NOT NULL,
  id TEXT NOT NULL, other TEXT NOT NULL, payload TEXT NOT NULL
);
CREATE INDEX op_id ON op (id);
{DERIVED}
CREATE TABLE vector (
  hash TEXT NOT NULL, model TEXT NOT NULL, windows INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (hash, model)
);
CREATE TABLE file (
  project TEXT NOT NULL, path TEXT NOT NULL,
  size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY (project, path)
) WITHOUT ROWID;
"""
_PARTS: Final = """
DROP TABLE word;
CREATE VIRTUAL TABLE word USING fts5 (text, parts, tokenize = 'porter unicode61');
INSERT INTO word (rowid, text, parts) SELECT n, text_of(payload), parts_of(text_of(payload))
  FROM item JOIN op ON op.seq = put WHERE state = 'live'
"""
_LEARNING: Final = """
CREATE TABLE stage (
  n INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL, stage TEXT NOT NULL,
  at INTEGER NOT NULL, evidence TEXT NOT NULL
);
CREATE INDEX stage_item ON stage (item, n);
CREATE TABLE signal (
  n INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,
  project TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
  reward REAL NOT NULL, feeling REAL, evidence TEXT NOT NULL
);
CREATE INDEX signal_target ON signal (target);
CREATE INDEX signal_at ON signal (project, at);
CREATE TABLE seen (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
"""
# Statements that lead from version n (the position) to n + 1; version 0 is an empty file.
_MIGRATIONS: Final = (_TABLES, _PARTS, _LEARNING)

_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space, then try again; nothing was changed",
    sqlite3.SQLITE_IOERR: "the disk refused (full, over a quota, or failing): free some space, "
    "then try again; nothing was changed",
    sqlite3.SQLITE_BUSY: f"another process has been writing for more than {BUSY_TIMEOUT_S:.0f} s: "
    "end it, then try again",
    sqlite3.SQLITE_READONLY: "make it and its folder writable for you, or point "
    "MCP_LOCAL_LLM_HOME to another folder",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: `mcp-local-llm memory restore FILE` puts a "
    "back-up in its place and keeps this file beside it",
    sqlite3.SQLITE_TOOBIG: "one text is too long to be stored",
}
_ADVICE[sqlite3.SQLITE_NOTADB] = _ADVICE[sqlite3.SQLITE_CORRUPT]
_ADVICE[sqlite3.SQLITE_CANTOPEN] = _ADVICE[sqlite3.SQLITE_READONLY]


@contextlib.contextmanager
def translated(path: Path, advice: str = "") -> Iterator[None]:
    """Turn what SQLite or the system says about the journal at ``path`` into StoreUnavailable.

    ``advice`` is what to do about a file that is damaged or no database; by default, to restore.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if isinstance(error, sqlite3.ProgrammingError) or code == sqlite3.SQLITE_MISUSE:
            raise  # a mistake of ours
        next_step = _ADVICE.get(code, "run `mcp-local-llm memory verify` to see what is wrong")
        if advice and code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            next_step = advice
        what = "the file" if advice else "the memory's journal"
        raise StoreUnavailable(
            f"{what} {str(path)!r} cannot be used ({error}); {next_step}"
        ) from error
    except OSError as error:
        raise StoreUnavailable(
            f"the memory's journal {str(path)!r} cannot be used ({error.strerror or error}); free "
            "space there and make it writable for you, or point MCP_LOCAL_LLM_HOME to another "
            "folder"
        ) from error


def lock_path(journal: Path) -> Path:
    """Return the file that everybody who has ``journal`` open holds a shared lock on."""
    return journal.with_name(journal.name + ".lock")


def hold(journal: Path, kind: int) -> int:
    """Return a descriptor that holds the journal's lock; closing it lets go.

    Raises:
        BlockingIOError: ``kind`` says LOCK_NB and somebody holds it.
    """
    file = os.open(lock_path(journal), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, kind)
    except BaseException:
        os.close(file)
        raise
    return file


def prepared(path: Path) -> sqlite3.Connection:
    """Open the journal at ``path``, which is created or migrated first where that is needed.

    Raises:
        StoreUnavailable: it is no journal of ours, or a newer version wrote it.
    """
    # Never opened when it is there: closing any descriptor of it would let go of the locks that
    # this process holds through SQLite, and another one could then remove the log under its hands.
    private_file(path)
    connection = connect(path)
    try:
        check_version(connection, path)  # before anything is changed
        with _alone(path.parent):  # SQLite does not wait when two switch to WAL at once
            connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """Open a database in autocommit mode; usable from any thread, by one at a time."""
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten
    tune(connection, in_bulk=False)
    return connection


def tune(connection: sqlite3.Connection, *, in_bulk: bool) -> None:
    """Set how much is kept in memory (kB), and how long the log may grow (pages of 4 kB).

    Ids are random, so that each is on another page: the longer the log, the more of them a
    checkpoint writes at once.
    """
    cache, log = (128_000, 16_000) if in_bulk else (32_000, 1_000)
    connection.execute(f"PRAGMA cache_size = -{cache}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {log}")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of a journal; 0 stands for an empty file.

    Raises:
        StoreUnavailable: it is no journal of ours, or a newer version wrote it.
    """
    # One statement: another process may be creating the journal between two.
    version, application, tables = connection.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    if tables and application != _APPLICATION_ID:
        raise StoreUnavailable(
            f"{str(path)!r} is a database of something else; move it away, or name another file"
        )
    if version > VERSION:
        raise StoreUnavailable(
            f"the memory's journal {str(path)!r} was written by a newer version (format {version}, "
            f"this one reads up to {VERSION}); update mcp-local-llm"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the journal at ``path`` to the newest version, in one transaction.

    Raises:
        StoreUnavailable: as ``check_version``.
    """
    if check_version(connection, path) == VERSION:
        return
    connection.create_function("text_of", 1, _text_of, deterministic=True)
    connection.create_function("parts_of", 1, joined_parts, deterministic=True)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Asked again: another process may have been faster.
        for version in range(check_version(connection, path), VERSION):
            for statement in statements(_MIGRATIONS[version]):
                connection.execute(statement)
            if version == 0:
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                renew_identity(connection)
            connection.execute(f"PRAGMA user_version = {version + 1}")


def _text_of(payload: str) -> str:
    return str(json.loads(payload)["text"])


def renew_identity(connection: sqlite3.Connection) -> None:
    """Give the journal a new identity: positions in its former self mean nothing any more."""
    connection.execute("DELETE FROM about")
    connection.execute("INSERT INTO about (identity) VALUES (?)", (uuid.uuid4().hex,))


def statements(script: str) -> Iterator[str]:
    """Split ``script``; sqlite3's own executescript would commit before it starts."""
    yield from (part for part in script.split(";\n") if part.strip())
