"""A fast BLAS takes the place of the one that mlx brings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agents.blas import find_blas
from tools.process import run, scrubbed_env

_MAPPED = """
import mlx.core as mx
mx.eval(mx.ones((64, 64)) @ mx.ones((64, 64)))
print(open("/proc/self/maps").read().count(LIBRARY), end=" ")
print((mx.arange(6.0).reshape(2, 3) @ mx.arange(6.0).reshape(3, 2)).tolist())
"""


def test_the_systems_openblas_comes_before_torchs(tmp_path: Path) -> None:
    library = tmp_path / "some-linux-gnu" / "openblas-pthread" / "libblas.so.3"
    library.parent.mkdir(parents=True)
    library.touch()
    assert find_blas((tmp_path,)) == library


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere mlx brings a fast one")
async def test_torchs_is_found_without_importing_it_and_mlx_computes_with_it(
    tmp_path: Path,
) -> None:
    library = find_blas((tmp_path,))
    assert library is not None and library.name == "libtorch_cpu.so"
    done = await run(
        [sys.executable, "-c", _MAPPED.replace("LIBRARY", repr(str(library)))],
        cwd=tmp_path,
        env=scrubbed_env({"LD_PRELOAD": str(library)}),
        timeout_s=60,
    )
    mapped, said = done.stdout.split(" ", 1)
    assert int(mapped) > 0 and said.strip() == "[[10.0, 13.0], [28.0, 40.0]]", done.stderr
