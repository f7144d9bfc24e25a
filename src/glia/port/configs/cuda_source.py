"""C++ that is written for CUDA: each kernel of it, or that the host's side of it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from glia.port.configs.clue import Clue

_COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:[^\"\\\n]|\\.)*\"", re.DOTALL)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*[<\"][^\n]*", re.MULTILINE)
_KERNEL = re.compile(r"\b__global__\b")
_HOST = re.compile(
    r"\bcuda[A-Z]\w+\s*\(|\bcudaStream_t\b|\bat::cuda\b|\bc10::cuda\b|\bcub(?:las|fft)\w*\s*\("
    r"|\bis_cuda\(\)|<<<"
)
# One of these is in every text that the patterns above and below find something in.
_WORDS = ("__global__", "<<<", "cud", "cub", "cutlass", "nccl", "thrust")
_HEADER = re.compile(r"[<\"](?:cuda|cub/|cublas|cudnn|cutlass|nccl|ATen/cuda|c10/cuda|thrust/)")


def cuda_clues(text: str, is_cuda: bool) -> Iterator[Clue]:
    """One clue per kernel; for a file without any, one where CUDA is first named.

    `is_cuda` says that the file's suffix is CUDA's own: it counts even when it names nothing.
    """
    if not is_cuda and not any(word in text for word in _WORDS):
        return
    code = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    kernels = list(_KERNEL.finditer(code))
    for kernel in kernels:
        yield Clue("source", "kernel", "", kernel.start())
    if kernels:
        return
    host = _HOST.search(code)
    header = next((m for m in _INCLUDE.finditer(text) if _HEADER.search(m[0])), None)
    first = min((m.start() for m in (host, header) if m is not None), default=-1)
    if first < 0 and is_cuda:
        first = len(text) - len(text.lstrip())
    if first >= 0:
        yield Clue("source", "host", "", first)
