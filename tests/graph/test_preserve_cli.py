"""The commands protect, unprotect, contracts and approve, with a real terminal where one counts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graph import approve_cli, memory_cli, preserve_check, preserve_cli
from tests.terminal import converse
from tools.preserve.contracts import CONTRACT_FILE

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Ended

Call = Callable[..., "Ended"]
BIN = Path(sys.executable).with_name("mcp-local-llm")
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
LIMIT_S = 60.0
COMMANDS = {
    "protect": preserve_cli.protect,
    "unprotect": preserve_cli.unprotect,
    "contracts": preserve_cli.contracts,
    "check": preserve_check.check,
    "approve": approve_cli.approve,
    "recall": memory_cli.recall,
}


@pytest.fixture
def call(
    project: Path,
    state_home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Call:
    """Run `mcp-local-llm COMMAND …` in the project, where stdin is no terminal."""
    from tests.graph.conftest import Ended

    monkeypatch.chdir(project)

    def run(command: str, *args: str) -> Ended:
        capsys.readouterr()
        code = COMMANDS[command]([*args])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Ended(code, said.out, said.err)

    return run


def on_terminal(cwd: Path, answer: bytes, *args: str) -> tuple[int, str]:
    """Run the command on a terminal of its own, answer its question, and return code and words."""
    answers = [answer] if answer else []

    def typed(heard: bytes) -> bytes:
        return answers.pop() if answers and b"[y/N] " in heard else b""

    argv = [sys.executable, "-c", TAKE_TERMINAL, str(BIN), *args]
    return converse(argv, cwd, typed, LIMIT_S)


def code_of(ended: Ended) -> str:
    """Return the one-time code that a refusal told."""
    assert ended.code == 1, ended.err
    command: str = ended.result["approve"]
    assert command in ended.err
    return command.split()[-1]


def ids(call: Call) -> list[str]:
    rows = call("contracts", "--json").result["contracts"]
    return [row["id"] for row in rows if row["origin"] != "product"]


def test_what_is_protected_is_listed_with_reason_and_origin(call: Call, project: Path) -> None:
    assert "nothing is protected" in call("contracts").out
    said = call("protect", "shop/cart.py::total", "--level", "moderate", "--reason", "audited")
    assert (said.code, said.out) == (
        0,
        "protected shop-cart-py-total: shop/cart.py::total (moderate)\n",
    )
    (project / "rate.py").write_text("# preserve: strict id=rate\nRATE = 5\n# preserve: end\n")
    listed = call("contracts")
    assert listed.code == 0
    assert [line.split()[:4] for line in listed.out.splitlines()] == [
        ["ID", "REGION", "LEVEL", "FROM"],
        ["shop-cart-py-total", "shop/cart.py::total", "moderate", "file"],
        ["rate.py#rate", "rate.py::#rate", "strict", "marker"],
    ]
    assert "may change in layout" in call("recall", "audited", "--kind", "preservation").out


def test_protecting_again_keeps_reason_tests_and_id(call: Call) -> None:
    args = ("--id", "total", "--reason", "audited", "--test", "tests/test_cart.py")
    call("protect", "shop/cart.py::total", "--level", "flexible", *args)
    row = call("protect", "shop/cart.py::total", "--json").result["contract"]
    assert (row["id"], row["level"], row["reason"]) == ("total", "strict", "audited")
    assert row["tests"] == ["tests/test_cart.py"]


def test_a_region_is_meant_from_the_current_folder(
    call: Call, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "shop")
    for region in ("cart.py", "../tests/", str(project / "shop" / "__init__.py"), "**"):
        assert call("protect", region).code == 0
    rows = call("contracts", "--json").result["contracts"]
    found = [row["region"] for row in rows if row["origin"] == "file"]
    assert found == ["shop/cart.py", "tests/", "shop/__init__.py", "shop/**"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("protect", ""), "has no path"),
        (("protect", "."), "inside the workspace"),
        (("protect", "../x"), "lies outside"),
        (("protect", "/etc/passwd"), "lies outside"),
        (("protect", "a\\b"), "with '/'"),
        (("protect", "a.py::"), "one symbol"),
        (("protect", "a.py::#m"), "names a marker"),
        (("protect", "a\udcff"), "no UTF-8"),
        (("protect", "a", "--reason", "\udcff"), "no UTF-8"),
        (("protect", "a", "--id", "b c"), "the id 'b c' is none"),
        (("protect", "a", "--level", "hard"), "invalid choice"),
        (("protect", "a", "--reason", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"), "a secret"),
        (("unprotect", "nothing"), "nothing protects 'nothing'"),
        (("unprotect", "product:git"), "always holds"),
        (("unprotect", "product:git", "--run", "r1"), "there is no run 'r1'"),
        (("contracts", "--record", "--install-hook"), "not allowed with"),
    ],
)
def test_wrong_input_is_told(call: Call, project: Path, args: tuple[str, ...], says: str) -> None:
    ended = call(*args)
    assert (ended.code, says in ended.err) == (2, True), ended.err
    assert not (project / CONTRACT_FILE).exists()
    assert call("contracts").code == 0


def test_a_name_that_another_region_has_is_told(call: Call) -> None:
    call("protect", "shop/cart.py")
    taken = call("protect", "shop/cart-py")
    assert (taken.code, "give another one with --id" in taken.err) == (2, True)


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("shop/cart.py::missing", "'missing' is not in the file"),
        ("nowhere/**", "nothing lies at 'nowhere/**'"),
        ("shop/broken.py::f", "does not parse"),
    ],
)
def test_a_region_that_is_not_there_is_protected_with_a_warning(
    call: Call, project: Path, region: str, says: str
) -> None:
    (project / "shop" / "broken.py").write_text("def f(:\n")
    ended = call("protect", region)
    assert (ended.code, says in ended.err) == (0, True), ended.err
    listed = call("contracts")
    assert (listed.code, says in listed.out) == (1, True)


def test_overlaps_open_markers_and_a_broken_file_are_told(call: Call, project: Path) -> None:
    call("protect", "shop/cart.py", "--level", "flexible")
    assert "overlap" in call("protect", "shop/cart.py::total").err
    (project / "rate.py").write_text("# preserve: strict id=rate\nRATE = 5\n")
    assert "'rate' is not closed" in call("contracts").out
    with (project / CONTRACT_FILE).open("a") as file:
        file.write("[[contract\n")
    for args in (("protect", "a"), ("unprotect", "a"), ("contracts", "--record")):
        ended = call(*args)
        assert (ended.code, "Mend that line" in ended.err) == (2, True), ended.err
    listed = call("contracts")
    assert (listed.code, "can't be read" in listed.out) == (1, True)


def test_without_a_terminal_nothing_is_allowed(call: Call, project: Path) -> None:
    call("protect", "shop/cart.py")
    code = code_of(call("unprotect", "shop/cart.py", "--json"))
    for piped in (b"y\n", b""):
        done = subprocess.run(
            [str(BIN), "approve", code, "--json"],
            input=piped, cwd=project, capture_output=True, timeout=LIMIT_S, start_new_session=True,
        )  # fmt: skip
        assert (done.returncode, b"no terminal" in done.stderr) == (1, True)
        assert b'"exit_code": 1' in done.stdout
    assert ids(call) == ["shop-cart-py"]


def test_a_code_is_approved_at_a_terminal_and_once(
    call: Call, project: Path, tmp_path: Path
) -> None:
    call("protect", "shop/cart.py", "--reason", "audited")
    code = code_of(call("unprotect", "shop/cart.py", "--reason", "not needed", "--json"))
    done, said = on_terminal(tmp_path, b"y\n", "approve", code.lower())  # whatever the folder is
    assert done == 0, said
    for words in ("shop/cart.py (strict, audited)", "reason given: not needed", "[y/N]"):
        assert words in said
    assert ids(call) == []
    again, said = on_terminal(tmp_path, b"", "approve", code)
    assert (again, "was used" in said) == (2, True)


def test_a_refusal_uses_the_code_up(call: Call, project: Path) -> None:
    call("protect", "shop/cart.py")
    code = code_of(call("protect", "shop/cart.py", "--level", "flexible", "--json"))
    done, said = on_terminal(project, b"\n", "approve", code, "--json")
    assert (done, "nothing was changed" in said) == (1, True), said
    done, said = on_terminal(project, b"", "approve", code)
    assert (done, ids(call)) == (2, ["shop-cart-py"])


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", ["shop-cart-py"]), (b"yes\n", [])])
def test_at_a_terminal_unprotect_asks(
    call: Call, project: Path, answer: bytes, left: list[str]
) -> None:
    call("protect", "shop/cart.py")
    done, said = on_terminal(project, answer, "unprotect", "shop/cart.py")
    assert (done, ids(call)) == (0 if left == [] else 1, left), said


def test_outside_of_git_contracts_are_kept_and_nothing_is_checked(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").mkdir()
    monkeypatch.chdir(tmp_path / "plain")
    assert call("protect", "a.txt").code == 0
    ended = call("check", "--json")
    assert (ended.code, ended.result["exit_code"]) == (2, 2)
    assert "git init" in ended.err
    assert "no commit yet" in call("unprotect", "a.txt", "--once").err
    assert "not in a git repository" in call("contracts", "--install-hook").err


def test_what_only_a_clone_says_is_recorded(call: Call, project: Path, demo: Demo) -> None:
    (project / ".mcp-local-llm").mkdir()
    text = '[[contract]]\nregion = "shop/cart.py"\nlevel = "strict"\n'
    (project / CONTRACT_FILE).write_text(text)
    listed = call("contracts")
    assert (listed.code, "contracts --record" in listed.out) == (0, True)
    assert call("contracts", "--record").out == "journalled: shop-cart-py\n"
    assert call("contracts", "--record").out == "journalled: nothing new\n"
    (project / CONTRACT_FILE).unlink()
    listed = call("contracts", "--json")
    (difference,) = listed.result["differences"]
    assert (listed.code, difference["mend"].split()[:2]) == (1, ["mcp-local-llm", "protect"])
