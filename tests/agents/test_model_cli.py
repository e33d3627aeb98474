"""The ``model`` command, end to end and at its edges."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest

from agents.download import download, fetch_snapshot
from agents.model_cli import main
from agents.profiles import QWEN, ModelConfig, is_downloaded, model_folder
from mcp_local_llm import ModelUnavailable, StoreUnavailable


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_start_status_stop_on_a_real_model(
    random_checkpoint: Path, state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["start", "--model-path", str(random_checkpoint), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "random-llama"
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert str(random_checkpoint) in shown
    assert "idle for" in shown
    assert main(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert len(status["resident"]["servers"]) == 1
    assert status["downloaded"] == {QWEN: False}
    assert status["home"] == str(state_home)
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "stopped\n"
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "nothing was running\n"
    assert main(["status"]) == 0
    assert "resident process: not running" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["start", "gpt"], 2, "choose one of"),
        (["start", QWEN], 3, "model download"),
        (["start", "--model-path", "/no/such/folder"], 3, "no model folder"),
        (["start", "--base-url", "http://127.0.0.1:9/v1", "--model", "m"], 3, "cannot be reached"),
        (["start", "--port", "99999"], 2, "'port'"),
        (["download", "embedded"], 2, "needs no download"),
        (["download", "gpt"], 2, "is not known"),
        (["download"], 2, "repeat the command with --yes"),
    ],
)
def test_what_cannot_be_done_ends_in_a_message_and_its_code(
    argv: list[str],
    code: int,
    words: str,
    state_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(argv, terminal=io.StringIO()) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


def test_the_command_line_overrides_the_settings(
    state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ModelConfig(base_url="http://127.0.0.1:9/v1", model="m")
    assert main(["start", "--base-url", "ftp://x"], settings=settings) == 2
    assert "'ftp://x'" in capsys.readouterr().err


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


def test_declining_downloads_nothing(state_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download"], terminal=Terminal("n\n")) == 0
    out, err = capsys.readouterr()
    assert out == "nothing was downloaded\n"
    assert "4.3 GB" in err
    assert not is_downloaded(QWEN, state_home)


def test_what_is_already_there_is_not_asked_for(
    state_home: Path, random_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(random_checkpoint, model_folder(QWEN, state_home))
    assert main(["download"]) == 0
    assert str(model_folder(QWEN, state_home)) in capsys.readouterr().out


def test_a_download_appears_whole_or_not_at_all(tmp_path: Path, random_checkpoint: Path) -> None:
    def interrupted(repository: str, folder: Path) -> None:
        assert repository.endswith("Qwen2.5-Coder-7B-Instruct-4bit")
        shutil.copy(random_checkpoint / "config.json", folder)
        raise ModelUnavailable("the network is gone")

    def complete(repository: str, folder: Path) -> None:
        assert (folder / "config.json").is_file(), "what had arrived is kept"
        shutil.copytree(random_checkpoint, folder, dirs_exist_ok=True)

    def full(repository: str, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelUnavailable, match="network"):
        download(QWEN, tmp_path, interrupted)
    assert not is_downloaded(QWEN, tmp_path)
    with pytest.raises(StoreUnavailable, match="No space left"):
        download(QWEN, tmp_path, full)
    assert download(QWEN, tmp_path, complete) == model_folder(QWEN, tmp_path)
    assert is_downloaded(QWEN, tmp_path)


def test_a_name_the_hub_cannot_have_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="cannot fetch"):
        fetch_snapshot("no/such/name at all", tmp_path)
