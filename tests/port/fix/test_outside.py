"""Files that are loaded apart from their project import no helper of it: they are left."""

import pytest

from port.fix.fixing import fix_in_place, write_files

USE = "import torch\n\n\ndef go():\n    torch.cuda.empty_cache()\n    return 'ok'\n"
PEP517 = '[build-system]\nrequires = []\nbuild-backend = "my.backend:main"\nbackend-path = ["b"]\n'
AUTO = '{"auto_map": {"AutoModel": "modeling_foo.FooModel"}}'
PIPE = '{"custom_pipelines": {"pairs": {"impl": "pairs.Pairs", "pt": ["AutoModel"]}}}'
SPHINX = 'project = "x"\nextensions = []\n'

APART = {
    "a build": ({"setup.py": "from setuptools import setup\n" + USE + "setup()\n"}, "the build"),
    "a build in a folder": ({"csrc/setup.py": "import setuptools\n" + USE}, "the build"),
    "a build that a test imports": (
        {"setup.py": "import setuptools\n" + USE, "tests/test_a.py": "import setup\n"}, "the build",
    ),
    "nox": ({"noxfile.py": USE}, "nox"),
    "a hook of hatch": ({"hatch_build.py": USE}, "hatch"),
    "the settings of Sphinx": ({"docs/conf.py": SPHINX + USE}, "Sphinx"),
    "a project's own build": (
        {"pyproject.toml": PEP517, "b/my/backend.py": USE}, "the build",
    ),
    "a model with its code": ({"config.json": AUTO, "modeling_foo.py": USE}, "transformers"),
    "what a model's code imports": (
        {"m/config.json": AUTO, "m/modeling_foo.py": "from .part import x\n",
         "m/part.py": "from .more import y\n", "m/more.py": USE}, "transformers",
    ),
    "a tokenizer": (
        {"tokenizer_config.json": '{"auto_map": {"AutoTokenizer": ["tok.Slow", null]}}',
         "tok.py": USE}, "transformers",
    ),
    "a pipeline": ({"config.json": PIPE, "pairs.py": USE}, "transformers"),
    "a model that is saved with its code": (
        {"p/__init__.py": "", "p/m.py": USE + "\n\nM.register_for_auto_class('AutoModel')\n"},
        "transformers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_files_that_are_loaded_apart_are_left(tmp_path, name):
    files, who = APART[name]
    write_files(tmp_path, files)
    plan = fix_in_place(tmp_path)
    assert not plan.changes
    assert [who in place.reason for place in plan.left] == [True]


TOGETHER = {
    "a module of the name": {"setup.py": USE, "run.py": "import setup\n"},
    "settings of another kind": {"conf.py": "lr = 1\n" + USE, "run.py": "from conf import lr\n"},
    "a model without its code": {"config.json": '{"model_type": "bert"}', "modeling_foo.py": USE},
    "a script beside a model": {"config.json": AUTO, "modeling_foo.py": "x = 1\n", "run.py": USE},
    "settings that are no JSON": {"config.json": "{", "modeling_foo.py": USE},
    "a module beside a build": {
        "pyproject.toml": PEP517, "b/my/backend.py": "x = 1\n", "train.py": USE,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TOGETHER)
def test_others_are_fixed(tmp_path, name):
    write_files(tmp_path, TOGETHER[name])
    plan = fix_in_place(tmp_path)
    assert not plan.left and len(plan.changes) == 2


def test_a_file_that_is_left_keeps_no_other_from_its_helper(tmp_path):
    write_files(tmp_path, {"setup.py": "import setuptools\n" + USE, "train.py": USE})
    plan = fix_in_place(tmp_path)
    assert sorted(change.path.name for change in plan.changes) == ["accel.py", "train.py"]
