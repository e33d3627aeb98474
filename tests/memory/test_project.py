"""Which project a folder belongs to, and what its files are called there."""

from __future__ import annotations

from pathlib import Path

from memory.project import prefix_in_project, project_id, project_root


def test_files_of_a_folder_below_are_named_from_the_root_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "part" / "shop").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "link").symlink_to("part")
    assert prefix_in_project(tmp_path) == ""
    assert prefix_in_project(tmp_path / "part" / "shop") == "part/shop/"
    assert prefix_in_project(tmp_path / "link") == "part/"
    assert project_id(tmp_path / "part") == project_id(tmp_path)


def test_without_git_a_folder_is_a_project_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    assert project_root(tmp_path / "part") == (tmp_path / "part").resolve()
    assert prefix_in_project(tmp_path / "part") == ""
