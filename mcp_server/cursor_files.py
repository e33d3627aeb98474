"""The files by which Cursor finds this server: what is in them, without writing anything.

Each function returns the text that a file should have, from the text that it has; what others put
there stays.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from agents.home import HOME_VARIABLE, state_home
from mcp_local_llm import UsageError
from mcp_server.app import NAME

SERVERS: Final = ".cursor/mcp.json"
_ANY_WORKSPACE: Final = "${workspaceFolder}"  # Cursor puts the open folder there


def entry(workspace: Path | None) -> dict[str, Any]:
    """Return how Cursor starts the server for ``workspace``; None is whichever is open.

    A state folder of the user's own is named: Cursor may be started without that variable.
    """
    command = Path(sys.executable).with_name("mcp-local-llm")
    where = str(workspace) if workspace else _ANY_WORKSPACE
    started = {"command": str(command), "args": ["serve", "--workspace", where]}
    if not os.environ.get(HOME_VARIABLE):
        return started
    return {**started, "env": {HOME_VARIABLE: str(state_home())}}


def with_server(before: str, workspace: Path | None) -> str:
    """Return the text of ``mcp.json`` with our server in it.

    Raises:
        UsageError: ``before`` is not what Cursor describes.
    """
    content, servers = _servers(before)
    return _json({**content, "mcpServers": {**servers, NAME: entry(workspace)}})


def without_server(before: str) -> str:
    """Return the text of ``mcp.json`` without our server; empty when nothing else is in it.

    Raises what ``with_server`` raises.
    """
    content, servers = _servers(before)
    if NAME not in servers:
        return before
    others = {name: each for name, each in servers.items() if name != NAME}
    if not others and content.keys() <= {"mcpServers"}:
        return ""
    return _json({**content, "mcpServers": others})


def deeplink(workspace: Path | None) -> str:
    """Return the link that makes a running Cursor ask whether to add the server."""
    config = base64.b64encode(json.dumps(entry(workspace)).encode()).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={NAME}&config={quote(config)}"


def _servers(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        content = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{SERVERS} is no plain JSON ({error}) and stays as it is; mend it, or take its "
            "comments out, then try again"
        ) from error
    servers = content.get("mcpServers", {}) if isinstance(content, dict) else None
    if not isinstance(servers, dict):
        raise UsageError(
            f"{SERVERS} is not as Cursor describes it and stays as it is; it should look like "
            '{"mcpServers": {"name": {"command": "…"}}}'
        )
    return content, servers


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
