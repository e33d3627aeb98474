"""Which server a memory uses: written whole, without any key in it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from mcp_local_llm import StoreUnavailable, UsageError
from memory.layout import server_path
from memory.place import ServerPlace, key_variable, read_place, write_place

URL = "http://127.0.0.1:6333"
KEY = "k3y-0f-n0body"


def place(**fields: Any) -> ServerPlace:
    return ServerPlace(**({"url": URL, "collection": "ours"} | fields))


def test_a_place_is_read_as_it_was_written_until_it_is_taken_back(tmp_path: Path) -> None:
    assert read_place(tmp_path) is None
    assert key_variable(tmp_path) == ""
    written = place(api_key_env="OUR_KEY", options={"shard_number": 3})
    write_place(tmp_path, written)
    assert read_place(tmp_path) == written
    assert key_variable(tmp_path) == "OUR_KEY"
    assert stat.S_IMODE(server_path(tmp_path).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [server_path(tmp_path).name]
    write_place(tmp_path, None)
    write_place(tmp_path, None)
    assert read_place(tmp_path) is None


def test_a_place_that_cannot_be_read_is_an_error_not_another_place(tmp_path: Path) -> None:
    server_path(tmp_path).write_text('{"url": 1}')
    with pytest.raises(StoreUnavailable, match="memory move --embedded"):
        read_place(tmp_path)
    assert key_variable(tmp_path) == ""


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot write"):
        write_place(tmp_path / "nowhere", place())


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"url": "no url"}, "is no URL"),
        ({"url": ""}, "is no URL"),
        ({"url": "http://["}, "is no URL"),
        ({"url": "ftp://host"}, "is no URL"),
        ({"url": "http://host:99999"}, "is no URL"),
        ({"url": f"https://me:{KEY}@host"}, "a path alone"),
        ({"url": f"https://host?api-key={KEY}"}, "a path alone"),
        ({"api_key_env": "A", "api_key_file": "/b"}, "two API keys"),
        ({"api_key_env": KEY}, "not the key itself"),
        ({"url": "http://host", "api_key_env": "A"}, "in clear; use https"),
        ({"url": "http://host", "api_key_file": "/b"}, "in clear; use https"),
    ],
)
def test_a_place_that_makes_no_sense_or_shows_a_secret_is_refused(
    fields: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        place(**fields).check()
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    "fields",
    [{}, {"url": "https://host/there", "api_key_env": "A"}, {"url": "http://[::1]:1"}],
)
def test_a_place_that_makes_sense_is_not_refused(fields: dict[str, str]) -> None:
    made = place(**fields)
    made.check()
    assert str(made) == f"the collection 'ours' at {made.url}"


def test_the_key_is_taken_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert place().api_key() == ""
    monkeypatch.setenv("OUR_KEY", KEY)
    assert place(api_key_env="OUR_KEY").api_key() == KEY
    monkeypatch.setenv("OUR_KEY", f"{KEY}\nx: y")
    with pytest.raises(UsageError, match="'OUR_KEY' holds no API key") as refused:
        place(api_key_env="OUR_KEY").api_key()
    assert KEY not in str(refused.value)
    monkeypatch.delenv("OUR_KEY")
    with pytest.raises(UsageError, match="holds no API key"):
        place(api_key_env="OUR_KEY").api_key()


def test_the_key_is_taken_from_a_file_that_nobody_else_can_read(tmp_path: Path) -> None:
    file = tmp_path / "key"
    named = place(api_key_file=str(file))
    with pytest.raises(UsageError, match="cannot be read"):
        named.api_key()
    file.write_text(f"{KEY}\n")
    file.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        named.api_key()
    file.chmod(0o600)
    assert named.api_key() == KEY
    file.write_text("two\nlines")
    with pytest.raises(UsageError, match="the only line"):
        named.api_key()
