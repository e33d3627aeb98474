"""Where a rule holds, by its words."""

import pytest

from agents.capture.scope import Place, language_of, place_of


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("In tests/ lines may be 120 characters.", Place(scope="tests")),
        ("never print in `src/lib/**`", Place(scope="src/lib")),
        (r"no print in src\common\env.ts", Place(scope="src/common/env.ts")),
        ("tests/ never print", Place(scope="tests")),
        ("In this file never use print", Place(scope="src/a.py")),
        ("In this folder never use print", Place(scope="src")),
        ("in a.py no print", Place(scope="src/a.py")),
        ("for config.yaml keep the order", Place(part="config.yaml")),
        ("In the API, return JSON", Place(part="api")),
        ("In the front-end use React", Place(part="frontend")),
        ("In TypeScript prefer const", Place(language="typescript")),
        ("use spaces in YAML files.", Place(language="yaml")),
        ("*.sh files need a shebang", Place(language="shell")),
        ("In Go return errors.", Place(language="go")),
        ("Commit messages are short.", Place(role="commits")),
        ("tests should be fast", Place(role="tests")),
        ("write the docs in English", Place(role="docs")),
        ("docstrings in Google style", Place(role="docstrings")),
        ("Answer in German", Place(role="replies")),
        ("From now on, in lib/ use tabs", Place(scope="lib")),
        ("Prices in the reports/ folder are in euros", Place(scope="reports")),
    ],
)
def test_the_place_is_read_from_the_words(text: str, place: Place) -> None:
    assert place_of(text, path="src/a.py") == place


@pytest.mark.parametrize(
    "text",
    [
        "Use pathlib instead of os.path.",
        "Use it for and/or with care",
        "Never push to origin/main",
        "in Node.js 20 use fetch",
        "edit in ../x/y.py",
        "in ~/x/ nothing",
        "for TCP/IP use sockets",
        "never go for it",
        "e.g. in time",
        "use the scale in styles/tokens.css",
        "write an ADR in docs/adr each time",
        "in config/, not in the root folder",
        ".git/hooks/pre-commit: line 4",
        "",
    ],
)
def test_what_only_looks_like_a_place_is_none(text: str) -> None:
    assert place_of(text, path="src/a.py") == Place()


def test_without_a_file_at_hand_this_file_is_nowhere() -> None:
    assert place_of("in this file use tabs") == Place()


def test_the_suffix_tells_the_language() -> None:
    assert [language_of(p) for p in ("a.py", "b/C.TSX", "x.yml", "Makefile", "a.xyz")] == [
        "python", "typescript", "yaml", "", "",
    ]  # fmt: skip
