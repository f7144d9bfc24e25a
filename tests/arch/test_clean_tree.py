"""The tree says nothing about the machine it was written on: a stranger's clone is all there is."""

from __future__ import annotations

import re
import subprocess

import pytest

from arch.sources import ROOT, shown

TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".html", ".css", ".cfg", ".yml", ".yaml", ""}

# What a clone elsewhere would not have, or would be sent astray by.
FORBIDDEN = {
    "an absolute path of one machine": r"(?<![\w.~/}])/(?:home|root|work|mnt|opt|Users)/\w",
    "a folder outside the project": r"\bshared/(?:data|reference|tools|hooks|DESIGN)",
    # PyTorch's own index of CUDA builds stands in the labelled projects: it is what ties them.
    "a package index": r"-(?:index-url|-find-links)(?! https://download\.pytorch\.org/whl/cu)"
    r"|https?://[\w.-]*(?:pypi|pythonhosted|npmjs)",
    "a merge conflict": r"^(?:<{7} |>{7} )",
    "a promise instead of code": r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
}


def tracked_texts() -> dict[str, str]:
    """Text of every tracked or new file, this folder's tests excepted: they name what they seek."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [ROOT / line for line in done.stdout.splitlines()]
    wanted = (p for p in paths if p.suffix in TEXT_SUFFIXES and p.is_file())
    return {
        shown(p): p.read_text(encoding="utf-8")
        for p in wanted
        if not shown(p).startswith("tests/arch")
    }


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_mentions(what):
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for name, text in tracked_texts().items()
        for match in pattern.finditer(text)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


def test_nothing_large_is_tracked():
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    large = {shown(p): p.stat().st_size for p in paths if p.is_file() and p.stat().st_size > 2**20}
    assert not large
