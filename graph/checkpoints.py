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
            saver = AsyncSqliteSaver(connection, serde=serializer)
            await saver.setup()
            yield saver
    except sqlite3.Error as error:
        raise StoreUnavailable(_why_sqlite(path, error)) from error


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
    except ImportError as error:
        raise StoreUnavailable(
            "checkpoints in PostgreSQL need an extra; run pip install 'mcp-local-llm[postgres]'"
        ) from error
    async with AsyncPostgresSaver.from_conn_string(url, serde=serializer) as saver:
        await saver.setup()
        yield saver
