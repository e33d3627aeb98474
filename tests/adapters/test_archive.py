"""All adapters in one file, back on a new machine, and files that lie."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.adapters.archive import backup, restore
from agents.adapters.records import Manifest
from agents.adapters.registry import Registry
from mcp_local_llm import StoreUnavailable, UsageError

Keep = Callable[..., Manifest]
Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def saved(registry: Registry, keep: Keep, tmp_path: Path) -> Path:
    """A back-up of two adapters, of which the second was promoted last."""
    for one in (keep(), keep("rivers")):
        registry.promote(one.id, why=f"night {one.id}")
    file = tmp_path / "adapters.tar"
    assert backup(registry, file) == registry.ids()
    return file


def members(saved: Path) -> list[Member]:
    with tarfile.open(saved) as archive:
        found = [(one, archive.extractfile(one)) for one in archive]
        return [(one, content.read() if content else b"") for one, content in found]


def write(path: Path, parts: list[Member]) -> Path:
    with tarfile.open(path, "w") as archive:
        for info, content in parts:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_a_new_machine_serves_what_the_old_one_did_and_can_still_roll_back(
    registry: Registry, saved: Path, tmp_path: Path
) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    fresh = Registry(tmp_path / "new")
    (fresh.home / ".restoring-killed").mkdir(parents=True)
    assert restore(fresh, saved) == registry.ids()
    assert (fresh.list(), fresh.pointer()) == (registry.list(), registry.pointer())
    assert fresh.history() == registry.history()
    assert fresh.rollback(why="").adapters == registry.rollback(why="").adapters
    assert sorted(path.name for path in fresh.home.iterdir()) == ["adapters", "adapters.lock"]


def test_nothing_is_ever_overwritten(registry: Registry, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        backup(registry, saved)
    with pytest.raises(UsageError, match="holds adapters already"):
        restore(registry, saved)
    with pytest.raises(UsageError, match="no folder"):
        backup(registry, tmp_path / "no" / "file")
    with pytest.raises(UsageError, match="no back-up"):
        restore(registry, tmp_path / "none")


def test_a_damaged_adapter_is_left_out_of_a_back_up_unless_it_is_served(
    registry: Registry, saved: Path, tmp_path: Path
) -> None:
    served = registry.current()
    assert served is not None
    (idle,) = set(registry.ids()) - {served.id}
    os.truncate(registry.folder(idle) / "adapters.safetensors", 10)
    assert backup(registry, tmp_path / "some") == (served.id,)
    os.truncate(registry.folder(served.id) / "adapters.safetensors", 10)
    with pytest.raises(StoreUnavailable, match=f"{served.id} is damaged"):
        backup(registry, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def _renamed(name: str) -> Callable[[list[Member]], None]:
    def change(parts: list[Member]) -> None:
        parts[-1][0].name = name

    return change


def _linked(parts: list[Member]) -> None:
    parts[-1][0].type, parts[-1][0].linkname = tarfile.SYMTYPE, "/etc/passwd"
    parts[-1] = (parts[-1][0], b"")


def _twice(parts: list[Member]) -> None:
    parts.append(parts[-1])


def _flipped(parts: list[Member]) -> None:
    at = next(n for n, (info, _) in enumerate(parts) if info.name.endswith("safetensors"))
    info, content = parts[at]
    parts[at] = (info, content[:-1] + bytes([content[-1] ^ 1]))


def _served_missing(parts: list[Member]) -> None:
    pointer = next(content for info, content in parts if info.name == "current.json")
    parts[:] = [
        (i, c) for i, c in parts if i.name[:12].encode() not in pointer or "/" not in i.name
    ]


def _emptied(parts: list[Member]) -> None:
    parts.clear()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_renamed("../../outside"), "does not belong"),
        (_renamed("../manifest.json"), "does not belong"),
        (_renamed("/tmp/manifest.json"), "does not belong"),
        (_renamed("a/b/manifest.json"), "does not belong"),
        (_renamed("more.json"), "does not belong"),
        (_linked, "does not belong"),
        (_twice, "cannot change"),
        (_flipped, r"adapters\.safetensors is not what was kept"),
        (_served_missing, "it lacks"),
        (_emptied, "it lacks any adapter"),
    ],
)
def test_a_file_that_lies_is_refused_and_leaves_nothing(
    saved: Path, tmp_path: Path, change: Callable[[list[Member]], None], words: str
) -> None:
    parts = members(saved)
    change(parts)
    fresh = Registry(tmp_path / "new")
    with pytest.raises(StoreUnavailable, match=words):
        restore(fresh, write(tmp_path / "lie.tar", parts))
    assert fresh.ids() == ()
    assert sorted(path.name for path in fresh.home.iterdir()) == ["adapters", "adapters.lock"]
    assert not (tmp_path / "outside").exists()
    assert restore(fresh, saved)


@pytest.mark.parametrize("length", [0, 700, 20_000])
def test_a_file_that_was_cut_short_is_refused(saved: Path, tmp_path: Path, length: int) -> None:
    os.truncate(saved, length)
    with pytest.raises(StoreUnavailable, match=r"nothing was restored|is damaged"):
        restore(Registry(tmp_path / "new"), saved)
