"""What is done in one file: every place where a rule speaks gets its edits, or stays with a reason.

Code behind a question such as `torch.cuda.is_available()` and the question itself are one thing:
either all of it is rewritten, or all of it is left to CUDA, where it does no harm elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from glia.port.fix.deciding.facts import Facts
from glia.port.fix.deciding.moving import why_not_own
from glia.port.fix.deciding.protect import Group, groups_of, is_shadowed
from glia.port.fix.deciding.standing import why_kept
from glia.port.fix.editing.edits import Fix, Refusal, Replace
from glia.port.fix.editing.engine import Placer
from glia.port.fix.registry import Rewriter, rewriters
from glia.port.fix.rewriters.widening import OTHER_KINDS
from glia.port.rules.devices import choice_of
from glia.port.rules.rule import Rule
from glia.port.rules.table import rules_at
from glia.port.source.conditions.guards import guard_of
from glia.port.source.hits import Hit, hits
from glia.port.source.module import Module

_LABELLED = Refusal('it is the entry "cuda" of a table; add one for the new kind')
_SHADOWED = Refusal("the name is given another meaning in this function")


@dataclass(slots=True)
class Proposal:
    """One place of one rule; `groups` are the questions around it, innermost first."""

    hit: Hit
    rule: Rule
    outcome: Fix | Refusal
    groups: tuple[Group, ...]
    blocks: bool  # left as it is, it would stop the run or silently spoil it
    is_guard: bool

    @property
    def line(self) -> int:
        """The line of the place, from 1."""
        return getattr(self.hit.node, "lineno", 1)

    @property
    def asks(self) -> frozenset[ast.AST]:
        """The nodes that it puts in another form, and which may be questions."""
        found = self.outcome.edits if isinstance(self.outcome, Fix) else ()
        return frozenset((self.hit.node, *(e.node for e in found if isinstance(e, Replace))))


@dataclass(slots=True)
class FilePlan:
    """The fixes of a file and, for what stays, the reasons."""

    fixes: list[tuple[Proposal, Fix]] = field(default_factory=list)
    left: list[tuple[Proposal, str]] = field(default_factory=list)

    @property
    def helper_names(self) -> frozenset[str]:
        """The functions of the helper that the new text calls."""
        return frozenset(name for _, fix in self.fixes for name in fix.helper_names)


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the rules concerns a file: those that matter to a target and are not accepted."""

    matters: Callable[[Rule], bool]
    blocks: Callable[[Rule], bool]
    by_hand: Callable[[Rule], str]
    is_accepted: Callable[[Rule, int], bool]
    facts: Facts = field(default_factory=Facts)


def plan_file(module: Module, placer: Placer, scope: Scope) -> FilePlan:
    """Decide for every place of a file."""
    proposals = list(_proposals(module, placer, scope))
    left_to_cuda = _guards_left(module, proposals)
    plan = FilePlan()
    for proposal in proposals:
        blocked = next((n for n in proposal.asks if n in left_to_cuda), None)
        if blocked is not None:
            plan.left.append((proposal, _blocked(blocked, left_to_cuda[blocked])))
        elif _is_protected(proposal, left_to_cuda):
            continue
        elif isinstance(proposal.outcome, Fix):
            plan.fixes.append((proposal, proposal.outcome))
        else:
            plan.left.append((proposal, proposal.outcome.reason))
    return plan


def _is_protected(proposal: Proposal, left: Mapping[ast.AST, Proposal | None]) -> bool:
    """It stands behind a question that goes on asking for CUDA."""
    return any(node in left for group in proposal.groups for node in group.asked)


def _blocked(asked: ast.AST, blocker: Proposal | None) -> str:
    if blocker is None:
        return "what decides beside it stays with CUDA"
    if not any(asked in group.asked for group in blocker.groups):
        return (
            "its answer is kept, and may decide over what stays with CUDA, such as "
            f"{blocker.rule.id} in line {blocker.line}"
        )
    return f"what it guards stays with CUDA: {blocker.rule.id} in line {blocker.line}"


def _proposals(module: Module, placer: Placer, scope: Scope) -> Iterator[Proposal]:
    known = rewriters()
    for hit in hits(module):
        for rule in rules_at(hit):
            rewriter = known.get(rule.id)
            matters = scope.matters(rule)
            if not matters and not (rewriter is not None and rewriter.always):
                continue
            if scope.is_accepted(rule, getattr(hit.node, "lineno", 1)):
                continue
            node = (choice_of(hit) if hit.kind == "string" else None) or hit.node
            groups = groups_of(module, node)
            if not groups and guard_of(module, node) not in ("", "cuda"):
                continue  # it may be absent, or never runs
            outcome = _outcome(hit, rule, rewriter, placer, scope)
            if outcome is None or (not matters and isinstance(outcome, Refusal)):
                continue
            is_guard = rewriter is not None and rewriter.is_guard
            yield Proposal(hit, rule, outcome, groups, scope.blocks(rule), is_guard)


def _outcome(
    hit: Hit, rule: Rule, rewriter: Rewriter | None, placer: Placer, scope: Scope
) -> Fix | Refusal | None:
    if rewriter is None:
        return Refusal(scope.by_hand(rule))
    if _is_labelled(hit):
        return _LABELLED
    outcome = rewriter.rewrite(hit)
    if not isinstance(outcome, Fix):
        return outcome
    if is_shadowed(hit.module, hit.node):
        return _SHADOWED
    reader = scope.facts.reader_of(hit)
    if reader:
        return Refusal(f"{reader} reads this code, and cannot read the helper's")
    why = why_not_own(scope.facts, hit, rule) or why_kept(hit, rule)
    if why:
        return Refusal(why)
    reason = placer.add(outcome)
    return Refusal(reason) if reason else outcome


def _is_labelled(hit: Hit) -> bool:
    """An entry `"cuda": ...` of a dict that has others for other kinds."""
    inner: ast.AST = hit.node
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, ast.stmt):
            return False
        if isinstance(outer, ast.Dict) and inner in outer.values:
            keys = [hit.module.string(key) or "" for key in outer.keys]
            own = keys[next(i for i, value in enumerate(outer.values) if value is inner)]
            return own.startswith("cuda") and not OTHER_KINDS.isdisjoint(keys)
        inner = outer
    return False


def _guards_left(module: Module, proposals: list[Proposal]) -> dict[ast.AST, Proposal | None]:
    """Questions that must go on asking for CUDA, each with what keeps them."""
    rewritten = {n for p in proposals if isinstance(p.outcome, Fix) for n in p.asks}
    asked = {node for p in proposals for group in p.groups for node in group.asked}
    left: dict[ast.AST, Proposal | None] = dict.fromkeys(asked - rewritten)
    guards = {p.hit.node for p in proposals if p.is_guard and isinstance(p.outcome, Fix)}
    kept_for_later = {n for n in guards - asked if not _is_answered_here(module, n)}
    blocking = [p for p in proposals if p.blocks and not isinstance(p.outcome, Fix)]
    while True:
        exposed = [p for p in blocking if not _is_protected(p, left)]
        news = {
            node: p
            for p in exposed
            for node in (p.groups[0].asked if p.groups else kept_for_later)
            if node not in left
        }
        if not news:
            return left
        left.update(news)


def _is_answered_here(module: Module, node: ast.AST) -> bool:
    """The answer is used in a condition or to count with, and not kept for later where reading
    cannot follow it."""
    inner = node
    for outer in module.enclosing(node):
        if isinstance(outer, ast.BinOp):
            return True
        if isinstance(outer, (ast.If, ast.IfExp, ast.While, ast.Assert)):
            return outer.test is inner
        if isinstance(outer, ast.stmt):
            return False
        inner = outer
    return False
