"""Edits: the one place that is meant, every other byte kept, or a refusal that says why."""

from __future__ import annotations

import ast
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mcp_local_llm import StoreUnavailable, ToolDenied, ToolRetry
from tools.edits import Edit, FileChange, apply_edits
from tools.faults import translated
from tools.jail import Jail
from tools.textfile import MAX_BYTES, split_lines
from tools.transaction import Transaction, stamp

CODE = '''"""Sums."""

import os


# the total
@cache
def total(values):
    """Add up.

    Twice.
    """
    return sum(values)
    # not rounded


class Cart:
    def add(self, item):
        self.items.append(item)

    async def send(self):
        return self.items  # all


if os.name:

    def twice(): return 1
else:

    def twice(): return 2
'''


@pytest.fixture
def jail(tmp_path: Path) -> Jail:
    return Jail(tmp_path)


def block(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


def edit(path: str, *blocks: str) -> Edit:
    return Edit(path=path, kind="search_replace", text="".join(blocks))


def write(path: str, text: str) -> Edit:
    return Edit(path=path, kind="write", text=text)


def append(path: str, text: str) -> Edit:
    return Edit(path=path, kind="append", text=text)


def symbol(path: str, name: str, text: str) -> Edit:
    return Edit(path=path, kind="symbol", symbol=name, text=text)


def delete(path: str) -> Edit:
    return Edit(path=path, kind="delete")


def put(jail: Jail, path: str, data: bytes | str) -> None:
    file = jail.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data.encode() if isinstance(data, str) else data)


def got(jail: Jail, path: str) -> str:
    return (jail.root / path).read_bytes().decode()


def refusal(jail: Jail, *edits: Edit) -> str:
    """Return why ``edits`` are refused, having checked that nothing changed."""
    before = snapshot(jail.root)
    with pytest.raises(ToolRetry) as caught:
        apply_edits(jail, edits)
    assert snapshot(jail.root) == before
    return str(caught.value)


def snapshot(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


# -- search and replace ----------------------------------------------------------------------------


def test_a_block_replaces_the_lines_that_occur_once(jail: Jail) -> None:
    put(jail, "a.py", "a = 1\nb = 2\nc = 3\n")
    (change,) = apply_edits(jail, [edit("a.py", block("b = 2\n", "b = 20\nb2 = 21\n"))])
    assert got(jail, "a.py") == "a = 1\nb = 20\nb2 = 21\nc = 3\n"
    assert change == FileChange(
        path="a.py",
        kind="modified",
        before="a = 1\nb = 2\nc = 3\n",
        after="a = 1\nb = 20\nb2 = 21\nc = 3\n",
        notes=("line 2 replaced by 2",),
    )


def test_a_block_is_compared_by_whole_lines(jail: Jail) -> None:
    put(jail, "a.py", "max_x = 1\nx = 1\n")
    apply_edits(jail, [edit("a.py", block("x = 1\n", "x = 2\n"))])
    assert got(jail, "a.py") == "max_x = 1\nx = 2\n"


def test_an_ambiguous_block_is_refused_with_the_lines_it_fits(jail: Jail) -> None:
    put(jail, "a.py", "x = 1\ny = 2\nx = 1\n")
    message = refusal(jail, edit("a.py", block("x = 1\n", "x = 2\n")))
    assert "2 places" in message
    assert "lines 1, 3" in message


def test_a_block_that_fits_nowhere_is_refused_with_the_nearest_lines(jail: Jail) -> None:
    put(jail, "a.py", CODE)
    message = refusal(jail, edit("a.py", block("    return sum(value)\n", "    return 0\n")))
    assert "13:     return sum(values)" in message
    message = refusal(
        jail, edit("a.py", block("def total(xs):\n    return sum(values)\n", "pass\n"))
    )
    assert "return sum(values)" in message
    assert "Nothing in the file is near" in refusal(jail, edit("a.py", block("§§§§\n", "x\n")))


@pytest.mark.parametrize(
    ("before", "search", "replace", "after", "reading"),
    [
        ("a  \nb\t\nc\n", "a\nb\n", "a\nB\n", "a  \nB\nc\n", "trailing blanks"),
        (
            "class A:\n    def f(self):\n        return 1\n\n    y = 2\n",
            "def f(self):\n    return 1\n\ny = 2\n",
            "def f(self):\n    return 3\n\ny = 2\n",
            "class A:\n    def f(self):\n        return 3\n\n    y = 2\n",
            "another indentation",
        ),
        ("if a:\n\tb()\n", "    b()\n", "    c()\n", None, ""),
        ("f()\n", "    f()\n", "    f()\n    g()\n", "f()\ng()\n", "another indentation"),
        (
            "t = 'it’s – “so”'\nu = 1\n",
            "t = 'it's - \"so\"'\n",
            "t = 'it's - \"so\" now'\n",
            "t = 'it’s – “so” now'\nu = 1\n",
            "plain quotes",
        ),
        ("x = 'a\u00a0b'\ny = 1\n", "x = 'a b'\ny = 1\n", "x = 'a b'\ny = 2\n", None, "plain"),
        ("# cafe\u0301\nx = 1\n", "# caf\u00e9\nx = 1\n", "# caf\u00e9\nx = 2\n", None, "plain"),
    ],
)
def test_looser_readings_are_tried_in_order_and_keep_what_is_not_changed(
    jail: Jail, before: str, search: str, replace: str, after: str | None, reading: str
) -> None:
    put(jail, "a.txt", before)
    if not reading:
        refusal(jail, edit("a.txt", block(search, replace)))
        return
    (change,) = apply_edits(jail, [edit("a.txt", block(search, replace))])
    if after is None:  # the first line differs in characters only, the second is changed
        after = before.split("\n")[0] + "\n" + replace.split("\n")[1] + "\n"
    assert got(jail, "a.txt") == after
    assert reading in change.notes[0]


def test_a_looser_reading_must_fit_once_too(jail: Jail) -> None:
    put(jail, "a.py", "if a:\n    x()\nif b:\n        x()\n")
    assert "lines 2, 4" in refusal(jail, edit("a.py", block("x()\n", "y()\n")))
    put(jail, "b.py", "x()\nif b:\n        x()\n")
    apply_edits(jail, [edit("b.py", block("x()\n", "y()\n"))])
    assert got(jail, "b.py") == "y()\nif b:\n        x()\n"


def test_a_loose_match_that_breaks_the_syntax_is_refused(jail: Jail) -> None:
    put(jail, "a.py", "if a:\n    x()\n")
    assert "no longer parse" in refusal(jail, edit("a.py", block("x()\n", "y(\n")))
    (change,) = apply_edits(jail, [edit("a.py", block("    x()\n", "    y(\n"))])
    assert "does not parse" in change.notes[-1]


def test_lines_that_cannot_move_left_are_refused(jail: Jail) -> None:
    put(jail, "a.txt", "f()\n")
    assert "less indentation" in refusal(jail, edit("a.txt", block("    f()\n", "  g()\n")))


def test_blocks_of_one_message_see_the_file_as_it_was(jail: Jail) -> None:
    put(jail, "a.py", "a = 1\nb = 2\nc = 3\n")
    edits = [
        edit("a.py", block("c = 3\n", "a = 1\n")),
        edit("./a.py", block("a = 1\n", "c = 3\n")),
    ]
    apply_edits(jail, edits)
    assert got(jail, "a.py") == "c = 3\nb = 2\na = 1\n"


def test_overlapping_edits_are_refused(jail: Jail) -> None:
    put(jail, "a.py", "a = 1\nb = 2\nc = 3\n")
    first = block("a = 1\nb = 2\n", "x\n")
    assert "both change line 2" in refusal(jail, edit("a.py", first, block("b = 2\n", "y\n")))
    put(jail, "b.py", CODE)
    inner = block("    return sum(values)\n", "    return 0\n")
    assert "both change" in refusal(
        jail, symbol("b.py", "total", "def total(v):\n    return 1\n"), edit("b.py", inner)
    )


@pytest.mark.parametrize(
    "text",
    [
        "<<<<< SEARCH\nb\n=====\nB\n>>>>> REPLACE\n",
        "a.txt\n```python\n<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE\n```\n",
        "**a.txt**\n<<<<<<<SEARCH\nb\n=======\nB\n>>>>>>>REPLACE",
        "<<<<<<< SEARCH a.txt\nb\n=======\nB\n>>>>>>>\n",
        "<<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE\n",
        "<<<<<<< ORIGINAL\nb\n=======\nB\n>>>>>>> UPDATED\n",
        "<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE\n\n",
    ],
)
def test_marks_are_read_tolerantly(jail: Jail, text: str) -> None:
    put(jail, "a.txt", "a\nb\nc\n")
    apply_edits(jail, [edit("a.txt", text)])
    assert got(jail, "a.txt") == "a\nB\nc\n"


def test_marks_of_another_length_let_a_block_hold_marks(jail: Jail) -> None:
    put(jail, "a.rst", "Title\n=======\n>>>>>>> REPLACE\n")
    apply_edits(
        jail,
        [
            edit(
                "a.rst",
                "<<<<<<<<<< SEARCH\nTitle\n=======\n>>>>>>> REPLACE\n==========\nName\n=======\n"
                ">>>>>>>>>> REPLACE\n",
            )
        ],
    )
    assert got(jail, "a.rst") == "Name\n=======\n"


@pytest.mark.parametrize(
    "text",
    [
        "b = 3\n",
        "<<<<<<< SEARCH\nb\n=======\nB\n",
        "<<<<<<< SEARCH\nb\n>>>>>>> REPLACE\n",
        "<<<<<<< SEARCH\nb\n=======\nB\n=======\nC\n>>>>>>> REPLACE\n",
        "<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE\n>>>>>>> REPLACE\n",
        "<<<<<<< SEARCH\nb\n==========\nB\n>>>>>>> REPLACE\n",
        "other.txt\n<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE\n",
        "Here it is now:\n<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE\n",
        "<<<<<<< SEARCH\nb\n=======\nb\n>>>>>>> REPLACE\n",
        "<<<<<<< SEARCH\n\n=======\nb\n>>>>>>> REPLACE\n",
        "<<<<<<< SEARCH\n=======\nb\n>>>>>>> REPLACE\n",
        "<<<<<<< SEARCH\nb\n=======\n# ... rest of the code ...\n>>>>>>> REPLACE\n",
        "",
    ],
)
def test_a_malformed_or_pointless_block_is_refused(jail: Jail, text: str) -> None:
    put(jail, "a.txt", "a\nb\n\nc\n")
    assert len(refusal(jail, edit("a.txt", text))) > 20


def test_an_empty_search_fills_a_new_or_empty_file(jail: Jail) -> None:
    put(jail, "empty.py", "")
    apply_edits(
        jail, [edit("empty.py", block("", "x = 1\n")), edit("new.py", block("", "y = 1\n"))]
    )
    assert got(jail, "empty.py") == "x = 1\n"
    assert got(jail, "new.py") == "y = 1\n"
    assert "no file" in refusal(jail, edit("missing.py", block("a\n", "b\n")))
    assert "both empty" in refusal(jail, edit("other.py", block("", "")))


# -- bytes that are kept ---------------------------------------------------------------------------


def test_mixed_line_endings_and_an_open_last_line_are_kept(jail: Jail) -> None:
    put(jail, "a.txt", b"a\r\nb\nc\rd\r\ne")
    apply_edits(jail, [edit("a.txt", block("b\nc\nd\n", "b\nC\nC2\nd\n"))])
    assert (jail.root / "a.txt").read_bytes() == b"a\r\nb\nC\rC2\rd\r\ne"
    apply_edits(jail, [edit("a.txt", block("e\n", "e\nf\n"))])
    assert (jail.root / "a.txt").read_bytes() == b"a\r\nb\nC\rC2\rd\r\ne\r\nf"


def test_a_whole_write_keeps_endings_mark_mode_and_open_end(jail: Jail) -> None:
    put(jail, "a.py", b"\xef\xbb\xbfx = 1\r\ny = 2")
    (jail.root / "a.py").chmod(0o755)
    apply_edits(jail, [write("a.py", "x = 1\nz = 3\ny = 2\n")])
    assert (jail.root / "a.py").read_bytes() == b"\xef\xbb\xbfx = 1\r\nz = 3\r\ny = 2"
    assert (jail.root / "a.py").stat().st_mode & 0o777 == 0o755
    put(jail, "b.txt", b"a\r\nb\nc\n")
    apply_edits(jail, [write("b.txt", "a\nB\nc\n")])
    assert (jail.root / "b.txt").read_bytes() == b"a\r\nB\nc\n"


def test_utf_16_with_a_mark_is_edited_and_kept(jail: Jail) -> None:
    for encoding, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        put(jail, "a.txt", mark + "ä\r\nb\r\n".encode(encoding))
        apply_edits(jail, [edit("a.txt", block("b\n", "ß\n"))])
        assert (jail.root / "a.txt").read_bytes() == mark + "ä\r\nß\r\n".encode(encoding)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("grün\n".encode("latin-1"), "neither UTF-8"),
        (b"a\0b\n", "binary"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        (b"\xff\xfea", "neither UTF-8"),
        (b"a\n" * (MAX_BYTES // 2 + 1), "larger than 2 MB"),
        ("# coding: latin-1\nx = 'ä'\n".encode(), "declares the encoding"),
    ],
)
def test_what_cannot_be_read_for_sure_is_never_rewritten(jail: Jail, data: bytes, why: str) -> None:
    put(jail, "a.py", data)
    for change in (write("a.py", "x\n"), append("a.py", "x\n"), edit("a.py", block("a\n", "b\n"))):
        assert why in refusal(jail, change)
    (change_made,) = apply_edits(jail, [delete("a.py")])
    assert change_made.kind == "deleted"
    assert change_made.before is None


def test_a_file_does_not_grow_beyond_the_limit_or_its_encoding(jail: Jail) -> None:
    assert "larger than" in refusal(jail, write("a.txt", "x" * (MAX_BYTES + 1)))
    put(jail, "a.py", "# coding: latin-1\nx = 'a'\n")
    assert "declares" in refusal(jail, edit("a.py", block("x = 'a'\n", "x = 'ä'\n")))


# -- whole files, appending, deleting --------------------------------------------------------------


def test_a_new_file_gets_its_folders_and_a_final_line_end(jail: Jail) -> None:
    (change,) = apply_edits(jail, [write("src/new/a.py", "x = 1")])
    assert got(jail, "src/new/a.py") == "x = 1\n"
    assert (change.kind, change.before, change.after) == ("created", None, "x = 1\n")
    apply_edits(jail, [write("empty.txt", "")])
    assert got(jail, "empty.txt") == ""


def test_a_write_that_stands_for_code_is_refused(jail: Jail) -> None:
    put(jail, "a.py", "x = 1\n# ... existing code ...\n")
    for line in (
        "# ... rest of the code ...",
        "    # rest of the file unchanged",
        "// … other code",
    ):
        assert "stands for code" in refusal(jail, write("a.py", f"y = 1\n{line}\n"))
    apply_edits(
        jail, [write("a.py", "y = 1\n# ... existing code ...\n# keep the rest of it\n...\n")]
    )


@pytest.mark.parametrize(
    ("before", "body", "after"),
    [
        ("x = 1\n", "def f():\n    pass\n", "x = 1\n\n\ndef f():\n    pass\n"),
        ("x = 1", "@d\ndef f():\n    pass", "x = 1\n\n\n@d\ndef f():\n    pass\n"),
        ("x = 1\n\n", "\nclass A:\n    pass\n", "x = 1\n\n\nclass A:\n    pass\n"),
        ("x = 1\n\n\n\n", "async def f(): ...\n", "x = 1\n\n\n\nasync def f(): ...\n"),
        ("x = 1\r\n", "y = 2\n", "x = 1\r\ny = 2\r\n"),
        ("", "def f(): ...\n", "def f(): ...\n"),
        ("\n", "def f(): ...\n", "\ndef f(): ...\n"),
        ("x = (\n", "def f(): ...\n", "x = (\n\n\ndef f(): ...\n"),
    ],
)
def test_appending_adds_just_the_lines_and_the_blank_lines_python_wants(
    jail: Jail, before: str, body: str, after: str
) -> None:
    put(jail, "a.py", before)
    apply_edits(jail, [append("a.py", body)])
    assert got(jail, "a.py") == after


def test_appending_creates_a_missing_file(jail: Jail) -> None:
    apply_edits(jail, [append("a.txt", "one\n"), append("a.txt", "def two\n")])
    assert got(jail, "a.txt") == "one\ndef two\n"


def test_appending_a_second_definition_of_a_name_is_refused(jail: Jail) -> None:
    put(jail, "a.py", CODE)
    assert "already defines 'total' at line 8" in refusal(
        jail, append("a.py", "def total(): ...\n")
    )
    assert "already ends" in refusal(jail, append("a.py", CODE[-30:].split("\n", 1)[1]))
    assert "no body" in refusal(jail, append("a.py", "\n"))


def test_an_edit_that_changes_nothing_is_refused(jail: Jail) -> None:
    put(jail, "a.py", CODE)
    assert "already holds exactly this" in refusal(jail, write("a.py", CODE))
    body = "async def send(self):\n    return self.items  # all\n"
    assert "already so" in refusal(jail, symbol("a.py", "Cart.send", body))
    assert "cancel" in refusal(jail, write("a.py", "x\n"), write("a.py", CODE))
    assert "created and deleted" in refusal(jail, write("b.py", "x\n"), delete("b.py"))


def test_a_write_that_drops_most_of_a_file_says_so(jail: Jail) -> None:
    put(jail, "a.txt", "a\n" * 9)
    (change,) = apply_edits(jail, [write("a.txt", "a\n")])
    assert change.notes == ("it had 9 lines and has 1 now",)


def test_a_deleted_file_may_be_written_anew(jail: Jail) -> None:
    put(jail, "a.txt", "a\r\n")
    apply_edits(jail, [delete("a.txt"), write("a.txt", "b\n")])
    assert got(jail, "a.txt") == "b\n"
    apply_edits(jail, [delete("a.txt")])
    assert not (jail.root / "a.txt").exists()
    assert "no file" in refusal(jail, delete("a.txt"))
    put(jail, "a.txt", "a\n")
    assert "no file" in refusal(jail, delete("a.txt"), delete("a.txt"))


# -- symbols ---------------------------------------------------------------------------------------


def test_a_definition_is_replaced_with_its_decorators_and_inner_comments(jail: Jail) -> None:
    put(jail, "a.py", CODE)
    body = '# the total\ndef total(values):\n    """New."""\n    return 0\n'
    apply_edits(jail, [symbol("a.py", "total", body)])
    start, rest = CODE.split("@cache\n")
    _, after = rest.split("    # not rounded\n")
    assert got(jail, "a.py") == start + body.split("\n", 1)[1] + after


def test_a_method_is_indented_like_the_old_one_and_its_strings_keep_theirs(jail: Jail) -> None:
    put(jail, "a.py", CODE.replace("\n", "\r\n"))
    body = (
        'def add(self, item):\n    """Add.\n\n    One.\n    """\n    self.text = """\n'
        'raw\n    """\n    return f"""{item}\nend"""\n'
    )
    apply_edits(jail, [symbol("a.py", "Cart.add", body)])
    new = (
        '    def add(self, item):\n        """Add.\n\n        One.\n        """\n'
        '        self.text = """\nraw\n    """\n        return f"""{item}\nend"""\n'
    )
    old = "    def add(self, item):\n        self.items.append(item)\n"
    assert got(jail, "a.py") == CODE.replace(old, new).replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("twice", "def twice(): ...\n", "defined 2 times"),
        ("add", "def add(self): ...\n", "Cart.add"),
        ("missing", "def missing(): ...\n", "no definition"),
        ("total", "def other(): ...\n", "nothing else"),
        ("total", "import os\ndef total(): ...\n", "nothing else"),
        ("total", "def total(:\n", "does not parse"),
        ("total", "x = 1\n", "nothing else"),
        ("total", "\n", "empty"),
        ("total", "def total():\n    # ... existing code ...\n    return 1\n", "stands for code"),
        ("Cart", "class Cart:\n    pass\n\nx = 1\n", "nothing else"),
    ],
)
def test_a_symbol_edit_that_is_not_sure_is_refused(
    jail: Jail, name: str, body: str, why: str
) -> None:
    put(jail, "a.py", CODE)
    assert why in refusal(jail, symbol("a.py", name, body))


def test_symbols_need_python_that_parses(jail: Jail) -> None:
    put(jail, "a.py", "def f(:\n")
    assert "does not parse" in refusal(jail, symbol("a.py", "f", "def f(): ...\n"))
    put(jail, "a.js", "x\n")
    assert "Python files only" in refusal(jail, symbol("a.js", "f", "def f(): ...\n"))
    put(jail, "b.py", "x = 1\n")
    assert "defines nothing" in refusal(jail, symbol("b.py", "f", "def f(): ...\n"))


def test_a_docstring_that_moves_is_no_obstacle(jail: Jail) -> None:
    put(jail, "a.py", CODE)
    body = 'def add(self, item):\n    """ Add.\n    """\n    x = [\n        1]\n'
    apply_edits(jail, [symbol("a.py", "Cart.add", body)])
    assert '    def add(self, item):\n        """ Add.\n        """\n        x = [\n' in got(
        jail, "a.py"
    )


def test_a_definition_on_a_shared_line_is_refused(jail: Jail) -> None:
    put(jail, "a.py", "@\\\nd\ndef f(): ...\n")
    assert "shares a line" in refusal(jail, symbol("a.py", "f", "def f(): return 1\n"))


def test_an_indented_body_replaces_a_method_as_it_stands(jail: Jail) -> None:
    put(jail, "a.py", CODE)
    apply_edits(jail, [symbol("a.py", "Cart.send", "    def send(self):\n        return ()\n")])
    assert "    def send(self):\n        return ()\n\n\nif os.name" in got(jail, "a.py")


# -- all or nothing --------------------------------------------------------------------------------


def test_one_refused_edit_leaves_every_file_as_it_was(jail: Jail) -> None:
    put(jail, "a.txt", "a\n")
    message = refusal(jail, write("a.txt", "b\n"), write("n/x.txt", "x\n"), delete("missing.txt"))
    assert "missing.txt" in message


def test_a_failure_while_placing_takes_the_earlier_steps_back(jail: Jail) -> None:
    put(jail, "a.txt", "a\n")
    put(jail, "gone.txt", "g\n")
    before = snapshot(jail.root)
    edits = [write("a.txt", "b\n"), delete("gone.txt"), write("x", "file\n"), write("x/y", "z\n")]
    with pytest.raises(ToolRetry):
        apply_edits(jail, edits)
    assert snapshot(jail.root) == before


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_system_stops_midway_leaves_the_originals(jail: Jail) -> None:
    put(jail, "a.txt", "a\n")
    before = snapshot(jail.root)
    with file_size_limit(100_000), pytest.raises(ToolRetry, match="allows"):
        apply_edits(jail, [write("n/b.txt", "b\n"), write("a.txt", "x" * 1_000_000)])
    assert snapshot(jail.root) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 kB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_the_originals_and_is_said_plainly(small_disk: Path) -> None:
    jail = Jail(small_disk)
    put(jail, "a.txt", "a\n")
    before = snapshot(jail.root)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        apply_edits(jail, [write("a.txt", "b\n"), write("n/b.txt", "x" * 200_000)])
    assert snapshot(jail.root) == before
    with pytest.raises(StoreUnavailable, match="disk is full"):
        jail.write_bytes("a.txt", b"x" * 200_000)
    assert snapshot(jail.root) == before


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="no device that is always full")
def test_a_full_disk_is_no_fault_of_the_model() -> None:
    with (
        pytest.raises(StoreUnavailable, match="free some space"),
        translated("write", "a.txt"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")


def test_a_file_changed_meanwhile_is_not_overwritten(jail: Jail) -> None:
    put(jail, "a.txt", "a\n")
    seen = stamp((jail.root / "a.txt").stat())
    put(jail, "a.txt", "mine\n")
    with pytest.raises(ToolRetry, match="meanwhile"), Transaction(jail) as transaction:
        transaction.write("a.txt", b"b\n", seen)
        transaction.commit()
    assert got(jail, "a.txt") == "mine\n"
    assert list(snapshot(jail.root)) == ["a.txt"]


def test_two_names_of_one_file_are_refused(jail: Jail) -> None:
    put(jail, "a.txt", "a\n")
    (jail.root / "b.txt").hardlink_to(jail.root / "a.txt")
    assert "are one file" in refusal(jail, write("a.txt", "x\n"), write("b.txt", "y\n"))


def test_paths_outside_and_folders_are_refused(jail: Jail) -> None:
    put(jail, "d/a.txt", "a\n")
    with pytest.raises(ToolDenied):
        apply_edits(jail, [write("../a.txt", "x\n")])
    for change in (write("d", "x\n"), delete("d"), write("d/a.txt/b", "x\n")):
        refusal(jail, change)


# -- against an oracle -----------------------------------------------------------------------------

ENDINGS = st.sampled_from(["\n", "\r\n", "\r"])
LINES = st.sampled_from(["", "a", "b", "    a", "  b  ", "x = 1", "if a:", "\tc", "’q’", "é", "}"])
FILES = st.lists(st.tuples(LINES, ENDINGS), min_size=1, max_size=12)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data(), FILES, st.booleans())
def test_an_exact_edit_is_the_edit_of_the_lines_or_a_refusal(
    tmp_path: Path, data: st.DataObject, rows: list[tuple[str, str]], closed: bool
) -> None:
    jail = Jail(tmp_path)
    text = "".join(line + end for line, end in rows)
    text = text if closed else text.rstrip("\r\n")
    assume(text and "\r\n" not in text.replace("\r\n", ""))
    kept = split_lines(text)
    contents = [line.rstrip("\r\n") for line in kept]
    start = data.draw(st.integers(0, len(kept) - 1))
    stop = data.draw(st.integers(start + 1, len(kept)))
    search = contents[start:stop]
    replace = data.draw(st.lists(LINES, max_size=5))
    put(jail, "f.txt", text)
    call = edit(
        "f.txt", block("".join(f"{x}\n" for x in search), "".join(f"{x}\n" for x in replace))
    )
    places = [i for i in range(len(kept)) if contents[i : i + len(search)] == search]
    try:
        apply_edits(jail, [call])
    except ToolRetry as error:
        pointless = replace == search or not any(x.strip() for x in search)
        assert len(places) > 1 or pointless or "two line ends" in str(error)
        assert got(jail, "f.txt") == text
        return
    result = split_lines(got(jail, "f.txt"))
    assert places == [start]
    assert [line.rstrip("\r\n") for line in result] == [
        *contents[:start],
        *replace,
        *contents[stop:],
    ]
    assert result[:start] == kept[:start]
    if stop < len(kept):
        assert result[start + len(replace) :] == kept[stop:]


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(FILES, st.lists(LINES, min_size=1, max_size=4), st.lists(LINES, max_size=4))
def test_a_loose_edit_touches_only_lines_that_read_alike(
    tmp_path: Path, rows: list[tuple[str, str]], search: list[str], replace: list[str]
) -> None:
    jail = Jail(tmp_path)
    text = "".join(line + end for line, end in rows)
    kept = split_lines(text)
    put(jail, "f.txt", text)
    call = edit(
        "f.txt", block("".join(f"{x}\n" for x in search), "".join(f"{x}\n" for x in replace))
    )
    alike = [
        i
        for i in range(len(kept) - len(search) + 1)
        if all(
            line.strip().replace("’", "'") == wanted.strip().replace("’", "'")
            for line, wanted in zip(kept[i : i + len(search)], search, strict=True)
        )
    ]
    try:
        apply_edits(jail, [call])
    except ToolRetry:
        assert got(jail, "f.txt") == text
        return
    result = split_lines(got(jail, "f.txt"))
    assert any(
        result[:i] == kept[:i]
        and result[i + len(replace) :] == kept[i + len(search) :]
        and [x.strip() for x in result[i : i + len(replace)]] == [x.strip() for x in replace]
        for i in alike
    )


NAMES = st.sampled_from(["f", "g", "h", "C"])
STRINGS = st.sampled_from(['"s"', '"""a\nb"""', "'''\n    x\n'''", 'f"""{1}\n"""'])


@st.composite
def definition(draw: st.DrawFn, depth: int = 0) -> str:
    """Return the source of a definition, indented by nothing."""
    name = draw(NAMES)
    head = draw(
        st.sampled_from(["def {}():", "async def {}():", "class {}:", "@d\n@e(1)\ndef {}():"])
    )
    lines = [head.format(name)]
    if draw(st.booleans()):
        lines.append('    """Doc.\n\n    More.\n    """')
    lines.append(f"    x = {draw(STRINGS)}  # é")
    if depth < 2 and draw(st.booleans()):
        inner = draw(definition(depth + 1))
        lines.append(indented(inner))
    if draw(st.booleans()):
        lines.append("    # last")
    return "\n".join(lines) + "\n"


def indented(source: str) -> str:
    """Indent ``source`` but not the inside of its strings, by asking the tokens of the tree."""
    tree = ast.parse(source)
    frozen: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            frozen.update(range(node.value.lineno + 1, (node.value.end_lineno or 0) + 1))
    return "\n".join(
        line if number in frozen or not line else "    " + line
        for number, line in enumerate(source.rstrip("\n").split("\n"), 1)
    )


def named(tree: ast.AST, prefix: str = "") -> dict[str, list[ast.AST]]:
    found: dict[str, list[ast.AST]] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(prefix + node.name, []).append(node)
            for name, nodes in named(node, prefix + node.name + ".").items():
                found.setdefault(name, []).extend(nodes)
    return found


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(definition(), min_size=1, max_size=4),
    definition(),
    st.data(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_symbol_edit_replaces_that_definition_and_nothing_else(
    tmp_path: Path, parts: list[str], new: str, data: st.DataObject, end: str
) -> None:
    jail = Jail(tmp_path)
    source = "\n\n".join(parts)
    known = named(ast.parse(source))
    target = data.draw(st.sampled_from(sorted(known)))
    last = target.rpartition(".")[2]
    written = ast.parse(new).body[0]
    put(jail, "a.py", source.replace("\n", end))
    try:
        apply_edits(jail, [symbol("a.py", target, new)])
    except ToolRetry as error:
        expected = len(known[target]) > 1 or getattr(written, "name", "") != last
        assert expected or "already so" in str(error), str(error)
        return
    assert len(known[target]) == 1
    result = got(jail, "a.py")
    assert result.count("\r\n") == (result.count("\n") if end == "\r\n" else 0)
    node = known[target][0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    start = min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1
    lines, after = source.split("\n"), result.replace("\r\n", "\n").split("\n")
    assert after[:start] == lines[:start]
    tail = [line for line in lines[node.end_lineno :] if line.strip() != "# last"]
    if tail:
        assert [line for line in after if line.strip() != "# last"][-len(tail) :] == tail
    (placed,) = named(ast.parse(result))[target]
    assert docless(placed) == docless(written)


def docless(node: ast.AST) -> str:
    copy = ast.parse(ast.unparse(node))
    for inner in ast.walk(copy):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner.body = inner.body[ast.get_docstring(inner) is not None :]
    return ast.dump(copy)
