"""All text that a model reads: role prompts as templates, in two profiles.

``full`` is for general models, ``compact`` for the small embedded one. Both are rendered here and
nowhere else, in training, evaluation and serving alike.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

# Names the text of each template set; change it whenever a template of the set changes meaning.
PROMPT_IDS: Final = {"compact": "compact-1", "full": "full-1"}


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("prompts", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - prompts are plain text, not HTML
    )


def render(name: str, **values: object) -> str:
    """Render the template ``name`` (``"compact/brief"``) and strip outer newlines.

    Raises ``jinja2.UndefinedError`` when a value is missing and ``jinja2.TemplateNotFound`` for an
    unknown name: both are programming errors, not user input.
    """
    return _environment().get_template(f"{name}.md").render(**values).strip("\n")


@cache
def digest(profile: str) -> str:
    """Return a hash over all templates of the set ``profile``: names and texts."""
    total = hashlib.sha256()
    for path in sorted(files("prompts").joinpath(profile).iterdir(), key=lambda path: path.name):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
