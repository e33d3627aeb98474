"""A server made for the conformance suite: our application and transport, with the suite's tools.

The suite calls tools, resources and prompts of fixed names. They are here in place of the product's
own, on the same ``App`` and behind the same guard, token and limits as ``serve --http``.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any, Final, Literal

from mcp.server.mcpserver import Audio, Context, Image, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    EmbeddedResource,
    PromptReference,
    ResourceTemplateReference,
    SamplingMessage,
    TextContent,
    TextResourceContents,
    Tool,
)
from pydantic import BaseModel

from mcp_server.app import App
from mcp_server.door import Door
from mcp_server.http import on_loopback

PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
SILENCE: Final = (
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"
)
OPTIONS: Final = ["option1", "option2", "option3"]
TITLED: Final = [{"const": f"value{n}", "title": f"Choice {n}"} for n in (1, 2, 3)]
CHOICES: Final = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    },
}
NEWER_SCHEMA: Final = Tool(
    name="json_schema_2020_12_tool",
    description="A tool whose schema has what JSON Schema 2020-12 brought.",
    input_schema={
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"type": "object", "properties": {"city": {"type": "string"}}}},
        "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
        "additionalProperties": False,
    },
)


class Person(BaseModel):
    username: str
    email: str


class Prefilled(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


class Fixtures(App):
    """The application, with a listed schema that no function's signature can ask for."""

    async def list_tools(self) -> list[Tool]:
        return [*await super().list_tools(), NEWER_SCHEMA]


def embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


def test_simple_text() -> str:
    return "This is a simple text response for testing."


def test_image_content() -> Image:
    return Image(data=PIXEL, format="png")


def test_audio_content() -> Audio:
    return Audio(data=SILENCE, format="wav")


def test_embedded_resource() -> EmbeddedResource:
    return embedded("test://embedded-resource", "This is an embedded resource content.")


def test_multiple_content_types() -> list[Any]:
    resource = embedded("test://mixed-content-resource", '{"test":"data"}', "application/json")
    return ["Multiple content types test:", Image(data=PIXEL, format="png"), resource]


def test_error_handling() -> str:
    raise ToolError("This tool intentionally returns an error for testing")


async def test_tool_with_logging(ctx: Context) -> str:
    for stage in ("started", "goes on", "completed"):
        await ctx.info(f"Tool execution {stage}")
    return "logged"


async def test_tool_with_progress(ctx: Context) -> str:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
    return "done"


async def test_reconnection(ctx: Context) -> str:
    await ctx.close_sse_stream()
    return "reconnected"


async def test_sampling(prompt: str, ctx: Context) -> str:
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message(
        [asked], max_tokens=100, related_request_id=ctx.request_id
    )
    return f"LLM response: {answer.content}"


async def test_elicitation(message: str, ctx: Context) -> str:
    return f"User response: {await ctx.elicit(message, Person)}"


async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    return f"Elicitation completed: {await ctx.elicit('Who?', Prefilled)}"


async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    answer = await ctx.session.elicit_form("Which?", CHOICES, related_request_id=ctx.request_id)
    return f"Elicitation completed: {answer}"


def static_text() -> str:
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    return PIXEL


def templated(id: str) -> str:
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def test_simple_prompt() -> str:
    """A prompt that asks for nothing."""
    return "This is a simple prompt for testing."


def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1={arg1!r}, arg2={arg2!r}"


def test_prompt_with_embedded_resource(resourceUri: str) -> list[Any]:
    """A prompt with a resource in it."""
    resource = embedded(resourceUri, "Embedded resource content for testing.")
    return [UserMessage(resource), "Please process the embedded resource above."]


def test_prompt_with_image() -> list[Any]:
    """A prompt with an image in it."""
    return [UserMessage(Image(data=PIXEL, format="png")), "Please analyze the image above."]


async def completed(
    ref: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    context: CompletionContext | None,
) -> Completion:
    return Completion(values=[f"{argument.value}-completed"])


TOOLS: Final = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_tool_with_logging,
    test_tool_with_progress,
    test_reconnection,
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
)
RESOURCES: Final = (
    ("test://static-text", static_text, "text/plain"),
    ("test://static-binary", static_binary, "image/png"),
    ("test://template/{id}/data", templated, "application/json"),
)
PROMPTS: Final = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
)


def fixtures(door: Door) -> App:
    """Return the server that the suite asks for."""
    app = Fixtures(door)
    for tool in TOOLS:
        app.add_tool(tool, description="For the conformance suite.", structured_output=False)
    for uri, page, kind in RESOURCES:
        app.resource(uri, mime_type=kind)(page)
    for prompt in PROMPTS:
        app.prompt()(prompt)
    app.completion()(completed)  # type: ignore[no-untyped-call]  # the SDK's own gap
    return app


def main(workspace: str, token_file: str) -> None:
    """Serve the fixtures on any port until a signal ends it."""
    on_loopback(fixtures(Door.open(Path(workspace))), 0, Path(token_file))


if __name__ == "__main__":
    main(*sys.argv[1:])
