"""Typed reading of a Hugging Face config: every error names the file, the key and what it holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glia.core.errors import ModelError, UsageError

FILE = "config.json"
_MAX_BYTES = 16 * 2**20
_MAX_SIZE = 10**9


@dataclass(frozen=True, slots=True)
class Config:
    """The keys of one config; `where` names the file in messages."""

    where: str
    tree: Mapping[str, Any]

    @property
    def model_type(self) -> str:
        """The family, as transformers calls it.

        Raises:
            ModelError: when the config does not say it.
        """
        value = self.tree.get("model_type")
        if not isinstance(value, str) or not value:
            raise ModelError(
                f"reading {self.where}: got model_type {value!r}, expected a text as 'llama'; "
                "it is no config of a transformers model, or add the key"
            )
        return value

    def size(self, *keys: str, default: int | None = None, least: int = 1) -> int:
        """A whole number of at least `least` under the first of `keys` that is there and not null.

        Raises:
            ModelError: when it is missing without a default, or is no such number.
        """
        key = self._key(keys)
        if key is None:
            if default is not None:
                return default
            names = " or ".join(repr(k) for k in keys)
            raise ModelError(
                f"reading {self.where}: got no {names}, expected a whole number; add the key"
            )
        value = self.tree[key]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not least <= value <= _MAX_SIZE:
            raise ModelError(
                f"reading {self.where}: got {key} = {value!r}, expected a whole number from "
                f"{least} to {_MAX_SIZE:,}; correct it"
            )
        return value

    def maybe_size(self, *keys: str) -> int | None:
        """As `size`, or None when the key is missing or null."""
        return None if self._key(keys) is None else self.size(*keys)

    def fraction(self, *keys: str, default: float = 0.0) -> float:
        """A number from 0 to 1.

        Raises:
            ModelError: for anything else.
        """
        key = self._key(keys)
        value = default if key is None else self.tree[key]
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            raise ModelError(
                f"reading {self.where}: got {key} = {value!r}, expected a number from 0 to 1; "
                "correct it"
            )
        return float(value)

    def flag(self, *keys: str, default: bool = False) -> bool:
        """True or false.

        Raises:
            ModelError: for anything else.
        """
        key = self._key(keys)
        value = default if key is None else self.tree[key]
        if not isinstance(value, bool):
            raise ModelError(
                f"reading {self.where}: got {key} = {value!r}, expected true or false; correct it"
            )
        return value

    def text(self, *keys: str, default: str = "") -> str:
        """A text."""
        key = self._key(keys)
        value = default if key is None else self.tree[key]
        return value if isinstance(value, str) else default

    def items(self, key: str) -> list[Any]:
        """A list, empty when the key is missing or null.

        Raises:
            ModelError: for anything else.
        """
        value = self.tree.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ModelError(
                f"reading {self.where}: got {key} = {value!r}, expected a list; correct it"
            )
        return value

    def table(self, key: str) -> Mapping[str, Any]:
        """A table, empty when the key is missing or null."""
        value = self.tree.get(key)
        return value if isinstance(value, Mapping) else {}

    def inside(self, key: str) -> Config:
        """The config of a part, as `text_config`; this one when there is none."""
        part = self.tree.get(key)
        if not isinstance(part, Mapping):
            return self
        return Config(f"{self.where}, {key}", part)

    def _key(self, keys: tuple[str, ...]) -> str | None:
        return next((key for key in keys if self.tree.get(key) is not None), None)


def config_file(spec: str) -> Path | None:
    """The config file that `spec` names: a JSON file, or a folder with one; None for another kind.

    Raises:
        UsageError: for a folder without a config.
    """
    path = Path(spec)
    if path.is_dir():
        if not (path / FILE).is_file():
            raise UsageError(
                f"reading {spec}: got a folder without {FILE}, expected a Hugging Face model "
                "folder; give the folder that save_pretrained wrote, or a config file"
            )
        return path / FILE
    return path if path.suffix == ".json" else None


# Numbers that JSON has not, as transformers writes them: {"__float__": "Infinity"}.
_SPECIAL = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def _special(table: dict[str, Any]) -> Any:
    return _SPECIAL.get(table["__float__"], table) if table.keys() == {"__float__"} else table


def read_config(path: Path) -> Config:
    """The config in a file.

    Raises:
        UsageError: when the file cannot be read.
        ModelError: when it is no JSON object.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelError(f"reading {path}: got more than 16 MiB, expected a config; check it")
        tree = json.loads(path.read_bytes(), object_hook=_special)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"reading {path}: got {reason!r}, expected a config file; check the path"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"reading {path}: got no JSON ({error}), expected a JSON object; mend it"
        ) from None
    if not isinstance(tree, Mapping):
        kind = type(tree).__name__
        raise ModelError(f"reading {path}: got a {kind}, expected a JSON object; mend it")
    return Config(str(path), tree)
