"""Launch lines: what a shell script runs, sets and asks a scheduler for. Nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from glia.port.configs.clue import Clue, entry_key, unquoted
from glia.port.configs.packages import install_clues

_TOKEN = re.compile(
    r"""
    (?P<space>(?:[ \t\r]|\\\r?\n)+)
  | (?P<comment>(?<![^\s;&|(])\#[^\n]*)
  | (?P<heredoc><<-?[ \t]*(?P<quote>['"]?)(?P<tag>\w+)(?P=quote))
  | (?P<end>\n|;;?|&&|\|\|?|&|[()])
  | (?P<word>(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|\$\{[^}\n]{0,200}\}|\$\([^()]{0,2000}\)
      |`[^`]{0,2000}`|[^\s;&|()'"\\`])+)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SUBSTITUTED = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
# Options that are kept in a variable: `ARGS="--fp16 --device cuda"`.
_KEPT = re.compile(r"[A-Za-z_]\w*\+?=([\"'])(.*(?:^|\s)--?[A-Za-z].*)\1", re.DOTALL)
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_OVERRIDE = re.compile(r"\+{0,2}([A-Za-z_][\w.\-/]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"#(?:SBATCH|PBS|BSUB|COBALT|FLUX|\$)\s+(.*)")
_KEYWORDS = {
    "if",
    "then",
    "else",
    "elif",
    "fi",
    "while",
    "until",
    "for",
    "do",
    "done",
    "{",
    "}",
    "!",
}
# What runs the command behind it.
_WRAPPERS = {
    "sudo", "srun", "mpirun", "mpiexec", "nohup", "time", "exec", "env", "numactl", "singularity",
    "apptainer", "poetry", "uv", "conda", "mamba", "pipenv", "watch", "timeout", "run", "eval",
}  # fmt: skip
_SHELLS = {"sbatch", "bash", "sh", "zsh", "srun", "qsub", "ssh"}
# Options of schedulers that other programs use for something else, by their exact spelling.
_SCHEDULERS = {"#", "srun", "sbatch", "salloc", "jsrun", "bsub", "qsub", "#SBATCH", "#BSUB"}
_OF_SCHEDULERS = {"-G": "gpus", "-C": "constraint", "-gpu": "gpus", "-R": "rusage", "-g": "gpus"}
_CONTAINERS = {"docker", "podman", "nerdctl", "nvidia-docker", "singularity", "apptainer", "enroot"}
_IMAGE_OPTIONS = {"container_image", "docker_image", "image"}
_IMAGE = re.compile(r"(?:docker://)?[\w.\-]+(?:[/#][\w.\-]+)+(?::[\w.\-]+)?")
_FETCHERS = {"wget", "curl", "aria2c"}
_MAX_BLOCKS = 32  # that are looked at, of those that are open
_ASKS = ("nvidia-smi", "/dev/nvidia", "nvcc", "CUDA")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command, without quotes, and where it starts."""

    text: str
    offset: int


def shell_clues(text: str, base: int = 0) -> Iterator[Clue]:
    """What a script says; `base` is the offset of `text` in its file."""
    blocks: list[bool] = []  # of each `if` that is open: does this branch run only with CUDA?
    condition: list[str] | None = None
    for words in _commands(text, base):
        words, opened = _opened(words, blocks)
        if opened:
            condition = []
        if condition is not None:
            condition += [word.text for word in words]
            if blocks:
                blocks[-1] = any(ask in part for ask in _ASKS for part in condition)
        if opened is False:
            condition = None
        found = command_clues(words)
        if condition is not None:
            found = (clue for clue in found if clue.kind != "program")  # asked for, not run
        guard = "cuda" if any(blocks[-_MAX_BLOCKS:]) and condition is None else ""
        yield from (replace(clue, guard=guard) if guard else clue for clue in found)


def _opened(words: list[Word], blocks: list[bool]) -> tuple[list[Word], bool | None]:
    """The command behind the keywords before it; True where a condition starts, False where its
    branch does."""
    opened: bool | None = None
    while words and words[0].text in _KEYWORDS:
        name = words[0].text
        if name == "if":
            blocks.append(False)
            opened = True
        elif name in ("else", "elif", "fi") and blocks:
            if name == "fi":
                blocks.pop()
            else:
                blocks[-1] = False
            opened = name == "elif"
        elif name == "then":
            opened = False
        words = words[1:]
    return words, opened


def _commands(text: str, base: int) -> Iterator[list[Word]]:
    """Each simple command; directives for a scheduler are commands named by their mark."""
    words: list[Word] = []
    tags: list[str] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:  # every character is some token
            return
        at = match.end()
        if match["word"] is not None:
            word = Word(_plain(match["word"]), base + match.start())
            words.append(word)
            kept = _KEPT.fullmatch(match["word"])
            if kept is not None:
                yield from _commands(kept[2], base + match.start() + kept.start(2))
            for inner in _SUBSTITUTED.finditer(match["word"]):
                group = 1 if inner[1] is not None else 2
                yield from _commands(inner[group], base + match.start() + inner.start(group))
        elif match["heredoc"] is not None:
            tags.append(match["tag"])
        elif match["comment"] is not None:
            directive = _DIRECTIVE.match(match["comment"])
            if directive is not None:
                yield list(_commands_of(directive, base + match.start()))
        elif match["end"] is not None:
            if words:
                yield words
            runs = bool(words) and _name(words[0]) in _SHELLS
            words = []
            if match["end"] == "\n" and tags:
                end = _end_of_heredoc(text, at, tags)
                if runs:
                    yield from _commands(text[at:end], base + at)
                at, tags = end, []
    if words:
        yield words


def _commands_of(directive: re.Match[str], base: int) -> Iterator[Word]:
    yield Word("#", base)
    for match in re.finditer(r"\S+", directive[1]):
        yield Word(match[0], base + directive.start(1) + match.start())


def _end_of_heredoc(text: str, start: int, tags: Sequence[str]) -> int:
    for tag in tags:
        match = re.compile(rf"^[ \t]*{re.escape(tag)}[ \t]*$", re.MULTILINE).search(text, start)
        start = match.start() if match else len(text)
    return start


def _plain(word: str) -> str:
    if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0] and word[0] not in word[1:-1]:
        return word[1:-1]
    return word.replace('"', "").replace("'", "").replace("\\\n", "")


def _name(word: Word) -> str:
    return word.text.rsplit("/", 1)[-1]


# -- one command ---------------------------------------------------------------------------------


def command_clues(words: Sequence[Word]) -> Iterator[Clue]:
    """What one command says: variables before it, the program, its options, what it installs."""
    start = 0
    for word in words:
        match = _ASSIGNED.fullmatch(word.text)
        if match is None and _name(word) not in ("export", "env", "setenv", "declare", "set"):
            break
        if match is not None:
            yield Clue("variable", match[1], unquoted(match[2]), word.offset)
        start += 1
    words = words[start:]
    if not words or words[0].text in ("echo", "printf"):
        return
    yield from _programs(words)
    yield from install_clues([(word.text, word.offset) for word in words])
    yield from _options(words)
    yield from _fetched(words)


def _fetched(words: Sequence[Word]) -> Iterator[Clue]:
    """The image that a container is started from, and the addresses of what is downloaded."""
    names = {_name(word) for word in words[:3]}
    for word in words[1:]:
        if word.text.startswith("-"):
            continue
        if names & _CONTAINERS and _IMAGE.fullmatch(word.text):
            yield Clue("image", "", word.text.removeprefix("docker://"), word.offset)
        elif names & _FETCHERS and "://" in word.text:
            yield Clue("index", "", word.text, word.offset)


def _programs(words: Sequence[Word]) -> Iterator[Clue]:
    """The program, and behind one that runs others also theirs; `python -m x` is x."""
    name = _name(words[0])
    yield Clue("program", name, "", words[0].offset)
    for before, word in pairwise(words):
        if before.text == "-m" and name.startswith("python"):
            yield Clue("program", word.text, "", word.offset)
        elif name in _WRAPPERS and not word.text.startswith("-") and "=" not in word.text:
            yield Clue("program", _name(word), "", word.offset)


def _options(words: Sequence[Word]) -> Iterator[Clue]:
    """`--key=value`, `--key value`, `--flag`, `key=value` and `-e NAME=value`."""
    is_scheduler = _name(words[0]) in _SCHEDULERS
    first = 0 if words[0].text.startswith("-") else 1  # options alone, as in `ARGS=(--fp16)`
    for place, word in enumerate(words[first:], first):
        text = word.text
        if text.startswith("-"):
            name, has_value, value = text.partition("=")
            follows = words[place + 1].text if place + 1 < len(words) else "-"
            if not has_value:
                value = "true" if follows.startswith("-") else follows
            key = _OF_SCHEDULERS.get(name, "") if is_scheduler else ""
            key = key or entry_key(name)
            if key in _IMAGE_OPTIONS:
                yield Clue("image", "", unquoted(value), word.offset)
            elif len(name) > 1:
                yield Clue("entry", key, unquoted(value), word.offset)
            continue
        match = _OVERRIDE.fullmatch(text)
        if match is None:
            continue
        if match[1].isupper():
            yield Clue("variable", match[1], match[2], word.offset)
        else:
            *path, key = match[1].replace("/", ".").split(".")
            yield Clue("entry", entry_key(key), unquoted(match[2]), word.offset, tuple(path))
