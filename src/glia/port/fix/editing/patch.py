"""A patch in the form that `git apply` takes, as bytes: files keep their encodings in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

_PLAIN_CONTROL = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def file_patch(name: str, old: bytes | None, new: bytes, mode: str = "100644") -> bytes:
    """One file's part; `old` is None for a file that is not there yet. `name` has slashes."""
    if old == new:
        return b""
    before, after = _quoted(f"a/{name}"), _quoted(f"b/{name}")
    head = [f"diff --git {before} {after}"]
    if old is None:
        head.append(f"new file mode {mode}")
    source = "/dev/null" if old is None else before + _tab(name)
    lines = "\n".join([*head, f"--- {source}", f"+++ {after}{_tab(name)}"]) + "\n"
    return lines.encode("utf-8", "surrogateescape") + b"".join(_hunks(old or b"", new))


def _tab(name: str) -> str:
    """A name with a blank ends in a tab, so that it is not taken for a date."""
    return "\t" if " " in name else ""


def _quoted(name: str) -> str:
    if not any(c in _PLAIN_CONTROL for c in name):
        return name
    return '"' + "".join(_PLAIN_CONTROL.get(c, c) for c in name) + '"'


def _hunks(old: bytes, new: bytes) -> Iterator[bytes]:
    # Latin-1 maps every byte to one character and back.
    before, after = _lines(old), _lines(new)
    for line in list(difflib.unified_diff(before, after, lineterm="\n"))[2:]:
        yield line.encode("latin-1")
        if not line.endswith("\n"):
            yield b"\n\\ No newline at end of file\n"


def _lines(raw: bytes) -> list[str]:
    text = raw.decode("latin-1")
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def new_lines(old: str, new: str) -> dict[int, str]:
    """The new form of each old line, by its number from 1, without the space around it; lines that
    are gone have none. Of a block that grew or shrank, all its lines stand for each."""
    before, after = old.splitlines(), new.splitlines()
    found: dict[int, str] = {}
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for _, start, end, first, last in matcher.get_opcodes():
        is_even = end - start == last - first
        for index in range(start, end):
            same = after[first + index - start : first + index - start + 1]
            lines = same if is_even else after[first:last]
            found[index + 1] = " ".join(line.strip() for line in lines)
    return found
