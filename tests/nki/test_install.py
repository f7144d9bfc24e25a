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
