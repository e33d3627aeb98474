"""The command ``mcp-local-llm demo``: one task, in a repository made for it, with the real crew."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mcp_local_llm import LocalLLMError, UsageError

TASK: Final = (
    "Please write a new function premium_total(receipt) inside bakery/invoice.py "
    "returning the numbers that are more than 30 summed up."
)
_SOURCE: Final = Path(__file__).parent / "demo_repo"
_MARKER: Final = ".made-by-mcp-local-llm-demo"


def main(argv: Sequence[str]) -> int:
    """Make the repository and run the crew in it; exit codes are those of ``graph-run``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm demo", description="Watch the crew solve one task with the demo model."
    )
    parser.add_argument(
        "--dir", type=Path, default=Path("mcp-local-llm-demo"), help="where the repository is made"
    )
    try:
        options = parser.parse_args(argv)
    except SystemExit as stopped:  # argparse has said what is wrong
        return int(stopped.code or 0)
    try:
        workspace = make_repository(options.dir)
    except LocalLLMError as error:
        sys.stderr.write(f"mcp-local-llm demo: {error}\n")
        return error.exit_code
    sys.stderr.write(f'graph-run --workspace {options.dir} "{TASK}"\n')
    # The repository is ours: where no sandbox works, its tests may run without one.
    os.environ.setdefault("MCP_LOCAL_LLM_COMMAND__ALLOW_UNSANDBOXED", "true")
    os.environ.setdefault("MCP_LOCAL_LLM_COMMAND__PYTHON", sys.executable)
    from graph import cli

    return cli.main([TASK, "--workspace", str(workspace), "--model", "embedded"])


def make_repository(folder: Path) -> Path:
    """Return ``folder`` holding a fresh copy of the demo files under git, nothing committed yet.

    An earlier demo there is replaced; raises ``UsageError`` when it holds anything else.
    """
    from tools.gitrepo import Repo

    if folder.exists() and not (folder / ".git" / _MARKER).exists():
        raise UsageError(
            f"{str(folder)!r} exists and is no earlier demo; name another folder with --dir"
        )
    try:
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(_SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        asyncio.run(Repo.init(folder))
        (folder / ".git" / _MARKER).touch()
    except OSError as error:
        raise UsageError(
            f"cannot make the demo repository in {str(folder)!r} ({error.strerror}); name another "
            "folder with --dir"
        ) from error
    return folder.resolve()
