"""Retrieval measured: functions of Python's standard library, found by their own docstrings.

The docstrings are cut out of the source first. What remains goes through the real chain: chunks,
journal, replay, index, fusion.
"""

from __future__ import annotations

import ast
import hashlib
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graph.figures import Figure
from memory.catch_up import Position, Replay, cached_vectors
from memory.chunks import CHUNKER, chunks
from memory.code import items_of
from memory.edge_index import EdgeIndex
from memory.embedder import Embedder
from memory.embedding import embedding
from memory.index import Dense
from memory.journal import Journal
from memory.records import Item, Where
from memory.replay import content_hash
from memory.retrieval import Query, retrieve
from memory.sparse import sparse_query

METHODS: Final = ("dense", "sparse", "hybrid")
CUTS: Final = (1, 5, 10)
_FUNCTIONS: Final = 3_600  # of which a good quarter has a docstring that says enough
_MIN_WORDS: Final = 6
_RESAMPLES: Final = 10_000
_LEFT_OUT: Final = frozenset(
    ["test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo", "ensurepip"]
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Question:
    """A docstring's first paragraph, and the item it was cut out of."""

    text: str
    item: str


@dataclass(frozen=True, slots=True)
class Scores:
    """Where each method put the function asked for: ranks from 1, 0 for not among the first ten."""

    functions: int
    ranks: Mapping[str, NDArray[np.int64]]

    def recall(self, method: str, cut: int) -> float:
        """Return the share of questions answered within the first ``cut`` items."""
        return float(_within(self.ranks[method], cut).mean())

    def gain(self, cut: int = 5) -> tuple[float, float, float]:
        """Return hybrid's recall less dense's, with its 95 % interval (paired bootstrap).

        Questions are drawn again with replacement; Efron and Tibshirani 1993, percentile method.
        """
        one, other = _within(self.ranks["hybrid"], cut), _within(self.ranks["dense"], cut)
        difference = one.astype(float) - other
        drawn = np.random.default_rng(0).integers(
            len(difference), size=(_RESAMPLES, len(difference)), dtype=np.int32
        )
        low, high = np.percentile(difference[drawn].mean(axis=1), [2.5, 97.5])
        return float(difference.mean()), float(low), float(high)

    def figures(self) -> list[Figure]:
        """Return what was measured: one figure per method and one for the gain."""
        count = len(self.ranks["dense"])
        rows = [
            Figure(
                f"retrieval, {method}: R@1 / 5 / 10",
                " / ".join(f"{self.recall(method, cut):.3f}" for cut in CUTS),
            )
            for method in METHODS
        ]
        gain, low, high = self.gain()
        name = f"hybrid over dense, R@5, {self.functions} functions, {count} questions"
        return [*rows, Figure(name, f"{gain:+.3f} ({low:+.3f} to {high:+.3f})", "> 0")]


def _within(ranks: NDArray[np.int64], cut: int) -> NDArray[np.bool_]:
    return (ranks > 0) & (ranks <= cut)


def measure_retrieval(
    embedder: Embedder, *, functions: int = _FUNCTIONS, sources: Path | None = None
) -> Scores:
    """Index about ``functions`` functions of ``sources`` and ask for each that had a docstring.

    ``sources`` is the running Python's standard library by default. With MiniLM on one core this
    takes some minutes, nearly all of it embedding.
    """
    pieces, questions = corpus(sources or Path(sysconfig.get_path("stdlib")), functions)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        Journal(Path(name) / "journal.sqlite") as journal,
    ):
        journal.put(*pieces)
        index = EdgeIndex(Path(name) / "index", embedder.dimension)
        try:
            _replay(journal, index, embedder, Path(name) / "applied.json")
            asked = embedder.embed([one.text for one in questions])
            ranks = _ranks(journal, index, embedder, questions, asked)
        finally:
            index.close()
    return Scores(len(pieces), ranks)


def _replay(journal: Journal, index: EdgeIndex, embedder: Embedder, path: Path) -> None:
    start = Position(
        journal=journal.identity, embedder=embedder.name, chunker=CHUNKER, layout="bench"
    )
    vectors, embed = cached_vectors(journal, embedder.name), embedding(journal, embedder)
    replay = Replay(journal, index, vectors, path=path, start=start, embed=embed)
    while replay.step():
        pass


def _ranks(
    journal: Journal,
    index: EdgeIndex,
    embedder: Embedder,
    questions: Sequence[Question],
    asked: NDArray[np.float32],
) -> dict[str, NDArray[np.int64]]:
    where, limit = Where(), CUTS[-1]

    def vectors_of(ids: Sequence[str]) -> Mapping[str, Dense]:
        hashes = {one: content_hash(found.item.text) for one, found in journal.get(ids).items()}
        known = journal.vectors(list(hashes.values()), embedder.name)
        return {one: known[digest][0] for one, digest in hashes.items()}

    def hybrid(text: str, vector: Dense) -> list[str]:
        query = Query(text=text, limit=limit)
        found = retrieve(query, index=index, vector=vector, vectors_of=vectors_of, info=journal.get)
        return [one.id for one in found]

    methods: dict[str, Callable[[str, Dense], list[str]]] = {
        "dense": lambda _, vector: [hit.item for hit in index.by_meaning(vector, where, limit)],
        "sparse": lambda text, _: [
            hit.item for hit in index.by_words(sparse_query(text), where, limit)
        ],
        "hybrid": hybrid,
    }
    return {
        name: np.array(
            [
                _place(find(one.text, vector), one.item)
                for one, vector in zip(questions, asked, strict=True)
            ]
        )
        for name, find in methods.items()
    }


def _place(found: Sequence[str], item: str) -> int:
    return found.index(item) + 1 if item in found else 0


def corpus(root: Path, functions: int) -> tuple[list[Item], list[Question]]:
    """Return functions of whole files below ``root`` until there are enough, and their questions.

    Files come in the order of their names' hashes. A question is left out when it has less than six
    words, is asked of two functions, or holds the function's own call.
    """
    items: list[Item] = []
    questions: list[Question] = []
    seen = set[str]()
    for path in sorted(_files(root), key=lambda path: hashlib.sha256(path.encode()).digest()):
        for item, docstring in _functions(root, path):
            if item.id not in seen:
                seen.add(item.id)
                items.append(item)
                questions += [Question(text, item.id) for text in _asked(item, docstring)]
        if len(items) >= functions:
            break
    times = Counter(one.text for one in questions)
    return items, [one for one in questions if times[one.text] == 1]


def _files(root: Path) -> Iterator[str]:
    for path in root.rglob("*.py"):
        relative = path.relative_to(root)
        if not _LEFT_OUT.intersection(relative.parts):
            yield relative.as_posix()


def _functions(root: Path, path: str) -> Iterator[tuple[Item, str]]:
    """Yield a file's functions without, and their docstrings with, what they say."""
    try:
        bare, docstrings = without_docstrings((root / path).read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return  # samples of wrong code, and of other encodings
    functions = [piece for piece in chunks(path, bare) if piece.kind in {"function", "method"}]
    for piece, item in zip(functions, items_of("stdlib", functions), strict=True):
        yield item, docstrings.get(piece.qualname, "")


def _asked(item: Item, docstring: str) -> list[str]:
    text = " ".join(docstring.split("\n\n")[0].split())
    name = str(item.data["name"]).rpartition(".")[2]
    return [text] if len(text.split()) >= _MIN_WORDS and f"{name}(" not in text else []


def without_docstrings(source: str) -> tuple[str, dict[str, str]]:
    """Return ``source`` without its functions' docstrings, and these by qualified name."""
    lines = source.splitlines()
    docstrings: dict[str, str] = {}
    for name, node in _named(ast.parse(source), ""):
        text, first = ast.get_docstring(node), node.body[0]
        if text is not None and first.lineno > node.lineno:
            docstrings[name] = text
            for row in range(first.lineno - 1, first.end_lineno or first.lineno):
                lines[row] = ""
            if len(node.body) == 1:
                lines[first.lineno - 1] = " " * first.col_offset + "..."
    return "\n".join(lines), docstrings


def _named(node: ast.AST, prefix: str) -> Iterator[tuple[str, _Function]]:
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, ast.ClassDef | _Function):
            inner = f"{prefix}{child.name}."
        if isinstance(child, _Function):
            yield inner[:-1], child
        yield from _named(child, inner)
