"""Pages for a browser: each is one file that needs nothing else."""

from __future__ import annotations

from typing import Any


def render_html(template: str, **values: Any) -> str:
    """Return the page of ``graph/templates`` filled with ``values``; all text is escaped.

    Nothing is fetched: the page's policy forbids it.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("graph"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(template).render(values)
