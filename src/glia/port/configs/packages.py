"""Packages that a project asks for, in each of the ways that lists and commands spell them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from glia.port.configs.clue import Clue, entry_key, package_key, unquoted

_SPEC = re.compile(r"([A-Za-z0-9][\w.\-]*)(\[[^\]]*\])?\s*(.*)", re.DOTALL)
_CONDA = re.compile(r"(?:[\w\-./]+::)?([A-Za-z0-9_][\w.\-]*)\s*(.*)", re.DOTALL)
_ADDRESS = re.compile(r"(?:git\+)?(?:https?|ssh|git|file)://\S+|git@\S+")
_WHEEL = re.compile(r"([A-Za-z0-9_.]+)-\d[^/]*\.whl")
_PIP = {"pip", "pip3", "uv", "pipx", "pipenv", "poetry", "pdm", "rye"}
_CONDAS = {"conda", "mamba", "micromamba"}
_MODULES = {"module", "ml"}  # of a cluster: `module load cuda/12.1`
_VERBS = ("install", "add", "create", "load")
_SYSTEM = {"apt", "apt-get", "yum", "dnf", "apk", "zypper", "microdnf", "aptitude"}
# Options by their name without dashes; those of one letter keep theirs.
_INDEXES = {"-i", "index_url", "extra_index_url", "-f", "find_links", "index"}
_WITH_VALUE = _INDEXES | {
    "-r", "requirement", "-c", "constraint", "-e", "editable", "-t", "target", "python", "-n",
    "name", "-p", "prefix", "channel", "trusted_host", "config_settings",
}  # fmt: skip

Words = Sequence[tuple[str, int]]  # each with its offset


def python_package(spec: str, offset: int, guard: str = "") -> Iterator[Clue]:
    """`flash-attn==2.5`, `torch @ https://...`, `git+https://.../apex`, a path to a wheel."""
    spec = spec.strip()
    address = _ADDRESS.search(spec)
    if address is not None and address.start() == 0:
        yield Clue("package", package_key(_of_address(spec)), spec, offset, guard=guard)
        yield Clue("index", "", spec, offset, guard=guard)
        return
    match = _SPEC.fullmatch(spec)
    if match is None or spec.startswith((".", "/")):
        return
    extras = (match[2] or "") + match[3]
    yield Clue("package", package_key(match[1]), extras.strip(), offset, guard=guard)
    if address is not None:
        yield Clue("index", "", address[0], offset, guard=guard)


def conda_package(spec: str, offset: int) -> Iterator[Clue]:
    """`pytorch-cuda=12.1`, `nvidia::cuda-toolkit`."""
    match = _CONDA.fullmatch(spec.strip())
    if match is not None:
        yield Clue("package", package_key(match[1]), match[2], offset)


def _of_address(spec: str) -> str:
    """The package that an address stands for, as far as it says so."""
    egg = re.search(r"[#&]egg=([\w.\-]+)", spec)
    if egg is not None:
        return egg[1]
    wheel = _WHEEL.search(spec)
    if wheel is not None:
        return wheel[1]
    last = re.split(r"[#?@]", spec.split("://", 1)[-1])[0].rstrip("/").rsplit("/", 1)[-1]
    return last.removesuffix(".git")


def requirement_clues(text: str, base: int = 0, guard: str = "") -> Iterator[Clue]:
    """A requirements or constraints file, line by line; `base` is its offset in a longer one."""
    offset = base
    for line in text.split("\n"):
        code = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].rstrip().rstrip("\\")
        start = offset + len(line) - len(line.lstrip())
        code = code.strip()
        if code.startswith("-"):
            name, _, value = code.replace("=", " ", 1).partition(" ")
            name = _option(name)
            if name in _INDEXES:
                yield Clue("index", "", value.strip(), start)
            elif name in ("-e", "editable"):
                yield from python_package(value, start, guard)
        elif code:
            yield from python_package(re.split(r"\s+--hash", code)[0], start, guard)
        offset += len(line) + 1


def _option(name: str) -> str:
    return entry_key(name) if name.startswith("--") else name


def install_clues(words: Words) -> Iterator[Clue]:
    """`pip install`, `conda install`, `apt-get install` and their like; nothing for others."""
    texts = [text for text, _ in words]
    verb = next((i for i, t in enumerate(texts) if t in _VERBS), None)
    if verb is None:
        return
    names = {text.rsplit("/", 1)[-1] for text in texts[:verb]}
    if names & _SYSTEM or (names & _MODULES and texts[verb] != "install"):
        for text, offset in words[verb + 1 :]:
            if not text.startswith("-"):
                yield Clue("system", text.partition("=")[0].lower(), text, offset)
    elif names & (_PIP | _CONDAS):
        yield from _installed(words[verb + 1 :], bool(names & _CONDAS))


def _installed(words: Words, is_conda: bool) -> Iterator[Clue]:
    skip = ""
    for text, offset in words:
        if skip:
            if skip in _INDEXES:
                yield Clue("index", "", text, offset)
            elif skip in ("-e", "editable"):
                yield from python_package(text, offset)
            skip = ""
        elif text.startswith("-"):
            name, has_value, value = text.partition("=")
            name = _option(name)
            if has_value and name in _INDEXES:
                yield Clue("index", "", value, offset)
            skip = name if name in _WITH_VALUE and not has_value else ""
        elif is_conda:
            yield from conda_package(unquoted(text), offset)
        else:
            yield from python_package(unquoted(text), offset)
