"""What is protected, and how strictly.

A region is a path (``src/money.py``, or a folder with everything below it), a glob
(``src/**/*.sql``, where ``*`` stays inside one folder and ``**`` does not), a symbol
(``src/money.py::Cart.total``) or a pair of markers inside a file (``src/money.py::#rounding``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Self

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern
from pydantic import Field, field_validator

from memory.records import Level, PreservationTag, Record, has_control
from tools.jail import is_protected

CONTRACT_FILE: Final = ".mcp-local-llm/preserve.toml"
UNREADABLE: Final = "product:unreadable"
"""The id of what holds while the contract file cannot be read."""
RANK: Final = {Level.FLEXIBLE: 0, Level.MODERATE: 1, Level.STRICT: 2}
"""How strict a level is; a higher number allows less."""

_GLOB: Final = re.compile(r"[*?\[]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def slug(region: str) -> str:
    """Return a short name made of the letters and digits of ``region``."""
    return re.sub(r"[^a-z0-9]+", "-", region.lower()).strip("-")[:60] or "contract"


class Contract(Record):
    """One region and what may change in it.

    ``tests`` are pytest ids that cover a flexible region. ``origin`` says where the contract is
    written: the contract file, markers in the source, or the product itself.
    """

    id: str = Field(min_length=1)
    region: str = Field(min_length=1)
    level: Level
    reason: str = ""
    tests: tuple[str, ...] = ()
    origin: Literal["file", "marker", "product"] = "file"

    @field_validator("region")
    @classmethod
    def _plain(cls, region: str) -> str:
        path, _, symbol = region.partition("::")
        if has_control(region):
            raise ValueError(f"the region {region!r} holds a control character")
        if "\\" in path or path.startswith(("/", "~")) or _DRIVE.match(path):
            raise ValueError(f"write the region {region!r} as a relative path with '/'")
        if not path.strip("./ ") or ".." in path.split("/"):
            raise ValueError(f"the region {region!r} has to name a path inside the workspace")
        if "::" in region and (not symbol or symbol != symbol.strip() or "::" in symbol):
            raise ValueError(f"the region {region!r} has to name one symbol after '::'")
        return region.removeprefix("./")

    @property
    def path(self) -> str:
        """The path or glob of the region."""
        return self.region.partition("::")[0]

    @property
    def symbol(self) -> str:
        """The dotted name after ``::``; empty when the region is a whole file or a marker's."""
        name = self.region.partition("::")[2]
        return "" if name.startswith("#") else name

    @property
    def marker(self) -> str:
        """The id of the marker in its file, empty when the region has none."""
        name = self.region.partition("::")[2]
        return name[1:] if name.startswith("#") else ""

    @property
    def is_glob(self) -> bool:
        """Whether the region may hold several files."""
        return bool(_GLOB.search(self.path)) or self.path.endswith("/")


PRODUCT: Final = (
    Contract(
        id="product:git",
        region=".git/**",
        level=Level.STRICT,
        reason="git's own folder",
        origin="product",
    ),
    Contract(
        id="product:settings",
        region=".mcp-local-llm/**",
        level=Level.STRICT,
        reason="contracts, settings and runs",
        origin="product",
    ),
)
"""What holds in every workspace; only weakening changes of the contract file break it."""


@dataclass(frozen=True)
class Contracts:
    """The contracts of one workspace. Each is checked by itself, so the strictest one wins."""

    entries: tuple[Contract, ...] = ()

    def __iter__(self) -> Iterator[Contract]:
        """Yield the contracts in the order in which they were found."""
        return iter(self.entries)

    def __len__(self) -> int:
        """Return how many there are, the product's own included."""
        return len(self.entries)

    def get(self, name: str) -> Contract | None:
        """Return the contract with the id ``name``."""
        return next((each for each in self.entries if each.id == name), None)

    def joined(self, others: Iterable[Contract]) -> Self:
        """Return these contracts and ``others``."""
        return type(self)((*self.entries, *others))

    def for_path(self, path: str) -> tuple[Contract, ...]:
        """Return the contracts that say something about ``path``, strictest first.

        A path with a component that any file system takes for ``.git`` or the product's own folder
        belongs to the product, however it is spelt and wherever it stands.
        """
        own = [PRODUCT[".git" not in path.casefold() and "git~1" not in path.casefold()]]
        found = own if any(is_protected(part) for part in path.split("/") if part) else []
        found += self._by_path.get(path, ())
        found += [each for pattern, each in self._patterns if pattern.match(path)]
        return tuple(sorted(dict.fromkeys(found), key=lambda each: -RANK[each.level]))

    def tags(self) -> tuple[PreservationTag, ...]:
        """Return the regions and levels that the user has set, for replies and prompts."""
        return tuple(
            PreservationTag(region=each.region, level=each.level)
            for each in self.entries
            if each.origin != "product"
        )

    @cached_property
    def _by_path(self) -> dict[str, list[Contract]]:
        exact: dict[str, list[Contract]] = {}
        for each in self.entries:
            exact.setdefault(each.path, []).append(each)
        return exact

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], Contract]]:
        """Globs and folders; a plain path is one too, as it may be a folder."""
        patterns = []
        for each in self.entries:
            if "::" in each.region and not _GLOB.search(each.path):
                continue
            regex = GitIgnoreSpecPattern("/" + each.path).regex
            if regex is not None:
                patterns.append((regex, each))
        return patterns
