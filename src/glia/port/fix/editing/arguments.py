"""The arguments of a call in libcst's tree: one more, one less, one by name, in its layout."""

from __future__ import annotations

import libcst as cst

from glia.port.fix.editing.edits import DropArgument, Edit, NameArgument


def order(edit: Edit) -> tuple[int, int, int]:
    """Names first, from the last argument on, so that none by place follows one by name."""
    if isinstance(edit, NameArgument):
        return (0, -edit.value.lineno, -edit.value.col_offset)
    return (1 if isinstance(edit, DropArgument) else 2, 0, 0)


EQUAL = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def added(call: cst.Call, text: str, name: str) -> cst.Call:
    """By place in front of the arguments by name, by name at the end, in the layout of the call."""
    new = cst.Arg(cst.parse_expression(text))
    args = list(call.args)
    if not name:
        place = next((i for i, a in enumerate(args) if a.keyword or a.star), len(args))
        if place < len(args):
            args.insert(place, new.with_changes(comma=_COMMA))
            return call.with_changes(args=args)
        return call.with_changes(args=[*args, new])
    new = new.with_changes(keyword=cst.Name(name), equal=EQUAL)
    if not args:
        return call.with_changes(args=[new])
    last = args[-1]
    if isinstance(last.comma, cst.Comma):  # f(\n    a,\n    b,\n): one more line
        between = args[-2].comma if len(args) > 1 else _broken(call)
        args[-1] = last.with_changes(comma=between)
        new = new.with_changes(comma=last.comma)
    elif len(args) > 1 and _is_line(args[-2].comma):
        args[-1] = last.with_changes(
            comma=args[-2].comma, whitespace_after_arg=cst.SimpleWhitespace("")
        )
        new = new.with_changes(whitespace_after_arg=last.whitespace_after_arg)
    else:
        value = last.value
        if isinstance(value, cst.GeneratorExp) and not value.lpar:
            value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        args[-1] = last.with_changes(
            value=value, comma=_COMMA, whitespace_after_arg=cst.SimpleWhitespace("")
        )
        new = new.with_changes(whitespace_after_arg=last.whitespace_after_arg)
    return call.with_changes(args=[*args, new])


_COMMA = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _is_line(comma: object) -> bool:
    """A comma that ends a line."""
    after = getattr(comma, "whitespace_after", None)
    return isinstance(after, cst.ParenthesizedWhitespace) and after.first_line.comment is None


def _broken(call: cst.Call) -> cst.Comma:
    """Of a call with one argument and a comma behind it: the break before it, once more."""
    before = call.whitespace_before_args
    if isinstance(before, cst.ParenthesizedWhitespace) and before.first_line.comment is None:
        return cst.Comma(whitespace_after=before)
    return _COMMA


def dropped(call: cst.Call, index: int) -> cst.Call:
    """The call without the argument at this index."""
    args = list(call.args)
    gone = args.pop(index)
    if index == len(args) and args:  # it was the last: its comma, or none, ends the one before
        args[-1] = args[-1].with_changes(
            comma=gone.comma, whitespace_after_arg=gone.whitespace_after_arg
        )
    return call.with_changes(args=args)


def bracketed(value: cst.BaseExpression) -> cst.BaseExpression:
    """Some values need brackets where they stood without: `f(x for x in y)`, `f(a := b)`."""
    needs = isinstance(value, (cst.NamedExpr, cst.GeneratorExp, cst.Yield))
    if needs and not value.lpar:
        return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return value
