"""The command memory move: from then on a server is used, until one moves back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.lease import stop_resident
from agents.memory_host import EMBEDDER_VARIABLE
from graph import memory_admin, memory_cli
from tests.graph.conftest import Ended
from tests.memory.qdrant_over_http import qdrant_over_http

KEY = "k3y-0f-n0body"


@pytest.fixture(autouse=True)
def home(state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(EMBEDDER_VARIABLE, "hash")
    monkeypatch.chdir(tmp_path)
    yield state_home
    asyncio.run(stop_resident(state_home))


def memory(capsys: pytest.CaptureFixture[str], *args: str) -> Ended:
    capsys.readouterr()
    code = memory_admin.main([*args])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return Ended(code, said.out, said.err)


def test_after_a_move_the_server_is_used_until_one_moves_back(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory_cli.remember(["Prices are in cents"]) == 0
    monkeypatch.setenv("OUR_KEY", KEY)
    with qdrant_over_http(key=KEY) as listener:
        args = (listener.url, "--collection", "ours", "--api-key-env", "OUR_KEY")
        moved = memory(capsys, "move", *args, "--option", "shard_number=2", "--json")
        assert (moved.code, moved.err) == (0, "")
        assert (moved.result["items"], moved.result["used"]) == (1, True)
        assert listener.created[0]["shard_number"] == 2
        place = f"the collection 'ours' at {listener.url}"
        assert memory(capsys, "stats", "--json").result["server"] == place
        assert memory_cli.remember(["Totals are net"]) == 0
        assert memory_cli.recall(["totals", "--explain"]) == 0
        assert listener.engine.count("ours").count == 2
        rebuilt = memory(capsys, "rebuild", "--json")
        assert rebuilt.result["index"]["index"] == place
    capsys.readouterr()
    assert memory_cli.recall(["totals"]) == 0
    said = capsys.readouterr()
    assert "Totals are net" in said.out
    assert "found by words alone" in said.err
    assert memory(capsys, "move", "--embedded").code == 0
    back = memory(capsys, "rebuild", "--json")
    assert (back.result["index"]["index"], back.result["index"]["points"]) == ("", 2)
    assert "index: embedded: 2 points" in memory(capsys, "stats").out
    kept = [path for path in home.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if KEY.encode() in path.read_bytes()] == []


def test_a_move_that_fails_leaves_everything_as_it_was(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory_cli.remember(["Prices are in cents"]) == 0
    monkeypatch.setenv("OUR_KEY", "wr0ng")
    with qdrant_over_http(key=KEY) as listener:
        refused = memory(capsys, "move", listener.url, "--api-key-env", "OUR_KEY")
    assert (refused.code, "401" in refused.err) == (3, True), refused.err
    assert "wr0ng" not in refused.err
    assert memory(capsys, "stats", "--json").result["server"] is None


def test_a_server_that_loses_points_is_not_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert memory_cli.remember(["Prices are in cents"]) == 0
    assert memory_cli.remember(["Totals are net"]) == 0
    with qdrant_over_http() as listener:
        listener.loses_points = True
        lost = memory(capsys, "move", listener.url)
    assert (lost.code, "2 points were sent and 1 are there" in lost.out) == (1, True), lost.out
    assert memory(capsys, "stats", "--json").result["server"] is None


def test_a_server_that_the_owner_cannot_open_is_not_used(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert memory_cli.remember(["Prices are in cents"]) == 0
    with qdrant_over_http() as first, qdrant_over_http() as second:
        assert memory(capsys, "move", first.url).code == 0
        second.ends_after_a_search = True
        failed = memory(capsys, "move", second.url)
        assert (failed.code, "401" in failed.err) == (3, True), failed.err
        server = memory(capsys, "stats", "--json").result["server"]
        assert server == f"the collection 'mcp-local-llm' at {first.url}"
        assert memory(capsys, "rebuild", "--json").result["index"]["index"] == server


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "give the URL"),
        (("http://localhost", "--embedded"), "one or the other"),
        (("http://localhost", "--collection", ""), "--collection is empty"),
        (("http://localhost", "--option", "shards"), "is not NAME=JSON"),
        (("http://localhost", "--option", "shards=three"), "is not NAME=JSON"),
        (("http://localhost", "--api-key-env", "NOT_SET_ANYWHERE"), "holds no API key"),
        (("http://localhost", "--api-key-file", "/nowhere/x"), "cannot be read"),
        (("http://example.org", "--api-key-env", "A"), "in clear"),
    ],
)
def test_wrong_input_is_told(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], says: str
) -> None:
    ended = memory(capsys, "move", *args)
    assert (ended.code, says in ended.err) == (2, True), ended.err
