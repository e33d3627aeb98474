"""Arithmetic without denormal numbers, on which x86 takes many times as long as on others."""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Final

_FENV: Final = ctypes.c_uint32 * 8  # glibc's and musl's fenv_t on x86-64
_MXCSR: Final = 7  # its last word
_FLUSH: Final = 0x8040  # results that are denormal are 0, and so are operands


def flush_denormals() -> bool:
    """Let this thread and those that it starts take numbers below about 1e-38 for 0.

    Return whether that was done: elsewhere than on Linux on x86-64 nothing is.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    library, environment = ctypes.CDLL(None), _FENV()
    if library.fegetenv(ctypes.byref(environment)) != 0:
        return False
    environment[_MXCSR] |= _FLUSH
    return bool(library.fesetenv(ctypes.byref(environment)) == 0)
