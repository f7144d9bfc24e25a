"""The text of a file in the encoding that it names, or in one sentence why there is none."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path

from glia.core.errors import FormatError

UNREADABLE = "unreadable: "  # what the system says follows
TOO_DEEP = "Python's own reader gives up on it: nested too deeply"


def read_text(path: Path, limit: int) -> str:
    """The file's text.

    Raises:
        OSError: when it cannot be read.
        ValueError: when it is longer than `limit` bytes, or no text.
    """
    require_size(path.stat().st_size, limit)
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return raw.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise ValueError("not text: its encoding is neither UTF-8 nor one it names") from None


def require_size(num_bytes: int, limit: int) -> None:
    """Refuse what is longer than `limit` bytes.

    Raises:
        ValueError: for more bytes.
    """
    if num_bytes > limit:
        sizes = f"{num_bytes / 2**20:.1f} MiB, read are files of up to {limit / 2**20:g} MiB"
        raise ValueError(f"too large: {sizes}")


def reason_of(error: Exception) -> str:
    """Why a file could not be read, from what its reader raised."""
    if isinstance(error, SyntaxError):
        line = f"line {error.lineno}: " if error.lineno else ""
        return f"not Python: {line}{error.msg}"
    if isinstance(error, OSError):
        return f"{UNREADABLE}{error.strerror or error}"
    if isinstance(error, FormatError):
        return "not a notebook"
    return str(error)
