"""Whether two pieces of TypeScript, JavaScript or Go have the same tokens in the same structure.

The structure is compared along, so a line break that changes the meaning (``return`` alone on its
line) is a difference, and so is one inside a string, a template, a regular expression or JSX text,
which are one token each. A semicolon written out differs from one that the language adds, except
in Go, whose line breaks are its semicolons. Comments are left out unless a tool obeys them
(``//go:build``, everything in a Go file that imports ``"C"``, ``@jsx``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tools.preserve.regions import Region

if TYPE_CHECKING:
    from tree_sitter import Node

_WHOLE: Final = frozenset(
    {
        *("string", "template_string", "template_literal_type", "regex", "jsx_text"),
        *("interpreted_string_literal", "raw_string_literal", "rune_literal"),
    }
)
COMMENTS: Final = frozenset({"comment", "html_comment"})
_OBEYED: Final = re.compile(rb"\A(?://go:|//\s*\+build|//export |/[/*]line |///\s*<)|@jsx")
_IMPORTS_C: Final = re.compile(r'^\s*(?:import\s+)?"C"', re.MULTILINE)
_ENDS: Final = frozenset({";", "\n"})  # of statements in Go; the structure tells where they end
_HEADS: Final = frozenset(
    {"for_clause", "if_statement", "expression_switch_statement", "type_switch_statement"}
)


def same(old: Region, new: Region) -> bool | None:
    """Say whether two regions have the same tokens, None for languages without a grammar."""
    if old.source.root is None or new.source.root is None:
        return None
    return list(tokens(old)) == list(tokens(new))


def tokens(region: Region) -> Iterator[tuple[str, bytes]]:
    """Yield the tokens and the nodes of a region in the order of the text.

    Nothing for a file that does not parse.
    """
    root = region.source.root
    if root is None:
        return
    is_go = region.source.path.lower().endswith(".go")
    keep_comments = is_go and bool(_IMPORTS_C.search(region.source.plain))
    for node, _ in nodes(root, region.first - 1, region.last - 1):
        if node.type in COMMENTS and not (keep_comments or _OBEYED.search(node.text or b"")):
            continue
        if is_go and node.type in _ENDS and node.parent and node.parent.type not in _HEADS:
            continue
        yield node.type, (node.text or b"") if node.type in _WHOLE or not node.child_count else b""


def nodes(root: Node, first: int, last: int) -> Iterator[tuple[Node, str]]:
    """Yield the nodes that lie in the rows ``first`` to ``last``, outer before inner.

    With each comes what it is to the node around it (``body``, for example), if that has a name.
    What is one token has no nodes inside.
    """
    cursor = root.walk()
    while True:
        node = cursor.node
        if node is None:
            return
        start, stop = node.start_point.row, node.end_point.row
        inside = first <= start and (
            stop <= last or (stop == last + 1 and not node.end_point.column)
        )
        if inside:
            yield node, cursor.field_name or ""
        apart = stop < first or start > last or (inside and node.type in _WHOLE)
        if not apart and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
