"""Documentation that can be checked: command help, links, and words that don't belong."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_command_page_equals_the_commands_own_help() -> None:
    spec = importlib.util.spec_from_file_location("cli_help", ROOT / "tests" / "cli_help.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_every_direct_dependency_is_justified() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    named = set(re.findall(r'^  "([A-Za-z0-9-]+)(?:\[[^\]]*\])?[><=~]', project, re.MULTILINE))
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    assert named
    assert {name for name in named if f"`{name}`" not in page} == set()
