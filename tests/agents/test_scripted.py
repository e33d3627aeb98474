from __future__ import annotations

import pytest

from agents.chat import ChatModel, Message
from agents.scripted import ScriptedModel
from mcp_local_llm import ModelUnavailable

HELLO = (Message(role="system", content="be brief"), Message(role="user", content="hello"))


async def test_replies_come_in_order_and_calls_are_kept() -> None:
    model = ScriptedModel(["one two", "three"])
    as_protocol: ChatModel = model
    pieces: list[str] = []
    first = await as_protocol.complete(HELLO, max_tokens=9, on_token=pieces.append)
    longer = (*HELLO, Message(role="assistant", content=first.text))
    second = await as_protocol.complete(longer, max_tokens=9)
    assert (first.text, second.text) == ("one two", "three")
    assert pieces == ["one two"]
    assert (first.cached_tokens, second.cached_tokens) == (0, model.count(HELLO))
    assert model.calls == [HELLO, longer]
    assert (model.model_id, model.adapter_id) == ("scripted", None)
    with pytest.raises(ModelUnavailable, match="add a reply to the script"):
        await model.complete(HELLO, max_tokens=9)


async def test_a_reply_is_cut_as_a_server_would() -> None:
    model = ScriptedModel(lambda messages: messages[-1].content + "\n  three four\n")
    answer = await model.complete([Message(role="user", content="one two")], max_tokens=3)
    assert (answer.text, answer.finish_reason) == ("one two\n  three", "length")
    whole = await model.complete([Message(role="user", content="one two")], max_tokens=4)
    assert (whole.text, whole.finish_reason) == ("one two\n  three four\n", "stop")
