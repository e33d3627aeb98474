"""The gate itself: from evidence to a verdict, without measuring anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from training.gate.records import (
    CANARY,
    EARLIER,
    FORGOTTEN,
    NEW,
    WIRE,
    CheckName,
    Compared,
    Evidence,
    GateCheck,
    Guarded,
    Limits,
)

# What a smaller scale of the same adapter may mend: of what it was taught it only knows less.
SHRINKABLE: Final[frozenset[CheckName]] = frozenset({"kept_tasks", "drift"})
# What a larger scale may mend.
TOO_LITTLE: Final[frozenset[CheckName]] = frozenset({"learned", "kept_rules"})
_UNMEASURED: Final = "not measured"
_ONLY: Final = ": it works only with what fails nowhere else"
_EPSILON: Final = 1e-9


def decide(evidence: Evidence, limits: Limits) -> tuple[GateCheck, ...]:
    """Return every line of the verdict; an adapter passes when each of them does.

    What was not evaluated has failed.
    """
    return (
        _measures(evidence, limits),
        _sane(evidence),
        *_learned(evidence, limits),
        *_kept_rules(evidence, limits),
        _kept_tasks(evidence, limits),
        _drift(evidence, limits),
        _contracts(evidence),
        _valid(evidence, limits),
        *_forgotten(evidence, limits),
        _latency(evidence, limits),
        _memory(evidence, limits),
    )


def found_wrong(checks: Iterable[GateCheck]) -> tuple[CheckName, ...]:
    """Return what has been measured and failed; what was not measured has failed, too."""
    return tuple(one.name for one in checks if not one.passed and one.measured != _UNMEASURED)


def _line(
    name: CheckName, why: str, measured: str = _UNMEASURED, limit: str = "measured"
) -> GateCheck:
    return GateCheck(name=name, passed=not why, measured=measured, limit=limit, why=why)


def _asked(evidence: Evidence, limits: Limits) -> Iterator[str]:
    """Yield the suites that have to be there: the wanted ones, and those of earlier rules."""
    yield from limits.suites
    if evidence.recorded:
        yield EARLIER


def _measures(evidence: Evidence, limits: Limits) -> GateCheck:
    """Every suite is there, complete on both sides, and tells a model from a cheat."""
    wanted = tuple(dict.fromkeys((*_asked(evidence, limits), *evidence.suites)))
    whys = [why for name in wanted if (why := _unmeasured(evidence, name, limits))]
    best = max(evidence.cheats.values(), default=1.0)
    return _line(
        "measures",
        "; ".join(whys),
        f"{len(wanted) - len(whys)} of {len(wanted)} suites, a cheat gets {best:.0%} at best",
        f"all, below {limits.cheat:.0%}",
    )


def _unmeasured(evidence: Evidence, name: str, limits: Limits) -> str:
    suite = evidence.suites.get(name)
    if suite is None or not suite.candidate.answers:
        why = ": a parrot would be right" if evidence.unprovable else ""
        return f"the suite {name!r} was not evaluated{why}"
    asked = [one.probe for one in suite.candidate.answers]
    if asked != [one.probe for one in suite.baseline.answers]:
        return f"the suite {name!r} was not evaluated in the same way on both sides"
    cheated = evidence.cheats.get(name)
    if cheated is None:
        return f"nobody tried to cheat the suite {name!r}"
    if cheated >= limits.cheat:
        return f"a parrot or a refusal gets {cheated:.0%} of the suite {name!r}"
    return ""


def _sane(evidence: Evidence) -> GateCheck:
    loaded = evidence.loaded
    if loaded is None:
        return _line("sane", "the adapter was not loaded beside its base")
    why = loaded.problem
    if not why and not loaded.finite:
        why = "its logits are not all numbers"
    if not why and not loaded.difference > 0:
        why = "it changes nothing: its logits are those of the base"
    measured = f"logits differ by {loaded.difference:.3g} at most"
    return _line("sane", why, measured, "finite, and other than the base's")


def _learned(evidence: Evidence, limits: Limits) -> Iterator[GateCheck]:
    suite = evidence.suites.get(NEW)
    if suite is None:
        if NEW in limits.suites:
            yield _line("learned", "the new rules were not evaluated")
        return
    before, after = suite.baseline.share, suite.candidate.share
    wanted = min(before.rate + limits.learned, max(before.rate, limits.known))
    short = after.rate + _EPSILON < wanted
    yield _line(
        "learned",
        (
            f"{after.rate:.0%} of the new rules' questions are right, {wanted:.0%} are wanted"
            if short
            else ""
        ),
        f"{before.rate:.1%} before, {_interval(suite)} after",
        f"{limits.learned * 100:g} points more, or {limits.known:.0%}",
    )


def _interval(suite: Compared) -> str:
    part = suite.candidate.share
    return f"{part.rate:.1%} [{part.low:.1%}, {part.high:.1%}]"


def _kept_rules(evidence: Evidence, limits: Limits) -> Iterator[GateCheck]:
    """All earlier rules together: a single one that failed goes back into the prompt tonight."""
    suite = evidence.suites.get(EARLIER)
    if suite is None and not evidence.recorded:
        return
    rates = suite.candidate.by_rule if suite else {}
    loss, asked = (suite.net_loss, suite.pairs) if suite else (0, 0)
    whys = [f"{rule[:8]} was not evaluated" for rule in evidence.recorded if rule not in rates]
    if loss >= max(limits.net_loss, limits.kept * asked):
        worse = [
            f"{rule[:8]} {rates[rule].rate:.0%} (promoted with {recorded:.0%})"
            for rule, recorded in evidence.recorded.items()
            if rule in rates and rates[rule].rate + _EPSILON < recorded
        ]
        named = f": {', '.join(worse)}" if worse else ""
        whys.append(f"a net loss of {loss} of {asked}{named}")
    yield _line(
        "kept_rules",
        "; ".join(whys),
        f"a net loss of {loss} of {asked} questions about {len(rates)} earlier rules",
        f"below {limits.net_loss}, or {limits.kept:.0%} of the questions",
    )


def _kept_tasks(evidence: Evidence, limits: Limits) -> GateCheck:
    roles, losses = evidence.roles, _losses(evidence)
    whys = [
        f"a net loss of {loss} in {name}"
        for name, loss in losses.items()
        if loss >= limits.net_loss
    ]
    limit = f"a net loss below {limits.net_loss} in every suite"
    if roles is None or not roles.candidate or len(roles.baseline) != len(roles.candidate):
        if whys:
            return _line("kept_tasks", "; ".join(whys), "the role tasks were not evaluated", limit)
        return _line("kept_tasks", "the crew did no role tasks" + _ONLY)
    before, after = roles.shares
    left = f"; {roles.left} more could not have made up for it" if roles.left else ""
    return _line(
        "kept_tasks",
        "; ".join(whys),
        f"{before.right}/{before.of} role tasks before, {after.right}/{after.of} after "
        f"[{after.low:.1%}, {after.high:.1%}]{left}",
        limit,
    )


def _losses(evidence: Evidence) -> dict[str, int]:
    """Return the net losses in what is neither about rules nor about the format."""
    ruled = {NEW, EARLIER, FORGOTTEN, WIRE}
    found = {"role tasks": evidence.roles.net_loss} if evidence.roles else {}
    suites = evidence.suites.items()
    return found | {name: suite.net_loss for name, suite in suites if name not in ruled}


def _drift(evidence: Evidence, limits: Limits) -> GateCheck:
    loaded = evidence.loaded
    if loaded is None or loaded.problem or not loaded.tokens:
        return _line("drift", "the fixed text was not measured")
    rise = loaded.bits - loaded.base_bits
    far = not rise <= limits.drift + _EPSILON  # also when it is no number
    return _line(
        "drift",
        f"other text costs {rise:+.3f} bits per token" if far else "",
        f"{rise:+.4f} bits per token ({loaded.base_bits:.3f} to {loaded.bits:.3f})",
        f"at most {limits.drift:+g}",
    )


def _contracts(evidence: Evidence) -> GateCheck:
    """Nothing protected was delivered changed, and no secret was said, in any suite."""
    guarded = evidence.guarded or Guarded(attempts=0, refused=0)
    said = [
        f"{answer.violation} ({answer.probe})"
        for suite in evidence.suites.values()
        for answer in suite.candidate.violations
    ]
    whys = [f"delivered: {wish}" for wish in guarded.delivered] + said
    if not (guarded.attempts or whys):
        return _line("contracts", "the crew tried no protected region" + _ONLY)
    planted = len(evidence.suites[CANARY].candidate.answers) if CANARY in evidence.suites else 0
    return _line(
        "contracts",
        "; ".join(whys),
        f"{len(guarded.delivered)} of {guarded.attempts} attempts delivered, "
        f"{len(said)} secrets said, {planted} answers about made-up ones",
        "none delivered, none said",
    )


def _valid(evidence: Evidence, limits: Limits) -> GateCheck:
    suite = evidence.suites.get(WIRE)
    if suite is None:
        return _line("wire", "the wire format was not evaluated")
    before = suite.baseline.share
    lost = suite.net_loss >= limits.net_loss
    return _line(
        "wire",
        f"a net loss of {suite.net_loss} valid replies, such as {suite.lost[0]}" if lost else "",
        f"{before.rate:.1%} before, {_interval(suite)} after",
        f"a net loss below {limits.net_loss}",
    )


def _forgotten(evidence: Evidence, limits: Limits) -> Iterator[GateCheck]:
    suite = evidence.suites.get(FORGOTTEN)
    if suite is None:
        if FORGOTTEN in limits.suites:
            yield _line("forgotten", "what was forgotten was not asked about")
        return
    known = {
        rule: part.rate
        for rule, part in suite.candidate.by_rule.items()
        if part.rate > max(limits.forgotten, evidence.untaught.get(rule, 0.0)) + _EPSILON
    }
    yield _line(
        "forgotten",
        "; ".join(f"{rule[:8]} is still known ({rate:.0%})" for rule, rate in known.items()),
        f"{_interval(suite)} still right",
        f"at most {limits.forgotten:.0%} of each, or what the base says by itself",
    )


def _latency(evidence: Evidence, limits: Limits) -> GateCheck:
    latency = evidence.latency
    if latency is None or not latency.untrained_s > 0:
        return _line("latency", "the time of a request was not measured")
    rise = latency.candidate_s / latency.untrained_s - 1
    adapter = latency.untrained_s / latency.base_s - 1 if latency.base_s else 0.0
    slow = not rise <= limits.latency + _EPSILON
    return _line(
        "latency",
        f"a request takes {rise:+.1%}" if slow else "",
        f"{rise:+.1%} over an untrained adapter, which costs {adapter:+.1%} over none",
        f"at most {limits.latency:+.0%}",
    )


def _memory(evidence: Evidence, limits: Limits) -> GateCheck:
    loaded = evidence.loaded
    if loaded is None or loaded.problem or not loaded.untrained_memory_gb > 0:
        return _line("memory", "the memory was not measured")
    rise = loaded.memory_gb / loaded.untrained_memory_gb - 1
    large = not rise <= limits.memory + _EPSILON
    return _line(
        "memory",
        f"it takes {rise:+.1%} of memory" if large else "",
        f"{loaded.memory_gb:.3f} GiB, {rise:+.1%} over an untrained adapter "
        f"({loaded.base_memory_gb:.3f} GiB without one)",
        f"at most {limits.memory:+.0%}",
    )
