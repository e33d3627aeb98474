"""Wordings that have a check of their own, and the names that checks know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Plain:
    """A check without its files: a regex or a query, in ``language`` when the rule names none.

    ``only`` are the languages that it can be used in; nothing means any for a regex, and Python
    for a query. The language ``scripts`` is JavaScript and TypeScript together.
    """

    words: re.Pattern[str] = re.compile("")
    regex: str = ""
    query: str = ""
    must: Literal["match", "not_match"] = "not_match"
    language: str = "python"
    only: tuple[str, ...] = ()


_NO: Final = (
    r"\b(?:no|never|not|don'?t|dont|avoid|stop|without|instead\s+of|rather\s+than)"
    r"(?:\s+(?:ever|again|us(?:e|ing)|writ(?:e|ing)|add(?:ing)?|put|leave|have|allow|make|commit|any|"
    r"an?|the|more|new|such|those|these|of|your|stupid)){0,4}\s+[`'\"]?"
)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _refused(pattern: str) -> re.Pattern[str]:
    return _words(_NO + rf"(?:{pattern})")


_RATHER: Final = r"(?:instead\s+of|(?:and\s+)?(?:not|never)|over|rather\s+than)"
_SCRIPTS: Final = ("javascript", "typescript")
_NO_DOCSTRING: Final = (
    '(#not-match? @first "^([rRuU]*[\\"\']|[.][.][.])") (#not-match? @n "^_|^test_|^Test")'
)
PLAIN: Final = (
    Plain(
        _refused(r"(?:wildcard|star)[\s-]+imports?|(?:from\s+\S+\s+)?import\s+`?\*|import\s+everything"),
        regex=r"^\s*from\s+\S+\s+import\s+\*",
        only=("python",),
    ),
    Plain(
        _refused(r"(?:bare|naked)\s+(?:`?except`?|exceptions?)|catch\s+bare"),
        regex=r"^\s*except\s*:",
        only=("python",),
    ),
    Plain(
        _refused(r"(?:broad\s+(?:`?except`?|exceptions?)|(?:catch|except)(?:ing)?\s+`?Exception\b)"),
        regex=r"^\s*except(?:\s+(?:Base)?Exception\b|\s*:)",
        only=("python",),
    ),
    Plain(
        _words(
            r"\b(?:every|all|each)\s+(?:public\s+)?(?:functions?|methods?)\b[^.;]{0,25}\bdocstrings?\b|"
            r"\bdocstrings?\s+(?:for|to|in|on)\s+(?:(?:every|all|each)\s+)?(?:public\s+)?functions?\b"
        ),
        query="((function_definition name: (identifier) @n body: (block . (_) @first)) "
        + _NO_DOCSTRING + ")",
        only=("python",),
    ),
    Plain(
        _words(
            r"\b(?:every|all|each)\s+(?:public\s+)?class(?:es)?\b[^.;]{0,25}\bdocstrings?\b|"
            r"\bdocstrings?\s+(?:for|to|in|on)\s+(?:(?:every|all|each)\s+)?(?:public\s+)?class"
        ),
        query="((class_definition name: (identifier) @n body: (block . (_) @first)) "
        + _NO_DOCSTRING + ")",
        only=("python",),
    ),
    Plain(
        _words(
            r"\b(?:every|all|each)\s+(?:module|file)s?\b[^.;]{0,25}\bdocstrings?\b|"
            r"\bdocstrings?\s+(?:for|to|in|on|at\s+the\s+top\s+of)\s+(?:every|all|each)\s+(?:module|file)"
        ),
        query="(module . (comment)* . (expression_statement (string)) @d)",
        must="match",
        only=("python",),
    ),
    Plain(
        _words(
            r"\b(?:every|all|each)\s+functions?\b[^.;]{0,25}\btype\s+(?:hints?|annotations?)\b|"
            r"\btype\s+(?:hints?|annotations?)\s+(?:for|to|in|on)\s+(?:every|all|each)\s+functions?\b"
        ),
        query="[((function_definition name: (identifier) @n !return_type))"
        " ((function_definition name: (identifier) @n parameters: (parameters (identifier) @p))"
        ' (#not-match? @p "^(self|cls)$"))]',
        only=("python",),
    ),
    Plain(
        _words(
            r"\bsnake_case\b[^.;]{0,20}\bfunctions?\b(?!\s+and)|\bfunctions?\b[^.;]{0,30}\bsnake_case\b"
        ),
        query='((function_definition name: (identifier) @n) (#match? @n "[A-Z]"))',
        only=("python",),
    ),
    Plain(
        _words(
            r"\b(?:PascalCase|CapWords|CamelCase)\b[^.;]{0,20}\bclass|"
            r"\bclass(?:es)?\b[^.;]{0,30}\b(?:PascalCase|CapWords)\b"
        ),
        query='((class_definition name: (identifier) @n) (#not-match? @n "^_*[A-Z][A-Za-z0-9]*$"))',
        only=("python",),
    ),
    Plain(
        _words(
            _NO + r"relative\s+imports?|\babsolute\s+imports?\b(?!\s+(?:are|is)\s+not)"
        ),
        regex=r"^\s*from\s+\.",
        only=("python",),
    ),
    Plain(
        _refused(r"mutable\s+defaults?(?:\s+(?:arguments?|values?|parameters?))?"),
        query="(default_parameter value: [(list) (dictionary) (set)]) @d",
        only=("python",),
    ),
    Plain(
        _refused(r"(?:nested|inner)\s+functions?"),
        query="(function_definition body: (block (function_definition) @f))",
        only=("python",),
    ),
    Plain(_refused(r"walrus"), query="(named_expression) @w", only=("python",)),
    Plain(_refused(r"match[\s-]+statements?"), query="(match_statement) @m", only=("python",)),
    Plain(_refused(r"lambdas?\b"), query="(lambda) @l", only=("python",)),
    Plain(_refused(r"global`?\s+statements?"), query="(global_statement) @g", only=("python",)),
    Plain(_refused(r"type:\s?ignore"), regex=r"#\s*type:\s*ignore", only=("python",)),
    Plain(_refused(r"noqa\b"), regex=r"#\s*noqa\b", only=("python",)),
    Plain(
        _words(rf"\bf-?strings?\b[^.;]{{0,20}}\b{_RATHER}\s+`?(?:str)?\.?format\b"),
        query="((call function: (attribute object: (string) attribute: (identifier) @f)) "
        '(#eq? @f "format"))',
        only=("python",),
    ),
    Plain(
        _refused(r"tabs\b(?=[\s.,!]*(?:$|for|in|to))"),
        regex=r"^ *\t",
        only=("python", *_SCRIPTS, "yaml"),
    ),
    Plain(
        _refused(r"emojis?\b"),
        regex="[\U0001f300-\U0001faff\u2600-\u26ff\u2705\u274c\u2728\u2757]",
        language="",
    ),
    Plain(_refused(r"TODOs?\b"), regex=r"\bTODO\b", language=""),
    Plain(_refused(r"FIXMEs?\b"), regex=r"\bFIXME\b", language=""),
    Plain(
        _refused(r"`?any`?(?:\s+types?\b|\s+in\s+typescript|`?\s*(?:$|[.!]))"),
        query='((predefined_type) @t (#eq? @t "any"))',
        language="typescript",
        only=("typescript",),
    ),
    Plain(
        _words(
            rf"\b(?:const|let)\b[^.;]{{0,30}}\b{_RATHER}\s+`?var\b|"
            r"\b(?:never|don'?t|no|not)\s+(?:use\s+)?`?var`?\b"
        ),
        query="(variable_declaration) @v",
        language="javascript",
        only=_SCRIPTS,
    ),
    Plain(
        _words(rf"===[^.;]{{0,20}}\b{_RATHER}\s+`?==(?!=)"),
        query='(binary_expression operator: "==") @b',
        language="javascript",
        only=_SCRIPTS,
    ),
    Plain(_refused(r"semicolons?\b"), regex=r";\s*$", only=_SCRIPTS),
    Plain(
        _refused(r"default\s+exports?"),
        regex=r"^\s*export\s+default\b",
        language="scripts",
        only=("scripts", *_SCRIPTS),
    ),
)  # fmt: skip
"""The first whose words are in a rule is its check."""
IMPORTED: Final = (
    "([(import_statement name: (dotted_name) @m)"
    " (import_statement name: (aliased_import name: (dotted_name) @m))"
    " (import_from_statement module_name: (dotted_name) @m)"
    ' (attribute) @m] (#match? @m "^NAME($|[.])"))'
)
"""The query for NAME where it is imported, or used by its dotted name."""
_LIBRARIES: Final = {
    "python": "numpy pandas polars httpx aiohttp flask django fastapi sqlalchemy pydantic attrs "
    "argparse optparse unittest urllib pickle pytest nose asyncio requests tkinter matplotlib",
    "javascript": "lodash underscore jquery axios moment dayjs enzyme mocha sinon redux mobx",
}
LANGUAGE_OF_LIBRARY: Final = {
    name: language for language, names in _LIBRARIES.items() for name in names.split()
}
"""Libraries by the names that are meant even where nobody says "import"."""
OF_SCRIPTS: Final = frozenset({"console.log", "console.debug", "alert", "document.write"})
"""What can only be called in JavaScript and TypeScript."""
INSTALLS: Final = {
    "pip": r"(?<!uv )\bpip3?\s+install\b",
    "npm": r"(?<![\w-])npm\s+(?:install|i|ci|add|run)\b",
    "yarn": r"(?<![\w-])yarn\s+(?:install|add|run)\b",
}
"""How the use of a package tool shows in a file, whatever it is written in."""
