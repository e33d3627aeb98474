"""The words that rules about code are made of: names of one thing, choices, units."""

from __future__ import annotations

from typing import Final

_EMPTY: Final = """
    a about access add added adding address addresses adds again all allow allowed also always
    an and any anymore anywhere are as at avoid ban banned be been behind being belong belongs
    below between but by call called calling calls can code correctly could default did direct
    directly disable disabled do does doing don't done dont each enable enabled end ever every
    everywhere exactly for forbid forbidden from get gets go goes had hand has have having here
    hit i if in inside instead into is it its just keep keeps least length let level like limit
    live lives longer make makes max maximum may me min minimum more most moved must my need
    needs never new no not now number of off on only or other our out over own please prefer
    project properly put rather reach repo repository same set shall should show shows so some
    start stay stop store stored stores sure switch switched than that the their them then there
    these they thing things this those through to too tries try trying under up us use used
    user's uses using very via want wants was we were what when whenever where which while who
    whole will with within without would write writes writing written you your
"""
EMPTY: Final = frozenset(_EMPTY.split())
"""Words that don't tell one rule from another."""
NAMES: Final = {
    "hint": "annotation annotations annotated hints typed",
    "doc": "docs documentation documented document readme",
    "docstring": "docstrings doc-string doc-strings",
    "log": "logger logging logs logged",
    "exception": "except exceptions exc catch catching caught",
    "edit": "touch touching touched modify modified change changes changing changed update updates "
    "editing",
    "delete": "remove removing removed delete deletes deleting deleted erase rm",
    "ask": "asking asked ask confirm confirmation permission approval",
    "commit": "push pushing pushed commits committing committed commit",
    "test": "tests testing tested spec specs",
    "date": "timestamp timestamps time times datetime datetimes dates",
    "repeat": "restate restates restating repeats repeating duplicate duplicates",
    "short": "small shorter brief concise smaller tiny",
    "long": "longer detailed verbose",
    "synchronous": "sync synchronously",
    "async": "asynchronous asynchronously",
    "postgresql": "postgres psql",
    "javascript": "js",
    "typescript": "ts",
    "response": "respond responds return returns returned returning reply replies answer responses",
    "function": "functions method methods",
    "dependency": "package packages library libraries dependencies requirement requirements",
    "linter": "lint linting ruff flake8 eslint",
    "error": "errors failure failures fail failed",
    "name": "names naming named name",
    "config": "configuration settings setting configure",
    "environment": "env envvar",
    "variable": "variables vars",
    "indent": "indentation indented indents",
    "price": "prices amounts amount money",
    "tab": "tabs",
    "space": "spaces",
    "network": "internet",
    "database": "db databases",
    "pull-request": "pr prs",
    "secret": "secrets credentials credential",
    "fast": "quick quickly",
    "main": "master trunk",
    "http": "https",
    "run": "execute executes",
    "readable": "clear",
    "null": "none nil null",
    "record": "records",
    "email": "e-mail e-mails",
    "mock": "mocks mocking mocked fake fakes stub stubs",
}
"""What a thing goes by here, and its other names."""
ALTERNATIVES: Final = (
    ("tab space", "indent"),
    ("single double", "quote string one"),
    ("snake_case camelcase pascalcase kebab-case upper_case", "name"),
    ("pytest unittest nose", "test"),
    ("jest vitest mocha", "test"),
    ("npm pnpm yarn bun", "install dependency"),
    ("pip uv poetry conda pipenv", "install dependency"),
    ("mysql postgresql sqlite mongodb mariadb oracle", "database storage move"),
    ("requests httpx aiohttp urllib axios fetch", "http client"),
    ("rest graphql grpc soap", "api"),
    ("english german french spanish italian", "language"),
    ("british american", "english spell"),
    ("utc local", "date zone timezone"),
    ("cent euro dollar eur usd", "integer int"),
    ("async synchronous", "plain"),
    ("relative absolute", "path"),
    ("dark light", "theme mode"),
    ("debug info", ""),
    ("const let var", ""),
    ("past imperative present", "tense mood"),
    ("short long", ""),
    ("black yapf autopep8", "format"),
    ("composition inheritance", ""),
    ("markdown rst asciidoc", ""),
    ("squash rebase", ""),
    ("sequential parallel", ""),
    ("mutable immutable", ""),
    ("argparse click typer", "cli"),
    ("float decimal", ""),
    ("singular plural", ""),
    ("ascending descending", "order sort"),
    ("newest oldest", "first"),
    ("lf crlf", "line ending"),
)
"""Answers of which one can hold, and what goes without saying with each of them."""
_ACTS: Final = {
    "show": "shows shown showing display displayed displays print render",
    "store": "stores stored storing save saves saved persist persisted",
}
ACTS: Final = {word: act for act, words in _ACTS.items() for word in (act, *words.split())}
"""What is done with a value: what it is shown as says nothing about what it is stored as."""
UNITS: Final = {
    **dict.fromkeys(("characters", "character", "chars", "columns", "column", "cols"), "column"),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), "second"),
    **dict.fromkeys(("milliseconds", "ms"), "millisecond"),
    **dict.fromkeys(("minutes", "minute", "min"), "minute"),
    **dict.fromkeys(("hours", "hour", "h"), "hour"),
    **dict.fromkeys(("days", "day"), "day"),
    **dict.fromkeys(("lines", "line", "loc"), "line"),
    **dict.fromkeys(("times", "retries", "attempts"), "time"),
    **dict.fromkeys(("spaces",), "space"),
    **dict.fromkeys(("px", "pixels", "rem", "em"), "pixel"),
    **dict.fromkeys(("mb", "megabytes"), "megabyte"),
    **dict.fromkeys(("kb", "kilobytes"), "kilobyte"),
    **dict.fromkeys(("%", "percent"), "percent"),
    **dict.fromkeys(("words", "word"), "word"),
    **dict.fromkeys(("places", "digits", "decimals"), "digit"),
}
_NUMBERS: Final = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS: Final = {name: float(value) for value, name in enumerate(_NUMBERS.split())}
