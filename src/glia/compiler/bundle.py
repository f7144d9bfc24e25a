"""The bundle: a Program as a folder that runs elsewhere, without a framework.

manifest.json          format, versions, hashes of all other files, buffers, ports, launches
weights.safetensors    weights as they lie in HBM
inputs.safetensors     the example inputs; outputs.safetensors: what they gave
streams/*.json.gz      one traced kernel each, as public calls
kernels/*.py           the NKI source of every kernel, to read
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError

from glia import __version__
from glia.compiler.manifest import Manifest, check_program
from glia.compiler.program import Port, Program
from glia.compiler.weights import read_tensors, write_tensors
from glia.core.errors import FormatError, GliaError, UsageError
from glia.core.figures import Estimate
from glia.isa.serial import load_stream, save_stream
from glia.isa.target import target_of

FORMAT = 1
_MANIFEST = "manifest.json"
_DAMAGE = (
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    RecursionError,
    EOFError,
    OSError,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A program with its example inputs, the outputs and the likely latency they gave."""

    program: Program
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    latency_s: float


# -- writing -------------------------------------------------------------------------------------


def write_bundle(
    folder: Path,
    program: Program,
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    latency: Estimate,
) -> None:
    """Write to a temporary folder beside `folder`, then put it in place in one step.

    Raises:
        UsageError: when `folder` exists and is not a bundle, or cannot be written.
    """
    folder = Path(folder)
    try:
        _check_free(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            made = work / "new"
            made.mkdir()
            _write_files(made, program, inputs, outputs)
            manifest = _manifest(program, latency, _hashes(made))
            manifest["seal"] = _seal(manifest)
            (made / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            _put_in_place(made, folder, work / "old")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise UsageError(
            f"writing the bundle to {folder}: got {error}, expected a folder that can be written; "
            "make room or choose another place"
        ) from None


def _check_free(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MANIFEST).is_file():
        raise UsageError(
            f"writing the bundle to {folder}: got a folder with other files, expected a new or "
            "empty one, or an older bundle; choose another name"
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"writing the bundle to {folder}: got a file, expected a folder; choose another name"
        )


def _put_in_place(made: Path, folder: Path, aside: Path) -> None:
    """Rename `made` to `folder`; an older one comes back when that fails."""
    if not folder.exists():
        os.replace(made, folder)
        return
    os.replace(folder, aside)
    try:
        os.replace(made, folder)
    except OSError:
        os.replace(aside, folder)
        raise


def _write_files(
    made: Path,
    program: Program,
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
) -> None:
    write_tensors(made / "weights.safetensors", program.weights)
    write_tensors(made / "inputs.safetensors", inputs)
    write_tensors(made / "outputs.safetensors", outputs)
    (made / "streams").mkdir()
    (made / "kernels").mkdir()
    for name, stream in program.streams.items():
        text = json.dumps(save_stream(stream), separators=(",", ":"))
        packed = gzip.compress(text.encode(), compresslevel=6, mtime=0)
        (made / "streams" / f"{name}.json.gz").write_bytes(packed)
    for name, source in program.sources.items():
        (made / "kernels" / name).write_text(source, encoding="utf-8")


def _hashes(made: Path) -> dict[str, str]:
    files = sorted(p for p in made.rglob("*") if p.is_file())
    return {str(p.relative_to(made)): _sha256(p.read_bytes()) for p in files}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _manifest(program: Program, latency: Estimate, hashes: dict[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "glia_version": __version__,
        "name": program.name,
        "chip": program.chip,
        "precision": program.precision,
        "num_sequences": program.num_sequences,
        "predicted_latency": asdict(latency),
        "notes": list(program.notes),
        "buffers": [asdict(b) for b in program.buffers.values()],
        "inputs": [asdict(p) for p in program.inputs],
        "outputs": [asdict(p) for p in program.outputs],
        "launches": [asdict(one) for one in program.launches],
        "values": {name: asdict(view) for name, view in program.values.items()},
        "streams": sorted(program.streams),
        "sources": sorted(program.sources),
        "sha256": hashes,
    }


# -- reading -------------------------------------------------------------------------------------


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle; every file is checked against its hash before it is used.

    Raises:
        UsageError: no such folder, or no bundle in it.
        FormatError: a file is missing, truncated or altered, or a newer glia wrote it.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    files = _checked_files(folder, manifest)
    try:
        bundle = _bundle(manifest, files)
        check_program(bundle.program)
        _check_example("input", bundle.program.inputs, bundle.inputs)
        _check_example("output", bundle.program.outputs, bundle.outputs)
        return bundle
    except FormatError:
        raise
    except (GliaError, *_DAMAGE) as error:
        raise FormatError(
            f"reading {folder / _MANIFEST}: got a damaged entry ({error}); compile the model again"
        ) from None


def _read_manifest(folder: Path) -> Manifest:
    path = folder / _MANIFEST
    if not path.is_file():
        raise UsageError(
            f"reading the bundle {folder}: got no {_MANIFEST}, expected a folder that "
            "`glia compile` wrote; check the path"
        )
    try:
        text = path.read_text(encoding="utf-8")
        record = json.loads(text)
        version = int(record["format"])
    except (*_DAMAGE, OverflowError) as error:
        raise _altered(path, str(error)) from None
    if version != FORMAT:
        raise FormatError(
            f"reading {path}: got bundle format {version}, expected {FORMAT}; "
            + ("upgrade glia" if version > FORMAT else "compile the model again")
        )
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise _altered(path, f"{place}: {first['msg']}") from None
    if manifest.seal != _seal(record):
        raise _altered(path, "its hash differs")
    return manifest


def _altered(path: Path, why: str) -> FormatError:
    return FormatError(
        f"reading {path}: got a truncated or altered manifest ({why}), expected it as it was "
        "written; compile the model again"
    )


def _seal(manifest: Mapping[str, Any]) -> str:
    """Hash of all entries but the seal."""
    rest = {key: value for key, value in manifest.items() if key != "seal"}
    return _sha256(json.dumps(rest, sort_keys=True).encode())


def _checked_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    expected = manifest.file_names()
    if set(manifest.sha256) != expected:
        wrong = sorted(set(manifest.sha256) ^ expected)
        raise _altered(folder / _MANIFEST, f"unknown or unlisted files {', '.join(wrong)}")
    return {name: _checked(folder, name, manifest.sha256[name]) for name in sorted(expected)}


def _checked(folder: Path, name: str, digest: str) -> bytes:
    path = folder / name
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise FormatError(
            f"reading {path}: got no such file inside the bundle, which is incomplete; compile the "
            "model again"
        )
    data = path.read_bytes()
    if _sha256(data) != digest:
        raise FormatError(
            f"reading {path}: got other bytes than were written (truncated or altered), "
            "expected the hash in the manifest; compile the model again"
        )
    return data


def _bundle(manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    target = target_of(manifest.chip)
    streams = {
        name: load_stream(json.loads(gzip.decompress(files[f"streams/{name}.json.gz"])), target)
        for name in manifest.streams
    }
    buffers = {b.name: b.made() for b in manifest.buffers}
    if len(buffers) != len(manifest.buffers):
        raise ValueError("two buffers of one name")
    program = Program(
        name=manifest.name,
        chip=manifest.chip,
        precision=manifest.precision,
        buffers=buffers,
        weights=read_tensors(files["weights.safetensors"]),
        inputs=tuple(p.made() for p in manifest.inputs),
        outputs=tuple(p.made() for p in manifest.outputs),
        launches=tuple(one.made() for one in manifest.launches),
        streams=streams,
        sources={n: files[f"kernels/{n}"].decode() for n in manifest.sources},
        values={name: view.made() for name, view in manifest.values.items()},
        notes=manifest.notes,
        num_sequences=manifest.num_sequences,
    )
    return Bundle(
        program,
        read_tensors(files["inputs.safetensors"]),
        read_tensors(files["outputs.safetensors"]),
        manifest.predicted_latency.made().likely,
    )


def _check_example(what: str, ports: Sequence[Port], arrays: Mapping[str, np.ndarray]) -> None:
    expected = {port.name: port.shape for port in ports}
    found = {name: array.shape for name, array in arrays.items()}
    if expected != found:
        raise FormatError(
            f"reading the example {what}s: got {found}, expected {expected}; compile the model "
            "again"
        )
