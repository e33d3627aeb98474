"""Operating-system errors, said once in words that a model or a user can act on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mcp_local_llm import LocalLLMError, StoreUnavailable, ToolDenied, ToolRetry

_STORE: Final = {
    errno.ENOSPC: "the disk is full: free some space, then resume the run",
    errno.EDQUOT: "the disk quota is used up: free some space, then resume the run",
    errno.EROFS: "the file system is read-only: choose a workspace that can be written",
    errno.EIO: "the disk reports an input/output error: check it, then resume the run",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n), then resume the run",
    errno.ENFILE: "too many files are open: close other programs, then resume the run",
}
_RETRY: Final = {
    errno.ENOENT: "there is no such file; see what there is with fs.list",
    errno.EACCES: "permission denied; leave this file alone or ask the user to allow it",
    errno.EPERM: "not permitted; leave this file alone or ask the user to allow it",
    errno.EISDIR: "it is a folder; name a file inside it",
    errno.ENOTDIR: "a part of the path is a file, not a folder; check it with fs.list",
    errno.EEXIST: "something of that name is already there; check it with fs.list",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EFBIG: "the file would be larger than this system allows; write less",
    errno.ENOTEMPTY: "the folder is not empty; delete its files first",
}


def translate(error: OSError, action: str, path: str) -> LocalLLMError:
    """Return the project's error for ``error`` met while doing ``action`` to ``path``.

    What only the user can mend (full or read-only disk) is :class:`StoreUnavailable`; a path that
    turned into a link under our hands is :class:`ToolDenied`; the rest is :class:`ToolRetry`.
    """
    code = error.errno or 0
    if code in _STORE:
        return StoreUnavailable(f"Cannot {action} {path!r}: {_STORE[code]}.")
    if code == errno.ELOOP:
        return ToolDenied(f"Cannot {action} {path!r}: a link on the path changed meanwhile.")
    reason = _RETRY.get(code, f"{error.strerror or error}; choose another path")
    return ToolRetry(f"Cannot {action} {path!r}: {reason}.")


@contextmanager
def translated(action: str, path: str) -> Iterator[None]:
    """Raise what :func:`translate` makes of an ``OSError`` from the body."""
    try:
        yield
    except OSError as error:
        raise translate(error, action, path) from error
