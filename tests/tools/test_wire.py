"""The wire format: every shape that models write, and no reading of what can be read twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.wire import ParsedReply, ToolCall, parse_reply, render_call

WRITE = ToolCall(name="fs.write", args={"path": "src/a.py"}, body="x = 1\n")
READ = ToolCall(name="fs.read", args={"path": "a"})


def calls_of(text: str, *, truncated: bool = False) -> tuple[ToolCall, ...]:
    reply = parse_reply(text, truncated=truncated)
    assert reply.problem is None, reply.problem
    return reply.calls


def problem_of(text: str, *, truncated: bool = False) -> str:
    reply = parse_reply(text, truncated=truncated)
    assert reply.problem is not None, reply.calls
    assert reply.calls == ()
    assert reply.shape is None
    return reply.problem


# -- the tag form ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '<tool:fs.write path="src/a.py">\nx = 1\n</tool>',
        "<tool:fs.write path='src/a.py'>\nx = 1\n</tool>\n",
        '<tool:fs.write path="src/a.py">\nx = 1\n</tool:fs.write>',
        '<tool:fs.write path="src/a.py" end="X7">\nx = 1\n</tool:X7>',
        '<tool:fs.write path="src/a.py" >\nx = 1\n</tool>  ',
        '<tool:fs.write\n  path="src/a.py"\n>\nx = 1\n</tool>',
        '  <tool:fs.write path="src/a.py">\nx = 1\n  </tool>',
        '<tool:fs.write path="src/a.py">x = 1\n</tool>',
        '<tool:fs.write path="src/a.py">\n```python\nx = 1\n```\n</tool>',
        '```xml\n<tool:fs.write path="src/a.py">\nx = 1\n</tool>\n```',
        '```\n<tool:fs.write path="src/a.py">\n```python\nx = 1\n```\n</tool>\n```\n',
        '<tool:fs.write path="src/a.py">\r\nx = 1\r\n</tool>\r\n',
    ],
)
def test_a_call_is_read_however_its_tag_is_dressed(text: str) -> None:
    reply = parse_reply(f"I write it.\n\n{text}")
    assert reply.calls == (WRITE,)
    assert reply.shape == "tag"
    assert reply.text == "I write it."


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('<tool:fs.read path="a"/>', None),
        ('<tool:fs.read path="a" />', None),
        ('<tool:fs.read path="a"></tool>', ""),
        ('<tool:fs.read path="a"></tool:fs.read>', ""),
        ('<tool:fs.read path="a">\n</tool>', ""),
        ('<tool:fs.read path="a">one line</tool>', "one line"),
        ('<tool:fs.read path="a" end="Q">say </tool> twice</tool:Q>', "say </tool> twice"),
    ],
)
def test_a_call_may_be_one_line(text: str, body: str | None) -> None:
    assert calls_of(text) == (READ.model_copy(update={"body": body}),)


def test_several_calls_keep_their_order_and_prose_stays_outside() -> None:
    reply = parse_reply(
        "First.\n"
        '<tool:fs.read path="a"/><tool:fs.read path="b"/>\n'
        "Then.\n"
        '<tool:fs.write path="c">\nbody\n</tool>\n'
        '<tags prompt="compact-1" level="flexible" marks=""/>'
    )
    assert [call.args["path"] for call in reply.calls] == ["a", "b", "c"]
    assert reply.text.startswith("First.")
    assert reply.text.endswith('<tags prompt="compact-1" level="flexible" marks=""/>')
    assert "body" not in reply.text


def test_entities_are_read_in_attributes_and_other_ampersands_stay() -> None:
    text = '<tool:cmd.run argv="a &lt; &quot;b&quot; &#38; &#x26; &amp;amp; && &copy; &#0;"/>'
    assert calls_of(text)[0].args["argv"] == 'a < "b" & & &amp; && &copy; &#0;'


def test_a_body_is_raw_text() -> None:
    body = "a = '<tool:fs.write'  # </tool> &amp;\n    </tool>\n<think>\n<tool_call>{\n```\n"
    text = f'<tool:fs.write path="a.txt">\n{body}</tool>\n'
    assert calls_of(text)[0].body == body


def test_a_mark_lets_a_body_hold_every_line() -> None:
    body = '<tool:fs.read path="a"/>\n</tool>\n</tool:fs.write>\n```python\n'
    text = f'<tool:fs.write path="a" end="X7">\n{body}</tool:X7>'
    assert calls_of(text)[0].body == body


def test_plan_and_tags_inside_a_body_are_not_prose() -> None:
    reply = parse_reply(
        "<plan>\ngoal: g\n</plan>\n"
        '<tool:fs.write path="a.md">\n<plan>\ngoal: other\n</plan>\n<tags prompt="x"/>\n</tool>\n'
    )
    assert reply.text == "<plan>\ngoal: g\n</plan>"
    assert len(reply.calls) == 1


@pytest.mark.parametrize(
    ("path", "body", "kept"),
    [
        ("a.py", "```python\nx = 1\n```\n", "x = 1\n"),
        ("a.py", "~~~\nx = 1\n~~~\n", "x = 1\n"),
        ("a.py", '```py\ndef f():\n    """\n    ```\n    """\n```\n', None),
        ("README.md", "```sh\nmake\n```\n", "```sh\nmake\n```\n"),
        ("a.py", "x = 1\n", "x = 1\n"),
    ],
)
def test_only_a_fence_around_a_whole_body_of_code_is_taken_off(
    path: str, body: str, kept: str | None
) -> None:
    expected = body.split("\n", 1)[1].rsplit("```", 1)[0] if kept is None else kept
    assert calls_of(f'<tool:fs.write path="{path}">\n{body}</tool>')[0].body == expected


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("a.py", "```python\nx = 1\n```\nand\n```python\ny = 2\n```\n"),
        ("a.py", "```python\nx = 1\n"),
        ("a.py", "x = 1\n```\n"),
        ("README.md", "```markdown\n# Title\n```\n"),
    ],
)
def test_a_fence_that_may_or_may_not_belong_to_the_text_is_a_problem(path: str, body: str) -> None:
    problem = problem_of(f'<tool:fs.write path="{path}">\n{body}</tool>')
    assert 'end="X7"' in problem
    marked = f'<tool:fs.write path="{path}" end="X7">\n{body}</tool:X7>'
    assert calls_of(marked)[0].body == body


# -- what has no reading, or two -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '<tool:fs.write path="a>\nx = "hello"\n</tool>',
        "<tool:fs.read path=a/>",
        '<tool:fs.read path="a" path="b"/>',
        '<tool:fs.read path="a"',
        '<tool: fs.read path="a"/>',
        '<tool:cmd.run argv="echo \\"hi\\""/>',
        '<tool:fs.write path="a" end="">\nx\n</tool:>',
        '<tool:fs.write path="a" end="X7">\nx\n</tool>',
        '<tool:fs.write path="a"/>\nx = 1\n</tool>',
        '<tool:fs.write path="a">\none\n</tool>\ntwo\n</tool>',
        '<tool:fs.write path="a">print("</tool>")</tool>',
        '<tool:fs.read path="a">\n<tool:fs.read path="b"/>\n</tool>',
        '<tool:fs.read path="a">\n<tool:fs.read path="b">\n',
        '<tool:fs.read path="a"/> is how a file is read.',
        'I would use <tool:fs.delete path="a"/>',
        '> <tool:fs.delete path="a"/>',
        '<tool:fs.write path="a">\nx = 1</tool>\nDone.',
        '<tool:fs.write path="a">\nx = 1\n  </tool>\n',
        '<tool:fs.write path="a">\nx = 1\n<tags prompt="p"/>',
        '```markdown\n<tool:fs.delete path="a"/>\n```',
        'The form:\n```\n<tool:fs.delete path="a"/>\nlike this\n```',
        '```\n<tool:fs.delete path="a"/>\n```\n<tool:fs.read path="a"/>',
        '<plan>\n<tool:fs.delete path="a"/>\n</plan>',
        '```python\n<tool:fs.write path="a">\nx\n```',
        '<tool:fs.read path="a"/>\n<tool_call>{"name": "fs.read", "arguments": {}}</tool_call>',
        "Half \ud800 a character",
        '<think>so <tool:fs.read path="a"/>',
        '<think>a</think>\nOh <think>\n<tool:fs.delete path="a"/>\n<think>',
        '<think>a <think>b</think>\n<tool:fs.delete path="a"/>\n</think>',
        '[CALLS] [{"name": "fs.delete", "arguments": {"path": "a"}}]',
    ],
)
def test_two_readings_or_none_make_a_problem_and_no_call(text: str) -> None:
    assert len(problem_of(text)) > 20


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing to do.",
        'Use `<tool:fs.delete path="a"/>` to delete.',
        "I use the <tool:fs.write> tool and <tool_call> and <tools> and <function= too.",
        "```python\nx = {'name': 1}\n```",
        '```json\n{"name": "demo", "version": "1"}\n```',
        '{"name": "demo", "version": "1"}\n[1, 2]\n{ not json',
        "[link]: http://example.org",
        '<tools>\n{"name": "fs.read", "description": "d", "parameters": {}}\n</tools>',
        '{"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}}',
        "<plan>\ngoal: never closed",
        "```text` is inline",
        "```\nopen fence",
    ],
)
def test_prose_stays_prose(text: str) -> None:
    reply = parse_reply(text)
    assert reply == ParsedReply(text=text.strip())


def test_a_quotation_in_a_fence_is_prose_when_there_are_calls_outside() -> None:
    text = 'So:\n```\nwrite <tool:x> or\n<tool:fs.delete path="a"/>\n```\n<tool:fs.read path="a"/>'
    assert calls_of(text) == (READ,)


def test_thinking_is_dropped_with_its_calls() -> None:
    thought = '<tool:fs.delete path="a"/>\n<tool:fs.wr ite\n'
    for text in (
        f'<think>\n{thought}</think>\n<tool:fs.read path="a"/>\nok',
        f'<thinking>{thought}</thinking><tool:fs.read path="a"/>\nok',
        f'{thought}</think>\n<tool:fs.read path="a"/>\nok',
        '<tool:fs.delete path="a"/>\n</think>\n<tool:fs.read path="a"/>\nok',
        '<think>a</think>Well, <think>\n<tool:fs.delete path="a"/>\n</think>\n'
        '<tool:fs.read path="a"/>\nok',
    ):
        reply = parse_reply(text)
        assert reply.problem is None, reply.problem
        assert reply.calls == (READ,)
        assert reply.text.replace("Well,", "").strip() == "ok"


# -- unclosed and truncated ------------------------------------------------------------------------


def test_an_unclosed_last_block_is_accepted_and_reported() -> None:
    reply = parse_reply('<tool:fs.read path="b"/>\n<tool:fs.write path="src/a.py">\nx = 1')
    assert reply.calls[1] == WRITE
    assert reply.shape == "unclosed"
    assert parse_reply('<tool:fs.read path="a">').calls == (READ,)


@pytest.mark.parametrize(
    "text",
    [
        '<tool:fs.write path="src/a.py">\nx = 1',
        '<tool:fs.write path="src/a.py',
        '<tool:fs.read path="b"/>\n<tool:fs.write path="src/a.py" end="X">\nx = 1',
        '```\n<tool:fs.write path="src/a.py">\nx = 1',
        '<tool_call>\n{"name": "fs.read", "arguments": {"path": "a"}}',
        '```json\n{"name": "fs.read", "arguments": {"path": "a"}}',
        '<tool_call>\n{"name": "fs.read", "argum',
    ],
)
def test_a_cut_reply_with_an_open_call_does_nothing(text: str) -> None:
    assert problem_of(text, truncated=True)


def test_a_cut_reply_with_closed_calls_is_read() -> None:
    assert calls_of('<tool:fs.read path="a"/>\nAnd th', truncated=True) == (READ,)


# -- the other shapes ------------------------------------------------------------------------------

JSON_READ = '{"name": "fs.read", "arguments": {"path": "a"}}'


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (f"<tool_call>\n{JSON_READ}\n</tool_call>", "tool_call"),
        (f"<tool_call>\n```json\n{JSON_READ}\n```\n</tool_call>", "tool_call"),
        ('<tool_call>\n<tool:fs.read path="a"/>\n</tool_call>', "tool_call"),
        (f"<tools>{JSON_READ}</tools>", "tools"),
        (f"<tools>\n[{JSON_READ}]\n</tools>", "tools"),
        (f"```json\n{JSON_READ}\n```", "json_fence"),
        (f"```\n[{JSON_READ}]\n```", "json_fence"),
        (JSON_READ, "bare_json"),
        (f"I read it:\n{JSON_READ}\nDone.", "bare_json"),
        (f"{JSON_READ}\n</tool_call>", "bare_json"),
        ('{"name": "fs.read", "arguments": "{\\"path\\": \\"a\\"}"}', "bare_json"),
        ('{"name": "fs.read", "parameters": {"path": "a", "lines": null}}', "bare_json"),
        ('{"type": "function", "function": ' + JSON_READ + "}", "bare_json"),
        ('{"tool_calls": [' + JSON_READ + "]}", "bare_json"),
        ("<function=fs.read>\n<parameter=path>\na\n</parameter>\n</function>", "function_xml"),
        ('<function=fs.read>{"path": "a"}</function>', "function_xml"),
        (f"<function_call>{JSON_READ}</function_call>", "function_xml"),
        (
            "<tool_call>\n<function=fs.read>\n<parameter=path>a</parameter>\n</function>\n"
            "</tool_call>",
            "function_xml",
        ),
        (f"<tool_call>\n{JSON_READ}", "unclosed"),
        (f"```json\n{JSON_READ}", "unclosed"),
        ("<function=fs.read>\n<parameter=path>a</parameter>", "unclosed"),
    ],
)
def test_each_foreign_shape_is_read_and_named(text: str, shape: str) -> None:
    reply = parse_reply(text)
    assert reply.problem is None, reply.problem
    assert reply.calls == (READ,)
    assert reply.shape == shape


def test_foreign_calls_may_be_several() -> None:
    block = f"<tool_call>\n{JSON_READ}\n"
    assert calls_of(f"{block}</tool_call>\n{block}</tool_call>") == (READ, READ)
    assert calls_of(f"{block}{block}</tool_call>") == (READ, READ)
    assert calls_of(f"<tool_call>\n{JSON_READ}\n{JSON_READ}\n</tool_call>") == (READ, READ)
    assert calls_of(f"{JSON_READ}\n{JSON_READ}") == (READ, READ)


def test_content_in_json_is_the_body_and_values_become_text() -> None:
    arguments = {"path": "a.py", "content": "```python\nx = '</tool_call>'\n```", "n": 3, "b": True}
    text = json.dumps({"name": "fs.write", "arguments": arguments})
    call = calls_of(f"<tool_call>{text}</tool_call>")[0]
    assert call == ToolCall(
        name="fs.write",
        args={"path": "a.py", "n": "3", "b": "true"},
        body="x = '</tool_call>'\n",
    )
    argv = json.dumps({"name": "cmd.run", "arguments": {"argv": ["a b", "c"]}})
    assert calls_of(argv)[0].args == {"argv": "'a b' c"}


@pytest.mark.parametrize(
    "text",
    [
        "{'name': 'fs.read', 'arguments': {'path': 'a'}}",
        "<tool_call>\n{'name': 'fs.read', 'arguments': {'path': 'a'}}\n</tool_call>",
        "```json\n{'name': 'fs.read', 'arguments': {'path': 'a'}}\n```",
        '<tool_call>\n{"name": "fs.read", "arguments": {"path": "a"}\n</tool_call>',
        "<tool_call>\nfs.read\n</tool_call>",
        '<tools>{"name": "fs.read", "arguments": </tools>',
        '{"name": "fs.read", "arguments": {"path": "a", "path": "b"}}',
        '{"name": "fs.read", "arguments": {"path": "a"}, "arguments": {"path": "b"}}',
        '{"name": "fs.read", "arguments": {}, "parameters": {}}',
        '{"name": "fs.read", "arguments": [1]}',
        '{"name": "fs.read", "arguments": "path=a"}',
        '{"name": "fs.write", "arguments": {"content": "a", "body": "b"}}',
        '{"name": "fs.read"}',
        '{"name": "fs.read", "path": "a"}',
        f'[{JSON_READ}, {{"x": 1}}]',
        f"{JSON_READ}}}",
        f"<tool_call>{JSON_READ} and </tool_call>",
        '{"name": "fs.write", "arguments": {"path": "\\ud800"}}',
        "<function=fs.read>\n<parameter=path>a\n<parameter=lines>1</parameter>\n</function>",
        "<function=fs.read>{'path': 'a'}</function>",
        "<function=>",
        f"Like <tool_call>{JSON_READ}</tool_call>",
        f"```python\n{JSON_READ}\n```",
        "[" * 5_000 + '{"name": "fs.read", "arguments": {}}',
        '{"name": ' + '{"a":' * 5_000 + '"arguments": ',
        '{"name": "fs.read", "arguments": {"n": ' + "9" * 5_000 + "}}",
    ],
)
def test_a_malformed_foreign_call_is_a_problem_or_prose_but_never_a_call(text: str) -> None:
    reply = parse_reply(text)
    assert reply.calls == ()
    if "[[" not in text and '"a":{"a"' not in text:  # depth itself is no sign of a call
        assert reply.problem


def test_long_replies_of_any_kind_are_read_in_one_pass() -> None:
    body = "x = 1\n" * 100_000
    assert calls_of(f'<tool:fs.write path="a.txt">\n{body}</tool>')[0].body == body
    assert len(calls_of('<tool:fs.read path="a"/>\n' * 2_000)) == 2_000
    assert problem_of('{"name": 1\n' * 2_000)
    for prose in ("see <tool:fs.read> and ", "<plan>\n", "```\na\n", "{\n", "`<tool:fs.read>` "):
        assert parse_reply(prose * 2_001).problem is None


# -- rendering and fuzzing -------------------------------------------------------------------------

names = st.from_regex(r"[a-z]{1,5}\.[a-z_]{1,8}", fullmatch=True)
words = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30)
keys = st.from_regex(r"[a-z_]{1,8}", fullmatch=True).filter(lambda key: key != "end")
PIECES = st.sampled_from(
    [
        "</tool>", "<tool:fs.write path=\"a\">", "<tool:fs.read path='b'/>", "</tool:fs.write>",
        "<think>", "</think>", "```", "```python", "~~~", "<tool_call>", "</tool_call>", "<tools>",
        "</tools>", '{"name": "fs.read", "arguments": {"path": "a"}}', "{'name': 'fs.read'}",
        "<function=fs.read>", "<parameter=path>", "</parameter>", "</function>", "<plan>",
        "</plan>",
        "<tags prompt=\"p\"/>", "\n", "\n", "\r\n", " ", "x = 1", '"', "'", "&amp;", "end=\"X7\"",
        "</tool:X7>", "<<<<<<< SEARCH", "=======", "\u2028", "\x00", "`",
    ]
)  # fmt: skip
bodies = st.one_of(st.none(), words, st.lists(PIECES, max_size=12).map("".join)).map(
    lambda body: body and body.replace("\r\n", "\n")
)


@settings(max_examples=250, deadline=None)
@given(st.one_of(st.text(), st.lists(st.one_of(PIECES, words), max_size=25).map("".join)))
def test_any_text_gives_calls_or_a_problem_and_never_an_exception(text: str) -> None:
    for truncated in (False, True):
        reply = parse_reply(text, truncated=truncated)
        assert not (reply.calls and reply.problem)
        assert (reply.shape is None) == (not reply.calls)


@settings(max_examples=250, deadline=None)
@given(names, st.dictionaries(keys, words, max_size=3), bodies)
def test_what_is_rendered_is_read_back(name: str, args: dict[str, str], body: str | None) -> None:
    call = ToolCall(name=name, args=args, body=body)
    if body and "\n" in body and not body.endswith("\n"):
        body += "\n"
    text = render_call(call)
    expected = (call.model_copy(update={"body": body}),)
    assert calls_of(text) == expected
    assert calls_of(f"Some prose.\n{text}\nMore.") == expected


@settings(max_examples=120, deadline=None)
@given(st.lists(bodies, min_size=1, max_size=4))
def test_several_rendered_calls_are_read_back_together(parts: list[str | None]) -> None:
    calls = [ToolCall(name="fs.write", args={"path": "a.txt"}, body=body) for body in parts]
    wire = [render_call(call) for call in calls]
    alone = [calls_of(text)[0] for text in wire]
    assert list(calls_of("\n".join(wire))) == alone


@settings(max_examples=120, deadline=None)
@given(bodies.filter(bool), st.integers(0, 400))
def test_a_cut_reply_never_yields_half_a_body(body: str, cut: int) -> None:
    call = ToolCall(name="fs.write", args={"path": "a.txt"}, body=body)
    text = render_call(call)
    whole = calls_of(text)
    assert parse_reply(text[:cut], truncated=True).calls in ((), whole)


def test_a_body_and_an_attribute_named_end_cannot_be_rendered() -> None:
    with pytest.raises(ValueError, match="end"):
        render_call(ToolCall(name="fs.read", args={"end": "3"}, body="x"))
