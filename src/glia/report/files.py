"""Writing files so that nothing half-written is ever seen under the final name."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

from glia.core.errors import UsageError
from glia.core.records import to_json


def write_text_atomic(path: str | os.PathLike[str], text: str) -> Path:
    """`write_bytes_atomic` of `text` in UTF-8."""
    return write_bytes_atomic(path, text.encode("utf-8"))


def write_bytes_atomic(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write `data` to a temporary name beside `path`, then rename it; return the path.

    Missing folders are made. An existing file is replaced only by a complete one.

    Raises:
        UsageError: when the place cannot be written.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"writing {target}: got {reason!r}, expected a writable place; choose another one"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # there is nothing to remove after the rename
            temporary.unlink()
    return target


def write_json(path: str | os.PathLike[str], record: Any) -> Path:
    """Write a record, or anything made of records, as indented JSON; see `write_text_atomic`."""
    return write_text_atomic(path, json.dumps(to_json(record), indent=2, allow_nan=False) + "\n")
