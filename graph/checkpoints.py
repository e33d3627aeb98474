"""The store of all runs' checkpoints: SQLite in the state folder, or PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from graph.runs import RunStore
from graph.settings import Settings
from graph.state import RECORDS
from mcp_local_llm import StoreUnavailable
from memory.private import private_database
from memory.records import Level
from memory.whole_file import store_errors

_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOADABLE: Final = [(kind.__module__, kind.__name__) for kind in (*RECORDS, Level)]


@asynccontextmanager
async def open_checkpoints(
    store: RunStore, settings: Settings
) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """Open the checkpoint store: SQLite in the state folder, or PostgreSQL by URL.

    Raises ``StoreUnavailable`` when it can't be opened or written.
    """
    serializer = JsonPlusSerializer(allowed_msgpack_modules=_LOADABLE)
    if settings.checkpoint_url is not None:
        async with _postgres(settings.checkpoint_url, serializer) as remote:
            yield remote
        return
    import aiosqlite
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    path = store.checkpoints
    with store_errors("open", path):
        private_database(path)
    try:
        async with aiosqlite.connect(str(path), timeout=30) as connection:
            await connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten
            saver = AsyncSqliteSaver(connection, serde=serializer)
            await saver.setup()
            yield saver
    except sqlite3.Error as error:
        raise StoreUnavailable(_why_sqlite(path, error)) from error


async def erase_run(store: RunStore, settings: Settings, run_id: str) -> str:
    """Take a run out of the checkpoint store; the bytes of an SQLite file hold none of it then.

    Return what has to be left and why, "" for nothing: a damaged file stays as it is. Raises
    ``StoreUnavailable`` when the store cannot be written now; it can be done again.
    """
    if settings.checkpoint_url is None and not store.checkpoints.exists():
        return ""
    try:
        async with open_checkpoints(store, settings) as saver:
            await saver.adelete_thread(run_id)
            await _scrub(saver, store.checkpoints)
    except StoreUnavailable as error:
        if getattr(error.__cause__, "sqlite_errorcode", None) not in _DAMAGED:
            raise
        return (
            f"the checkpoints in {str(store.checkpoints)!r} were left: the file is damaged "
            f"({error.__cause__}); remove it, no run can go on from it"
        )
    return ""


async def _scrub(saver: BaseCheckpointSaver[str], path: Path) -> None:
    """Leave nothing of what was erased in free pages and log, if ``saver`` is an SQLite file."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    if not isinstance(saver, AsyncSqliteSaver):
        return
    ((scrubbed,),) = await saver.conn.execute_fetchall("PRAGMA user_version")
    if not scrubbed:  # it may be from a version that did not overwrite
        await saver.conn.execute("VACUUM")
        await saver.conn.execute("PRAGMA user_version = 1")
    ((busy, *_),) = await saver.conn.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    if busy:
        raise StoreUnavailable(
            f"{str(path)!r} is being read, and its log holds what was erased; repeat the command"
        )


def _why_sqlite(path: Path, error: sqlite3.Error) -> str:
    return (
        f"the checkpoint store {str(path)!r} cannot be used ({error}); free some space there, or "
        "point MCP_LOCAL_LLM_HOME to a folder you can write"
    )


@asynccontextmanager
async def _postgres(
    url: str, serializer: JsonPlusSerializer
) -> AsyncIterator[BaseCheckpointSaver[str]]:
    try:
        from langgraph.checkpoint.postgres.aio import (  # type: ignore[import-not-found,unused-ignore]  # an extra
            AsyncPostgresSaver,
        )
        from psycopg import Error  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise StoreUnavailable(
            "checkpoints in PostgreSQL need an extra; run pip install 'mcp-local-llm[postgres]'"
        ) from error
    try:
        async with AsyncPostgresSaver.from_conn_string(url, serde=serializer) as saver:
            await saver.setup()
            yield saver
    except Error as error:
        raise StoreUnavailable(
            f"the checkpoint store in PostgreSQL cannot be used ({error}); start the server, or "
            "mend the setting checkpoint_url"
        ) from error
