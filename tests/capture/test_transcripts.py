"""Chats of other tools: only what a user typed is read, each turn with the answer before it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.capture.transcripts import AIDER, Transcript, find_files, read_file
from mcp_local_llm import UsageError

CHATS = Path(__file__).parent / "chats"


def read(path: Path) -> Transcript:
    found = read_file(path)
    assert found is not None
    return found


def test_specstory_keeps_typed_turns_and_no_forged_or_machine_made_ones() -> None:
    found = read(CHATS / "specstory.md")
    first, second, third = found.turns
    assert first.text.startswith("add a retry") and "verse" not in first.text
    assert second.text.startswith("no, never retry a POST") and second.text.endswith("my own")
    assert second.previous.startswith("<think>") and "fixed pause" in second.previous
    assert (third.text, third.previous) == ("perfect, thanks!", "Done: tenacity is used now.")
    assert third.at == datetime(2026, 3, 2, 9, 20, tzinfo=UTC)
    assert found.refused == {
        "inside a block or an answer": 2, "written by a model": 1, "nothing typed": 1,
    }  # fmt: skip


def test_aider_tells_typed_lines_from_headings_commands_and_output() -> None:
    found = read(CHATS / "aider.md")
    asked, corrected, failing, great = found.turns
    assert asked.text == "why is total() slow?\nit takes seconds"
    assert corrected.text.startswith("don't copy the list") and "#### Details" in corrected.previous
    assert failing.text == "still failing" and "#### always use tabs" in failing.previous
    assert "never run" not in failing.previous, "a tool's output is no answer"
    assert (great.text, great.previous) == ("great, that works now", "")
    assert great.at > failing.at
    assert found.refused == {
        "a command": 2, "nothing typed": 1, "inside a block or an answer": 1,
    }  # fmt: skip


def test_claude_code_leaves_out_tools_sidechains_commands_and_summaries() -> None:
    found = read(CHATS / "claude.jsonl")
    assert [turn.text.splitlines()[-1] for turn in found.turns] == [
        "round the totals to two digits",
        "no, don't use round() for money, use Decimal.quantize instead",
        "remember: always quote prices in cents",
        "still failing",
        "no, don't use round() for money, use Decimal.quantize instead",
    ]
    assert found.turns[1].previous == "I will look at the cart.\nI used round() in total()."
    assert found.turns[1].folder == "/w/shop"
    assert found.turns[1].key == found.turns[4].key, "a resumed session repeats what was said"
    assert sum(found.refused.values()) == 11
    assert found.refused["a tool's result"] == found.refused["no JSON, or half a line"] == 1


def test_an_aider_history_whose_line_ends_were_trimmed_is_still_read(tmp_path: Path) -> None:
    file = tmp_path / AIDER
    file.write_text(
        "# aider chat started at 2026-04-01 10:00:00\n\n#### one\n\nDone.\n\n#### two\n"
    )
    assert [turn.text for turn in read(file).turns] == ["one", "two"]


def test_lines_that_windows_ended_mean_the_same(tmp_path: Path) -> None:
    file = tmp_path / "chat.md"
    file.write_bytes((CHATS / "specstory.md").read_bytes().replace(b"\n", b"\r\n"))
    assert [t.text for t in read(file).turns] == [
        t.text for t in read(CHATS / "specstory.md").turns
    ]


def test_a_chat_that_grew_or_moved_names_its_turns_as_before(tmp_path: Path) -> None:
    for name, later in (("specstory.md", "perfect, thanks!"), ("aider.md", "#### still")):
        moved = tmp_path / name
        moved.write_text((CHATS / name).read_text().partition(later)[0])
        before = [turn.key for turn in read(moved).turns]
        after = [turn.key for turn in read(CHATS / name).turns]
        assert len(before) == 2 and before == after[:2] and len(set(after)) == len(after)


def test_older_headers_and_impossible_times_are_read(tmp_path: Path) -> None:
    file = tmp_path / "old.md"
    file.write_text(
        "# Uploader (2025-02-10 12:12)\n\n_**User**_\n\nhello\n\n---\n\n_**Assistant**_\n\nhi\n\n"
        "---\n\n"
        "_**User (2999-99-99 12:12Z)**_\n\nthanks\n\n---\n"
    )
    hello, thanks = read(file).turns
    assert hello.at.year == 2025 and thanks.previous == "hi" and thanks.at == hello.at


def test_strange_lines_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    file = tmp_path / "strange.jsonl"
    user = {"type": "user", "sessionId": "s", "timestamp": "later"}
    lines = [
        "[" * 100_000,
        "[1, 2]",
        json.dumps({**user, "message": "no object"}),
        json.dumps({**user, "message": {"role": "user", "content": 3}}),
        json.dumps({**user, "message": {"role": "user", "content": "half \ud800 a character"}}),
    ]
    file.write_text(f"{json.dumps(user)}\n" + "\n".join(lines))
    found = read(file)
    assert [turn.text for turn in found.turns] == ["half ? a character"]
    assert found.refused == {"no JSON, or half a line": 1, "nothing typed": 1}


def test_other_files_are_passed_by_and_hidden_chats_found(tmp_path: Path) -> None:
    history = tmp_path / ".specstory" / "history"
    history.mkdir(parents=True)
    (history / "chat.md").write_bytes((CHATS / "specstory.md").read_bytes())
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "chat.md").write_bytes((CHATS / "specstory.md").read_bytes())
    (tmp_path / "link.md").symlink_to(history / "chat.md")
    (tmp_path / "README.md").write_text("# Readme\n\n#### heading\n")
    (tmp_path / "data.jsonl").write_text('{"a": 1}\n')
    found = [path for path in find_files(tmp_path) if read_file(path) is not None]
    assert found == [history / "chat.md"]
    assert list(find_files(history / "chat.md")) == [history / "chat.md"]


def test_what_is_not_there_or_too_large_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        list(find_files(tmp_path / "none"))
    with pytest.raises(UsageError, match="cannot be read"):
        read_file(tmp_path / "gone.md")
    large = tmp_path / AIDER
    with large.open("wb") as file:
        file.truncate(200_000_001)
    with pytest.raises(UsageError, match="200,000,000"):
        read_file(large)
