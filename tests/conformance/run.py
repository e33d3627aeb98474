"""What ``make conformance`` does: two clients from elsewhere examine the served MCP server.

The inspector on stdio, also for schemas that not every client reads; the protocol's conformance
suite over HTTP, whose known failures and their reasons are in ``baseline.yml``. Needs npm, and the
network the first time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
SERVE: Final = (str(Path(sys.executable).with_name("mcp-local-llm")), "serve")
INSPECTOR: Final = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
SUITE: Final = "@modelcontextprotocol/conformance/dist/index.js"
TOOLSETS: Final = "core,memory,policy"
LIMIT_S: Final = 600.0
ASKED: Final = {
    "tools/list": "tools",
    "tools/call --tool-name recall --tool-arg query=prices": "content",
    "resources/list": "resources",
    "prompts/list": "prompts",
}


def node(tools: Path, script: str, *options: str, **variables: str) -> tuple[int, str, str]:
    """Return the exit code, output and messages of ``script``, run by the Node in ``tools``."""
    done = subprocess.run(
        [str(tools / ".bin" / "node"), str(tools / script), *options],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def inspected(tools: Path, workspace: Path) -> list[str]:
    """Return what is wrong by the inspector, on stdio."""
    wrong = []
    for method, field in ASKED.items():
        options = ("--cli", *SERVE, "--workspace", str(workspace), "--toolsets", TOOLSETS)
        strict = ("--strict",) if method == "tools/list" else ()
        code, out, said = node(tools, INSPECTOR, *options, "--method", *method.split(), *strict)
        if code or "Issue:" in said or not _holds(out, field):
            wrong.append(f"inspector: {method} (exit code {code})\n{said}{out[:2_000]}")
        else:
            sys.stdout.write(f"inspector: {method}: as it should be\n")
    return wrong


def conforming(tools: Path, workspace: Path, folder: Path) -> list[str]:
    """Return what is wrong by the conformance suite, over HTTP with the bearer token."""
    with on_http(workspace, folder / "token") as (url, token):
        code, out, said = node(
            tools,
            SUITE,
            *("server", "--url", url, "--output-dir", str(folder / "results")),
            *("--expected-failures", str(HERE / "baseline.yml")),
            MCP_TOKEN=token,
            NODE_OPTIONS=f"--import {tools.parent / 'bearer.mjs'}",
        )
    sys.stdout.write(out.partition("=== SUMMARY ===")[2])
    return [f"conformance: exit code {code}\n{said}{out[-4_000:]}"] if code else []


@contextmanager
def on_http(workspace: Path, token_file: Path) -> Iterator[tuple[str, str]]:
    """Serve ``workspace`` over HTTP; give address and token."""
    options = ("--workspace", str(workspace), "--http", "0", "--token-file", str(token_file))
    with subprocess.Popen([*SERVE, *options], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            yield line.split()[1].rstrip(";"), token_file.read_text().strip()
        finally:
            server.terminate()


def installed() -> Path:
    """Return the folder of the pinned packages, installed where that was not done before."""
    if shutil.which("npm") is None:
        raise SystemExit("npm is needed: install Node.js, of any version from 20")
    modules = HERE / "node_modules"
    lock = HERE / "package-lock.json"
    stamp = modules / ".installed"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True)
        stamp.write_bytes(lock.read_bytes())
    return modules


def _holds(out: str, field: str) -> bool:
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError:
        return False
    return bool(found.get(field)) and not found.get("isError")


def main() -> int:
    """Check everything; return 1 when something is wrong."""
    tools = installed()
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        workspace = Path(name) / "workspace"
        workspace.mkdir()
        home = str(Path(name) / "home")
        os.environ.update({"MCP_LOCAL_LLM_HOME": home, "MCP_LOCAL_LLM_EMBEDDER": "hash"})
        try:
            wrong = inspected(tools, workspace) + conforming(tools, workspace, Path(name))
        finally:
            stop = (SERVE[0], "model", "stop")
            subprocess.run(stop, check=False, capture_output=True, timeout=LIMIT_S)
    sys.stderr.write("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
