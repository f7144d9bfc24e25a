"""Make `public_api.json`, the table of the public API's names and signatures, from its stubs.

usage: python tests/nki/make_public_api.py FOLDER

FOLDER is `nki/api/nki` of a checkout of aws-neuron/aws-neuron-sdk. Only facts are taken: names,
kinds, parameters with their defaults, members of enums.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

MODULES = {
    "nki": "__init__.py",
    "nki.language": "language/__init__.py",
    "nki.isa": "isa/__init__.py",
    "nki.collectives": "collectives/__init__.py",
}
TABLE = Path(__file__).with_name("public_api.json")
VERSION = "NKI 0.6.0 (Neuron SDK 2.32)"
_ALIASES_OF_TYPES = ("DType",)  # typing aids of the stubs, not part of the API


def parameters(function: ast.FunctionDef) -> list[str]:
    """`name`, `name=default`, `*name`, `**name`, in order; self left out."""
    spec = function.args
    names = [*spec.posonlyargs, *spec.args]
    defaults = [None] * (len(names) - len(spec.defaults)) + list(spec.defaults)
    found = [
        a.arg if d is None else f"{a.arg}={ast.unparse(d)}"
        for a, d in zip(names, defaults, strict=True)
        if a.arg != "self"
    ]
    found += [f"*{spec.vararg.arg}"] if spec.vararg else []
    found += [f"**{spec.kwarg.arg}"] if spec.kwarg else []
    return found


def described(node: ast.stmt) -> tuple[str, dict[str, Any]] | None:
    """The name that a statement of a stub declares, and the facts about it."""
    if isinstance(node, ast.FunctionDef):
        return node.name, {"kind": "function", "parameters": parameters(node)}
    if isinstance(node, ast.ClassDef):
        enum = any(isinstance(b, ast.Name) and b.id == "Enum" for b in node.bases)
        return node.name, _members(node) if enum else _class(node)
    name = _assigned(node)
    return None if name is None else (name, {"kind": "value"})


def _assigned(node: ast.stmt) -> str | None:
    target = node.target if isinstance(node, ast.AnnAssign) else None
    target = node.targets[0] if isinstance(node, ast.Assign) else target
    return target.id if isinstance(target, ast.Name) else None


def _members(node: ast.ClassDef) -> dict[str, Any]:
    members = {
        one.targets[0].id: ast.literal_eval(one.value)
        for one in node.body
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)
    }
    return {"kind": "enum", "members": members}


def _class(node: ast.ClassDef) -> dict[str, Any]:
    methods, attributes = {}, []
    for one in node.body:
        name = _assigned(one)
        if name is not None:
            attributes.append(name)
        elif isinstance(one, ast.FunctionDef) and one.decorator_list:
            attributes.append(one.name)
        elif isinstance(one, ast.FunctionDef):
            methods[one.name] = parameters(one)
    return {"kind": "class", "methods": methods, "attributes": attributes}


def table(folder: Path) -> dict[str, Any]:
    """Module to name to facts."""
    modules = {}
    for module, file in MODULES.items():
        tree = ast.parse((folder / file).read_text(encoding="utf-8"))
        found = [pair for node in tree.body if (pair := described(node)) is not None]
        public = {n: f for n, f in found if n not in _ALIASES_OF_TYPES}
        modules[module] = dict(sorted(public.items()))
    return modules


def text(modules: dict[str, Any]) -> str:
    """JSON with one line per name."""
    head = json.dumps(f"aws-neuron-sdk nki/api/nki, {VERSION}")
    blocks = []
    for module, names in modules.items():
        lines = ",\n".join(f"   {json.dumps(n)}: {json.dumps(f)}" for n, f in names.items())
        blocks.append(f"  {json.dumps(module)}: {{\n{lines}\n  }}")
    inner = ",\n".join(blocks)
    return f'{{\n "source": {head},\n "modules": {{\n{inner}\n }}\n}}\n'


if __name__ == "__main__":
    TABLE.write_text(text(table(Path(sys.argv[1]))), encoding="utf-8")
