"""The helper's functions take the arguments of what they stand for, by name and by place."""

import inspect
import sys
import types

import pytest
import torch

from glia.port.fix.helper.helper_text import _source, helper_text
from port.fix.fake_cuda import fake_cuda
from port.fix.fixing import fixed_text

C, AMP, NVTX = torch.cuda, torch.cuda.amp, torch.cuda.nvtx
LIKE = {
    "is_available": C.is_available, "device_count": C.device_count, "set_device": C.set_device,
    "use_device": C.device, "current_device": C.current_device, "device_name": C.get_device_name,
    "synchronize": C.synchronize, "empty_cache": C.empty_cache, "ipc_collect": C.ipc_collect,
    "memory_allocated": C.memory_allocated, "memory_reserved": C.memory_reserved,
    "max_memory_allocated": C.max_memory_allocated, "max_memory_reserved": C.max_memory_reserved,
    "reset_peak_memory_stats": C.reset_peak_memory_stats, "memory_summary": C.memory_summary,
    "manual_seed": C.manual_seed, "manual_seed_all": C.manual_seed_all,
    "get_rng_state": C.get_rng_state, "set_rng_state": C.set_rng_state,
    "get_rng_state_all": C.get_rng_state_all, "set_rng_state_all": C.set_rng_state_all,
    "autocast": torch.autocast, "amp_autocast": AMP.autocast, "custom_fwd": AMP.custom_fwd,
    "custom_bwd": AMP.custom_bwd, "amp_grad_scaler": AMP.GradScaler,
    "is_bf16_supported": C.is_bf16_supported, "stream": C.stream,
    "current_stream": C.current_stream, "Stream": C.Stream, "Event": C.Event,
    "trace_range": NVTX.range, "trace_push": NVTX.range_push, "trace_pop": NVTX.range_pop,
    "trace_mark": NVTX.mark,
}  # fmt: skip
# What is written with its arguments in a form of its own.
OWN = {
    "kind", "is_cuda", "device", "available_device", "place", "accelerator_type", "is_accelerator",
    "device_type", "on_accelerator", "if_cuda", "grad_scaler", "new_tensor", "to_type",
    "set_default_tensor_type", "set_flag", "can_pin", "pin", "map_location", "generator_device",
    "dist_backend", "compile_backend", "fused_optimizer", "wait_stream", "wait_event",
    "record_stream", "profiler_activity",
}  # fmt: skip
FUNCTIONS = sorted(
    name
    for piece in _source()[1]
    for name in piece.gives
    if not piece.is_import and not name.startswith("_") and not name.isupper()
)


@pytest.fixture(scope="module")
def accel():
    module = types.ModuleType("accel")
    exec(compile(helper_text(FUNCTIONS), "accel.py", "exec"), module.__dict__)
    return module


def test_every_function_is_either():
    assert set(FUNCTIONS) <= LIKE.keys() | OWN
    assert LIKE.keys() <= set(FUNCTIONS)


@pytest.mark.parametrize("name", LIKE)
def test_arguments_by_name_and_by_place(accel, name):
    own = inspect.signature(getattr(accel, name))
    try:
        wanted = inspect.signature(LIKE[name]).parameters.values()
    except ValueError:
        pytest.skip("a class in C has no signature to read")
    kinds = inspect.Parameter
    by_name = [
        p.name for p in wanted if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
    ]
    own.bind(**dict.fromkeys(by_name))
    placed = [
        p.name for p in wanted if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]
    bound = own.bind(*placed).arguments
    assert all(bound[key] == key for key in bound if key not in ("args", "kwargs"))


CALLS = [
    "torch.cuda.set_device(device=0)",
    "with torch.cuda.device(device=0):\n    pass",
    "torch.cuda.get_device_name(device=0)",
    "with torch.cuda.stream(stream=torch.cuda.Stream(device=0, priority=-1)):\n    pass",
    "with torch.cuda.nvtx.range(msg='a'):\n    pass",
    "torch.cuda.nvtx.range_push(msg='x')\ntorch.cuda.nvtx.range_pop()",
    "torch.cuda.nvtx.mark(msg='a')",
    "torch.cuda.manual_seed(seed=3)\ntorch.cuda.manual_seed_all(seed=4)",
    "torch.cuda.set_rng_state(new_state=torch.cuda.get_rng_state(device=0), device=0)",
    "torch.cuda.set_rng_state_all(new_states=torch.cuda.get_rng_state_all())",
    "torch.cuda.is_bf16_supported(including_emulation=False)",
    "torch.cuda.memory_summary(device=0, abbreviated=True)",
    "torch.cuda.current_stream(device=0)",
]


@pytest.mark.parametrize("text", CALLS)
def test_calls_by_name(tmp_path, monkeypatch, text):
    old = f"import torch\n{text}\n"
    new = fixed_text(tmp_path, old)
    assert "accel." in new
    monkeypatch.syspath_prepend(str(tmp_path))
    with fake_cuda() as before:
        exec(old, {})
    with fake_cuda() as after:
        exec(new, {})
    sys.modules.pop("accel")
    assert after == before
    state = torch.get_rng_state()
    exec(new, {})
    torch.set_rng_state(state)
    sys.modules.pop("accel")


@pytest.mark.parametrize("answer", [True, False])
def test_the_question_is_the_one_that_was_asked(tmp_path, monkeypatch, answer):
    """A device is counted also where the driver is too old for it."""
    old = 'import torch\nd = "cuda:1" if torch.cuda.is_available() else "cpu"\n'
    old += "ok = torch.cuda.is_available()\nif ok:\n    torch.cuda.synchronize()\n"
    new = fixed_text(tmp_path, old)
    assert "torch.cuda.is_available" not in new
    monkeypatch.syspath_prepend(str(tmp_path))
    found = []
    for text in (old, new):
        names = {}
        with fake_cuda() as calls:
            monkeypatch.setattr(torch.cuda, "is_available", lambda: answer)
            exec(text, names)
            monkeypatch.undo()
            monkeypatch.syspath_prepend(str(tmp_path))
        found.append((names["d"], names["ok"], calls))
    sys.modules.pop("accel")
    assert found[0] == found[1]


def test_what_asked_nothing_asks_nothing_that_starts_cuda(tmp_path, monkeypatch):
    """CUDA_VISIBLE_DEVICES may be set, and processes forked, behind a mere name of a device."""
    new = fixed_text(tmp_path, 'import torch\ndef f(x, device="cuda"):\n    return x\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    with fake_cuda():
        monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("it was asked"))
        names = {}
        exec(new, names)
        assert names["f"].__defaults__ == ("cuda",)
        monkeypatch.undo()
    sys.modules.pop("accel", None)
