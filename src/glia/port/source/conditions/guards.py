"""Code that already asks first: what stands behind `if torch.cuda.is_available()` and the like.

A guarded finding does not stop a run elsewhere; it says what will be skipped there. What demands
CUDA (`assert`, `raise`) is no guard: the program stops there, and what follows needs mending too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Literal

from glia.port.source.conditions.absence import caught, skipped_unless
from glia.port.source.conditions.outcomes import (
    CAUGHT,
    CUDA,
    NEVER,
    NOTHING,
    PACKAGE,
    Outcomes,
    both,
    either,
)
from glia.port.source.module import Module
from glia.port.source.names.tree import inside

Guard = Literal["", "cuda", "import", "typing", "caught"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_BLOCKS = ("body", "orelse", "finalbody")
_LEAVING = (ast.Return, ast.Continue, ast.Break)
_SKIPS = {"skip", "skipTest"}  # of pytest and unittest


def guard_of(module: Module, node: ast.AST) -> Guard:
    """What protects a node: `cuda` (it runs only where CUDA is), `import` (it may be absent),
    `typing` (it never runs), `caught` (its failure is expected), or nothing."""
    facts = guards_of(module).reached(node)
    if facts == NEVER:
        return "typing"
    if facts & CUDA:
        return "cuda"
    if facts & PACKAGE:
        return "import"
    return "caught" if facts & CAUGHT else ""


def asks_for_cuda(module: Module, test: ast.expr) -> bool:
    """True when a condition holds only where CUDA is."""
    facts = guards_of(module).outcomes.facts(test, True)
    return facts != NEVER and bool(facts & CUDA)


def guards_of(module: Module) -> Guards:
    """The guards of a module, with what is known of them so far.

    They are kept by the module: a table here would keep every module that was ever read.
    """
    if not isinstance(module.guards, Guards):
        module.guards = Guards(module)
    return module.guards


class Guards:
    """What must be so on the machine for each place of one module to run."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self.outcomes = Outcomes(module, self.reached, self._left)
        self._blocks: dict[tuple[ast.AST, str], list[int]] = {}
        self._places: dict[tuple[ast.AST, str], dict[ast.AST, int]] = {}
        self._loads: dict[str, list[ast.Name]] | None = None

    def reached(self, node: ast.AST, until: ast.AST | None = None) -> int:
        """The facts of `Outcomes` that must hold for a node to run, as far as `until` says."""
        found = NOTHING
        inner, defined = node, None
        for outer in self._module.enclosing(node):
            facts = self._around(outer, inner)
            if defined is not None:
                facts &= ~CAUGHT  # what is defined there runs elsewhere
                if facts and not self._stays(defined, outer):
                    facts = NOTHING
            found |= facts
            if outer is until:
                break
            if isinstance(outer, _DEFINITIONS) and inner in self._positions(outer, "body"):
                defined = outer
            inner = outer
        return found

    def _around(self, outer: ast.AST, inner: ast.AST) -> int:
        """What `outer` demands of the part of it that `inner` is."""
        facts = self.outcomes.facts
        found = self._earlier(outer, inner)
        match outer:
            case ast.If(test=test) | ast.IfExp(test=test):
                if inner is not test:
                    found |= facts(test, inner not in _listed(outer.orelse))
            case ast.While(test=test) if inner in outer.body:
                found |= facts(test, True)
            case ast.For() | ast.AsyncFor() if inner in outer.body:
                found |= self._repeated(outer.iter)
            case ast.BoolOp(op=op, values=values):
                before = values[: next((i for i, v in enumerate(values) if v is inner), 0)]
                found |= both(facts(value, isinstance(op, ast.And)) for value in before)
            case ast.match_case(pattern=pattern, guard=guard) if inner in outer.body:
                match = self._module.parents[outer]
                subject = match.subject if isinstance(match, ast.Match) else None
                found |= self._matched(subject, pattern) | (facts(guard, True) if guard else 0)
            case ast.Try() | ast.With() | ast.AsyncWith():
                found |= caught(self._module, outer, inner)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                if inner in outer.body:
                    found |= skipped_unless(self._module, self.outcomes, outer.decorator_list)
            case ast.Call(keywords=keywords) if not isinstance(inner, ast.keyword):
                marks = [k.value for k in keywords if k.arg == "marks"]  # of pytest.param
                found |= skipped_unless(self._module, self.outcomes, marks)
            case ast.Module() if self._module.mentions("pytestmark"):
                given = self.outcomes.bindings.at_top("pytestmark")
                marks = [g.value for g in given if g.value is not None]
                if not any(inner is g.node for g in given):
                    found |= skipped_unless(self._module, self.outcomes, marks)
            case ast.comprehension(ifs=ifs) if inner in ifs:
                found |= both(facts(test, True) for test in ifs[: ifs.index(inner)])
        if isinstance(outer, _COMPREHENSIONS):
            before_it = outer.generators
            if isinstance(inner, ast.comprehension):
                before_it = before_it[: before_it.index(inner)]
            for part in before_it:
                found |= self._repeated(part.iter) | both(facts(t, True) for t in part.ifs)
        return found

    def _repeated(self, iterable: ast.expr) -> int:
        """`for i in range(torch.cuda.device_count())` does nothing where there is none."""
        if not isinstance(iterable, ast.Call) or getattr(iterable.func, "id", "") != "range":
            return NOTHING
        ends = iterable.args[:1] if len(iterable.args) == 1 else iterable.args[1:2]
        return both(self.outcomes.facts(end, True) for end in ends)

    def _matched(self, subject: ast.expr | None, pattern: ast.pattern) -> int:
        """What must be so for a pattern to fit."""
        match pattern:
            case ast.MatchValue(value=value):
                return self.outcomes.pair(subject, ast.Eq, value, True)
            case ast.MatchSingleton(value=value):
                return self.outcomes.pair(subject, ast.Is, ast.Constant(value), True)
            case ast.MatchOr(patterns=patterns):
                return either(self._matched(subject, p) for p in patterns)
            case ast.MatchAs(pattern=ast.pattern() as part):
                return self._matched(subject, part)
            case ast.MatchSequence(patterns=patterns):
                subjects: Sequence[ast.expr | None] = [None] * len(patterns)
                if isinstance(subject, ast.Tuple) and len(subject.elts) == len(patterns):
                    subjects = subject.elts
                pairs = zip(subjects, patterns, strict=True)
                return both(self._matched(part, p) for part, p in pairs)
            case ast.MatchClass(kwd_patterns=patterns):
                return both(self._matched(None, p) for p in patterns)
        return NOTHING

    # -- what left before ------------------------------------------------------------------------

    def _earlier(self, outer: ast.AST, inner: ast.AST) -> int:
        """What must be so for the statements before `inner`, in its block, to go on to it."""
        if not isinstance(inner, ast.stmt):
            return NOTHING
        for field in _BLOCKS:
            position = self._positions(outer, field).get(inner)
            if position is not None:
                place = outer, field
                if place not in self._blocks:
                    self._blocks[place] = [NOTHING]  # a question asked meanwhile is inside
                    self._blocks[place] = list(self._passing(getattr(outer, field)))
                known = self._blocks[place]
                return known[min(position, len(known) - 1)]
        return NOTHING

    def _positions(self, outer: ast.AST, field: str) -> dict[ast.AST, int]:
        """Where each statement stands in its block: blocks of generated files are long."""
        place = outer, field
        if place not in self._places:
            block = getattr(outer, field, None)
            listed = block if isinstance(block, list) else []
            self._places[place] = {statement: i for i, statement in enumerate(listed)}
        return self._places[place]

    def _passing(self, block: Sequence[ast.stmt]) -> Iterator[int]:
        """What must be so to come to each statement of a block."""
        found = NOTHING
        for statement in block:
            yield found
            more = self._passes(statement)
            found |= NOTHING if more == NEVER else more  # what stands there is never reached

    def _left(self, block: Sequence[ast.stmt]) -> int:
        """What must be so to come out at the end of a block."""
        return both(self._passes(statement) for statement in block)

    def _passes(self, statement: ast.stmt) -> int:
        """What must be so to go on behind a statement."""
        if isinstance(statement, _LEAVING) or _is_skip(statement):
            return NEVER
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            return self._left(statement.body)
        if not isinstance(statement, ast.If) or not _may_leave(statement):
            return NOTHING
        facts = self.outcomes.facts
        first = facts(statement.test, True) | self._left(statement.body)
        return first & (facts(statement.test, False) | self._left(statement.orelse))

    # -- what is defined in one place and called in another ---------------------------------------

    def _stays(self, definition: ast.AST, outer: ast.AST) -> bool:
        """A function that is defined behind a question is called there only, or has another form
        for other machines."""
        name = getattr(definition, "name", "")
        if len(self.outcomes.bindings.of(definition, name)) > 1:
            return True
        if self._loads is None:
            self._loads = {}
            for node in self._module.nodes:
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    self._loads.setdefault(node.id, []).append(node)
        uses = self._loads.get(name, ())
        return not uses or {*uses} <= {n for n in inside(outer) if isinstance(n, ast.Name)}


def _listed(part: ast.expr | list[ast.stmt]) -> Sequence[ast.AST]:
    return part if isinstance(part, list) else [part]


def _may_leave(statement: ast.If) -> bool:
    """A quick no: most blocks go on."""
    for block in (statement.body, statement.orelse):
        for part in block:
            if isinstance(part, _LEAVING) or _is_skip(part):
                return True
            if isinstance(part, ast.If) and _may_leave(part):
                return True
            if isinstance(part, (ast.With, ast.AsyncWith)):
                return True
    return False


def _is_skip(statement: ast.stmt) -> bool:
    """`pytest.skip(...)`, `self.skipTest(...)`, `raise unittest.SkipTest`: the test ends well."""
    if isinstance(statement, ast.Raise):
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return getattr(raised, "attr", getattr(raised, "id", "")) == "SkipTest"
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and getattr(call.func, "attr", "") in _SKIPS
