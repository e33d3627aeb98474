"""Which tests cover a flexible region: those the contract names, and those that mention it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import PurePosixPath

from tools.preserve.contracts import Contract
from tools.preserve.source import Source
from tools.preserve.states import Files, Link


def covering_tests(contract: Contract, files: Files) -> tuple[str, ...]:
    """Return the pytest ids of the tests that cover ``contract``, sorted; empty means none known.

    The contract's own ``tests`` come back as they are. Without any, a test file covers the region
    when its code names both the module (by the last part of its name) and the symbol. Whether a
    test runs the code is not known here.
    """
    if contract.tests:
        return contract.tests
    module = PurePosixPath(contract.path)
    name = module.parent.name if module.stem == "__init__" else module.stem
    wanted = {contract.symbol.rpartition(".")[2]} if contract.symbol else set()
    found = []
    for path in files.paths():
        if contract.is_glob or not _is_test(path):
            continue
        data = files.read(path)
        if data is None or isinstance(data, Link) or name.encode() not in data:
            continue
        tree = Source.of(path, data).module
        words = _words(ast.walk(tree)) if tree is not None else set()
        if name in words and wanted <= words:
            found.append(path)
    return tuple(sorted(found))


def _is_test(path: str) -> bool:
    name = PurePosixPath(path)
    return name.suffix == ".py" and (name.stem.startswith("test_") or name.stem.endswith("_test"))


def _words(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names, attributes and parts of imported modules in a tree."""
    words: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word):
                words.add(word)
            case ast.alias(name=dotted):
                words.update(dotted.split("."))
            case ast.ImportFrom(module=str(dotted)):
                words.update(dotted.split("."))
    return words
