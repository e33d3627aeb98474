"""Pieces of files as items of the memory, and found items as places in files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from memory.chunks import Chunk
from memory.records import Item, Kind, Provenance, Record


class CodeHit(Record):
    """A piece of a file that was found; ``path`` is relative to the project's root.

    ``text`` is the piece as it was when it was indexed, ``line`` to ``last`` (from 1) where it
    stood then; ``why`` says what its place rests on.
    """

    path: str
    line: int
    last: int
    name: str
    text: str
    score: float = 0.0
    why: str = ""


def items_of(project: str, pieces: Iterable[Chunk]) -> list[Item]:
    """Return one item per piece; those of one name in a file are numbered."""
    seen = Counter[tuple[str, str, str]]()
    items = []
    for piece in pieces:
        name = (piece.path, piece.kind, piece.qualname)
        seen[name] += 1
        items.append(
            Item(
                kind=Kind.DOCUMENT if piece.kind == "section" else Kind.CODE,
                text=piece.text,
                project=project,
                key="\0".join((*name, str(seen[name]))),
                provenance=Provenance(source="index", where=f"{piece.path}:{piece.first_line}"),
                data={
                    "path": piece.path,
                    "name": piece.qualname,
                    "part": piece.kind,
                    "first": piece.first_line,
                    "last": piece.last_line,
                },
            )
        )
    return items


def code_hit(item: Item, score: float, why: str = "") -> CodeHit | None:
    """Return where ``item`` stands, None for one that :func:`items_of` did not make."""
    path, name = item.data.get("path"), item.data.get("name")
    first, last = item.data.get("first"), item.data.get("last")
    if not (isinstance(path, str) and isinstance(name, str)):
        return None
    if not (isinstance(first, int) and isinstance(last, int)):
        return None
    _, _, body = item.text.partition("\n")
    return CodeHit(path=path, line=first, last=last, name=name, text=body, score=score, why=why)
