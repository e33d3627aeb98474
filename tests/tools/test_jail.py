"""The jail: whatever a path says, nothing outside the workspace is read or written."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_local_llm import LocalLLMError, StoreUnavailable, ToolDenied, ToolRetry, UsageError
from tools.faults import translate
from tools.jail import TEMP_PREFIX, Jail, components


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def jail(tmp_path: Path) -> Jail:
    root = tmp_path / "work"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("a\n")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("[core]\n")
    return Jail(root)


@pytest.mark.parametrize(
    ("rel", "real"),
    [
        ("src/a.py", "src/a.py"),
        ("./src//a.py", "src/a.py"),
        ("src/./a.py", "src/a.py"),
        ("src/", "src"),
        (".", ""),
        ("new/folder/b.py", "new/folder/b.py"),
        (".gitignore", ".gitignore"),
        (".github/x.yml", ".github/x.yml"),
        ("...x", "...x"),
        ("ü n.txt", "ü n.txt"),
    ],
)
def test_plain_relative_paths_resolve_below_the_root(jail: Jail, rel: str, real: str) -> None:
    assert jail.resolve(rel) == jail.root / real


@pytest.mark.parametrize(
    "rel",
    [
        "../outside/secret.txt",
        "src/../../outside/secret.txt",
        "src/../src/a.py",
        "..",
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "~/x",
        "~root/x",
        "src\\a.py",
        "C:/x",
        "c:x",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\ud800b",
        ".git/config",
        ".GIT/config",
        ".Git",
        "sub/.git/config",
        ".git./config",
        ".git /config",
        ".git::$INDEX_ALLOCATION/config",
        "git~1/config",
        "GIT~1/config",
        ".g\u200cit/config",
        ".\uff47it/config",
        ".mcp-local-llm/config.toml",
        "src/.MCP-Local-LLM/x",
        "src./a.py",
        "a.py.",
        "a.py ",
        "...",
    ],
)
def test_every_other_spelling_is_denied_for_every_use(jail: Jail, rel: str) -> None:
    for use in (jail.resolve, jail.read_bytes, jail.exists, jail.delete):
        with pytest.raises(ToolDenied):
            use(rel)
    with pytest.raises(ToolDenied):
        jail.write_bytes(rel, b"x")
    assert (jail.root / ".git" / "config").read_text() == "[core]\n"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=6), st.sampled_from(["..", "/", ".git", "~", "\\"]))))
def test_clean_components_never_leave_or_touch_git(parts: list[str]) -> None:
    try:
        clean = components("".join(parts))
    except ToolDenied:
        return
    assert all(part not in {"", ".", ".."} and "/" not in part for part in clean)
    assert ".git" not in [part.lower() for part in clean]


def test_links_that_stay_inside_are_followed_and_kept(jail: Jail) -> None:
    root = jail.root
    (root / "docs").symlink_to("src")
    (root / "src" / "b.py").symlink_to("../src/a.py")
    (root / "abs.py").symlink_to(root / "src" / "a.py")
    (root / "here").symlink_to(root)
    (root / "new.py").symlink_to("src/new.py")
    for rel in ("docs/a.py", "docs/b.py", "src/b.py", "abs.py", "here/here/src/a.py"):
        assert jail.resolve(rel) == root / "src" / "a.py"
        assert jail.read_bytes(rel) == b"a\n"
    jail.write_bytes("docs/b.py", b"b\n")
    jail.write_bytes("new.py", b"n\n")
    assert (root / "src" / "a.py").read_bytes() == b"b\n"
    assert (root / "src" / "new.py").read_bytes() == b"n\n"
    assert (root / "src" / "b.py").is_symlink()
    assert jail.resolve("here") == root
    assert jail.exists("docs")


def test_links_that_lead_outside_are_denied(jail: Jail, outside: Path) -> None:
    root = jail.root
    (root / "dir").symlink_to(outside)
    (root / "rel").symlink_to("../outside")
    (root / "file.txt").symlink_to(outside / "secret.txt")
    (root / "src" / "up").symlink_to("../../outside/secret.txt")
    (root / "proc").symlink_to("/proc/self/root")
    (root / "git").symlink_to(".git")
    (root / "twin").symlink_to(str(root) + "-twin")
    (root / "loop").symlink_to("loop")
    (root / "chain").symlink_to("src/up")
    paths = ["dir/secret.txt", "rel/secret.txt", "file.txt", "src/up", "proc/etc/passwd"]
    for rel in [*paths, "git/config", "twin/x", "loop", "loop/x", "chain", "dir/new.txt"]:
        for use in (jail.resolve, jail.read_bytes, jail.delete):
            with pytest.raises(ToolDenied):
                use(rel)
        with pytest.raises(ToolDenied):
            jail.write_bytes(rel, b"x")
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == "secret"


def test_a_hard_link_is_replaced_and_the_outside_file_stays(jail: Jail, outside: Path) -> None:
    (jail.root / "hard.txt").hardlink_to(outside / "secret.txt")
    jail.write_bytes("hard.txt", b"mine")
    assert (outside / "secret.txt").read_text() == "secret"
    assert jail.read_bytes("hard.txt") == b"mine"


def test_only_regular_files_are_read_or_replaced(jail: Jail) -> None:
    os.mkfifo(jail.root / "pipe")
    for use in (jail.read_bytes, jail.delete):
        with pytest.raises(ToolDenied, match="no regular file"):
            use("pipe")
    with pytest.raises(ToolDenied, match="no regular file"):
        jail.write_bytes("pipe", b"x")
    for rel in ("src", "."):
        with pytest.raises(ToolRetry, match="folder"):
            jail.read_bytes(rel)
        with pytest.raises(ToolRetry, match="folder"):
            jail.write_bytes(rel, b"x")
        with pytest.raises(ToolRetry, match="folder"):
            jail.delete(rel)


def test_a_rewrite_keeps_the_mode_and_leaves_nothing_behind(jail: Jail) -> None:
    file = jail.root / "src" / "a.py"
    file.chmod(0o750)
    jail.write_bytes("src/a.py", b"b\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o750
    assert [path.name for path in file.parent.iterdir()] == ["a.py"]
    jail.write_bytes("new/dir/x.txt", b"x")
    assert jail.read_bytes("new/dir/x.txt", limit=1) == b"x"
    jail.delete("new/dir/x.txt")
    assert not jail.exists("new/dir/x.txt")


def test_half_written_files_of_a_killed_process_are_swept(jail: Jail) -> None:
    for folder in (jail.root, jail.root / "src"):
        (folder / (TEMP_PREFIX + "0123")).touch()
    assert jail.sweep() == 2
    assert jail.sweep() == 0
    assert jail.read_bytes("src/a.py") == b"a\n"


def test_a_file_marked_read_only_is_left_alone(jail: Jail) -> None:
    file = jail.root / "src" / "a.py"
    file.chmod(0o444)
    with pytest.raises(ToolRetry, match="read-only"):
        jail.write_bytes("src/a.py", b"b\n")
    assert file.read_bytes() == b"a\n"


def test_what_is_not_there_is_said_with_the_next_step(jail: Jail) -> None:
    for rel in ("missing.py", "no/such/folder.py", "src/b"):
        assert not jail.exists(rel)
        with pytest.raises(ToolRetry, match=r"fs\.list|no such file"):
            jail.read_bytes(rel)
        with pytest.raises(ToolRetry, match="no such file"):
            jail.delete(rel)
    with pytest.raises(ToolRetry, match="not a folder"):
        jail.read_bytes("src/a.py/x")
    with pytest.raises(ToolRetry, match="too long"):
        jail.write_bytes("x" * 300, b"")
    with pytest.raises(UsageError, match="no folder"):
        Jail(jail.root / "missing")


def test_swapping_a_folder_for_a_link_meanwhile_gains_nothing(jail: Jail, outside: Path) -> None:
    root = jail.root
    (root / "spare").symlink_to(outside)
    (root / "dir").mkdir()
    (root / "dir" / "secret.txt").write_text("mine")
    (outside / "only.txt").write_text("outside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "dir").rename(root / "kept")
            (root / "spare").rename(root / "dir")
            (root / "dir").rename(root / "spare")
            (root / "kept").rename(root / "dir")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(400):
            try:
                assert jail.read_bytes("dir/secret.txt") == b"mine"
                jail.delete("dir/only.txt")
            except (ToolDenied, ToolRetry):
                continue
    finally:
        stop.set()
        thread.join()
    assert (outside / "only.txt").read_text() == "outside"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, StoreUnavailable),
        (errno.EROFS, StoreUnavailable),
        (errno.EDQUOT, StoreUnavailable),
        (errno.EACCES, ToolRetry),
        (errno.ELOOP, ToolDenied),
        (errno.EBUSY, ToolRetry),
    ],
)
def test_system_errors_say_who_can_mend_them(code: int, kind: type[LocalLLMError]) -> None:
    error = translate(OSError(code, os.strerror(code)), "write", "a.py")
    assert type(error) is kind
    assert "'a.py'" in str(error)


PIECES = st.sampled_from(["src", "a.py", "..", ".", "up", "in", "out", ".git", "", "new", "loop"])


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(PIECES, min_size=1, max_size=6).map("/".join))
def test_no_path_through_any_links_leaves_the_root(jail: Jail, outside: Path, rel: str) -> None:
    links = {"up": "..", "in": "src", "out": str(outside), "loop": "loop", "src/up": "../src/.."}
    for name, target in links.items():
        if not (jail.root / name).is_symlink():
            (jail.root / name).symlink_to(target)
    try:
        path = jail.resolve(rel)
    except (ToolDenied, ToolRetry):
        return
    assert path == jail.root or jail.root in path.parents
    assert ".git" not in path.relative_to(jail.root).parts
    assert os.path.realpath(path).startswith(str(jail.root))
    assert os.path.realpath(jail.root / rel) == str(path)
