"""How long the step border takes to compare a role's change with the contracts."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Final

from graph.figures import Figure
from mcp_local_llm import LocalLLMError
from tools import worktree
from tools.preserve.contracts import CONTRACT_FILE
from tools.preserve.guard import told
from tools.repository import Repo

_FILES, _CONTRACTS, _CHANGED, _REPEATS = 500, 20, 5, 7
_LEVELS: Final = ("strict", "moderate", "flexible")


async def border_time(folder: Path) -> Figure:
    """Return the time of a check of five changed files, the snapshot and commit left out."""
    repo = await _repository(folder / "walls")
    tree = await worktree.create(repo.root, "bench", folder / "walls-tree")
    for number in range(_CHANGED):
        file = tree.workspace / f"pkg/m{number}.py"
        file.write_text(file.read_text("utf-8") + "\n\ndef added():\n    return 1\n", "utf-8")
    sha = await tree.commit("change")
    times = []
    for _ in range(_REPEATS):
        guard = await tree.guard()
        began = time.perf_counter()
        broken = await guard.broken_by(sha)
        times.append(time.perf_counter() - began)
        if broken:  # it would not have looked at everything a legal change needs
            raise LocalLLMError(f"the change of the bench breaks contracts: {told(broken)}")
    value = f"{statistics.median(times) * 1e3:.0f} ms"
    return Figure(
        f"check at a step border ({_FILES} files, {_CONTRACTS} contracts)", value, "<= 50 ms"
    )


async def _repository(root: Path) -> Repo:
    """Make a repository in which every changed file holds contracts."""
    (root / "pkg").mkdir(parents=True)
    for number in range(_FILES):
        body = "\n\n".join(f"def f{at}(x):\n    return x + {at}\n" for at in range(20))
        (root / f"pkg/m{number}.py").write_text(body, "utf-8")
    entries = [
        f'[[contract]]\nregion = "pkg/m{at % _CHANGED}.py::f{at}"\nlevel = "{_LEVELS[at % 3]}"\n'
        for at in range(_CONTRACTS)
    ]
    (root / CONTRACT_FILE).parent.mkdir()
    (root / CONTRACT_FILE).write_text("\n".join(entries), "utf-8")
    repo = await Repo.init(root)
    first = await repo.commit_tree(await repo.snapshot(), [], "start")
    await repo.out("update-ref", "HEAD", first)
    await repo.out("read-tree", first)
    return repo
