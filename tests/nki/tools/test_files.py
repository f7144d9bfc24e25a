"""Kernel files: what is found in them, and one clear message for whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from glia.core.errors import ModelError, UsageError
from glia.nki.tools.files import load_kernels, split_name

KERNELS = Path(__file__).parent / "kernels.py"


def test_kernels_are_those_under_jit_in_the_order_of_the_file():
    names = list(load_kernels(KERNELS).kernels)
    assert names[:3] == ["double", "halves", "in_place"] and "copied" not in names


def test_a_function_without_jit_is_taken_when_it_is_named():
    found = load_kernels(KERNELS)
    assert found.kernel("plain").function is found.module.plain


def test_kernels_of_other_files_are_not_this_files(tmp_path):
    (tmp_path / "other.py").write_text("import nki\n\n\n@nki.jit\ndef a(x):\n    return x\n")
    path = tmp_path / "mine.py"
    path.write_text("import nki\nfrom other import a\n\n\n@nki.jit\ndef b(x):\n    return a(x)\n")
    assert list(load_kernels(path).kernels) == ["b"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("kernels.py:double", "double"), ("kernels.py", "")],
)
def test_file_and_kernel(text, name, monkeypatch):
    monkeypatch.chdir(KERNELS.parent)
    assert split_name(text) == (Path("kernels.py"), name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kernel.py:double", "did you mean 'kernels.py'"),
        ("kernels.py:", "no kernel after the colon, expected kernels.py:KERNEL"),
        ("nowhere/kernels.py:double", "the folder 'nowhere' does not exist"),
        (".", "got a folder"),
        ("notes.txt:double", "expected a Python file ending in .py"),
    ],
)
def test_a_name_that_leads_nowhere(tmp_path, monkeypatch, text, message):
    (tmp_path / "kernels.py").write_text("")
    (tmp_path / "notes.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        split_name(text)


def test_a_misspelt_kernel_suggests_the_nearest():
    with pytest.raises(UsageError, match=r"did you mean 'double'.*its kernels: double, halves"):
        load_kernels(KERNELS).kernel("duoble")


def written(tmp_path, text):
    path = tmp_path / "bad.py"
    path.write_text(text)
    return path


def test_a_file_without_kernels(tmp_path):
    found = load_kernels(written(tmp_path, "x = 1\n"))
    for ask in (found.only_kernel, lambda: found.kernel("k")):
        with pytest.raises(UsageError, match=r"a file without kernels.*under @nki.jit"):
            ask()


def test_a_file_of_several_kernels_needs_a_name():
    with pytest.raises(UsageError, match=r"expected FILE.py:KERNEL; name one of: double"):
        load_kernels(KERNELS).only_kernel()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def k(:\n    pass\n", r"SyntaxError: .* in `def k\(:`, at .*bad.py:1:7"),
        ("import nosuchpackage\n", "No module named 'nosuchpackage', at .*bad.py:1; install the"),
        ("import libneuronxla\n", "'libneuronxla' is part of AWS's SDK"),
        ("import nki.nothing\n", "glia's nki has no module 'nki.nothing'"),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero, at .*bad.py:3"),
        ("raise SystemExit(3)\n", "SystemExit: 3, at .*bad.py:1"),
    ],
)
def test_a_file_that_fails_says_where(tmp_path, text, message):
    with pytest.raises(ModelError, match=message):
        load_kernels(written(tmp_path, text))


def test_no_kernel_after_the_colon_lists_those_of_the_file():
    with pytest.raises(UsageError, match=r"or .*kernels\.py; its kernels: double, halves"):
        split_name(f"{KERNELS}:")
