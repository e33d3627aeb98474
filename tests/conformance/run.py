"""What ``make conformance`` does: two clients from elsewhere examine the served MCP server.

The inspector on stdio, also for schemas that not every client reads. The protocol's conformance
suite over HTTP, twice: on what the product serves, as far as no tools of the suite's own are asked
for, and on the same application with these tools (``fixtures_server.py``). What is known to fail,
and why, is in ``baseline.yml``. Needs npm, and the network the first time.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # it ships no types

HERE: Final = Path(__file__).resolve().parent
SERVE: Final = (str(Path(sys.executable).with_name("mcp-local-llm")), "serve")
INSPECTOR: Final = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
SUITE: Final = "@modelcontextprotocol/conformance/dist/index.js"
NEED_NOTHING: Final = (  # of the suite's own tools, resources and prompts
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
)
TOOLSETS: Final = "core,memory,policy"
LIMIT_S: Final = 600.0
PATIENT: Final = ("--connect-timeout", "60000")  # ms; its 15 s are too few on a busy machine
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
        options = ("--cli", *PATIENT, *SERVE, "--workspace", str(workspace), "--toolsets", TOOLSETS)
        strict = ("--strict",) if method == "tools/list" else ()
        code, out, said = node(tools, INSPECTOR, *options, "--method", *method.split(), *strict)
        if code or "Issue:" in said or not _holds(out, field):
            wrong.append(f"inspector: {method} (exit code {code})\n{said}{out[:2_000]}")
        else:
            sys.stdout.write(f"inspector: {method}: as it should be\n")
    return wrong


def conforming(tools: Path, workspace: Path, folder: Path) -> list[str]:
    """Return what is wrong by the conformance suite over HTTP; print a line for each scenario."""
    token = str(folder / "token")
    ours = (*SERVE, "--workspace", str(workspace), "--http", "0", "--token-file", token)
    made = (sys.executable, str(HERE / "fixtures_server.py"), str(workspace), token)
    served = examined(tools, ours, folder / "served")
    known: dict[str, str] = yaml.safe_load((HERE / "baseline.yml").read_text(encoding="utf-8"))
    found = examined(tools, made, folder / "made")
    return [
        *told("served", {name: served.get(name, "not in the suite") for name in NEED_NOTHING}, {}),
        *told("fixtures", found | {name: "" for name in known if name not in found}, known),
    ]


def examined(tools: Path, command: Sequence[str], results: Path) -> dict[str, str]:
    """Return what is wrong in each scenario with what ``command`` serves; nothing: it passes."""
    with on_http(command) as (url, token):
        code, out, said = node(
            tools,
            SUITE,
            *("server", "--url", url, "--suite", "all", "--output-dir", str(results)),
            MCP_TOKEN=token,
            NODE_OPTIONS=f"--import {tools.parent / 'bearer.mjs'}",
        )
    names = re.findall(r"^=== Running scenario: (\S+) ===$", out, re.MULTILINE)
    if not names:
        raise SystemExit(f"the conformance suite did not run (exit code {code}): {said}{out}")
    return {name: _faults(results, name) for name in names}


def told(server: str, found: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    """Print how each scenario ended; return those that ended otherwise than ``known`` says."""
    wrong = []
    for name, faults in found.items():
        line = f"{server:9}{name:31}{'fails' if faults else 'passes'}"
        if bool(faults) != (name in known):
            line += f", unlike what baseline.yml says. {faults}".rstrip()
            wrong.append(line)
        elif faults:
            line += f": {known[name]}"
        sys.stdout.write(f"{line}\n")
    passing = sum(not faults for faults in found.values())
    sys.stdout.write(f"{server}: {passing} of {len(found)} scenarios pass\n")
    return wrong


@contextmanager
def on_http(command: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Run ``command``, a server over HTTP whose token file comes last; give address and token."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            yield line.split()[1].rstrip(";"), Path(command[-1]).read_text().strip()
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


def _faults(results: Path, scenario: str) -> str:
    """Return what the suite found; a warning is a fault, as in the suite's own baselines."""
    saved = list(results.glob(f"server-{scenario}-[0-9]*/checks.json"))
    if not saved:
        return "it broke off"
    checks: list[dict[str, Any]] = json.loads(saved[0].read_text(encoding="utf-8"))
    return "; ".join(
        str(check.get("errorMessage") or check["description"])
        for check in checks
        if check["status"] in {"FAILURE", "WARNING"}
    )


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
    sys.stderr.writelines(f"{each}\n" for each in wrong)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
