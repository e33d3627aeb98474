"""A file that is written is whole, or as it was."""

from __future__ import annotations

import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.whole_file import write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_for_this_user_alone_and_nothing_is_left_beside_it(
    tmp_path: Path,
) -> None:
    write_whole(tmp_path / "a.json", "grün\n")
    write_whole(tmp_path / "a.json", "{}")
    assert (tmp_path / "a.json").read_text("utf-8") == "{}"
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600
    assert names(tmp_path) == ["a.json"]


def test_another_mode_is_given_with_the_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "hook", "#!/bin/sh\n", mode=0o755)
    assert (tmp_path / "hook").stat().st_mode & stat.S_IXUSR


def test_a_link_is_replaced_and_what_it_names_stays(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "a").symlink_to("theirs")
    write_whole(tmp_path / "a", "ours")
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_a_reader_sees_one_version_or_the_other(tmp_path: Path) -> None:
    path, seen = tmp_path / "a", set[str]()
    versions = {"x" * 200_000, "y" * 200_000}
    write_whole(path, "x" * 200_000)
    written = threading.Event()

    def read() -> None:
        while not written.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(20):
            for text in versions:
                write_whole(path, text)
    finally:
        written.set()
        reader.join()
    assert seen <= versions


def test_text_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a", "\udcff")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "a", "text")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 kB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(small_disk: Path) -> None:
    write_whole(small_disk / "a", "old")
    with pytest.raises(OSError, match="No space left"):
        write_whole(small_disk / "a", "x" * 200_000)
    assert names(small_disk) == ["a"]
    assert (small_disk / "a").read_text() == "old"
