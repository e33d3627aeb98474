"""The order of the folders: what stands left never imports what stands right."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    "mcp_local_llm", "prompts", "memory", "tools", "agents", "training", "graph", "mcp_server",
]  # fmt: skip
# One file per outside thing: who may import what is heavy, or stands for a seam.
SEAMS = {
    "torch": {
        "memory/minilm.py",
        "training/embedded/network.py",
        "training/embedded/gradients.py",
        "training/embedded/muon.py",
        "training/embedded/trainer.py",
    },
    "sentence_transformers": {"memory/minilm.py"},
    "langchain_openai": {"agents/chat.py"},
    "subprocess": {"tools/process.py"},
}


def sources(folder: str) -> list[Path]:
    single = ROOT / f"{folder}.py"
    return [single] if single.exists() else sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("folder", ORDER)
def test_a_folder_imports_only_what_stands_left_of_it(folder: str) -> None:
    later = set(ORDER[ORDER.index(folder) + 1 :])
    files = sources(folder)
    assert files
    wrong = {str(p.relative_to(ROOT)): imported(p) & later for p in files if imported(p) & later}
    assert wrong == {}


@pytest.mark.parametrize("library", sorted(SEAMS))
def test_an_outside_thing_is_imported_at_its_seam_alone(library: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for folder in ORDER
        for path in sources(folder)
        if library in imported(path)
    }
    assert users <= SEAMS[library]


def test_there_is_no_init_file_below_tests() -> None:
    assert [*(ROOT / "tests").rglob("__init__.py")] == []
