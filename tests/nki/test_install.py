"""The installer, each case in a Python of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def python(code: str, *folders: Path) -> str:
    lines = [f"import sys; sys.path[:0] = {[str(f) for f in folders]!r}", code]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nki_is_glias_when_there_is_no_other():
    code = """
import glia.nki.install
import nki, nki.isa as nisa, nki.language as nl
from nki.isa import nc_matmul
import glia.nki, glia.nki.isa, glia.nki.language
print(nki is glia.nki, nisa is glia.nki.isa, nl is glia.nki.language)
print(nki.__name__, nc_matmul.__name__)
try:
    import nki.nosuch
except ModuleNotFoundError as error:
    print(error)
"""
    assert python(code).splitlines() == [
        "True True True",
        "glia.nki nc_matmul",
        "No module named 'nki.nosuch'",
    ]


def test_nothing_happens_without_the_installer():
    code = "import glia.nki\ntry:\n    import nki\nexcept ImportError:\n    print('absent')"
    assert python(code) == "absent"


def test_an_installed_nki_is_never_shadowed(tmp_path: Path):
    (tmp_path / "nki").mkdir()
    (tmp_path / "nki" / "__init__.py").write_text("WHOSE = 'vendor'\n")
    code = """
import glia.nki.install
import nki
print(nki.WHOSE)
try:
    import nki.isa
except ModuleNotFoundError:
    print('no isa')
"""
    assert python(code, tmp_path).splitlines() == ["vendor", "no isa"]


def test_modules_inside_and_stand_ins_come_with_it():
    code = """
import glia.nki.install
import nki.isa.constants, nki.typing, nki.dtype, nki.language.dtypes, nki.tensor, nki.builtin
import neuron_dtypes as dt
import neuronxcc.nki.typing as nt
from neuronxcc.starfish.support.dtype import static_cast
from neuronxcc.starfish.support.util import allclose
import torch_xla, torch_xla.core.xla_model
print(nki.isa.constants.oob_mode is nki.isa.oob_mode, nki.typing.tensor is nt.tensor)
print(static_cast is dt.static_cast, allclose([1.0], [1.0 + 1e-9]), allclose([1.0], [2.0]))
"""
    assert python(code).splitlines() == ["True True", "True True False"]


def test_a_real_package_is_never_shadowed_by_a_stand_in(tmp_path: Path):
    (tmp_path / "neuron_dtypes.py").write_text("WHOSE = 'vendor'\n")
    code = "import glia.nki.install, neuron_dtypes, nki\nprint(neuron_dtypes.WHOSE, nki.__name__)"
    assert python(code, tmp_path) == "vendor glia.nki"


def test_the_old_api_says_what_to_import():
    code = """
import glia.nki.install
for name in ("language", "isa"):
    try:
        __import__(f"neuronxcc.nki.{name}")
    except ModuleNotFoundError as error:
        print(error)
import neuronxcc.nki
try:
    neuronxcc.nki.jit
except AttributeError as error:
    print(error)
"""
    language, isa, jit = python(code).splitlines()
    assert "NKI 0.1" in language
    assert "import nki.language instead" in language
    assert "import nki.isa instead" in isa
    assert "import nki" in jit


def test_a_folder_that_is_no_package_does_not_count(tmp_path: Path):
    (tmp_path / "nki" / "isa").mkdir(parents=True)
    code = "import glia.nki.install, nki.isa\nprint(nki.__name__, nki.isa.nc_matmul.__name__)"
    assert python(code, tmp_path) == "glia.nki nc_matmul"
