"""Tools of the toolset ``memory``: reading Markdown in, and looking after what is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from graph.console import short
from mcp_server.answer import Answer
from mcp_server.door import Door
from memory.records import Kind, Where

KindName = Literal[
    "fact", "concept", "pattern", "definition", "preference", "correction", "preservation",
    "document", "code", "episode", "success", "failure", "generation", "decision", "debugging",
]  # fmt: skip
Kinds = Annotated[list[KindName], Field(description="Only these kinds; none means all.")]
Scope = Annotated[str, Field(description="A folder or file from the project's root; '' is all.")]


@dataclass(frozen=True, slots=True)
class UpkeepTools:
    """What the memory of the workspace holds, as a whole."""

    door: Door

    async def index_markdown(
        self,
        paths: Annotated[
            list[str],
            Field(max_length=200, description="Files or folders of the workspace; none means all."),
        ] = [],  # noqa: B006  # the schema's default; never changed
    ) -> Answer:
        """Read Markdown files into the memory, by their headings, so that recall finds them.

        Unchanged files are passed over, and pieces that are gone are forgotten. Files that git
        ignores or that may hold secrets are left out.
        """
        from graph.markdown import index_markdown

        def read() -> Answer:
            done = index_markdown(self.door.workspace, self.door.memory.journal, paths)
            skipped = sum(map(len, done.skipped.values()))
            looked_at = done.new + done.changed + done.unchanged + skipped
            return Answer(
                text=f"{done.new} new, {done.changed} changed, {done.unchanged} unchanged, "
                f"{done.removed} removed, {skipped} left out; {done.chunks} pieces read",
                data={
                    "new": done.new,
                    "changed": done.changed,
                    "unchanged": done.unchanged,
                    "removed": done.removed,
                    "pieces": done.chunks,
                    "left_out": {why: list(files[:20]) for why, files in done.skipped.items()},
                },
                next="" if looked_at else "no Markdown is there that git does not ignore",
            )

        return await asyncio.to_thread(read)

    async def find_duplicates(
        self,
        kinds: Kinds = [],  # noqa: B006  # the schema's default; never changed
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> Answer:
        """Say what the memory holds more than once: same words, or linked as near copies."""
        from memory.duplicates import duplicates

        def look() -> Answer:
            memory = self.door.memory
            where = Where(project=memory.project, kinds=tuple(map(Kind, kinds)))
            found = duplicates(memory.journal, where, limit)
            lines = [f"{each.relation}: {', '.join(each.places)}: {each.text}"
                     for each in found.shown]  # fmt: skip
            return Answer(
                text="\n".join(map(short, lines)) or "nothing is there twice",
                data=found.model_dump(mode="json"),
                next="correct or forget the ones that are wrong" if lines else "",
            )

        return await asyncio.to_thread(look)

    async def memory_scopes(self) -> Answer:
        """Count what is kept, by kind, by part of the project and by who said it."""

        def count() -> Answer:
            memory = self.door.memory
            kinds, scopes, sources = Counter[str](), Counter[str](), Counter[str]()
            for stored in memory.journal.live(Where(project=memory.project)):
                item = stored.item
                kinds[item.kind] += 1
                sources[item.provenance.source] += 1
                place = item.scope or ("project" if item.project else "everywhere")
                scopes[place] += item.kind not in {Kind.CODE, Kind.DOCUMENT}
            told = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
            data: dict[str, Any] = {
                "kinds": dict(kinds),
                "scopes": dict((+scopes).most_common(200)),
                "sources": dict(sources),
            }
            return Answer(text=told or "nothing is kept yet", data=data)

        return await asyncio.to_thread(count)

    async def memory_items(
        self,
        kinds: Kinds = [],  # noqa: B006  # the schema's default; never changed
        scope: Scope = "",
        before: Annotated[int, Field(ge=0, description="The 'before' of the last page.")] = 0,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> Answer:
        """List what is kept, newest first, page by page; recall finds by meaning instead."""

        def listed() -> Answer:
            memory = self.door.memory
            where = Where(
                project=memory.project,
                kinds=tuple(map(Kind, kinds)),
                scope=scope.strip("/") or None,
            )
            found = [one for one in memory.journal.live(where) if not before or one.seq < before]
            page = sorted(found, key=lambda stored: -stored.seq)[:limit]
            rows: list[Any] = [
                {"id": one.id[:8], "kind": one.item.kind.value, "text": short(one.item.text)}
                | {"scope": one.item.scope, "source": one.item.provenance.source}
                for one in page
            ]
            rest = len(found) - len(page)
            return Answer(
                text="\n".join(f"{row['id']} {row['kind']}: {row['text']}" for row in rows)
                or "nothing is kept that fits",
                data={"items": rows, "more": rest, "before": page[-1].seq if rest else 0},
                next=f"call memory_items with before {page[-1].seq}" if rest else "",
            )

        return await asyncio.to_thread(listed)

    async def memory_health(self) -> Answer:
        """Check journal and index: what is damaged, behind or missing, and what mends it."""
        memory = await asyncio.to_thread(lambda: self.door.memory)
        problems = list(await asyncio.to_thread(memory.journal.verify))
        stats = await asyncio.to_thread(memory.journal.stats)
        index = await memory.tend()
        problems += [index.problem] if index and index.problem else []
        return Answer(
            text="; ".join(problems) or "journal and index are sound",
            data={
                "sound": not problems,
                "problems": list(problems),
                "journal": stats.model_dump(mode="json"),
                "index": index.model_dump(mode="json") if index else None,
            },
            next="tell the user: `mcp-local-llm memory verify` says more" if problems else "",
        )
