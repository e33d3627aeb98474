"""Adapters in words: a table, one of them, two side by side, and what a rollback changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import prompts
from graph.console import short
from memory.entries import PURGED

if TYPE_CHECKING:
    from agents.adapters.records import Manifest, Pointer
    from agents.adapters.rollback import RolledBack

_EVERYWHERE: Final = "everywhere"
_NONE: Final = "no adapters yet; `mcp-local-llm nightly --now` trains one from what you have taught"


def listed(known: Sequence[Manifest], pointer: Pointer, damaged: Sequence[str]) -> str:
    """Return a table of adapters, oldest first, and what is served."""
    rows = [
        (
            "*" if one.id in pointer.adapters else "",
            one.id,
            f"{one.created:%Y-%m-%d %H:%M}",
            one.context or _EVERYWHERE,
            f"{len(one.items)} items",
            f"gate {_verdict(one)}",
            f"base {one.base[:8]}",
        )
        for one in known
    ]
    lines = _table(rows)
    lines += [f"  {id}  damaged: restore a back-up, or `prune` removes it" for id in damaged]
    return "\n".join([*lines, served_words(pointer)] if lines else [_NONE])


def described(manifest: Manifest, folder: Path, *, is_served: bool) -> str:
    """Return all that is known of one adapter."""
    recipe = ", ".join(f"{name} {value}" for name, value in sorted(manifest.recipe.items()))
    rows = [
        ("kept", f"{manifest.created:%Y-%m-%d %H:%M} UTC"),
        ("served", "yes" if is_served else "no"),
        ("holds", manifest.context or _EVERYWHERE),
        ("base", manifest.base),
        ("dataset", manifest.dataset),
        ("recipe", recipe),
        ("parents", ", ".join(manifest.parents) or "none: trained from the base"),
        ("journal", f"up to position {manifest.journal}, {len(manifest.items)} items"),
        ("prompts", manifest.prompts + _prompts_note(manifest.prompts)),
        ("gate", _verdict(manifest)),
        *((f"  {name}", text) for name, text in _figures(manifest).items()),
        ("folder", str(folder)),
    ]
    return "\n".join([f"adapter {manifest.id}", *(f"  {name:<14}{text}" for name, text in rows)])


def served_words(pointer: Pointer) -> str:
    """Return what is served now, and whether it learnt to answer other prompts than today's."""
    if not pointer.slots:
        return "served: the base alone"
    parts = [
        f"{slot.adapter} ({slot.context or _EVERYWHERE}, base {slot.base[:8]})"
        for slot in pointer.slots
    ]
    since = f", since {pointer.at:%Y-%m-%d %H:%M} UTC" if pointer.at else ""
    return f"served: {', '.join(parts)}{since}{_prompts_note(pointer.prompts)}"


def rolled_back(done: RolledBack) -> str:
    """Return what a rollback changed."""
    lines = [f"not served any more: {', '.join(done.gone) or 'nothing'}"]
    lines.append(served_words(done.pointer))
    lines.append(f"learning checkpoint: journal position {done.pointer.journal}")
    lines += [
        f"  {one.item[:8]} {one.before} -> {one.after}: {short(one.text)}" for one in done.moved
    ]
    count = len(done.moved)
    lines.append(
        f"{count} item{'' if count == 1 else 's'} recalled again, and trained by the next night"
        if count
        else "no item had to move: what is served knows what it has to"
    )
    return "\n".join(lines)


def compared(
    one: Manifest, other: Manifest, texts: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    """Return two adapters side by side, and the same for programs; ``texts`` are the items'."""
    rows = [("", one.id, other.id)]
    rows += _rows("made from", _making(one), _making(other), keep_equal=True)
    rows += _rows("recipe", one.recipe, other.recipe)
    rows += _rows("gate", _gate(one), _gate(other), keep_equal=True)
    learnt = [id for id in other.items if id not in one.items]
    unlearnt = [id for id in one.items if id not in other.items]
    lines = _table(rows)
    lines += _items(f"only {other.id} learnt", learnt, texts)
    lines += _items(f"only {one.id} learnt", unlearnt, texts)
    lines.append(f"both learnt {len(set(one.items) & set(other.items))} items")
    sides = [{**_making(each), "recipe": each.recipe, "gate": _gate(each)} for each in (one, other)]
    facts = {
        "one": {"id": one.id, **sides[0]},
        "other": {"id": other.id, **sides[1]},
        "learnt": {id: texts.get(id) for id in learnt},
        "unlearnt": {id: texts.get(id) for id in unlearnt},
    }
    return "\n".join(lines), facts


def _making(one: Manifest) -> dict[str, Any]:
    return {
        "base": one.base[:12],
        "dataset": one.dataset[:12],
        "holds": one.context or _EVERYWHERE,
        "journal": one.journal,
        "prompts": one.prompts[:12],
        "items": len(one.items),
    }


def _gate(one: Manifest) -> dict[str, str]:
    return {"verdict": _verdict(one), **_figures(one)}


def _verdict(one: Manifest) -> str:
    if one.gate is None:
        return "not asked"
    return "passed" if one.gate.get("passed") is True else "failed"


def _figures(one: Manifest) -> dict[str, str]:
    """Return what the gate measured, by the name of the check."""
    checks = (one.gate or {}).get("checks")
    found = [each for each in checks if isinstance(each, dict)] if isinstance(checks, list) else []
    return {
        str(check.get("name")): f"{check.get('measured', '')} (limit {check.get('limit', '')})"
        + ("" if check.get("passed") else " FAILED")
        for check in found
    }


def _rows(
    title: str, one: Mapping[str, Any], other: Mapping[str, Any], *, keep_equal: bool = False
) -> list[tuple[str, str, str]]:
    """Return a row for each name; equal values are left out unless asked for."""
    names = [name for name in {**one, **other} if keep_equal or one.get(name) != other.get(name)]
    return [
        (f"{title} {name}", str(one.get(name, "-")), str(other.get(name, "-"))) for name in names
    ]


def _items(title: str, ids: Sequence[str], texts: Mapping[str, str]) -> list[str]:
    if not ids:
        return []
    return [f"{title}:", *(f"  {id[:8]}  {_text(texts.get(id))}" for id in ids)]


def _text(text: str | None) -> str:
    if text is None:
        return "(not in this journal)"
    return "(erased)" if text == PURGED else short(text)


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _prompts_note(digest: str) -> str:
    """Return a remark when ``digest`` is none of today's prompt sets."""
    if not digest or digest in {prompts.digest(name) for name in prompts.PROMPT_IDS}:
        return ""
    return "; it learnt to answer other prompts than today's, so that a new training is due"
