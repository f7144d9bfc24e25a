"""Writes docs/fix.md: `python -m glia.port.fix.page [FILE]`.

The tables are made from the registry of rewriters and the reasons in `left`; a test holds the page
to them.
"""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from pathlib import Path

from glia.port.fix.left import why_left
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

The new code calls `accel.py` (another name where that one is taken), a file of the project's own
that has only the functions that are called, and imports nothing but PyTorch and Python's library.
It stands at the top of the package, or beside the scripts. Where one file cannot be imported by
all, the same whole file stands in each folder that needs one, so that whichever is found first
serves everybody. A later run only adds functions that are missing; what the project changed stays.
`ACCEL_DEVICE=cpu` in the environment overrides the choice of the device.

A file that uses the helper imports it at its top, and PyTorch with it: also a file that imports
PyTorch only inside functions.
"""
_EVIDENCE = """## What must be known first

- `x.cuda()` becomes `x.to(...)` where x evidently is a tensor or a module of PyTorch. Of anything
  else only where no class of the project (tests and vendored code too) has a method `cuda` of its
  own, and where it is not made by a package of which nobody knows what its objects are.
- Code that a compiler reads is left, as the compilers refuse the helper's questions:
  `torch.jit.script`, `torch.compile(fullgraph=True)`, `torch.export` and the like, wherever in the
  project they are called, with all that such code calls, and the `forward` of modules that become
  part of it. Where it cannot be seen which module is meant, that is every `forward`.
- A class that is asked for (`isinstance(s, torch.cuda.amp.GradScaler)`) stays, and on CUDA what the
  helper makes is of the class that it was made of before.
"""
_WRONG = """## Known to go wrong

Look for these in the patch; each is a defect of glia, not of your code:

- `.cuda()` of an object that a function is given, where its class has neither a `cuda` in the
  project nor a `.to`.
- Code that is compiled by a name that reading does not follow (`getattr(torch.jit, "script")`).
- A name that another file imports from this one (`from train import autocast`) goes with its import
  when nothing here uses it any more.
- A link is followed: the file it leads to is written.
- A file that can do without PyTorch (`try: import torch`) imports the helper, which cannot.
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
