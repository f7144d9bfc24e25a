"""The helper that projects get: whole or in part, on the CPU and on a pretended CUDA."""

import ast
import os
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from glia.port.fix.helper.helper_text import _source, extended, helper_text, is_helper
from glia.port.fix.registry import rewriters
from glia.port.project_check import check_project
from glia.port.targets import target_named
from port.fix.fake_cuda import fake_cuda
from port.fix.fixing import fix_in_place, write_files

PUBLIC = sorted(
    name
    for piece in _source()[1]
    for name in piece.gives
    if not piece.is_import and not name.startswith("_") and not name.isupper()
)


def loaded(names=PUBLIC):
    module = types.ModuleType("accel")
    exec(compile(helper_text(names), "accel.py", "exec"), module.__dict__)
    return module


@pytest.fixture
def accel():
    return loaded()


@pytest.mark.parametrize("name", PUBLIC)
def test_each_function_comes_with_all_that_it_needs(name):
    text = helper_text([name])
    tree = ast.parse(text)
    assert is_helper(text)
    assert name in vars(loaded([name]))
    known = {n for node in tree.body for n in _bound(node)} | set(dir(__builtins__))
    known |= set(__builtins__) if isinstance(__builtins__, dict) else set()
    inside = {
        n.arg if isinstance(n, ast.arg) else n.id
        for n in ast.walk(tree)
        if isinstance(n, ast.arg) or (isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    }
    inside |= {name for n in ast.walk(tree) if isinstance(n, ast.Import) for name in _bound(n)}
    inside |= {name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for name in _bound(n)}
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert read <= known | inside


def _bound(node):
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).split(".")[0] for a in node.names}
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    return {t.id for t in getattr(node, "targets", ()) if isinstance(t, ast.Name)}


def test_the_check_is_silent_about_the_whole_helper(tmp_path):
    write_files(tmp_path, {"accel.py": helper_text(PUBLIC)})
    targets = [target_named(name) for name in ("trn2", "tpu", "cpu")]
    report = check_project(tmp_path, targets)
    assert not report.notes
    weighing = [(f.rule, f.line, f.code) for f in report.findings if f.weighs]
    assert [f for f in weighing if report.rules[f[0]].worst in ("raises", "silent")] == []


def test_it_is_formatted_and_says_what_it_is():
    text = helper_text(PUBLIC)
    assert max(map(len, text.splitlines())) <= 100
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert "glia.port" not in text
    tree = ast.parse(text)
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    assert all(ast.get_docstring(n) for n in functions if not n.name.startswith("_"))


def test_every_function_that_rewriters_name_is_there():
    sources = Path(sys.modules[rewriters.__module__].__file__).parent.glob("rewriters/*.py")
    import re

    named = {n for p in sources for n in re.findall(r"[\"' ({]@(\w+)", p.read_text("utf-8"))}
    named -= {"rewrites", "cache"}
    assert "device" in named and "autocast" in named
    assert named <= set(PUBLIC)


def test_what_a_project_made_of_it_stays():
    mine = helper_text(["device"]).replace("def device(", "def device(  # mine\n    ")
    more = extended(mine, ["device", "synchronize", "Event"])
    assert more.startswith(mine.split("def kind")[0].split("import functools")[0])
    assert "# mine" in more and more.count("def device(") == 1
    assert "def Event(" in more and "import time" in more
    compile(more, "accel.py", "exec")
    assert extended(more, ["Event", "device"]) == more


def test_a_second_run_adds_what_is_missing_and_keeps_changes(tmp_path):
    write_files(tmp_path, {"a.py": "import torch\nx = torch.ones(2).cuda()\n"})
    fix_in_place(tmp_path)
    helper = tmp_path / "accel.py"
    helper.write_text(helper.read_text("utf-8") + "\n\ndef mine():\n    return 1\n", "utf-8")
    write_files(tmp_path, {"b.py": "import torch\ntorch.cuda.synchronize()\n"})
    plan = fix_in_place(tmp_path)
    assert [c.file.rsplit("/")[-1] for c in plan.changed] == ["b.py", "accel.py"]
    text = helper.read_text("utf-8")
    assert "def mine():" in text and "def synchronize(" in text
    assert not fix_in_place(tmp_path).changes


# -- on the CPU ----------------------------------------------------------------------------------


def test_on_the_cpu(accel):
    assert not torch.cuda.is_available(), "this test is for machines without an accelerator"
    assert accel.kind() == "cpu"
    for which in (None, 0, "0", "cuda", "cuda:1", torch.device("cuda:1"), torch.device("cuda")):
        assert accel.device(which) == "cpu"
    assert accel.accelerator_type() == "cuda"
    assert (accel.device_count(), accel.current_device()) == (1, "cpu")
    assert accel.dist_backend() == "gloo"
    assert accel.if_cuda([0]) is None
    assert accel.map_location() == "cpu"
    for quiet in (accel.synchronize, accel.empty_cache, accel.reset_peak_memory_stats):
        assert quiet() is None
    assert accel.set_device(0) is None
    x = torch.ones(3)
    assert accel.pin(x) is x
    assert not accel.on_accelerator(x)
    assert accel.new_tensor("LongTensor", [1, 2]).dtype == torch.int64
    assert accel.to_type(x, "DoubleTensor").dtype == torch.float64
    with accel.use_device(1), accel.stream(accel.Stream()), accel.trace_range("a"):
        accel.record_stream(x, accel.current_stream())
    assert accel.memory_allocated() > 1 << 20
    assert accel.max_memory_allocated() >= accel.memory_allocated() / 2


def test_events_measure_on_the_cpu(accel):
    import time

    start, end = accel.Event(enable_timing=True), accel.Event(enable_timing=True)
    start.record()
    time.sleep(0.02)
    end.record()
    assert 15 < start.elapsed_time(end) < 5000


def test_casting_is_off_on_the_cpu_unless_it_is_asked_for(accel):
    x = torch.ones(2, 2)
    with accel.autocast(dtype=torch.float16):
        assert (x @ x).dtype == torch.float32
    accel.AUTOCAST_ON_CPU = True
    with accel.autocast(dtype=torch.float16):
        assert (x @ x).dtype == torch.bfloat16
    assert not accel.grad_scaler(init_scale=8.0, enabled=True).is_enabled()


def test_seeds_and_states_on_the_cpu(accel):
    accel.manual_seed_all(3, host=True)
    first = torch.rand(2)
    accel.manual_seed(3, host=True)
    assert torch.equal(torch.rand(2), first)
    states = accel.get_rng_state_all()
    ahead = torch.rand(2)
    accel.manual_seed(3)  # torch.manual_seed is called elsewhere: nothing to do here
    accel.set_rng_state_all(states)
    assert torch.equal(torch.rand(2), ahead)


def test_the_choice_can_be_overridden(accel, monkeypatch):
    monkeypatch.setenv("ACCEL_DEVICE", "neuron")
    assert accel.device() == "neuron"
    assert accel.device(1) == "neuron:1"
    assert accel.device("cuda:1") == "neuron:1"
    assert accel.device("cpu") == "neuron"
    assert accel.accelerator_type() == "neuron"
    assert accel.compile_backend() == "neuron"
    assert accel.dist_backend() == "neuron"
    assert not accel.can_pin()
    monkeypatch.setenv("ACCEL_DEVICE", "xla")
    assert accel.device(1) == "xla"
    assert accel.compile_backend() == "openxla"


# -- on CUDA -------------------------------------------------------------------------------------


def test_on_cuda_it_calls_what_the_code_called(accel):
    with fake_cuda() as calls:
        assert accel.device() == "cuda"
        assert accel.device(1) == accel.device("1") == accel.device("cuda:1") == "cuda:1"
        assert accel.device(torch.device("cuda:1")) == "cuda:1"
        assert accel.device("cpu") == "cpu"
        assert accel.if_cuda([1]) == [1]
        assert accel.map_location() is None
        assert accel.dist_backend() == "nccl"
        accel.synchronize("cuda:1")
        accel.set_device(1)
        accel.manual_seed_all(4, host=True)
        accel.max_memory_allocated(0)
    with fake_cuda() as wanted:
        torch.cuda.synchronize("cuda:1")
        torch.cuda.set_device(1)
        torch.cuda.manual_seed_all(4)
        torch.cuda.max_memory_allocated(0)
    assert len(calls) == 5
    assert calls == wanted


def test_asking_leaves_no_trace_in_the_environment_also_in_threads(accel, monkeypatch):
    """Eight threads ask at the same time, as those of a server do."""
    before, seen = dict(os.environ), []
    together = threading.Barrier(8)

    def ask(answer):
        together.wait(timeout=30)
        seen.append(dict(os.environ))
        together.wait(timeout=30)
        return answer

    monkeypatch.setattr(torch.cuda, "device_count", lambda: ask(2))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: ask(True))
    with ThreadPoolExecutor(8) as pool:
        devices = list(pool.map(lambda _: accel.device(), range(8)))
    assert devices == ["cuda"] * 8
    assert [environment == before for environment in seen] == [True] * 8
    assert dict(os.environ) == before


@pytest.mark.parametrize("has_runtime", [False, True])
def test_a_torch_xla_without_a_runtime_counts_as_absent(tmp_path, has_runtime):
    """As glia's own stand-in for the decorators of older kernels."""
    write_files(tmp_path, {"accel.py": helper_text(PUBLIC), "torch_xla/__init__.py": ""})
    if has_runtime:
        write_files(tmp_path, {"torch_xla/runtime.py": "def device_type():\n    return 'TPU'\n"})
    assert _kind_in(tmp_path) == ("xla" if has_runtime else "cpu")


def test_glias_own_stand_ins_are_no_accelerator(tmp_path):
    write_files(tmp_path, {"accel.py": helper_text(PUBLIC)})
    assert _kind_in(tmp_path, "import glia.nki.install, torch_xla.core.xla_model; ") == "cpu"


def _kind_in(folder, before=""):
    done = subprocess.run(
        [sys.executable, "-c", before + "import accel; print(accel.kind())"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_it_stands_alone(tmp_path):
    (tmp_path / "accel.py").write_text(helper_text(PUBLIC), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import accel; print(accel.device(0))"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip() == "cpu", done.stderr
