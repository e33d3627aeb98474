"""Checking model folders, and widening shipped weights."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from agents.tokens import EstimatedTokens, ServedTokens, open_counter
from agents.weights import check_model_folder, materialize, read_header, write_safetensors
from mcp_local_llm import ModelUnavailable


@pytest.fixture
def folder(random_checkpoint: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(random_checkpoint, copy)
    return copy


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def to_bfloat16(folder: Path) -> None:
    """Rewrite the weights as bfloat16: the upper halves of the 32-bit numbers."""
    path = folder / "model.safetensors"
    table, blobs, offset = {}, [], 0
    for name, tensor in load_file(path).items():
        blob = (tensor.view("<u4") >> 16).astype("<u2").tobytes()
        table[name] = {
            "dtype": "BF16",
            "shape": tensor.shape,
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    header = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"".join(blobs))


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_named_with_it(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelUnavailable, match=name.replace("model", r"\*")):
        check_model_folder(folder)


def test_a_missing_folder_names_the_command_that_mends_it(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="model download"):
        check_model_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_config_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        check_model_folder(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_weights_cut_short_are_refused(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelUnavailable, match="damaged"):
        check_model_folder(folder)


def test_weights_with_an_absurd_header_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ModelUnavailable, match="damaged"):
        check_model_folder(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-2.safetensors"}}))
    with pytest.raises(ModelUnavailable, match=r"lacks model-2\.safetensors"):
        check_model_folder(folder)
    index.write_text("{}")
    with pytest.raises(ModelUnavailable, match="index"):
        check_model_folder(folder)


def test_a_rope_theta_that_the_server_would_ignore_is_refused(folder: Path) -> None:
    edit_config(folder, rope_parameters={"rope_theta": 10000.0})
    check_model_folder(folder)
    config = json.loads((folder / "config.json").read_text())
    del config["rope_theta"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match=r'add "rope_theta": 10000\.0'):
        check_model_folder(folder)


def test_half_precision_is_widened_once_and_exactly(folder: Path, tmp_path: Path) -> None:
    path = folder / "model.safetensors"
    half = {name: tensor.astype(np.float16) for name, tensor in load_file(path).items()}
    save_file(half, path)
    wide = materialize(folder, tmp_path / "home")
    assert wide.parent == tmp_path / "home" / "models"
    widened = load_file(wide / "model.safetensors")
    assert widened.keys() == half.keys()
    for name, tensor in widened.items():
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, half[name].astype(np.float32))
    assert json.loads((wide / "config.json").read_text())["torch_dtype"] == "float32"
    written = (wide / "model.safetensors").stat().st_mtime_ns
    assert materialize(folder, tmp_path / "home") == wide
    assert (wide / "model.safetensors").stat().st_mtime_ns == written
    assert sorted(p.name for p in wide.parent.iterdir()) == [wide.name]


def test_bfloat16_is_widened_exactly(folder: Path, tmp_path: Path) -> None:
    original = load_file(folder / "model.safetensors")
    to_bfloat16(folder)
    wide = load_file(materialize(folder, tmp_path) / "model.safetensors")
    for name, tensor in original.items():
        expected = (tensor.view("<u4") & np.uint32(0xFFFF0000)).view("<f4")
        np.testing.assert_array_equal(wide[name], expected)


def test_other_number_formats_are_refused(folder: Path, tmp_path: Path) -> None:
    save_file({"a": np.zeros(4, np.int32)}, folder / "model.safetensors")
    with pytest.raises(ModelUnavailable, match="I32"):
        materialize(folder, tmp_path / "home")
    assert not list((tmp_path / "home" / "models").iterdir())


def test_several_at_once_end_up_with_one_whole_folder(folder: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        results = set(threads.map(materialize, [folder] * 4, [tmp_path / "home"] * 4))
    (wide,) = results
    assert [p.name for p in wide.parent.iterdir()] == [wide.name]
    check_model_folder(wide)


def test_a_widened_folder_that_was_damaged_is_built_again(folder: Path, tmp_path: Path) -> None:
    wide = materialize(folder, tmp_path / "home")
    (wide / "model.safetensors").write_bytes(b"cut short")
    assert materialize(folder, tmp_path / "home") == wide
    check_model_folder(wide)


def test_other_weights_get_another_folder(folder: Path, tmp_path: Path) -> None:
    first = materialize(folder, tmp_path / "home")
    write_safetensors(folder / "model.safetensors", {"a": np.ones(3, np.float32)})
    assert read_header(folder / "model.safetensors")["a"]["shape"] == [3]
    assert materialize(folder, tmp_path / "home") != first


def aged(folder: Path) -> Path:
    """Make ``folder`` look as if nobody had asked for it for two hours."""
    then = time.time() - 7200
    os.utime(folder, (then, then))
    return folder


def test_folders_of_other_weights_go_once_nobody_asks_for_them(
    folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    old = aged(materialize(folder, home))
    for name in ("qwen", ".building-by-one-killed"):
        (home / "models" / name).mkdir()
        aged(home / "models" / name)
    edit_config(folder, rope_theta=20_000.0)
    new = materialize(folder, home)
    assert {path.name for path in new.parent.iterdir()} == {new.name, "qwen"}
    edit_config(folder, rope_theta=30_000.0)
    check_model_folder(materialize(folder, home))
    assert new.is_dir(), "it was asked for a moment ago"
    assert not old.exists()


def test_a_folder_that_a_process_was_started_with_stays(folder: Path, tmp_path: Path) -> None:
    served = materialize(folder, tmp_path)
    waiting = [sys.executable, "-c", "input()", "--model", str(served)]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as server:
        edit_config(folder, rope_theta=20_000.0)
        aged(served)
        second = materialize(folder, tmp_path)
        assert served.is_dir()
        server.communicate(b"\n", timeout=30)
    edit_config(folder, rope_theta=30_000.0)
    third = materialize(folder, tmp_path)
    assert {path.name for path in third.parent.iterdir()} == {second.name, third.name}


def test_asking_again_renews_a_folder(folder: Path, tmp_path: Path) -> None:
    wide = aged(materialize(folder, tmp_path))
    materialize(folder, tmp_path)
    assert time.time() - wide.stat().st_mtime < 3600


def test_the_card_is_no_part_of_the_model(folder: Path, tmp_path: Path) -> None:
    first = materialize(folder, tmp_path)
    (folder / "README.md").write_text("about it", "utf-8")
    assert materialize(folder, tmp_path) == first


def test_a_state_folder_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelUnavailable, match="MCP_LOCAL_LLM_HOME"):
        materialize(folder, tmp_path / "file")


def test_a_template_may_stand_in_a_file_of_its_own_or_be_one_of_several(folder: Path) -> None:
    messages = [("user", "hi")]
    expected = ServedTokens(folder).render(messages)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    template = settings.pop("chat_template")
    path.write_text(json.dumps(settings))
    with pytest.raises(ModelUnavailable, match="instruct model"):
        ServedTokens(folder)
    listed = [{"name": "tool_use", "template": ""}, {"name": "default", "template": template}]
    path.write_text(json.dumps(settings | {"chat_template": listed}))
    assert ServedTokens(folder).render(messages) == expected
    (folder / "chat_template.jinja").write_text("{{ eos_token }}{{ messages[0].content | tojson }}")
    assert ServedTokens(folder).render(messages) == '<|im_end|>"hi"'


def test_a_template_that_refuses_or_does_not_compile_says_so(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no system') }}")
    with pytest.raises(ModelUnavailable, match="no system"):
        ServedTokens(folder).count([("user", "hi")])
    (folder / "chat_template.jinja").write_text("{% if %}")
    with pytest.raises(ModelUnavailable, match="does not compile"):
        ServedTokens(folder)
    (folder / "chat_template.jinja").write_text("{{ strftime_now('%Y') | length }}")
    assert ServedTokens(folder).render([("user", "hi")]) == "4"


def test_a_corrupt_or_missing_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="corrupt"):
        open_counter(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match="no tokenizer"):
        open_counter(folder)
    (folder / "tokenizer_config.json").write_text("[]")
    with pytest.raises(ModelUnavailable, match="no JSON object"):
        open_counter(folder)
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ModelUnavailable, match="cannot read"):
        open_counter(folder)


def test_without_a_tokenizer_the_estimate_errs_on_the_large_side(random_checkpoint: Path) -> None:
    counter = open_counter(None)
    assert isinstance(counter, EstimatedTokens)
    assert counter.count([("user", "hello world")]) == 4 + 4
    assert counter.count_text("é" * 3) == 2
    assert ServedTokens(random_checkpoint).count_text("the") == 2
