"""A small real project under real git, and a script of replies that changes it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.lease import stop_resident
from agents.memory_host import EMBEDDER_VARIABLE
from agents.shared_memory import SharedMemory
from graph.cli import main
from graph.follow import Follow, follow, keep_delivery
from graph.lifting import apply_run
from memory.entries import Stored
from memory.project import project_id
from memory.records import Kind, Where
from tools import worktree


class Demo:
    """The project's files and the replies that change it as they should."""

    task = "add total_above(values) to shop/cart.py: the sum of the values greater than 5"
    cart = '''"""A shopping cart."""


def total(values):
    """Return the sum of the values."""
    return sum(values)
'''
    old_test = """from shop.cart import total


def test_total_adds_up():
    assert total([1, 2]) == 3
"""
    tags = '<tags prompt="compact-1" level="flexible" marks="concept:list"/>'
    plan = f"""<plan>
goal: add total_above(values) to the cart
step: add total_above(values) to shop/cart.py
file: shop/cart.py flexible
test: tests/test_total_above.py
</plan>
{tags}"""
    new_test = f"""<tool:fs.write path="tests/test_total_above.py">
from shop.cart import total_above


def test_only_values_above_five_count():
    assert total_above([3, 6, 9]) == 6 + 9
</tool>
{tags}"""
    code = f"""<tool:fs.append path="shop/cart.py">
def total_above(values):
    return sum(value for value in values if value > 5)
</tool>
{tags}"""
    simpler = f"""<tool:fs.edit path="shop/cart.py" symbol="total_above">
def total_above(values):
    return sum(v for v in values if v > 5)
</tool>
{tags}"""
    documented = f"""<tool:fs.edit path="shop/cart.py" symbol="total_above">
def total_above(values):
    \"\"\"Return the sum of the values above five.\"\"\"
    return sum(v for v in values if v > 5)
</tool>
{tags}"""

    def replies(self, **other: list[str]) -> dict[str, list[str]]:
        """Return the good replies, some roles' replaced."""
        good = {
            "planner": [self.plan],
            "tester": [self.new_test],
            "implementer": [self.code],
            "refactorer": [self.simpler],
            "doc_writer": [self.documented],
        }
        return good | other

    def git(self, folder: Path, *args: str) -> str:
        """Run git as somebody."""
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@localhost"]
        done = subprocess.run(
            ["git", *identity, *args], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout


@pytest.fixture
def demo() -> Demo:
    return Demo()


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with pytest and no plugins: what a user's project may well have."""
    folder = tmp_path_factory.mktemp("python") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    ours, theirs = (Path(sysconfig.get_path("purelib", vars=v)) for v in ({}, _base(folder)))
    for name in ("pytest", "_pytest", "pluggy", "pluggy-*", "iniconfig", "packaging", "pygments"):
        for found in ours.glob(name):
            shutil.copytree(found, theirs / found.name)
    shutil.copy(ours / "py.py", theirs)
    return folder / "bin" / "python"


def _base(folder: Path) -> dict[str, str]:
    return {"base": str(folder), "platbase": str(folder)}


@pytest.fixture
def home(tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, and the settings every run of it uses."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MCP_LOCAL_LLM_HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", "scripted")
    monkeypatch.setenv("MCP_LOCAL_LLM_COMMAND__PYTHON", str(python))
    monkeypatch.setenv("MCP_LOCAL_LLM_COMMAND__ALLOW_UNSANDBOXED", "true")
    return folder


@pytest.fixture
def searched_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state folder of a test that searches the memory, which starts the resident process."""
    monkeypatch.setenv(EMBEDDER_VARIABLE, "hash")
    yield home
    asyncio.run(stop_resident(home))


@pytest.fixture
def project(tmp_path: Path, demo: Demo) -> Path:
    """A committed project with one module and one passing test."""
    root = tmp_path / "project"
    (root / "shop").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "shop" / "__init__.py").write_text("")
    (root / "shop" / "cart.py").write_text(demo.cart)
    (root / "tests" / "test_cart.py").write_text(demo.old_test)
    demo.git(root, "init", "--quiet", "--initial-branch=main")
    demo.git(root, "add", "--all")
    demo.git(root, "commit", "--quiet", "--message=start")
    return root


Script = Callable[..., Path]


@pytest.fixture
def script(tmp_path: Path, home: Path, demo: Demo, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Write the file of replies and let the scripted model use it."""

    def write(**other: list[str]) -> Path:
        path = tmp_path / "replies.json"
        path.write_text(json.dumps(demo.replies(**other)))
        monkeypatch.setenv("MCP_LOCAL_LLM_REPLIES", str(path))
        return path

    return write


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


Run = Callable[..., Ended]


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run graph-run in the project and return how it ended."""

    def call(*args: str) -> Ended:
        monkeypatch.chdir(project)
        capsys.readouterr()
        code = main(list(args))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Ended(code, said.out, said.err)

    return call


class Shop:
    """A user's project under real git, and runs of the crew that deliver into it."""

    noon = datetime(2031, 5, 1, 12, tzinfo=UTC)
    cart = '''"""A cart."""

FEE = 3


def total(values):
    """Return the sum."""
    return sum(values)


def count(values):
    """Return how many."""
    return len(values)
'''
    added = '''

def total_above(values, limit):
    """Return the sum of what is above the limit."""
    chosen = [value for value in values if value > limit]
    return sum(chosen)
'''
    delivered = cart + added
    edited = delivered.replace("value > limit]", "value >= limit]")

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.home = root, home
        self.memory = SharedMemory(home, project_id(root))
        self.runs = 0

    def git(self, *args: str) -> str:
        argv = ["git", "-c", "core.editor=true", *args]
        done = subprocess.run(argv, cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, text: str, path: str = "cart.py") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(text.encode())

    def commit(self, text: str | None = None, path: str = "cart.py") -> None:
        if text is not None:
            self.write(text, path)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=work")

    def deliver(self, text: str = delivered, path: str = "cart.py") -> str:
        """Let a run deliver the file ``path`` with ``text``; return its id."""
        self.runs += 1
        run_id = f"r{self.runs}"
        asyncio.run(self._deliver(run_id, {path: text}))
        return run_id

    async def _deliver(self, run_id: str, files: dict[str, str]) -> None:
        tree = await worktree.create(self.root, run_id, self.home / "runs" / run_id / "tree")
        for path, text in files.items():
            (tree.workspace / path).write_bytes(text.encode())
        await tree.deliver("feat: it")
        await keep_delivery(self.home, tree, "add total_above", str(self.root))

    def apply(self, run_id: str) -> None:
        asyncio.run(apply_run(self.home, self.root, run_id))

    def follow(self, *, after_days: int = 0) -> Follow:
        now = self.noon + timedelta(days=after_days)
        return asyncio.run(follow(self.memory, days=2, now=now))

    def states(self, *, after_days: int = 0) -> list[str]:
        return [one.state for one in self.follow(after_days=after_days).settled]

    def corrections(self) -> list[Stored]:
        where = Where(project=self.memory.project, kinds=(Kind.CORRECTION,))
        return list(self.memory.journal.live(where))

    def rewards(self) -> list[float]:
        return [one.reward for one in self.memory.journal.signals(project=self.memory.project)]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    root = tmp_path / "project"
    root.mkdir()
    shop = Shop(root, tmp_path / "home")
    shop.git("init", "--quiet", "--initial-branch=main")
    shop.git("config", "user.name", "User")
    shop.git("config", "user.email", "user@example.invalid")
    (root / "app.py").write_text("import cart\n")
    shop.commit(shop.cart)
    return shop
