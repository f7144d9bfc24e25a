"""An import that nothing in its file uses any more stays where another file takes it from there."""

import pytest

from port.fix.fixing import fix_in_place, write_files

OWN = "from torch.cuda.amp import autocast\n\n\ndef f(x):\n    with autocast():\n        return x\n"
TAKERS = {
    "by name": "from a import autocast\n",
    "by name, under another": "from a import autocast as cast\n",
    "all": "from a import *\n",
    "of the module": "import a\n\nwith a.autocast():\n    pass\n",
    "of the module under another name": "import a as b\n\ncast = b.autocast\n",
    "in a function": "def g():\n    from a import autocast\n    return autocast\n",
    "a test that replaces it": "import a\n\n\ndef test(monkeypatch):\n"
    "    monkeypatch.setattr(a, 'autocast', None)\n",
    "a test that replaces it by its full name": "from unittest import mock\n\n\n"
    "@mock.patch('a.autocast')\ndef test(fake):\n    pass\n",
    "asked for by name": "import a\n\ncast = getattr(a, 'autocast')\n",
    "imported by name": "import importlib\n\ncast = importlib.import_module('a').autocast\n",
}


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("file", ["b.py", "tests/test_b.py"])
def test_what_another_file_takes_stays(tmp_path, name, file):
    write_files(tmp_path, {"a.py": OWN, file: TAKERS[name]})
    fix_in_place(tmp_path)
    new = (tmp_path / "a.py").read_text(encoding="utf-8")
    assert "from torch.cuda.amp import autocast\n" in new and "accel.amp_autocast()" in new
    assert not fix_in_place(tmp_path).changes


def test_in_a_package_and_from_outside_of_what_is_fixed(tmp_path):
    files = {"p/__init__.py": "", "p/a.py": OWN, "p/s/__init__.py": "", "pyproject.toml": ""}
    for number, text in enumerate(
        (
            "from .a import autocast\n",
            "from . import a\n\na.autocast\n",
            "import p.a as q\nq.autocast",
        )
    ):
        folder = write_files(tmp_path / str(number), {**files, "p/b.py": text})
        fix_in_place(folder / "p" / "a.py")
        new = (folder / "p/a.py").read_text(encoding="utf-8")
        assert "from torch.cuda.amp import autocast\n" in new


OFFERED = {
    "in __all__": OWN + '\n\n__all__ = ["f", "autocast"]\n',
    "by text": OWN + '\n\ncast = globals()["autocast"]\n',
    "in an annotation": OWN + '\n\ndef g(x: "autocast"):\n    pass\n',
    "of a class": "class A:\n    from torch.cuda.amp import autocast\n\n    def f(self, x):\n"
    "        with A.autocast():\n            return x\n",
}


@pytest.mark.parametrize("name", OFFERED)
def test_what_the_file_offers_stays(tmp_path, name):
    write_files(tmp_path, {"a.py": OFFERED[name]})
    fix_in_place(tmp_path)
    assert "import autocast\n" in (tmp_path / "a.py").read_text(encoding="utf-8")


NOT_TAKEN = {
    "of PyTorch itself": "from torch.cuda.amp import autocast\nimport a\n",
    "of another module": "from b import autocast\nimport a\n",
    "another name": "from a import f\n\nautocast = 1\n",
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_nobody_takes_goes(tmp_path, name):
    write_files(tmp_path, {"a.py": OWN, "c.py": NOT_TAKEN[name]})
    fix_in_place(tmp_path)
    assert "import autocast" not in (tmp_path / "a.py").read_text(encoding="utf-8")


def test_a_module_under_a_short_name_stays_too(tmp_path):
    text = "import torch.backends.cudnn as cudnn\n\ncudnn.benchmark = True\n"
    write_files(tmp_path, {"a.py": text, "b.py": "from a import cudnn\n", "c.py": text})
    fix_in_place(tmp_path)
    assert "as cudnn" in (tmp_path / "a.py").read_text(encoding="utf-8")
    assert "as cudnn" not in (tmp_path / "c.py").read_text(encoding="utf-8")
