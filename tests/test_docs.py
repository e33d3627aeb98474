"""Documentation that can be checked: command help, links, and words that don't belong."""

import html
import importlib.util
import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live
from rich.text import Text

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def script(name: str) -> Any:
    """Return the module of a script beside this file."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_page_equals_the_commands_own_help() -> None:
    module = script("cli_help")
    assert module.PAGE.read_text("utf-8") == module.page(), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_pictures_show_a_finished_run_and_fetch_nothing() -> None:
    pictures = [*ROOT.glob("docs/*.svg"), *ROOT.glob("training/embedded/weights/*.svg")]
    assert {picture.name for picture in pictures} == {"run.svg", "curve.svg"}
    for picture in pictures:
        named = set(re.findall(r"\w+://[^\"\s<)]+", picture.read_text("utf-8")))
        assert named == {"http://www.w3.org/2000/svg"}, picture
    run = html.unescape((ROOT / "docs" / "run.svg").read_text("utf-8")).replace(
        "\N{NO-BREAK SPACE}", " "
    )
    for words in ("implementer", "+def ", "delivered", "0 failed", "graph-run apply"):
        assert words in run


def test_the_picture_shows_what_stays_on_a_terminal() -> None:
    picture = script("picture")
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=40)
    with Live(Text("one\ntwo"), console=console, auto_refresh=False) as live:
        live.update(Text("first\nsecond\nthird"), refresh=True)
        live.update(Text("last", style="green"), refresh=True)
    console.print("after")
    shown = Text.from_ansi(picture.screen(said.getvalue().replace("\n", "\r\n")))
    assert [line.rstrip() for line in shown.plain.splitlines()] == ["last", "after"]
    drawn = picture.drawn(picture.screen(said.getvalue()))
    assert ">last<" in drawn and ">after<" in drawn


def test_every_direct_dependency_is_justified() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    named = set(re.findall(r'^  "([A-Za-z0-9-]+)(?:\[[^\]]*\])?[><=~]', project, re.MULTILINE))
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    assert named
    assert {name for name in named if f"`{name}`" not in page} == set()
