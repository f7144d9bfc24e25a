"""Parts that are frozen: no gradient, no optimizer state, and less that is kept."""

from __future__ import annotations

import pytest
import torch

from glia.core.progress import NullProgress
from glia.port.fit.job import fit
from glia.port.fit.request import FitRequest
from port.fit.measured import allocator_peak

CODE = """
import torch

class Adapted(torch.nn.Module):
    '''Frozen layers with adapters of low rank beside them, as LoRA has.'''
    def __init__(self, width=96, depth=4, rank=4):
        super().__init__()
        self.base = torch.nn.ModuleList(torch.nn.Linear(width, width) for _ in range(depth))
        self.down = torch.nn.ModuleList(torch.nn.Linear(width, rank) for _ in range(depth))
        self.up = torch.nn.ModuleList(torch.nn.Linear(rank, width) for _ in range(depth))
        self.base.requires_grad_(False)

    def forward(self, x):
        for base, down, up in zip(self.base, self.down, self.up):
            x = torch.nn.functional.gelu(base(x) + up(down(x)))
        return x

class Top(torch.nn.Module):
    '''A frozen backbone under a trained head.'''
    def __init__(self):
        super().__init__()
        layers = (torch.nn.Linear(96, 96), torch.nn.ReLU(), torch.nn.Linear(96, 96))
        self.backbone, self.head = torch.nn.Sequential(*layers), torch.nn.Linear(96, 10)
        self.backbone.requires_grad_(False)

    def forward(self, x):
        return self.head(self.backbone(x))

def adapted():
    return Adapted(), torch.randn(64, 96)

def top():
    return Top(), torch.randn(64, 96)
"""


class Lossy(torch.nn.Module):
    """A module whose result has a loss, as the measure wants it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        made = self.inner(x)
        return type("Result", (), {"made": made, "loss": made.float().sum()})


@pytest.mark.parametrize("name", ["adapted", "top"])
def test_only_what_is_trained_has_gradients(tmp_path, name):
    file = tmp_path / "m.py"
    file.write_text(CODE)
    report = fit(f"{file}:{name}", ["trn2"], FitRequest(job="train"), NullProgress())
    lines = {line.name: line.num_bytes.likely for line in report.whole}
    space: dict = {}
    exec(CODE, space)
    module, x = space[name]()
    trained = [p for p in module.parameters() if p.requires_grad]
    count = sum(p.numel() for p in trained)
    assert lines["weights"] == 4 * sum(p.numel() for p in module.parameters())
    assert lines["gradients"] == 4 * count < lines["weights"] / 2
    assert lines["optimizer state"] == 8 * count + 4 * len(trained)
    measured = allocator_peak(Lossy(module).train(), {"x": x})
    # The kernel of GELU's gradient copies the gradient of a sum, which is one number expanded.
    assert lines["activations"] == pytest.approx(measured, rel=0.1)
    assert report.model.num_parameters == sum(p.numel() for p in module.parameters())
