"""Bundles: what is read is what was written, in a process without PyTorch; damage is refused."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glia.compiler import Program, compile_graph
from glia.compiler.bundle import _seal, read_bundle, write_bundle
from glia.core.dtypes import dtype
from glia.core.errors import FormatError, GliaError, UsageError
from glia.core.figures import Estimate
from glia.devices.execute import Executor
from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType

LATENCY = Estimate(1e-5, 2e-5, 3e-5, "s", "for the test", ("a test",))


def _program() -> Program:
    """Linear, layer norm and a mask: floats, integers and bools."""
    rng = np.random.default_rng(0)
    b = GraphBuilder("small")
    x = b.input("x", TensorType((5, 40), dtype("float32")))
    w = b.constant("w", rng.standard_normal((24, 40)).astype(np.float32))
    one, zero = (b.constant(n, np.full(24, v, np.float32)) for n, v in (("one", 1), ("zero", 0)))
    h = b.emit("linear", x, w, name="h", activation="gelu")
    y = b.emit("layer_norm", h, one, zero, epsilon=1e-5, name="y")
    positive = b.emit("compare", y, h, direction="GT", name="positive")
    return compile_graph(b.finish([y, positive]), "trn2", "bf16", 5).program


INPUTS = {"x": np.random.default_rng(1).standard_normal((5, 40)).astype(np.float32)}


@pytest.fixture(scope="module")
def program() -> Program:
    return _program()


@pytest.fixture(scope="module")
def written(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "bundle"
    write(program, folder)
    return folder


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "bundle"))


def write(program: Program, folder: Path) -> None:
    write_bundle(folder, program, INPUTS, Executor(program).run(INPUTS), LATENCY)


def contents(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


# -- round trip ------------------------------------------------------------------------------------

WITHOUT_TORCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise ModuleNotFoundError(f"blocked: {name}", name=name)
sys.meta_path.insert(0, Blocked())
from glia.cli import main
main()
"""


def run_without_torch(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_new_process_without_torch_gives_the_same(program: Program, tmp_path: Path):
    from glia.devices.predict import predict

    latency = predict(program).latency
    write_bundle(tmp_path / "b", program, INPUTS, Executor(program).run(INPUTS), latency)
    done = run_without_torch("run", str(tmp_path / "b"), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["outputs"]["same_values"] is True
    assert said["outputs"]["same_latency"] is True
    assert said["run"]["latency"]["likely"] == latency.likely


def test_what_is_read_is_what_was_written(program: Program, written: Path):
    bundle = read_bundle(written)
    found = bundle.program
    for name in ("name", "chip", "precision", "inputs", "outputs", "launches", "notes", "sources"):
        assert getattr(found, name) == getattr(program, name), name
    assert found.buffers == program.buffers
    assert found.values == program.values
    assert found.num_instructions == program.num_instructions
    for name, data in program.weights.items():
        assert found.weights[name].dtype == data.dtype
        assert found.weights[name].tobytes() == np.ascontiguousarray(data).tobytes()
    outputs = Executor(found).run(bundle.inputs)
    assert {n: a.tobytes() for n, a in outputs.items()} == {
        n: a.tobytes() for n, a in bundle.outputs.items()
    }
    assert bundle.latency_s == LATENCY.likely


def test_two_compilations_give_the_same_bytes(written: Path, tmp_path: Path):
    write(_program(), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(written)


def test_another_process_gives_the_same_bytes(written: Path, tmp_path: Path):
    """Nothing depends on the order of hashes."""
    code = (
        "import sys; sys.path.insert(0, 'tests'); from pathlib import Path\n"
        "from compiler.test_bundle import _program, write\n"
        "write(_program(), Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "other")], capture_output=True, text=True,
        check=False, cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "other") == contents(written)


# -- damage ----------------------------------------------------------------------------------------

FILES = ["weights.safetensors", "inputs.safetensors", "outputs.safetensors", "streams", "kernels"]


def _file(bundle: Path, name: str) -> Path:
    path = bundle / name
    return path if path.suffix else sorted(path.iterdir())[0]


def _moved_out(path: Path) -> None:
    place = path.resolve().parents[2] / f"out-{path.name}"
    path.symlink_to(shutil.move(path, place))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:-3]),
    "altered": lambda p: p.write_bytes(p.read_bytes()[:-1] + b"\x7f"),
    "emptied": lambda p: p.write_bytes(b""),
    "missing": lambda p: p.unlink(),
    "a folder": lambda p: (p.unlink(), p.mkdir()),
    "a link elsewhere": lambda p: _moved_out(p),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_by_name(bundle: Path, name: str, damage: str):
    path = _file(bundle, name)
    DAMAGES[damage](path)
    with pytest.raises(FormatError, match=path.name):
        read_bundle(bundle)


def manifest_of(bundle: Path) -> dict[str, Any]:
    return dict(json.loads((bundle / "manifest.json").read_text()))


def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = manifest_of(bundle)
    change(manifest)
    manifest["seal"] = _seal(manifest)
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_any_other_edit_breaks_the_seal(bundle: Path):
    manifest = manifest_of(bundle)
    manifest["notes"] = ["nothing was done"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FormatError, match="its hash differs"):
        read_bundle(bundle)


KEYS = (
    "format", "glia_version", "name", "chip", "precision", "num_sequences", "predicted_latency",
    "notes", "buffers", "inputs", "outputs", "launches", "values", "streams", "sources", "sha256",
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_manifest_without_a_key_is_refused(bundle: Path, key: str):
    edit(bundle, lambda m: m.pop(key))
    with pytest.raises(FormatError, match=r"manifest\.json"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    "value", [None, [], {}, "x", -1, 1e400, [1], [[1]], {"a": 1}, True], ids=str
)
@pytest.mark.parametrize("key", KEYS)
def test_a_manifest_with_another_kind_of_value_is_refused(bundle: Path, key: str, value: Any):
    if value == manifest_of(bundle)[key] or (key, value) in (("glia_version", "x"), ("name", "x")):
        return
    if (key, value) in (("notes", []), ("values", {})):  # nothing that a run needs
        return
    edit(bundle, lambda m: m.update({key: value}))
    with pytest.raises(GliaError):
        read_bundle(bundle)


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown key": lambda m: m.update(extra=1),
    "newer format": lambda m: m.update(format=2),
    "unknown chip": lambda m: m.update(chip="trn9"),
    "chip without a virtual model": lambda m: m.update(chip="h100"),
    "chip of another generation": lambda m: m.update(chip="inf2"),
    "unknown precision": lambda m: m.update(precision="fp23"),
    "file outside the bundle": lambda m: m["sha256"].update({"../x": "0" * 64}),
    "absolute file": lambda m: m["sha256"].update({"/etc/passwd": "0" * 64}),
    "stream outside": lambda m: m["streams"].append("../../x"),
    "source outside": lambda m: m["sources"].append("../x.py"),
    "unknown file": lambda m: m["sha256"].update({"more.bin": "0" * 64}),
    "unlisted file": lambda m: m["sha256"].pop("weights.safetensors"),
    "huge offset": lambda m: m["buffers"][0].update(offset=10**18),
    "huge buffer": lambda m: m["buffers"][0].update(num_bytes=10**18),
    "negative offset": lambda m: m["buffers"][0].update(offset=-64),
    "offset that is no number": lambda m: m["buffers"][0].update(offset="0"),
    "offset that is no integer": lambda m: m["buffers"][0].update(offset=0.5),
    "extra key of a buffer": lambda m: m["buffers"][0].update(owner="me"),
    "buffer twice": lambda m: m["buffers"].append(m["buffers"][0]),
    "view of an unknown buffer": lambda m: m["inputs"][0]["view"].update(buffer="nowhere"),
    "view beyond its buffer": lambda m: m["inputs"][0]["view"].update(shape=[500, 40]),
    "view with a huge stride": lambda m: m["inputs"][0]["view"].update(strides=[2**60, 1]),
    "view before its buffer": lambda m: m["inputs"][0]["view"].update(offset=-8),
    "view of an unknown format": lambda m: m["inputs"][0]["view"].update(format="float7"),
    "port of another shape": lambda m: m["inputs"][0].update(shape=[4, 40]),
    "port of an unknown dtype": lambda m: m["outputs"][0].update(type_name="float7"),
    "launch of an unknown stream": lambda m: m["launches"][0].update(stream="none-0"),
    "launch into an unknown buffer": lambda m: m["launches"][0]["places"][0].__setitem__(0, "no"),
    "launch beyond its buffer": lambda m: m["launches"][0]["places"][0].__setitem__(1, 10**9),
    "launch before its buffer": lambda m: m["launches"][0]["places"][0].__setitem__(1, -4),
    "launch with a place less": lambda m: m["launches"][0]["places"].pop(),
    "no sequences": lambda m: m.update(num_sequences=0),
    "latency out of order": lambda m: m["predicted_latency"].update(likely=1.0),
}  # fmt: skip


@pytest.mark.parametrize("case", EDITS)
def test_an_altered_manifest_is_refused(bundle: Path, case: str):
    edit(bundle, EDITS[case])
    with pytest.raises(FormatError, match=r"(?s)got .*expected|damaged"):
        read_bundle(bundle)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "\x00", '{"format": 1e999}',
                                  "[" * 100_000, '{"format": NaN}'], ids=range(9))  # fmt: skip
def test_a_manifest_that_is_no_object_is_refused(bundle: Path, text: str):
    (bundle / "manifest.json").write_text(text)
    with pytest.raises(FormatError, match=r"manifest\.json"):
        read_bundle(bundle)


def test_a_manifest_that_is_no_text_is_refused(bundle: Path):
    (bundle / "manifest.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(FormatError, match=r"manifest\.json"):
        read_bundle(bundle)


PACKED = gzip.compress(b"{}")


@pytest.mark.parametrize(
    "data",
    [b"junk", PACKED, gzip.compress(b"\xff"), gzip.compress(b"[1"), PACKED[:-4]],
    ids=range(5),
)
def test_a_stream_with_a_right_hash_is_still_checked(bundle: Path, data: bytes):
    path = _file(bundle, "streams")
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    edit(bundle, lambda m: m["sha256"].update({f"streams/{path.name}": digest}))
    with pytest.raises(FormatError):
        read_bundle(bundle)


@pytest.mark.parametrize("name", ["weights", "inputs", "outputs"])
def test_tensors_with_a_right_hash_are_still_checked(bundle: Path, name: str):
    other = bundle / ("inputs.safetensors" if name == "weights" else "weights.safetensors")
    data = other.read_bytes()
    (bundle / f"{name}.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    edit(bundle, lambda m: m["sha256"].update({f"{name}.safetensors": digest}))
    with pytest.raises(FormatError):
        read_bundle(bundle)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.touch()],
                         ids=["nothing", "an empty folder", "a file"])  # fmt: skip
def test_what_is_no_bundle_is_bad_usage(tmp_path: Path, make: Callable[[Path], None]):
    make(tmp_path / "b")
    with pytest.raises(UsageError, match=r"manifest\.json"):
        read_bundle(tmp_path / "b")


# -- writing ---------------------------------------------------------------------------------------


def _full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


PLACES = ["glia.compiler.bundle.write_tensors", "gzip.compress", "json.dumps",
          "glia.compiler.bundle.os.replace"]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("older", [False, True])
def test_a_full_disk_leaves_nothing_and_harms_nothing(
    program: Program, written: Path, tmp_path: Path, monkeypatch: Any, place: str, older: bool
):
    folder = tmp_path / "bundle"
    if older:
        shutil.copytree(written, folder)
    outputs = Executor(program).run(INPUTS)
    monkeypatch.setattr(place, _full_disk)
    with pytest.raises(UsageError, match="No space left on device"):
        write_bundle(folder, program, INPUTS, outputs, LATENCY)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == (["bundle"] if older else [])
    assert not older or contents(folder) == contents(written)


def test_an_older_bundle_is_replaced_whole(program: Program, bundle: Path, written: Path):
    (bundle / "streams" / "left-over.json.gz").touch()
    write(program, bundle)
    assert contents(bundle) == contents(written)
    assert [p.name for p in bundle.parent.iterdir()] == ["bundle"]


def test_a_file_in_the_way_is_bad_usage(program: Program, tmp_path: Path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match="taken"):
        write(program, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_folder_with_other_files_is_left_alone(program: Program, tmp_path: Path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="other files"):
        write(program, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_place_that_cannot_be_written_is_bad_usage(program: Program, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file"):
        write(program, tmp_path / "file" / "bundle")
