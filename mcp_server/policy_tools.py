"""Tools of the toolset ``policy``: the rulebook, documents held against it, principles of code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from mcp_server.answer import Answer
from mcp_server.door import Door
from memory.policy import MAX_CHARS, Severity
from tools.principles import PRINCIPLES, check_principles
from tools.schemas import mismatches

Principles = Annotated[
    list[str], Field(max_length=20, description=f"Of {', '.join(PRINCIPLES)}; none: all.")
]
Text = Annotated[str, Field(min_length=1, max_length=MAX_CHARS)]
Query = Annotated[str, Field(min_length=1, max_length=4_000)]
Context = Annotated[str, Field(max_length=3_000, description="What the code must fit.")]


@dataclass(frozen=True, slots=True)
class PolicyTools:
    """The policies of the workspace, and other checks that need no model."""

    door: Door

    async def policy_rules(self) -> Answer:
        """Return the rulebook in force: ids, severities, what enforces each rule, the hash."""

        def told() -> Answer:
            book, stale = self.door.policies.current(), self.door.policies.is_stale()
            lines = [f"{rule.id} {rule.severity}: {rule.title}" for rule in book.rules()]
            data: dict[str, Any] = {**book.model_dump(mode="json"), "stale": stale}
            return Answer(
                text="\n".join(lines),
                data=data,
                next="the policy files have changed: call policy_build" if stale else "",
            )

        return await asyncio.to_thread(told)

    async def policy_build(self) -> Answer:
        """Make the policy files in .mcp-local-llm/policy part of the rulebook, all or none.

        A file whose rules changed needs a higher version. The default policies always stay.
        """
        book = await asyncio.to_thread(self.door.policies.build)
        names: list[Any] = [f"{policy.name} {policy.version}" for policy in book.policies]
        return Answer(
            text=f"the rulebook has {len(book.rules())} rules of {', '.join(names)}",
            data={"hash": book.hash, "policies": names, "rules": len(book.rules())},
        )

    async def policy_check(
        self,
        text: Text,
        path: Annotated[
            str, Field(max_length=400, description="Where it is to stand; rules may name files.")
        ] = "candidate.md",
        log: Annotated[
            bool, Field(description="Enter what is found in the violations log.")
        ] = False,
    ) -> Answer:
        """Hold a document, or a candidate policy file, against the rulebook before it is kept.

        Checked: the form and ids of a policy, required sections, forbidden phrases, secrets.
        """
        from memory.policy import check_document

        def check() -> Answer:
            store = self.door.policies
            found = check_document(text, path, store.current())
            if log:
                store.log(found, path, "mcp")
            errors = any(each.severity is Severity.ERROR for each in found)
            lines = [f"{path}:{one.line}: {one.severity} {one.rule}: {one.why}" for one in found]
            return Answer(
                text="\n".join(lines) or "keeps every rule",
                data={
                    "kept": not errors,
                    "findings": [each.model_dump(mode="json") for each in found],
                },
                next="mend the errors, then check again" if errors else "",
            )

        return await asyncio.to_thread(check)

    async def policy_report(
        self,
        rule: Annotated[str, Field(min_length=1, max_length=40, description="An id, as CREW-1.")],
        where: Annotated[str, Field(max_length=400, description="A path, or what it is about.")],
        why: Annotated[str, Field(min_length=1, max_length=2_000)],
    ) -> Answer:
        """Enter in the violations log that a rule was broken."""
        entry = await asyncio.to_thread(self.door.policies.report, rule, where, why, "mcp")
        return Answer(
            text=f"logged {entry.rule} ({entry.severity})",
            data={"violation": entry.model_dump(mode="json")},
        )

    async def validate_json(
        self,
        document: Annotated[Text, Field(description="JSON, as text.")],
        schema: Annotated[Text, Field(description="A JSON Schema, as text.")],
    ) -> Answer:
        """Hold JSON against a JSON Schema; say each place that is not as the schema wants it."""
        found = await mismatches(document, schema)
        return Answer(
            text="\n".join(f"{each.at}: {each.why}" for each in found) or "as the schema says",
            data={
                "valid": not found,
                "mismatches": [each.model_dump(mode="json") for each in found],
            },
            next="mend what is named, then call validate_json again" if found else "",
        )

    async def principle_guided(
        self,
        query: Query,
        context: Context = "",
        principles: Principles = [],  # noqa: B006  # the schema's default; never changed
    ) -> Answer:
        """Let the local model write Python under principles; its code is checked, not run."""
        from graph.principled import principle_guided, shown

        found = await principle_guided(query, context, principles, self.door.workspace)
        return Answer(text=shown(found), data=found.model_dump(mode="json"))

    async def validate_principles(
        self,
        code: Annotated[Text, Field(description="Python.")],
        principles: Principles = [],  # noqa: B006  # the schema's default; never changed
    ) -> Answer:
        """Check Python code against principles, by its syntax: violations, suggestions, a score."""
        report = await asyncio.to_thread(check_principles, code, principles)
        lines = [f"line {each.line}: {each.principle}: {each.what}" for each in report.violations]
        return Answer(
            text="\n".join([f"score {report.principle_score:g}", *lines]),
            data=report.model_dump(mode="json"),
            next="; ".join(report.suggestions[:5]),
        )
