"""Writes docs/fix.md: `python -m glia.port.fix.page [FILE]`.

The tables are made from the registry of rewriters and the reasons in `left`; a test holds the page
to them.
"""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from pathlib import Path

from glia.port.fix.deciding.left import why_left
from glia.port.fix.registry import Rewriter, rewriters
from glia.port.rules.table import RULES
from glia.report.files import write_text_atomic

FILE = Path("docs") / "fix.md"
_HEAD = """<!-- Made from the rewriters by `python -m glia.port.fix.page`; edit those. -->

# What `glia fix` rewrites

    glia fix my_project --to trn2,cpu > fix.patch && git apply fix.patch

A patch of the source: comments and layout stay, a second run changes nothing, and on CUDA the code
makes the calls that it made before, but for what stands under "Known to go wrong". It needs libcst
(`pip install -e '.[port]'` in a checkout; `make demo` has it). Tests and vendored code are left
alone, and so is what a setting or a comment accepts (`glia check` says how).
"""
_HELPER = """## The helper

The new code calls `accel.py` (`accel_device.py` where the project has or imports an `accel`, or a
package gives something of that name), a file of the project's own that has only the functions that
are called, and imports nothing but PyTorch and Python's library. It stands where every file that
needs it finds it, however that file is loaded: at the top of a package, or in a folder of scripts.
What is loaded how is read from the imports of all files around, tests and files outside of what is
fixed too. Where no one place serves all, as few copies as possible stand in several, the same in
name and text. A later run uses the helpers that are there and only adds functions that are missing,
in the order that a fresh helper has them; what the project changed stays. A run on a part of a
project uses a helper above it, and leaves files that need more of it. `ACCEL_DEVICE=cpu` in the
environment overrides the choice of the device.

The helper is imported where the file imports PyTorch, never earlier: behind it at the top, inside
the same `try` or `if`, or in the functions that import it or are given a tensor. So a file can be
imported without PyTorch as before, and variables of the environment that are set in front of it
still are. A place that would need it earlier is left, with that reason. An import of PyTorch's
parts that nothing uses any more goes, unless another file takes the name from this one.

A file whose names others take with `from train import *` imports it as `_accel`, which they do not
take.

What is installed finds its helper in the build: where setuptools, hatch, poetry or flit take single
modules by their names, such a module is left until the helper's name is added; the summary says
where. Builds by other tools are taken to find all files.

Some files are loaded apart from their project, where no helper is found: those that a tool runs
(`setup.py`, a build backend, `conf.py` of Sphinx, `noxfile.py` and the like), and the code of a
model that transformers copies (`auto_map`). What needs the helper there is left, with that reason.

## What is written

`--write` puts all files in place or none: what fails half-way, or finds a file that has changed
meanwhile or is read-only, leaves everything as it was. Links are not followed: a file is changed
where it stands, and only inside of PATH. Submodules and other repositories inside are left alone.
Names in the patch count from the top of the git tree; outside of git from PATH (so apply it with
`git -C my_project apply`). Where PATH is one file, a new helper stands beside it. A note names a
new helper that git ignores.
"""
_EVIDENCE = """## What must be known first

- `x.cuda()` becomes `x.to(...)` where x evidently is a tensor or a module of PyTorch. Of anything
  else only where no class of the project (tests and vendored code too) has a method `cuda` of its
  own, and where it is not made by a package of which nobody knows what its objects are.
- Code that a compiler reads is left, as the compilers refuse the helper's questions:
  `torch.jit.script`, `torch.compile(fullgraph=True)`, `torch.export` and the like, wherever in the
  project they are called, with all that such code calls, and the `forward` of modules that become
  part of it. Where it cannot be seen which module is meant, that is every `forward`.
- Where a class of the project has a `to`, `pin_memory`, `record_stream` or `is_cuda` of its own,
  these stay for what is not evidently a tensor or a module; `.cuda()` too, where that class has
  bases that may bring one.
- What tells that CUDA is absent goes on telling so: a call in a `try` or `suppress` that catches
  PyTorch's exception and goes on, a count that is asked whether it is 0. A choice of a device still
  asks `torch.cuda.is_available()`; what asked nothing before asks nothing that starts CUDA.
- Names of kinds stay: patterns of `match`, members of an Enum, keys, what a decorator registers,
  lists and calls that have "cpu" at the same place; so does a device whose number is read from it.
- A class that is asked for (`isinstance(s, torch.cuda.amp.GradScaler)`) stays, and on CUDA what the
  helper makes is of the class that it was made of before.
"""
_WRONG = """## Known to go wrong

Look for these in the patch; each is a defect of glia, not of your code:

- `.cuda()` of an object that a function is given, where its class has neither a `cuda` in the
  project nor a `.to`.
- Code that is compiled by a name that reading does not follow (`getattr(torch.jit, "script")`).
- A file that is loaded by a path that is put together at run time (`runpy`, `exec`, a plug-in):
  such ways to load it are not seen, and the helper may not be found then.
- `DEVICE = "cuda"` above `import torch` imports the helper there, when only imports, definitions
  and constants stand between; one of those imports may set variables of the environment.
- A test that replaces `train.autocast` replaces what `train` does not call any more.
- On the CPU a number or a text is another one where it is only printed or counted with: the count
  of devices is 1 and no more 0 (`32 * torch.cuda.device_count()`), memory is that of the process,
  `device = "cuda"` that is shown or made part of a file's name reads "cpu".
- A device that is compared or matched far from where it is named: another file's key, `match
  args.device:`, `assert device.startswith("cuda")`.
- `.to("cuda")` of an object that is neither a tensor nor a module gives it "cpu" on the CPU; so do
  `device="cuda"` and the like of a package that takes CUDA without PyTorch.
- A probe by exception in a function that is called inside of the `try`.
- `torch.cuda.manual_seed()` seeds PyTorch's generator on the CPU where nothing in the same file
  seeds it; another file may.
- A test that replaces a function of torch.cuda by its own sees no call of it on the CPU.
- A file that others import, and that says nothing of `__main__`, is not taken for a script: run as
  one from another folder it may not find the helper.
"""
_REWRITTEN = """## What is rewritten

*partly*: some usual places; the others are left, each with its reason in the summary.

| Rule | What it finds | Rewritten | How |
| --- | --- | --- | --- |
"""
_LEFT = """## What is left, and why

These rules have no rewriter. The summary gives the reason and, from the rule, what to do by hand.

| Why | Rules |
| --- | --- |
"""


def page() -> str:
    """The whole page."""
    known = rewriters()
    rows = [_row(known[name]) for name in sorted(known)]
    reasons: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(RULES) - set(known)):
        reasons[why_left(RULES[name])].append(_link(name))
    left = [f"| {_text(reason)} | {', '.join(names)} |" for reason, names in reasons.items()]
    return "\n".join(
        (
            _HEAD,
            _HELPER,
            _EVIDENCE,
            _WRONG,
            _REWRITTEN + "\n".join(rows),
            "",
            _LEFT + "\n".join(left),
            "",
        )
    )


def _row(rewriter: Rewriter) -> str:
    how = (inspect.getdoc(rewriter.rewrite) or "").split("\n\n")[0].replace("\n", " ")
    title = RULES[rewriter.rule].title
    return f"| {_link(rewriter.rule)} | {_text(title)} | {rewriter.share} | {_text(how)} |"


def _link(name: str) -> str:
    return f"[{name}](rules/{name}.md)"


def _text(text: str) -> str:
    """For a cell of a table."""
    return text.replace("|", "\\|")


def main(file: Path) -> None:
    """Write the page."""
    write_text_atomic(file, page())
    print(f"wrote {file}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
