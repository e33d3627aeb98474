"""A fast matrix product for mlx where it has no GPU.

On Linux mlx's wheel brings the reference BLAS, which makes training and reading a prompt about
twelve times slower (docs/decisions.md). Any other that is loaded first takes its place.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

_FOLDERS: Final = (Path("/usr/lib"), Path("/usr/lib64"))
_OPENBLAS: Final = "*/openblas-pthread/libblas.so.3"
_TORCH: Final = "lib/libtorch_cpu.so"


def find_blas(folders: tuple[Path, ...] = _FOLDERS) -> Path | None:
    """Return the library to be preloaded: the system's OpenBLAS, else the BLAS inside torch.

    torch is not imported for it. None where neither is there (on a Mac, where none is needed).
    """
    found = (path for folder in folders for path in sorted(folder.glob(_OPENBLAS)))
    return next(found, None) or _torch()


def _torch() -> Path | None:
    spec = importlib.util.find_spec("torch")
    library = Path(spec.origin).parent / _TORCH if spec and spec.origin else None
    return library if library and library.exists() else None
