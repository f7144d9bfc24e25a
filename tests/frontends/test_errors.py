"""What cannot move is refused with one clear error that names the user's line, no traceback."""

import pytest
import torch
from torch import nn

from frontends.parity import Call
from glia.core.errors import GliaError, ModelError, UnsupportedError
from glia.frontends.findings import BlockedError
from glia.frontends.torch.capture import capture


def refusal(function, *args, expected=GliaError):
    with pytest.raises(expected) as caught:
        capture(Call(function), args, name="mine")
    text = str(caught.value)
    assert "Traceback" not in text and "; " in text
    return text


def branch_on_item(x):
    if x.sum().item() > 0:
        return x + 1
    return x - 1


def branch_on_tensor(x):
    return x + 1 if x.sum() > 0 else x - 1


def range_from_data(x):
    return torch.arange(int(x.sum()))


@pytest.mark.parametrize("function", [branch_on_item, branch_on_tensor, range_from_data])
def test_control_flow_on_data_names_the_line_and_the_way_out(function, capfd):
    text = refusal(function, torch.ones(3), expected=ModelError)
    line = function.__code__.co_firstlineno
    assert any(f"{__file__}:{n}" in text for n in (line, line + 1))
    assert "depends on the values of tensors" in text and "torch.where" in text
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "function", [lambda x: x[x > 0], lambda x: torch.nonzero(x), lambda x: x.masked_select(x > 0)]
)
def test_sizes_that_depend_on_data_are_refused(function):
    text = refusal(function, torch.randn(4), expected=UnsupportedError)
    assert "size depends on the data" in text and "torch.where" in text


def several(x):
    a = torch.sort(x).values
    b = torch.fft.rfft(x).abs()
    c = x.topk(2).indices
    return a, b, c


def test_all_unsupported_operations_are_listed_at_once_with_line_and_hint():
    with pytest.raises(BlockedError) as caught:
        capture(Call(several), (torch.randn(4, 8),), name="mine")
    first = several.__code__.co_firstlineno
    where = {f.what.split(".")[1]: f.source.line - first for f in caught.value.findings}
    assert where["sort"] == 1 and where["_fft_r2c"] == 2 and where["topk"] == 3
    assert all(f.do and f.source.file == __file__ for f in caught.value.findings)
    text = str(caught.value)
    assert "max(dim=...)" in text and "real numbers" in text
    assert text.startswith(f"capturing mine: got {len(caught.value.findings)} operations")


def test_unsupported_operation_that_nothing_reads_is_no_obstacle():
    captured = capture(Call(lambda x: (torch.sort(x), x * 2)[1]), (torch.randn(3),))
    assert [n.op for n in captured.graph.nodes] == ["broadcast_in_dim", "multiply"]


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda x: nn.functional.pad(x, (1, 1), mode="reflect"), "mode='constant'"),
        (lambda x: torch.round(x, decimals=2), "without decimals"),
        (lambda x: nn.functional.dropout(x, 0.5, training=True), "training=self.training"),
        (lambda x: x.norm(p=3, dim=-1), "order 1, 2 or infinity"),
        (lambda x: x + torch.rand(3, 4), "outside the model"),
        (lambda x: torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,)), "torch.where"),
    ],
)
def test_unsupported_forms_say_what_to_write(function, hint):
    assert hint in refusal(function, torch.randn(3, 4), expected=UnsupportedError)


@pytest.mark.parametrize(
    ("tensor", "hint"),
    [
        (torch.ones(3, dtype=torch.float64), "convert with .float()"),
        (torch.ones(3, dtype=torch.complex64), "real and imaginary parts"),
        (torch.tensor([1, 1 << 40]), "32-bit integers"),
        (torch.tensor([-(1 << 31) - 1]), "renumber"),
    ],
)
def test_inputs_that_no_chip_takes_are_refused(tensor, hint):
    text = refusal(lambda x: x + 1, tensor, expected=ModelError)
    assert hint in text and "input[0]" in text


def test_all_bad_inputs_are_named_at_once():
    text = refusal(lambda x, y: x, torch.ones(1).double(), torch.tensor([1 << 40]))
    assert "input[0]" in text and "input[1]" in text


def test_int64_within_32_bits_is_accepted():
    capture(Call(lambda x: x + 1), (torch.tensor([(1 << 31) - 2]),))


def test_float64_weights_are_refused():
    with pytest.raises(ModelError, match=r"weight: got torch.float64.*model.float\(\)"):
        capture(nn.Linear(2, 2).double(), (torch.ones(1, 2),))


def test_weights_without_values_are_refused():
    with pytest.raises(ModelError, match="load the weights first"):
        capture(nn.Linear(2, 2, device="meta"), (torch.ones(1, 2),))


@pytest.mark.parametrize("thing", [nn.Linear, None, lambda x: x, "model.pt"])
def test_things_that_are_no_module_are_refused(thing):
    with pytest.raises(ModelError, match=r"expected a torch.nn.Module"):
        capture(thing, (torch.ones(1, 2),))


def test_model_that_does_not_run_on_its_inputs():
    text = refusal(lambda x: x @ x, torch.ones(2, 3), expected=ModelError)
    assert text.startswith("running mine on its example inputs: got RuntimeError")
    assert __file__ in text


def test_missing_argument():
    class Needs(nn.Module):
        def forward(self, x, mask):
            return x * mask

    with pytest.raises(ModelError, match="missing 1 required positional argument: 'mask'"):
        capture(Needs(), (torch.ones(2),))


def test_exception_of_the_users_own_is_shown():
    def fails(x):
        raise KeyError("my layer")

    assert "KeyError: 'my layer'" in refusal(fails, torch.ones(2), expected=ModelError)


def test_hard_coded_device():
    text = refusal(lambda x: x + torch.ones(2, device="cuda"), torch.ones(2), expected=ModelError)
    assert "cuda" in text.lower()


def test_a_cache_among_the_outputs_says_what_to_switch_off():
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(
        n_embd=16, n_layer=1, n_head=2, vocab_size=20, bos_token_id=0, eos_token_id=0
    )
    model = GPT2Model(config).eval()
    with pytest.raises(ModelError, match=r"DynamicCache among the outputs.*use_cache=False"):
        capture(model, kwargs={"input_ids": torch.zeros(1, 4, dtype=torch.long)}, name="gpt2")
