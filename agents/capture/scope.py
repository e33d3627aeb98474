"""Where a rule holds, as far as its words say so: a path, a language, a kind of work, a part."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from memory.records import Record

SUFFIXES: Final = {
    "python": "py", "typescript": "ts", "javascript": "js", "go": "go", "rust": "rs",
    "java": "java", "kotlin": "kt", "swift": "swift", "ruby": "rb", "php": "php", "sql": "sql",
    "css": "css", "html": "html", "yaml": "yml", "json": "json", "toml": "toml", "shell": "sh",
    "markdown": "md", "c++": "cpp", "c#": "cs",
}  # fmt: skip
"""The usual suffix of files in each language that is known here."""
_OTHER_NAMES: Final = {
    "py": "python", "ts": "typescript", "tsx": "typescript", "js": "javascript",
    "jsx": "javascript", "golang": "go", "rs": "rust", "kt": "kotlin", "rb": "ruby",
    "yml": "yaml", "bash": "shell", "sh": "shell", "md": "markdown", "cpp": "c++", "cs": "c#",
}  # fmt: skip
_NAMED: Final = "|".join(
    re.escape(name) for name in sorted({*SUFFIXES, *_OTHER_NAMES}, key=len, reverse=True)
)
_LANGUAGE: Final = (
    re.compile(
        rf"\b(?:in|for)\s+(?:all\s+|our\s+|the\s+|any\s+)?({_NAMED})(?![\w+#/-]|\.\w)", re.I
    ),
    re.compile(
        rf"(?<![\w./-])({_NAMED})\s+(?:code|files?|modules?|scripts?|tests?|sources?|functions?|"
        r"class(?:es)?|imports?|packages?|types?|components?)\b",
        re.IGNORECASE,
    ),
    re.compile(r"(?<!\w)\*?\.(\w{1,10})\s+files?\b", re.IGNORECASE),
)
_AT: Final = (
    r"\b(?:in|inside|under|within|below|for)\s+(?:the\s+|our\s+|all\s+of\s+)?"
    r"(?:(?:folder|directory|file|module|package)\s+)?[`'\"]?"
)
_FOLDERS: Final = r"((?:[\w.@-]+[/\\])+[\w.@-]*)"
# A path elsewhere in a sentence is where something is, or shall go: "put it in config/".
_PATH: Final = re.compile(
    r"^[`'\"]?((?:[\w.@-]+[/\\])+)[`'\"]?\s|"
    rf"^(?:[^,.;:]{{0,30}}[,:]\s+)?{_AT}{_FOLDERS}(?!\S*,?\s+not\b)|"
    rf"\b(?:no|never|not|don'?t|dont|avoid)\b[^,.;:]{{0,60}}{_AT}{_FOLDERS}|"
    rf"{_AT}{_FOLDERS}[`'\"]?\s+(?:folder\s+|directory\s+)?(?:is|are|must|should|may|has|have|use|uses|never|always|do|don'?t)\b",
    re.IGNORECASE,
)
# Folders that stand at a project's root by convention; any other name may be anywhere.
_ROOTS: Final = r"(src|lib|scripts|apps?|packages|cmd|pkg|internal|bin|tools|vendor)"
_ROOT: Final = re.compile(
    r"\b(?:in|inside|under|within|below)\s+[`'\"]?" + _ROOTS + r"[`'\"]?(?=[\s,.;:!)]|$)(?![.]\w)|"
    r"\b(?:in|inside|under|within|below)\s+(?:the|our)\s+[`'\"]?" + _ROOTS + r"[`'\"]?\s+"
    r"(?:folder|directory|dir)\b",
    re.IGNORECASE,
)
_FOLDER: Final = re.compile(
    r"(?<!not )\b(?:in|inside|under|within)\s+(?:the|our)\s+[`'\"]?"
    r"(?!root|same|current|home|project|whole)"
    r"([\w-]+)[`'\"]?\s+(?:folder|directory|dir)\b",
    re.IGNORECASE,
)
_NO_PATH: Final = re.compile(
    r"(?:and/or|either/or|yes/no|true/false|client/server|read/write|input/output|origin/\w+)\Z|"
    r"(?-i:[A-Z]+/[A-Z]+)\Z",
    re.IGNORECASE,
)
_FILE: Final = re.compile(
    _AT + r"([\w-]+(?:\.[\w-]+)*\.(\w{1,5}))(?=[`'\"\s,.:;!)]|$)", re.IGNORECASE
)
_PRODUCT: Final = re.compile(r"(?:node|next|vue|nuxt|express|three|d3|react)\.js", re.IGNORECASE)
_THIS_FILE: Final = re.compile(
    r"\b(?:in|for|of)\s+this\s+(?:file|module|script|page|component)\b", re.IGNORECASE
)
_THIS_FOLDER: Final = re.compile(
    r"\b(?:in|for|of)\s+this\s+(?:folder|directory|package)\b", re.IGNORECASE
)
_ROLES: Final = {
    "commits": r"\bcommit\s+(?:messages?|titles?|subjects?)\b|\bcommits\s+(?:are|should|must)\b",
    "branches": r"\bbranch(?:es|\s+names?)?\s+(?:are|is|must|should|names?|start)|"
    r"\b(?:name|names)\s+(?:of\s+)?branches\b",
    "reviews": r"\b(?:pull\s+requests?|prs?|merge\s+requests?|code\s+reviews?)\b",
    "replies": r"\b(?:your|each|every|all)\s+(?:repl(?:y|ies)|answers?|responses?|messages?)\b|"
    r"\b(?:answer|reply|respond|talk)\s+(?:to\s+me\s+)?(?:in|with|briefly|only)\b",
    "tests": r"\b(?:in|for|inside|of)\s+(?:the\s+|our\s+|all\s+|unit\s+|new\s+)*tests?\b(?!\w*/)|"
    r"\btests?\s+(?:should|must|need|may|are|do|never|always|use)\b|\btest\s+(?:files?|code|names?)\b",
    "docs": r"\b(?:in|for)\s+(?:the\s+|our\s+)*(?:docs|documentation|readme)\b(?!\s*/)|"
    r"\b(?:docs|documentation|readme)\s+(?:should|must|needs?|are|is)\b|"
    r"\bwrite\s+(?:the\s+|our\s+)?docs\b",
    "docstrings": r"\bdocstrings?\b",
    "comments": r"\bcomments?\b",
}
_ROLE: Final = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _ROLES.items()}
_PART: Final = re.compile(
    r"\b(?:in|for|of|from)\s+(?:the|our)\s+(?:new\s+|public\s+|whole\s+)?(api|cli|ui|gui|frontend|"
    r"front-end|backend|back-end|server|client|database|web\s*app|mobile\s+app|admin(?:\s+page)?|"
    r"app|library|pipeline|scheduler|importer|demo|examples?|migrations?)\b(?!/)",
    re.IGNORECASE,
)


class Place(Record):
    """Where a rule holds; what is empty does not narrow it.

    ``scope`` is a path from the project's root; ``part`` is what was named without its folder, such
    as "the API" or one file's name.
    """

    scope: str = ""
    language: str = ""
    role: str = ""
    part: str = ""


def place_of(text: str, *, path: str = "") -> Place:
    """Return where ``text`` says that it holds; ``path`` is what "this file" means, if known.

    Not covered: several paths (the first one counts), and paths outside of the project.
    """
    role = next((name for name, pattern in _ROLE.items() if pattern.search(text)), "")
    scope = _scope(text, path)
    return Place(
        scope=scope, language=_language(text), role=role, part="" if scope else _part(text)
    )


def language_of(path: str) -> str:
    """Return the language that the suffix of ``path`` tells, empty when it is not known."""
    return language_name(PurePosixPath(path).suffix.lstrip("."))


def language_name(word: str) -> str:
    """Return the language called ``word`` ("py", "TypeScript"), empty when it is not known."""
    lower = word.lower()
    return lower if lower in SUFFIXES else _OTHER_NAMES.get(lower, "")


def _language(text: str) -> str:
    for pattern in _LANGUAGE:
        for found in pattern.finditer(text):
            if name := language_name(found.group(1)):
                return name
    return ""


def _scope(text: str, path: str) -> str:
    if path and _THIS_FILE.search(text):
        return _inside(path)
    if path and _THIS_FOLDER.search(text):
        return _inside(str(PurePosixPath(path.replace("\\", "/")).parent))
    for found in _PATH.finditer(text):
        named = next(filter(None, found.groups()))
        if not _NO_PATH.match(named) and (scope := _inside(named)):
            return scope
    if root := _ROOT.search(text):
        return (root[1] or root[2]).lower()
    file = _file(text)
    return _inside(path) if file and PurePosixPath(path).name == file else ""


def _part(text: str) -> str:
    if folder := _FOLDER.search(text):
        return folder[1].lower()
    part = _PART.search(text)
    return " ".join(part.group(1).lower().replace("-", "").split()) if part else _file(text)


def _file(text: str) -> str:
    """Return the first file that is named without a folder: it may be anywhere."""
    for found in _FILE.finditer(text):
        if language_name(found.group(2)) and not _PRODUCT.fullmatch(found.group(1)):
            return found.group(1)
    return ""


def _inside(path: str) -> str:
    """Return ``path`` as the memory writes it, empty when it may lie outside of the project."""
    parts = [p for p in path.replace("\\", "/").rstrip("*").split("/") if p not in {"", "."}]
    outside = path.startswith(("/", "~")) or ".." in parts or ":" in path
    return "" if outside else "/".join(parts)
