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
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glia import __version__
from glia.compiler.program import Buffer, Launch, Port, Program
from glia.compiler.view import View
from glia.compiler.weights import read_tensors, write_tensors
from glia.core.errors import FormatError, GliaError, UsageError
from glia.core.figures import Estimate
from glia.core.records import SourceLine
from glia.isa.serial import load_stream, save_stream
from glia.isa.target import target_of

FORMAT = 1
_MANIFEST = "manifest.json"


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
        UsageError: when `folder` exists and is not a bundle.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not (folder / _MANIFEST).is_file():
        raise UsageError(
            f"writing the bundle to {folder}: got a folder with other files, expected a new or "
            "empty one, or an older bundle; choose another name"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_files(made, program, inputs, outputs)
        manifest = _manifest(program, latency, _hashes(made))
        (made / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        made.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


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
        return _bundle(manifest, files)
    except GliaError:
        raise
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FormatError(
            f"reading {folder / _MANIFEST}: got a damaged entry ({error!r}); compile the model "
            "again"
        ) from None


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    if not path.is_file():
        raise UsageError(
            f"reading the bundle {folder}: got no {_MANIFEST}, expected a folder that "
            "`glia compile` wrote; check the path"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = int(manifest["format"])
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        raise FormatError(
            f"reading {path}: got a truncated or altered manifest; compile the model again"
        ) from None
    if version != FORMAT:
        raise FormatError(
            f"reading {path}: got bundle format {version}, expected {FORMAT}; "
            + ("upgrade glia" if version > FORMAT else "compile the model again")
        )
    return manifest


def _checked_files(folder: Path, manifest: dict[str, Any]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for name, digest in manifest.get("sha256", {}).items():
        path = folder / name
        if not path.is_file():
            raise FormatError(f"reading {path}: got no such file; the bundle is incomplete")
        data = path.read_bytes()
        if _sha256(data) != digest:
            raise FormatError(
                f"reading {path}: got other bytes than were written (truncated or altered), "
                "expected the hash in the manifest; compile the model again"
            )
        files[name] = data
    return files


def _bundle(manifest: dict[str, Any], files: Mapping[str, bytes]) -> Bundle:
    target = target_of(manifest["chip"])
    streams = {
        name: load_stream(json.loads(gzip.decompress(files[f"streams/{name}.json.gz"])), target)
        for name in manifest["streams"]
    }
    program = Program(
        name=manifest["name"],
        chip=manifest["chip"],
        precision=manifest["precision"],
        buffers={b["name"]: Buffer(**b) for b in manifest["buffers"]},
        weights=read_tensors(files["weights.safetensors"]),
        inputs=tuple(_port(p) for p in manifest["inputs"]),
        outputs=tuple(_port(p) for p in manifest["outputs"]),
        launches=tuple(_launch(one) for one in manifest["launches"]),
        streams=streams,
        sources={n: files[f"kernels/{n}"].decode() for n in manifest["sources"]},
        values={name: _view(view) for name, view in manifest["values"].items()},
        notes=tuple(manifest["notes"]),
        num_sequences=manifest["num_sequences"],
    )
    return Bundle(
        program,
        read_tensors(files["inputs.safetensors"]),
        read_tensors(files["outputs.safetensors"]),
        float(manifest["predicted_latency"]["likely"]),
    )


def _view(record: dict[str, Any]) -> View:
    return View(
        record["buffer"],
        record["format"],
        tuple(record["shape"]),
        tuple(record["strides"]),
        record["offset"],
    )


def _port(record: dict[str, Any]) -> Port:
    shape, view = tuple(record["shape"]), _view(record["view"])
    return Port(record["name"], shape, record["type_name"], view)


def _launch(record: dict[str, Any]) -> Launch:
    source = record["source"]
    return Launch(
        **{
            **record,
            "places": tuple((name, byte) for name, byte in record["places"]),
            "view": _view(record["view"]),
            "reads": tuple(record["reads"]),
            "source": None if source is None else SourceLine(**source),
        }
    )
