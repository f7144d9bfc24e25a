"""Rules about number formats and switches of precision."""

from __future__ import annotations

from glia.port.rules.rule import Advice, Family, Rule, use
from glia.port.rules.sources import CODES, COMPILER, GENERAL, PROBE

_NO_EFFECT: dict[Family, Advice] = {
    "neuron": Advice("silent", "set it only where CUDA runs"),
    "tpu": Advice("silent", "set it only where CUDA runs"),
    "rocm": Advice("unknown", "see what MIOpen makes of it"),
    "cpu": Advice("silent", "set it only where CUDA runs"),
}

RULES: tuple[Rule, ...] = (
    Rule(
        id="C044",
        title="float64 is used",
        category="precision",
        why="the chips have no float64, or emulate it slowly",
        triggers=(use("torch.float64", "torch.double", "torch.DoubleTensor"),),
        on={
            "neuron": Advice("raises", "compute the table on the CPU, convert it, then move it"),
            "tpu": Advice("slower", "float32"),
            "rocm": Advice("works", "leave it", "none"),
            "cpu": Advice("works", "leave it", "none"),
        },
        bad="import torch\nx = torch.zeros(3, dtype=torch.float64)\n",
        good="import torch\nx = torch.zeros(3, dtype=torch.float32)\n",
        grade="documented",
        sources=(CODES,),
        autofix="partly",
    ),
    Rule(
        id="C046",
        title="complex numbers are used",
        category="precision",
        why="the compiler refuses complex types",
        triggers=(
            use("torch.complex", "torch.complex64", "torch.complex128", "torch.polar"),
            use("torch.view_as_complex", "torch.view_as_real", "torch.cfloat"),
        ),
        on={
            "neuron": Advice("raises", "keep real and imaginary parts as two tensors", "hours"),
            "tpu": Advice("unknown", "keep real and imaginary parts as two tensors", "hours"),
            "rocm": Advice("works", "leave it", "none"),
            "cpu": Advice("works", "leave it", "none"),
        },
        bad="import torch\nf = torch.polar(r, t)\n",
        good="import torch\nf = torch.stack((torch.cos(t), torch.sin(t)))\n",
        grade="documented",
        sources=(CODES,),
        autofix="partly",
    ),
    Rule(
        id="C047",
        title="a Fourier transform is used",
        category="ops",
        why="it gives complex numbers",
        triggers=(use("torch.fft.*", "torch.stft", "torch.istft"),),
        on={
            "neuron": Advice("raises", "do it on the CPU beforehand, or as a matmul", "hours"),
            "tpu": Advice("unknown", "do it on the CPU beforehand, or as a matmul", "hours"),
            "rocm": Advice("works", "leave it: rocFFT", "none"),
            "cpu": Advice("works", "leave it", "none"),
        },
        bad="import torch\ny = torch.fft.rfft(x)\n",
        good="import numpy as np\ny = np.fft.rfft(x)\n",
        grade="documented",
        sources=(CODES,),
        autofix="partly",
    ),
    Rule(
        id="C049",
        title="a switch of CUDA's matmul precision",
        category="precision",
        why="it does nothing elsewhere, and float32 products come out otherwise",
        triggers=(use("torch.backends.cuda.*"),),
        on={
            **_NO_EFFECT,
            "neuron": Advice("silent", "the compiler's --auto-cast options say it there"),
        },
        bad="import torch\ntorch.backends.cuda.enable_flash_sdp(True)\n",
        good="import torch\ntorch.backends.mkldnn.is_available()\n",
        grade="documented",
        sources=(COMPILER, PROBE),
        autofix="partly",
    ),
    Rule(
        id="C050",
        title="a switch of cuDNN",
        category="flags",
        why="it does nothing where there is no cuDNN",
        triggers=(use("torch.backends.cudnn.*"),),
        on=_NO_EFFECT,
        bad="import torch\nready = torch.backends.cudnn.is_available()\n",
        good="import torch\ntorch.use_deterministic_algorithms(True)\n",
        grade="seen",
        sources=(PROBE, GENERAL),
        autofix="yes",
    ),
)
