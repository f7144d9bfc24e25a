"""A fault in a kernel or in the program is caught by the proof, and named by launch and layer.

Each fault patches a kernel's helper, or edits the compiled program or its memory; the same model
without it is proved. The oracle knows nothing of kernels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from glia.compiler import Launch
from glia.core.records import Parity
from glia.devices.execute import Executor
from glia.devices.virtual import LoadedProgram
from glia.kernels import _masks, layer_norm, matmul
from glia.kernels import attention as attention_kernel
from glia.port.prove import Oracle, prove
from port.models import captured, loaded

Patch = Callable[[pytest.MonkeyPatch], None]
PRECISIONS = ("bf16", "fp32")
ATTENTION, OUTPUT = "encoder.layer.0.attention.self", "encoder.layer.0.attention.output.dense"
GELU = "encoder.layer.0.intermediate"
NORM, LOOKUP = "embeddings.LayerNorm", "embeddings.word_embeddings"


def wrapped(place: Any, name: str, change: Callable[[Any, Any], Any]) -> Patch:
    """Replace `place.name` by `change(original, arguments)`."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        original = getattr(place, name)
        patch.setattr(place, name, lambda *args, **kw: change(original, (args, kw)))

    return apply


def _scaled(factor: float) -> Patch:
    def change(original: Any, call: Any) -> Any:
        (group, masks, scale, banks), _ = call
        return original(group, masks, scale * factor, banks)

    return wrapped(attention_kernel, "masked_scores", change)


def _dropped_terms(original: Any, call: Any) -> Any:
    """The last tile of K is not accumulated."""
    (sums, stationary, moving, terms), _ = call
    size = terms[1] - matmul.P if terms[1] > matmul.P else terms[1]
    return original(sums, stationary, moving, (terms[0], size))


def _repeated_columns(original: Any, call: Any) -> Any:
    """The last columns get what belongs to the columns before them."""
    (sums, stationary, moving, terms), _ = call
    if sums.shape[1] < 64:
        return original(sums, stationary, moving, terms)
    half = sums.shape[1] // 2
    original(sums[:, 0:half], stationary, moving[:, :, 0:half], terms)
    return original(sums[:, half : 2 * half], stationary, moving[:, :, 0:half], terms)


def _mask_of(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[LoadedProgram], None]:
    """Attention reads another mask than the one computed; the memory is changed for it only."""

    def apply(device: LoadedProgram) -> None:
        executor, changed = device._executor, []

        def before(launch: Launch) -> Iterator[None]:
            if launch.op != "attention":
                yield
                return
            view = device.compiled.program.values[launch.reads[3]]
            mask = executor.read(view)
            saved = mask.copy()
            base = mask if 0 not in mask.strides else mask[:, :1, :1]
            base[...] = change(base.copy())
            changed.append(launch.value)
            yield
            base[...] = saved if base is mask else saved[:, :1, :1]

        around(executor, before)

    return apply


def around(executor: Executor, before: Callable[[Launch], Iterator[None]]) -> None:
    """Run the generator before and after every launch's instructions."""
    run = executor.core.run
    launches = iter(())

    def patched(stream: Any, places: Any) -> None:
        nonlocal launches
        launch = next(launches, None)
        if launch is None:
            launches = iter(executor.program.launches)
            launch = next(launches)
        steps = before(launch)
        next(steps)
        run(stream, places)
        next(steps, None)

    executor.core.run = patched  # type: ignore[method-assign]


def _kernel_faults() -> dict[str, tuple[Patch, str]]:
    no_bias = wrapped(
        layer_norm, "_affine", lambda original, c: original(c[0][0], c[0][1], None, c[0][3])
    )
    return {
        "attention scale doubled": (_scaled(2.0), ATTENTION),
        "attention scale off by 2 %": (_scaled(1.02), ATTENTION),
        "mask ignored": (
            wrapped(
                attention_kernel,
                "scale_and_mask",
                lambda original, c: original(*c[0][:3], _masks.Masks(None, False), *c[0][4:]),
            ),
            ATTENTION,
        ),
        "a tile of K dropped": (wrapped(matmul, "accumulate", _dropped_terms), ""),
        "a tile of N repeated": (wrapped(matmul, "accumulate", _repeated_columns), ""),
        "gelu as relu": (
            wrapped(matmul, "_function", lambda original, c: original("relu")),
            GELU,
        ),
        "gelu as its tanh form": (
            wrapped(matmul, "_function", lambda original, c: original("gelu_tanh")),
            GELU,
        ),
        "norm's epsilon": (
            wrapped(layer_norm, "_reciprocal_root", lambda original, c: original(c[0][0], 0.1)),
            NORM,
        ),
        "norm's bias dropped": (no_bias, NORM),
    }


def _encoder() -> Any:
    """Layer norms whose bias is not zero, so that dropping it shows."""
    import torch
    import transformers

    settings = transformers.BertConfig(
        hidden_size=160, num_attention_heads=5, num_hidden_layers=1, intermediate_size=320,
        vocab_size=150, initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.BertModel(settings).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.bias.normal_(std=0.3)
                module.weight.normal_(1.0, 0.2)
    mask = torch.ones(2, 150, dtype=torch.long)
    mask[1, 75:] = 0
    return captured(
        model, name="Bert", input_ids=torch.randint(5, 150, (2, 150)), attention_mask=mask
    )


@pytest.fixture(scope="module")
def model() -> Any:
    return _encoder()


@pytest.fixture(scope="module")
def oracle(model: Any) -> Oracle:
    return Oracle(model)


def judged(device: LoadedProgram, oracle: Oracle) -> Parity:
    return prove(device, oracle)[0]


def assert_named(parity: Parity, layer: str) -> None:
    assert not parity.ok
    failure = parity.first_failure
    assert failure is not None
    assert failure.layer.startswith(layer), (failure, layer)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_clean_run_is_proved(model: Any, oracle: Oracle, precision: str):
    assert judged(loaded(model, precision), oracle).ok


KERNEL_FAULTS = _kernel_faults()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("fault", KERNEL_FAULTS)
def test_a_fault_in_a_kernel_is_named(
    model: Any, oracle: Oracle, fault: str, precision: str, monkeypatch: pytest.MonkeyPatch
):
    if fault == "gelu as its tanh form" and precision == "bf16":
        pytest.skip("the two forms differ by less than bf16 can hold")
    apply, layer = KERNEL_FAULTS[fault]
    apply(monkeypatch)
    device = loaded(model, precision)
    assert_named(judged(device, oracle), layer or _first_linear(device))


def _first_linear(device: LoadedProgram) -> str:
    return next(one.layer for one in device.compiled.program.launches if one.op == "linear")


MASKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inverted": lambda m: 1 - m,
    "swapped between sequences": lambda m: m[::-1],
    "one hidden token leaks": lambda m: _with_one(m),
}


def _with_one(mask: np.ndarray) -> np.ndarray:
    mask[1, ..., 100] = 1
    return mask


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("fault", MASKS)
def test_a_wrong_mask_is_named(model: Any, oracle: Oracle, fault: str, precision: str):
    device = loaded(model, precision)
    _mask_of(MASKS[fault])(device)
    assert_named(judged(device, oracle), ATTENTION)


def _edit(device: LoadedProgram, op: str, change: Callable[[np.ndarray], None]) -> str:
    """Change what the first launch of `op` has just written; returns its layer."""
    first = next(one for one in device.compiled.program.launches if one.op == op and one.value)

    def before(launch: Launch) -> Iterator[None]:
        yield
        if launch is first:
            change(device._executor.read(first.view))

    around(device._executor, before)
    return first.layer


def _row(value: np.ndarray) -> None:
    flat = value.reshape(-1, value.shape[-1])
    flat[37] = flat[36]


def _row_2_percent(value: np.ndarray) -> None:
    flat = value.reshape(-1, value.shape[-1])
    flat[128] = (flat[128].astype(np.float32) * 1.02).astype(value.dtype)


def _tile(value: np.ndarray) -> None:
    value.reshape(-1, value.shape[-1])[128:160, 32:64] = 0


def _nan(value: np.ndarray) -> None:
    value.reshape(-1)[11] = np.nan


EDITS = {"one row of its neighbour": _row, "one row 2 % off": _row_2_percent,
         "one tile": _tile, "one NaN": _nan}  # fmt: skip


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("op", ["embedding", "add_layer_norm", "linear"])
@pytest.mark.parametrize("fault", EDITS)
def test_a_corrupted_result_is_named(
    model: Any, oracle: Oracle, fault: str, op: str, precision: str
):
    device = loaded(model, precision)
    layer = _edit(device, op, EDITS[fault])
    assert_named(judged(device, oracle), layer)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_row_too_far_in_the_embedding_is_named(model: Any, oracle: Oracle, precision: str):
    device = loaded(model, precision)
    launch = next(one for one in device.compiled.program.launches if one.op == "embedding")
    name = launch.places[0][0]
    table = device.compiled.program.weights[name]
    buffer = device.compiled.program.buffers[name]
    place = device._executor.memory[buffer.offset : buffer.offset + buffer.num_bytes]
    place[...] = np.roll(table, 1, axis=0).reshape(-1).view(np.uint8)
    assert_named(judged(device, oracle), launch.layer)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_weight_that_was_not_transposed_is_named(
    model: Any, oracle: Oracle, precision: str, monkeypatch: pytest.MonkeyPatch
):
    from glia.compiler.lowering import matmul as rules

    def unturned(data: np.ndarray) -> np.ndarray:
        return data if data.shape[0] == data.shape[1] else data.T

    monkeypatch.setattr(rules.np, "transpose", unturned)
    device = loaded(model, precision)
    monkeypatch.undo()
    assert_named(judged(device, oracle), OUTPUT)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_stale_buffer_is_named(model: Any, oracle: Oracle, precision: str):
    """An operand overwritten before it is read: consistent in itself, so only its trace tells."""
    device = loaded(model, precision)
    reader = next(one for one in device.compiled.program.launches if one.op == "attention")

    def before(launch: Launch) -> Iterator[None]:
        if launch is reader:
            view = device.compiled.program.values[launch.reads[0]]
            device._executor.read(view)[...] = 0
        yield

    around(device._executor, before)
    assert_named(judged(device, oracle), ATTENTION)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_launch_that_is_left_out_is_named(model: Any, oracle: Oracle, precision: str):
    """Its result is what lay there before."""
    device = loaded(model, precision)
    left_out = next(one for one in device.compiled.program.launches if one.op == "add_layer_norm")
    run, core = device._executor.core.run, device._executor.core
    launches = iter(device.compiled.program.launches)

    def patched(stream: Any, places: Any) -> None:
        if next(launches) is not left_out:
            run(stream, places)

    core.run = patched  # type: ignore[method-assign]
    assert_named(judged(device, oracle), left_out.layer)


def test_a_fault_in_the_graph_itself_shows_against_pytorch(model: Any):
    """A pass that loses a weight's digits misleads the local oracle, but not PyTorch."""
    changed = dict(model.graph.constants)
    value = next(v for v in changed if v.name.endswith("attention.output.dense.weight"))
    changed[value] = changed[value] * np.float32(1.05)
    graph = dataclasses.replace(model.graph, constants=changed)
    wrong = dataclasses.replace(model, graph=graph)
    assert_named(judged(loaded(wrong, "bf16"), Oracle(wrong)), OUTPUT)
