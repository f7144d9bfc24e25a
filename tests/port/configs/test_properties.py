"""Whatever a file holds, its reader ends, and the places it gives are places of the file."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from glia.port.configs.docker import docker_clues
from glia.port.configs.packages import requirement_clues
from glia.port.configs.scan import scan_other
from glia.port.configs.shell import shell_clues
from glia.port.configs.trees import FILLED, json_scalars, toml_scalars, yaml_scalars
from glia.port.source.files.project import kind_of

NAMES = ["a.yaml", "a.json", "a.toml", "a.cfg", "a.sh", "Dockerfile", "requirements.txt", "a.cu"]
KEYS = st.text("abcdefg_", min_size=1, max_size=4)
VALUES = st.recursive(
    st.sampled_from(["cuda", "nccl", "x y", "a: b", "#", "'"]) | st.integers(0, 99) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
TREES = st.dictionaries(KEYS, VALUES, max_size=4)


def leaves(value, path=()):
    """(keys, text) of every scalar, in order."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def read(scalars):
    return [(s.path, s.value) for s in scalars if s.value != FILLED]


@given(TREES, st.sampled_from([None, 2]))
def test_json_is_read_as_json_reads_it(tree, indent):
    text = json.dumps(tree, indent=indent)
    found = json_scalars(text)
    assert read(found) == list(leaves(tree))
    assert all(text[s.offset :].startswith(('"', s.value)) or s.value == FILLED for s in found)


@given(TREES, st.booleans())
def test_yaml_is_read_as_yaml_reads_it(tree, flow):
    text = yaml.safe_dump(tree, default_flow_style=flow, sort_keys=False)
    assert read(yaml_scalars(text)) == list(leaves(tree))


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_toml_is_read_as_tomllib_reads_it(tables):
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {inline(value)}" for key, value in table.items()]
    assert read(toml_scalars("\n".join(lines) + "\n")) == list(leaves(tables))


def inline(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(inline(v) for v in value) + "]"
    return json.dumps(value)


@pytest.mark.parametrize("reader", [shell_clues, docker_clues, requirement_clues])
@given(text=st.text("ab -=\"'\\\n#$(){}<>&|;FROMRUN", max_size=80))
def test_readers_of_lines_end_within_the_text(reader, text):
    assert all(0 <= clue.offset <= len(text) for clue in reader(text))


@given(st.binary(max_size=120), st.sampled_from(NAMES))
def test_no_bytes_stop_the_check(tmp_path_factory, content, name):
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(b"device cuda\n" + content)
    kind = kind_of(path)
    assert kind is not None
    found = scan_other(path, kind)
    assert found.unread or found.is_parsed
