"""Running the user's tests with the user's Python, on the run's code."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from mcp_local_llm import ToolRetry, Unavailable
from tools.pytest_report import module_names
from tools.pytest_run import TestReport, run_tests
from tools.sandbox import CommandPolicy

pytest_plugins = ["pytester"]

FINDER = """
import importlib.machinery, importlib.util, sys
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "shop":
            return importlib.util.spec_from_file_location(
                name, {init!r}, submodule_search_locations=[{folder!r}])
sys.meta_path.{how}
"""


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pytest and what it needs, without the plugins of our own environment."""
    folder = tmp_path_factory.mktemp("packages")
    for name in ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments"):
        found = importlib.util.find_spec(name)
        assert found is not None and found.origin is not None
        shutil.copytree(Path(found.origin).parent, folder / name)
    installed = Path(pytest.__file__).parent.parent
    (about,) = installed.glob("pluggy-*.dist-info")  # pytest asks for its version
    for name in ("xdist", "execnet", about.name):
        shutil.copytree(installed / name, folder / name)
    shutil.copy(installed / "py.py", folder)  # a part of pytest
    return folder


def make_python(folder: Path, packages: Path, pth: str = "") -> Path:
    """Make an environment that has pytest, as the user's, and runs ``pth`` lines at start."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(f"{packages}\n")
    (site / "__editable__.shop.pth").write_text(pth + "\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def user_python(tmp_path_factory: pytest.TempPathFactory, packages: Path) -> Path:
    return make_python(tmp_path_factory.mktemp("user") / "env", packages)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A src-layout project with one module; tests are up to the test."""
    package = tmp_path / "project" / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "cart.py").write_text("def total(prices):\n    return sum(prices)\n")
    (tmp_path / "project" / "tests").mkdir()
    return tmp_path / "project"


def add_test(project: Path, source: str, name: str = "test_cart.py") -> str:
    (project / "tests" / name).write_text(source)
    return f"tests/{name}"


async def outcome(
    project: Path,
    python: Path,
    *paths: str,
    changed: Sequence[str] = ("src/shop/cart.py",),
    timeout_s: float = 100.0,
    readable: tuple[Path, ...] = (),
) -> TestReport:
    policy = CommandPolicy(
        python=python, allow_unsandboxed=True, timeout_s=timeout_s, readable=readable
    )
    return await run_tests(project, paths, policy, changed)


async def test_passing_failing_and_skipped_tests_are_counted(
    project: Path, user_python: Path
) -> None:
    path = add_test(
        project,
        "import pytest\nfrom shop.cart import total\n"
        "def test_good(): assert total([1, 2]) == 3\n"
        "def test_bad():\n    assert total([1]) == 2\n"
        "@pytest.mark.skip\ndef test_later(): pass\n"
        "@pytest.fixture\ndef broken(): raise RuntimeError('no set-up')\n"
        "def test_fixture(broken): pass\n",
    )
    report = await outcome(project, user_python, path)
    assert (report.passed, report.failed, report.errors, report.skipped) == (1, 1, 1, 1)
    assert report.exit_code == 1
    assert not report.green
    assert not report.test_broken
    bad, broken = report.failures
    assert bad == "tests/test_cart.py::test_bad: assert 1 == 2"
    assert broken == "tests/test_cart.py::test_fixture: RuntimeError: no set-up"
    assert "test_bad" in report.output


async def test_passing_tests_on_the_runs_code_are_green(project: Path, user_python: Path) -> None:
    add_test(project, "from shop.cart import total\ndef test_it(): assert total([]) == 0\n")
    report = await outcome(project, user_python)
    assert report.green
    assert report.import_ok
    assert report.imported_from == (str(project.resolve() / "src" / "shop" / "cart.py"),)
    assert report.failures == ()
    left = {path.name for path in project.rglob("*")}
    assert left == {"src", "shop", "__init__.py", "cart.py", "tests", "test_cart.py"}


async def test_unittest_cases_run_too(project: Path, user_python: Path) -> None:
    path = add_test(
        project,
        "import unittest\nfrom shop.cart import total\nclass TotalTest(unittest.TestCase):\n"
        "    def test_sum(self): self.assertEqual(total([1, 2]), 3)\n"
        "    def test_bad(self): self.assertEqual(total([1, 2]), 4)\n",
    )
    report = await outcome(project, user_python, path)
    assert (report.passed, report.failed) == (1, 1)
    assert report.failures == ("tests/test_cart.py::TotalTest::test_bad: AssertionError: 3 != 4",)


async def test_a_test_file_that_does_not_parse_is_a_broken_test(
    project: Path, user_python: Path
) -> None:
    report = await outcome(project, user_python, add_test(project, "def test_it(: pass\n"))
    assert report.test_broken
    assert report.errors == 1
    assert report.failures == ("tests/test_cart.py: SyntaxError: invalid syntax",)


async def test_code_under_test_that_does_not_parse_is_no_broken_test(
    project: Path, user_python: Path
) -> None:
    (project / "src" / "shop" / "cart.py").write_text("def total(:\n")
    path = add_test(project, "from shop.cart import total\ndef test_it(): pass\n")
    report = await outcome(project, user_python, path)
    assert not report.test_broken
    assert report.errors == 1
    assert "SyntaxError" in report.failures[0]


async def test_a_missing_name_is_an_error_that_is_named(project: Path, user_python: Path) -> None:
    path = add_test(project, "from shop.cart import total_above\ndef test_it(): pass\n")
    report = await outcome(project, user_python, path)
    assert not report.test_broken
    assert "ImportError: cannot import name 'total_above'" in report.failures[0]


async def test_no_tests_at_all_is_not_green(project: Path, user_python: Path) -> None:
    report = await outcome(project, user_python, add_test(project, "x = 1\n"))
    assert report.exit_code == 5
    assert not report.green


async def test_a_missing_test_file_is_reported(project: Path, user_python: Path) -> None:
    report = await outcome(project, user_python, "tests/absent.py")
    assert report.exit_code == 4
    assert "absent.py" in report.output


async def test_a_crash_of_the_interpreter_is_reported(project: Path, user_python: Path) -> None:
    path = add_test(project, "import os\ndef test_it(): os._exit(7)\n")
    report = await outcome(project, user_python, path)
    assert (report.exit_code, report.errors) == (7, 1)
    assert "no report" in report.failures[0]


async def test_tests_past_their_time_are_reported(project: Path, user_python: Path) -> None:
    path = add_test(project, "import time\ndef test_it(): time.sleep(600)\n")
    report = await outcome(project, user_python, path, timeout_s=4)
    assert report.timed_out
    assert "did not end within" in report.failures[0]
    assert not report.green


async def test_workers_of_xdist_are_joined(project: Path, user_python: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\naddopts = -p xdist.plugin -n 2\n")
    source = "from shop.cart import total\ndef test_a(): pass\ndef test_b(): assert 0\n"
    report = await outcome(project, user_python, add_test(project, source))
    assert (report.passed, report.failed) == (1, 1)
    assert report.imported_from == (str(project.resolve() / "src" / "shop" / "cart.py"),)


@pytest.mark.parametrize("addopts", ["--lf", "-p no:cacheprovider", "-q -q --no-header"])
async def test_the_projects_own_options_are_kept(
    addopts: str, project: Path, user_python: Path
) -> None:
    (project / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\n")
    report = await outcome(project, user_python, add_test(project, "def test_a(): pass\n"))
    assert report.green, report.output


@pytest.mark.parametrize("wanted", [True, False])
async def test_installed_plugins_load_unless_the_settings_say_no(
    wanted: bool, project: Path, packages: Path, tmp_path: Path
) -> None:
    python = make_python(tmp_path / "env", packages)
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (site / "greeting.py").write_text("def pytest_report_header(config): return 'greetings'\n")
    about = site / "greeting-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[pytest11]\ngreeting = greeting\n")
    policy = CommandPolicy(python=python, allow_unsandboxed=True, pytest_plugins=wanted)
    report = await run_tests(project, [add_test(project, "def test_it(): pass\n")], policy)
    assert report.green
    assert ("greetings" in report.output) is wanted


async def test_an_option_is_no_test_path(project: Path, user_python: Path) -> None:
    with pytest.raises(ToolRetry, match="'--pdb' is no test path"):
        await outcome(project, user_python, "--pdb")


async def test_missing_pytest_is_said_with_the_command_that_mends_it(
    project: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    with pytest.raises(Unavailable, match=f"{python} -m pip install pytest"):
        await outcome(project, python)


async def test_a_missing_interpreter_is_said(project: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not run"):
        await outcome(project, tmp_path / "absent")


def worktree_of(project: Path) -> Path:
    """Copy the project as a run's worktree, with code that tells the two apart."""
    tree = project.parent / "worktree"
    shutil.copytree(project, tree)
    (tree / "src" / "shop" / "cart.py").write_text("def total(prices):\n    return 'new'\n")
    add_test(tree, "from shop.cart import total\ndef test_it(): assert total([]) == 'new'\n")
    return tree


def finder(project: Path, how: str) -> str:
    folder = project / "src" / "shop"
    source = FINDER.format(init=str(folder / "__init__.py"), folder=str(folder), how=how)
    return f"import sys; exec({source!r})"


async def test_an_editable_install_by_path_does_not_win(
    project: Path, tmp_path: Path, packages: Path
) -> None:
    python = make_python(tmp_path / "env", packages, str(project / "src"))
    report = await outcome(worktree_of(project), python)
    assert report.green, report.output


@pytest.mark.parametrize("how", ["append(Finder)", "insert(0, Finder)"])
async def test_an_editable_install_by_import_hook_does_not_win(
    how: str, project: Path, tmp_path: Path, packages: Path
) -> None:
    python = make_python(tmp_path / "env", packages, finder(project, how))
    report = await outcome(worktree_of(project), python, readable=(project,))
    assert report.green, report.output


async def test_code_from_elsewhere_is_noticed(
    project: Path, tmp_path: Path, packages: Path
) -> None:
    early = f"import sys; sys.path.insert(0, {str(project / 'src')!r}); import shop.cart"
    python = make_python(tmp_path / "env", packages, early)
    report = await outcome(worktree_of(project), python)
    assert not report.import_ok
    assert not report.green
    assert str(project.resolve() / "src" / "shop" / "cart.py") in report.imported_from


async def test_a_changed_module_that_no_test_imports_is_looked_up(
    project: Path, tmp_path: Path, packages: Path
) -> None:
    python = make_python(tmp_path / "env", packages, str(project / "src"))
    tree = worktree_of(project)
    report = await outcome(tree, python, add_test(tree, "def test_it(): pass\n"))
    assert report.imported_from == (str(tree.resolve() / "src" / "shop" / "cart.py"),)


async def test_a_deleted_module_is_not_looked_for(
    project: Path, tmp_path: Path, packages: Path
) -> None:
    python = make_python(tmp_path / "env", packages, str(project / "src"))
    tree = worktree_of(project)
    (tree / "src" / "shop" / "cart.py").unlink()
    report = await outcome(tree, python, add_test(tree, "def test_it(): pass\n"))
    assert report.green
    assert report.imported_from == ()


def test_a_changed_file_has_a_name_for_each_root_it_lies_below(tmp_path: Path) -> None:
    roots = [str(tmp_path), str(tmp_path / "src")]
    assert module_names("src/shop/cart.py", roots) == ["shop.cart", "src.shop.cart"]
    assert module_names("src/shop/__init__.py", roots) == ["shop", "src.shop"]
    assert module_names("tool-box/x.py", roots) == []


async def test_nothing_here_blocks_the_event_loop(project: Path, user_python: Path) -> None:
    add_test(project, "def test_it(): pass\n")
    names = ("pytest_run", "command", "sandbox", "interpreter", "process")
    with blockbuster_ctx([f"tools.{name}" for name in names]):
        report = await outcome(project, user_python)
    assert report.green


def test_the_plugin_writes_what_happened(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(thing="X = 1", test_thing="import thing\ndef test_a(): assert thing.X == 2")
    pytester.makepyfile(test_bad="def test_a(:", other="Y = 1")
    monkeypatch.setenv("LOCAL_LLM_REPORT", str(pytester.path / "report"))
    monkeypatch.setenv("LOCAL_LLM_ROOTS", json.dumps([str(pytester.path)]))
    monkeypatch.setenv("LOCAL_LLM_CHANGED", json.dumps(["thing.py", "other.py"]))
    finders = list(sys.meta_path)
    pytester.inline_run(
        *("-p", "tools.pytest_report", "-p", "no:cacheprovider", "--continue-on-collection-errors"),
        *("-o", "asyncio_default_fixture_loop_scope=function"),
    )
    sys.meta_path[:] = finders
    report = json.loads((pytester.path / "report-.json").read_text())
    assert report["counts"] == {"passed": 0, "failed": 1, "errors": 1, "skipped": 0}
    assert report["broken"] == ["test_bad.py"]
    assert report["loaded"] == {
        "thing.py": [str(pytester.path / "thing.py")],
        "other.py": [str(pytester.path / "other.py")],
    }
