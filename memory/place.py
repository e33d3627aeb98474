"""Which Qdrant server the memory of a folder uses, if any; else its index is the embedded one.

An API key is named, never kept: by an environment variable or by a file of the user's alone.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, ValidationError

from mcp_local_llm import StoreUnavailable, UsageError
from memory.layout import server_path
from memory.records import Record
from memory.whole_file import write_whole

_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_KEY: Final = re.compile(r"[!-~]{1,4096}")
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class ServerPlace(Record):
    """A collection on a Qdrant server, how to be let in, and how to create it where it is missing.

    ``options`` go to the client's ``create_collection``.
    """

    url: str
    collection: str = Field(min_length=1)
    api_key_env: str = ""
    api_key_file: str = ""
    options: dict[str, JsonValue] = Field(default_factory=dict)

    def __str__(self) -> str:
        """Return it as one may be told."""
        return f"the collection {self.collection!r} at {self.url}"

    def check(self) -> None:
        """Refuse what would show a secret or cannot be an address.

        Raises:
            UsageError: the URL is none or holds a password, two keys are named, or a key would
                cross the network in clear.
        """
        try:
            url = urlsplit(self.url)
            known = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            known = False
        if not known:
            raise UsageError(
                f"{self.url!r} is no URL of a Qdrant server; write it as http://127.0.0.1:6333"
            )
        if "@" in url.netloc or url.query or url.fragment:
            raise UsageError(
                "the URL of a Qdrant server holds a scheme, a host, a port and a path alone; name "
                "a key with --api-key-env or --api-key-file"
            )
        if self.api_key_env and self.api_key_file:
            raise UsageError("two API keys are named; give --api-key-env or --api-key-file")
        if self.api_key_env and not _NAME.fullmatch(self.api_key_env):
            raise UsageError(
                "--api-key-env takes the name of an environment variable, not the key itself"
            )
        if self._has_key and url.scheme == "http" and url.hostname not in _LOCAL:
            raise UsageError(
                f"the API key would cross the network to {url.hostname!r} in clear; use https, or "
                "a tunnel to a port of this machine"
            )

    def api_key(self) -> str:
        """Return the key, empty when none is named.

        Raises:
            UsageError: it is not where it should be, or others could read its file.
        """
        if self.api_key_env:
            return self._valid(os.environ.get(self.api_key_env, ""))
        return self._valid(_private_text(Path(self.api_key_file))) if self.api_key_file else ""

    @property
    def _has_key(self) -> bool:
        return bool(self.api_key_env or self.api_key_file)

    def _valid(self, key: str) -> str:
        if _KEY.fullmatch(key):
            return key
        if self.api_key_env:
            raise UsageError(
                f"the environment variable {self.api_key_env!r} holds no API key here; export it, "
                "run `mcp-local-llm model stop` and try again, or name a file with --api-key-file"
            )
        raise UsageError(f"{self.api_key_file!r} holds no API key; write it there as the only line")


def read_place(folder: Path) -> ServerPlace | None:
    """Return the server that the memory in ``folder`` uses, or None for the embedded index.

    Raises:
        StoreUnavailable: what is written there cannot be read.
    """
    path = server_path(folder)
    try:
        return ServerPlace.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise StoreUnavailable(
            f"{str(path)!r} cannot be read and should name a Qdrant server; repeat `mcp-local-llm "
            "memory move URL`, or go back with `mcp-local-llm memory move --embedded`"
        ) from error


def write_place(folder: Path, place: ServerPlace | None) -> None:
    """Make ``place`` what the next owner of ``folder`` uses, in one piece; None is the embedded.

    Raises:
        StoreUnavailable: the folder cannot be written.
    """
    path = server_path(folder)
    try:
        if place is None:
            path.unlink(missing_ok=True)
            return
        write_whole(path, place.model_dump_json())
    except OSError as error:
        raise StoreUnavailable(
            f"cannot write {str(path)!r} ({error.strerror}); free some space there"
        ) from error


def key_variable(folder: Path) -> str:
    """Return the environment variable that the memory in ``folder`` needs, empty for none."""
    try:
        place = read_place(folder)
    except StoreUnavailable:  # whoever opens it says so
        return ""
    return place.api_key_env if place else ""


def _private_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            mine = status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
            if not mine:
                raise UsageError(
                    f"others can read the API key in {str(path)!r}; make it yours alone with "
                    "`chmod 600`"
                )
            return file.read(5_000).decode("ascii", "replace").strip()
    except OSError as error:
        raise UsageError(
            f"the API key's file {str(path)!r} cannot be read ({error.strerror}); name another"
        ) from error
