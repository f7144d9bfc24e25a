"""The examples before and after `glia fix`: on a pretended CUDA the same calls, on the CPU the same
losses, and `glia check` is silent about what was said to be mended."""

import collections
import os
import runpy
import shutil
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from glia.port.project_check import check_project
from glia.port.targets import target_named
from port.fix.fake_cuda import fake_cuda
from port.fix.fixing import fix_in_place

EXAMPLES = Path(__file__).parents[3] / "examples" / "porting"
SCRIPTS = {
    "nanogpt_like": "train.py",
    "ddp": "train.py",
    "amp": "train.py",
    "lightning_like": "train.py",
    "accelerate_like": "train.py",
    "inference": "generate.py",
}


def run_script(script, monkeypatch):
    """The losses of a script, run here; modules beside it are its own."""
    monkeypatch.syspath_prepend(str(script.parent))
    known = set(sys.modules)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return runpy.run_path(str(script), run_name="__main__")["losses"]
        finally:
            for name in set(sys.modules) - known:
                file = getattr(sys.modules[name], "__file__", None) or ""
                if file.startswith(str(script.parent)):
                    del sys.modules[name]


@pytest.fixture
def one_rank(monkeypatch):
    """The variables that torchrun sets, for one process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    world = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    for name, value in {**world, "MASTER_PORT": str(port)}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=sorted(SCRIPTS))
def copies(request, tmp_path):
    """A script, and the same after `glia fix`."""
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(EXAMPLES / request.param, old)
    shutil.copytree(EXAMPLES / request.param, new)
    fix_in_place(new)
    return old / SCRIPTS[request.param], new / SCRIPTS[request.param]


def test_the_same_calls_on_cuda_and_the_same_losses_on_the_cpu(copies, one_rank, monkeypatch):
    old, new = copies
    with fake_cuda() as before:
        old_losses = run_script(old, monkeypatch)
    with fake_cuda() as after:
        new_losses = run_script(new, monkeypatch)
    assert len(before) > 10
    assert before == after
    assert old_losses == new_losses
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)  # no compiler is needed here
    cpu_losses = run_script(new, monkeypatch)
    assert len(cpu_losses) > 3
    # Adam's fused kernel, which is taken on CUDA only, rounds otherwise in the last place.
    assert cpu_losses == pytest.approx(old_losses, rel=1e-6)


def weighing(folder):
    report = check_project(folder, [target_named(name) for name in ("trn2", "cpu")])
    return collections.Counter(f.rule for f in report.findings if f.weighs)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_check_is_silent_about_what_was_fixed(name, tmp_path):
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder)
    before = weighing(folder)
    plan = fix_in_place(folder)
    after = weighing(folder)
    assert plan.fixed
    assert set(after) == {place.rule for place in plan.left if place.rule in before}
    assert after <= collections.Counter(place.rule for place in plan.left)
    assert not fix_in_place(folder).changes


@pytest.mark.slow
def test_two_processes_train_on_the_cpu(tmp_path):
    folder = tmp_path / "ddp"
    shutil.copytree(EXAMPLES / "ddp", folder)
    fix_in_place(folder)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, "train.py"], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("step")]
    assert len(lines) == 8, done.stderr
    losses = [float(line.split()[-1]) for line in lines]
    assert losses == pytest.approx(losses_of_both_halves_in_one_process(), abs=2e-6)


def losses_of_both_halves_in_one_process():
    """What two ranks must compute: gradients are averaged, so that it is one batch of both."""
    inputs = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    data = torch.utils.data.TensorDataset(inputs, inputs.sum(1, keepdim=True).sin())
    torch.manual_seed(1)
    layers = (torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for epoch in range(2):
        halves = []
        for rank in range(2):
            sampler = torch.utils.data.DistributedSampler(data, 2, rank, shuffle=True, seed=0)
            sampler.set_epoch(epoch)
            halves.append(torch.utils.data.DataLoader(data, batch_size=8, sampler=sampler))
        for (x0, y0), (x1, y1) in zip(*halves, strict=True):
            x, y = torch.cat((x0, x1)), torch.cat((y0, y1))
            loss = torch.nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses
