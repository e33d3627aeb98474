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
    "In bakery/invoice.py, add voucher_total(salary), which should return elements of salary that "
    "are more than 25 added together."
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
    sys.stderr.write(f'$ graph-run --workspace {options.dir} "{TASK}"\n\n')
    # The repository is ours: where no sandbox works, its tests may run without one.
    os.environ.setdefault("MCP_LOCAL_LLM_COMMAND__ALLOW_UNSANDBOXED", "true")
    os.environ.setdefault("MCP_LOCAL_LLM_COMMAND__PYTHON", sys.executable)
    # Its tests need no plugin, and loading all that are installed beside us takes seconds a start.
    os.environ.setdefault("MCP_LOCAL_LLM_COMMAND__PYTEST_PLUGINS", "false")
    from graph import cli

    return cli.main([TASK, "--workspace", str(workspace), "--model", "embedded"])


def make_repository(folder: Path) -> Path:
    """Return ``folder`` as a repository whose one commit holds a fresh copy of the demo files.

    An earlier demo there is replaced; raises ``UsageError`` when it holds anything else.
    """
    if folder.exists() and not (folder / ".git" / _MARKER).exists():
        raise UsageError(
            f"{str(folder)!r} exists and is no earlier demo; name another folder with --dir"
        )
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        asyncio.run(_fill(folder))
    except OSError as error:
        raise UsageError(
            f"cannot make the demo repository in {str(folder)!r} ({error.strerror}); name another "
            "folder with --dir"
        ) from error
    return folder.resolve()


async def _fill(folder: Path) -> None:
    """Make the empty ``folder`` a repository, copy the demo files there, and commit them."""
    from tools.gitrepo import Repo

    repo = await Repo.init(folder)
    (repo.git_dir / _MARKER).touch()  # from here on it is known to be ours
    unwanted = shutil.ignore_patterns("__pycache__")
    await asyncio.to_thread(shutil.copytree, _SOURCE, folder, ignore=unwanted, dirs_exist_ok=True)
    first = await repo.commit_tree(await repo.snapshot(), [], "Demo project")
    await repo.out("update-ref", "HEAD", first)
    await repo.out("read-tree", first)
