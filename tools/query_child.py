"""Child process of ``tools.rule_checks``: runs a tree-sitter query, whose predicates may never end.

Reads ``{"module": …, "function": …, "query": …, "files": [text, …]}`` from stdin and writes one
list ``[[line, text], …]`` per file to stdout: the first capture of every match, lines from 1. Wrong
queries end with code 2 and say why on stderr. Runs isolated and imports no code of the project.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from tree_sitter import Language, Parser, Query, QueryCursor, QueryError

_MAX_HITS = 1_000
_SHOWN = 200


def main() -> int:
    """Answer the one request on stdin and return the exit code."""
    request = json.load(sys.stdin)
    language = Language(getattr(importlib.import_module(request["module"]), request["function"])())
    try:
        query = Query(language, request["query"])
    except (QueryError, ValueError) as error:
        sys.stderr.write(" ".join(str(error).split()))
        return 2
    if query.capture_count == 0:
        sys.stderr.write("nothing is captured; add a name such as @here to what it should find")
        return 2
    json.dump([_hits(query, Parser(language), text) for text in request["files"]], sys.stdout)
    return 0


def _hits(query: Query, parser: Parser, text: str) -> list[tuple[int, str]]:
    tree = parser.parse(text.encode("utf-8", "replace"))
    matches: list[tuple[int, dict[str, Any]]] = QueryCursor(query).matches(tree.root_node)
    first = [min((n for ns in found.values() for n in ns), key=_start) for _, found in matches]
    first.sort(key=_start)
    return [
        (node.start_point.row + 1, (node.text or b"")[:_SHOWN].decode("utf-8", "replace"))
        for node in first[:_MAX_HITS]
    ]


def _start(node: Any) -> int:
    return int(node.start_byte)


if __name__ == "__main__":
    sys.exit(main())
