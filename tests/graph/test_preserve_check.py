"""The command check on real commits: the work tree, what is staged, ranges, lifts, tests, hook."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.approvals import open_lifts
from agents.protection import Protection
from agents.shared_memory import SharedMemory
from graph import preserve_check, preserve_cli
from memory.project import project_id
from tools.preserve.contracts import CONTRACT_FILE, Contract
from tools.repository import Repo

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Ended

Check = Callable[..., "Ended"]


@pytest.fixture
def check(
    project: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Check:
    """Run `mcp-local-llm check …` in the project."""
    from tests.graph.conftest import Ended

    monkeypatch.chdir(project)

    def run(*args: str) -> Ended:
        capsys.readouterr()
        code = preserve_check.check([*args])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Ended(code, said.out, said.err)

    return run


def protect(region: str, *args: str) -> None:
    assert preserve_cli.protect([region, *args]) == 0


def commit(project: Path, demo: Demo) -> None:
    demo.git(project, "add", "--all")
    demo.git(project, "commit", "--quiet", "--message=next", "--no-verify")


async def approved(
    project: Path, home: Path, name: str, becomes: Contract | None = None, *, once: bool = False
) -> None:
    """Do what the user approves: take a contract away, lift it once, or make it another."""
    with SharedMemory(home, project_id(project)) as memory:
        protection = await Protection.open(project, memory)
        request = protection.removal([name], "because")
        if once:
            request = protection.lifting(protection.held(name))
        elif becomes is not None:
            asked = protection.protect(becomes)
            assert asked is not None
            request = asked
        protection.carry_out(request, "terminal")


def edit(project: Path, old: str, new: str) -> None:
    file = project / "shop" / "cart.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_violation_is_shown_with_rule_file_lines_and_difference(
    check: Check, project: Path, demo: Demo
) -> None:
    protect("shop/cart.py::total", "--reason", "audited", "--id", "total")
    commit(project, demo)
    clean = check()
    assert (clean.code, clean.out) == (0, "compared the working tree with HEAD: clean\n")
    edit(project, "sum(values)", "sum(values) + 1")
    edit(project, "A shopping cart", "One shopping cart")
    shown = check()
    assert shown.code == 1
    assert shown.out.splitlines() == [
        "shop/cart.py:4-6: contract 'total' (strict, audited): its bytes changed",
        "    @@ line 6 @@",
        "    -    return sum(values)",
        "    +    return sum(values) + 1",
        "  put it back, or: mcp-local-llm unprotect total --once",
        "compared the working tree with HEAD: 1 violation",
    ]
    (row,) = check("--json").result["violations"]
    assert (row["path"], row["first_line"], row["contract"]["id"]) == ("shop/cart.py", 4, "total")


def test_a_new_contract_holds_before_it_is_committed(
    check: Check, project: Path, demo: Demo
) -> None:
    protect("shop/cart.py::total")
    edit(project, "sum(values)", "0")
    assert check().code == 1
    (project / CONTRACT_FILE).unlink()  # which does not help
    taken = check("--json")
    assert taken.code == 1
    assert {row["contract"]["origin"] for row in taken.result["violations"]} == {"product", "file"}


def test_what_differed_when_it_was_protected_counts_from_the_next_commit(
    check: Check, project: Path, demo: Demo
) -> None:
    edit(project, "sum(values)", "0")
    protect("shop/cart.py::total")
    said = check()
    assert (said.code, "from the next commit on" in said.err) == (0, True)
    commit(project, demo)
    edit(project, "return 0", "return 1")
    assert check().code == 1


def test_what_is_staged_is_judged_whatever_lies_in_the_work_tree(
    check: Check, project: Path, demo: Demo
) -> None:
    protect("shop/cart.py::total")
    commit(project, demo)
    edit(project, "sum(values)", "0")
    assert check("--staged").code == 0
    demo.git(project, "add", "shop")
    edit(project, "return 0", "return sum(values)")
    assert (check("--staged").code, check().code) == (1, 0)
    demo.git(project, "rm", "-q", "-f", "--cached", "shop/cart.py")
    assert "the file is gone" in check("--staged").out


@pytest.mark.parametrize("dots", ["..", "..."])
def test_a_range_is_judged_by_the_contracts_of_its_begin(
    check: Check, project: Path, demo: Demo, dots: str
) -> None:
    protect("shop/cart.py::total")
    commit(project, demo)
    edit(project, "sum(values)", "0")
    commit(project, demo)
    assert check("--range", f"HEAD~1{dots}HEAD").code == 1
    assert check("--range", f"HEAD~1{dots}").code == 1
    assert check("--range", f"HEAD~2{dots}HEAD").code == 0
    assert check().code == 0


@pytest.mark.parametrize("text", ["", "HEAD", "nope..HEAD", "HEAD..nope", "--all..", "a b"])
def test_what_is_no_range_is_told(check: Check, text: str) -> None:
    ended = check(f"--range={text}")
    assert (ended.code, "no range of commits" in ended.err) == (2, True)


def test_unrelated_histories_and_conflicts_are_told(
    check: Check, project: Path, demo: Demo
) -> None:
    demo.git(project, "checkout", "-q", "--orphan", "other")
    demo.git(project, "commit", "-qm", "other")
    assert "in common" in check("--range", "main...other").err
    edit(project, "sum(values)", "1")
    demo.git(project, "commit", "-qam", "one")
    demo.git(project, "checkout", "-q", "-b", "third", "HEAD~1")
    edit(project, "sum(values)", "2")
    demo.git(project, "commit", "-qam", "two")
    with pytest.raises(subprocess.CalledProcessError):
        demo.git(project, "merge", "-q", "other")
    ended = check("--staged")
    assert (ended.code, "cannot be committed yet" in ended.err) == (2, True)


async def test_a_lift_holds_until_the_change_is_committed(
    project: Path, home: Path, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    protect_in_thread = ["shop/cart.py::total", "--id", "total"]
    await _in_thread(preserve_cli.protect, protect_in_thread)
    commit(project, demo)
    edit(project, "sum(values)", "0")
    await approved(project, home, "total", once=True)
    for _ in range(2):
        assert await _in_thread(preserve_check.check, []) == 0
    commit(project, demo)
    assert await _in_thread(preserve_check.check, []) == 0
    assert open_lifts(home, project_id(project)) == frozenset()
    edit(project, "return 0", "return 1")
    assert await _in_thread(preserve_check.check, []) == 1


async def test_a_removal_is_legal_by_approval_and_not_by_hand(
    project: Path, home: Path, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    await _in_thread(preserve_cli.protect, ["shop/cart.py::total", "--id", "total"])
    commit(project, demo)
    (project / CONTRACT_FILE).unlink()
    assert await _in_thread(preserve_check.check, []) == 1
    await approved(project, home, "total")
    edit(project, "sum(values)", "0")
    assert await _in_thread(preserve_check.check, []) == 0


async def test_an_approved_weakening_holds_at_once_and_lifts_nothing_else(
    project: Path, home: Path, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    await _in_thread(preserve_cli.protect, ["shop/cart.py::total", "--id", "total"])
    commit(project, demo)
    flexible = Contract.model_validate(
        {"id": "total", "region": "shop/cart.py::total", "level": "flexible"}
    )
    await approved(project, home, "total", flexible)
    edit(project, "sum(values)", "sum(iter(values))")
    assert await _in_thread(preserve_check.check, ["--no-tests"]) == 0
    edit(project, "def total(values)", "def total(values, tax)")
    assert await _in_thread(preserve_check.check, ["--no-tests"]) == 1


async def _in_thread(command: Callable[[list[str]], int], args: list[str]) -> int:
    """Run a command, which has an event loop of its own."""
    return await asyncio.to_thread(command, args)


def test_a_contract_file_weakened_by_hand_tells_the_command_that_allows_it(
    check: Check, project: Path, demo: Demo
) -> None:
    protect("shop/cart.py", "--id", "cart")
    commit(project, demo)
    file = project / CONTRACT_FILE
    text = file.read_text()
    for new, says in (
        (text.replace('"strict"', '"moderate"'), "protect 'shop/cart.py' --level moderate"),
        ("", "mcp-local-llm unprotect cart"),
        ("[[contract", "unprotect product:settings --once"),
    ):
        file.write_text(new)
        ended = check()
        assert (ended.code, says in ended.out) == (1, True), ended.out
        assert "contract 'product:settings' (strict" in ended.out


def test_a_broken_contract_file_in_the_last_commit_makes_everything_strict_until_it_is_mended(
    check: Check, project: Path, demo: Demo
) -> None:
    (project / ".mcp-local-llm").mkdir()
    (project / CONTRACT_FILE).write_text("[[contract")
    commit(project, demo)
    edit(project, "sum(values)", "0")
    assert "mend .mcp-local-llm/preserve.toml and commit that first" in check().out
    edit(project, "return 0", "return sum(values)")
    (project / CONTRACT_FILE).write_text("")
    assert check().code == 0


def test_a_contract_file_that_git_ignores_is_watched_too(
    check: Check, project: Path, demo: Demo
) -> None:
    (project / ".gitignore").write_text(".mcp-local-llm/\n")
    protect("shop/cart.py::total", "--id", "total")
    commit(project, demo)
    edit(project, "sum(values)", "0")
    assert "contract 'total'" in check().out
    (project / CONTRACT_FILE).unlink()
    assert "'total' was removed" in check().out


def test_the_tests_of_a_changed_flexible_region_are_run(
    check: Check, project: Path, demo: Demo
) -> None:
    protect("shop/cart.py::total", "--level", "flexible", "--id", "total")
    commit(project, demo)
    edit(project, "sum(values)", "sum(iter(values))")
    ended = check("--json")
    assert ended.code == 0
    assert ended.result["tests"] == {"ran": ["tests/test_cart.py"], "passed": True}
    edit(project, "sum(iter(values))", "0")
    ended = check()
    assert ended.code == 1
    assert "the tests that cover it fail" in ended.out
    assert "tests that cover what changed failed: tests/test_cart.py" in ended.out
    skipped = check("--no-tests")
    assert (skipped.code, "were not run, by --no-tests" in skipped.err) == (0, True)
    commit(project, demo)
    commit_ = demo.git(project, "commit", "--allow-empty", "-qm", "empty")
    assert commit_ == ""
    assert "does not end at HEAD" in check("--range", "HEAD~2..HEAD~1").err
    (project / "tests" / "test_cart.py").unlink()
    edit(project, "return 0", "return 1")
    assert "no test is known to cover it" in check().err


def test_a_repository_without_a_commit_is_clean(
    check: Check, tmp_path: Path, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    demo.git(tmp_path / "new", "init", "-q")
    Path("a.txt").write_text("a")
    protect("a.txt")
    assert (check().code, check("--staged").code) == (0, 0)
    demo.git(tmp_path / "new", "add", "-A")
    assert check("--staged").code == 0


# -- the hook ----------------------------------------------------------------------------------


def contracts(*args: str) -> int:
    return preserve_cli.contracts([*args])


def test_the_hook_stops_a_commit_and_leaves_no_trace(
    check: Check, project: Path, demo: Demo
) -> None:
    hooks = project / ".git" / "hooks"
    before = {file.name: file.read_bytes() for file in hooks.iterdir()}
    assert (contracts("--install-hook"), contracts("--install-hook")) == (0, 0)
    protect("shop/cart.py::total")
    commit(project, demo)
    edit(project, "sum(values)", "0")
    (project / "other.txt").write_text("x")
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        demo.git(project, "commit", "-q", "-a", "-m", "no")
    assert "its bytes changed" in stopped.value.stdout + stopped.value.stderr
    demo.git(project, "add", "other.txt")
    demo.git(project, "commit", "-q", "-m", "yes", "other.txt")  # has an index of its own
    assert (contracts("--remove-hook"), contracts("--remove-hook")) == (0, 0)
    assert {file.name: file.read_bytes() for file in hooks.iterdir()} == before
    demo.git(project, "commit", "-q", "-a", "-m", "unchecked")


def test_a_users_own_hook_stays(
    check: Check, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = project / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 0\n")
    assert contracts("--install-hook") == 2
    assert "check --staged || exit 1" in capsys.readouterr().err
    assert contracts("--remove-hook") == 2
    assert hook.read_text() == "#!/bin/sh\nexit 0\n"
    hook.unlink()
    contracts("--install-hook")
    hook.write_text(hook.read_text() + "echo mine\n")
    assert contracts("--remove-hook") == 2
    assert hook.is_file()


def test_the_repositorys_own_folder_of_hooks_is_used_and_a_shared_one_is_not(
    check: Check,
    project: Path,
    demo: Demo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(f'[core]\n\thooksPath = "{tmp_path}/all"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    assert contracts("--install-hook") == 2
    assert "for all repositories" in capsys.readouterr().err
    demo.git(project, "config", "core.hooksPath", ".githooks")
    assert contracts("--install-hook") == 0
    assert (project / ".githooks" / "pre-commit").stat().st_mode & 0o111
    assert not (tmp_path / "all").exists()


async def test_a_hook_folder_that_cannot_be_made_is_told(
    check: Check, project: Path, demo: Demo
) -> None:
    from graph import preserve_hook
    from mcp_local_llm import StoreUnavailable

    (project / "file").write_text("x")
    demo.git(project, "config", "core.hooksPath", "file/hooks")
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await preserve_hook.install(await Repo.open(project))
