"""What the embedded index promises beyond the contract: disk, versions, damage, sudden death."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mcp_local_llm import StoreUnavailable
from memory.edge_index import EdgeIndex
from memory.index import Point
from memory.records import Where
from memory.sparse import sparse

ROOT = Path(__file__).parents[2]
AXES = np.eye(4, dtype=np.float32)
WRITER = """
import os, sys
from pathlib import Path
import numpy as np
from memory.edge_index import EdgeIndex
from memory.index import Point
from memory.sparse import sparse
index = EdgeIndex(Path(sys.argv[1]), 4)
axes = np.eye(4, dtype=np.float32)
for n in range(int(sys.argv[2])):
    index.upsert([Point(f"i{n}", 0, axes[n % 4], sparse("word"), "", "fact", "", "", "", 0.0)])
    if n == 19:
        index.flush()
os.kill(os.getpid(), 9)
"""


def point(item: str, axis: int = 0) -> Point:
    return Point(item, 0, AXES[axis], sparse("word"), "", "fact", "", "", "", 0.0)


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index whose process was killed ten points after its flush of twenty."""
    folder = tmp_path_factory.mktemp("died") / "index"
    command = [sys.executable, "-c", WRITER, str(folder), "30"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == -9
    return folder


def test_after_a_kill_everything_written_is_there(died: Path) -> None:
    index = EdgeIndex(died, 4)
    assert index.count() == 30
    index.close()


def test_what_was_closed_opens_again_and_a_second_close_is_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "on the way" / "índex"
    first = EdgeIndex(folder, 4)
    first.upsert([point("a"), point("b", 1)])
    first.close()
    first.close()
    with pytest.raises(StoreUnavailable, match="not initialized"):
        first.count()
    again = EdgeIndex(folder, 4)
    assert [hit.item for hit in again.by_meaning(AXES[1], Where(), 1)] == ["b"]
    assert folder.stat().st_mode & 0o777 == 0o700
    again.close()


def segment(folder: Path, name: str) -> Path:
    [found] = (folder / "shard" / "segments").rglob(name)
    return found


def rewrite(**changes: object) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        manifest = folder / "index.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))

    return act


def halve(name: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = segment(folder, name)
        os.truncate(path, path.stat().st_size // 2)

    return act


def empty(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(segment(folder, name), 0)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (rewrite(version="0/0.1"), "version 0/0.1, not"),
        (rewrite(dimension=384), "384 dimensions, not 4"),
        (lambda folder: (folder / "index.json").unlink(), "not made whole"),
        (lambda folder: (folder / "index.json").write_text("{"), "could not open"),
        (lambda folder: (folder / "index.json").write_text("{}"), "could not open"),
        (halve("segment.json"), "could not open"),
        (halve("version.info"), "could not open"),
        (halve("mutable_id_tracker.mappings"), "points were flushed and"),
        (empty("vectors/chunk_0.mmap"), "could not open"),
        (empty("quantized_data/chunk_0.mmap"), "could not open"),
        (empty("quantized_data/status.dat"), "could not open"),
        (empty("quantized.meta.json"), "could not open"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_with_the_way_out(
    died: Path, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    EdgeIndex(died, 4).close()
    folder = tmp_path / "index"
    subprocess.run(["cp", "-R", str(died), str(folder)], check=True)
    damage(folder)
    with pytest.raises(StoreUnavailable, match=said) as refused:
        EdgeIndex(folder, 4)
    assert "mcp-local-llm memory rebuild" in str(refused.value)


def test_a_panic_of_the_engine_is_an_error_like_any_other(died: Path, tmp_path: Path) -> None:
    EdgeIndex(died, 4).close()
    folder = tmp_path / "index"
    subprocess.run(["cp", "-R", str(died), str(folder)], check=True)
    for status in (folder / "shard" / "segments").rglob("status.dat"):
        os.truncate(status, 0)
    with pytest.raises(StoreUnavailable, match="could not open"):
        EdgeIndex(folder, 4)


def test_a_second_opening_is_refused(died: Path) -> None:
    first = EdgeIndex(died, 4)
    with pytest.raises(StoreUnavailable, match="could not open"):
        EdgeIndex(died, 4)
    first.close()


def test_a_file_in_the_folder_s_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file")
    with pytest.raises(StoreUnavailable, match="could not open"):
        EdgeIndex(tmp_path / "index", 4)
