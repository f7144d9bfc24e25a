"""Rules about what stands around the code: images, packages, schedulers, launch lines.

They look mostly into files that are no Python; see `port/configs/table.py`.
"""

from __future__ import annotations

from glia.port.rules.conditions import given_value, in_torch_file, is_given, last_name
from glia.port.rules.rule import LEAVE, Advice, Rule, keyword, per_family
from glia.port.rules.sources import GENERAL, NXD, XLA, neuron_sdk
from glia.port.source.hits import Hit


def _asks_gpus(hit: Hit) -> bool:
    """Lightning's `Trainer(accelerator="gpu")`; "cuda" has a rule of its own (C003)."""
    value = given_value(hit)
    text = hit.module.string(value) if value is not None else None
    return in_torch_file(hit) and text == "gpu"


def _gives_gpus(hit: Hit) -> bool:
    """`Trainer(gpus=4)` of older Lightning."""
    name = last_name(hit.call.func) if hit.call is not None else ""
    return in_torch_file(hit) and name in ("Trainer", "Fabric") and is_given(hit)


RULES: tuple[Rule, ...] = (
    Rule(
        id="C134",
        title="the machine or the container is set up with CUDA",
        category="setup",
        why="its libraries and its PyTorch know no other device",
        triggers=(),
        on=per_family(
            Advice("raises", "start from an image with the Neuron runtime and driver", "hours"),
            Advice("raises", "start from an image with torch_xla and libtpu", "hours"),
            Advice("raises", "start from an image with ROCm, as rocm/pytorch", "hours"),
            Advice("works", "leave it, or take a smaller image without CUDA", "none"),
        ),
        bad="FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\n",
        good="FROM python:3.11-slim\n",
        grade="documented",
        sources=(neuron_sdk("tree/master/containers"), GENERAL),
        example="Dockerfile",
    ),
    Rule(
        id="C135",
        title="a package built for CUDA is installed",
        category="setup",
        why="the build holds code for CUDA only, and takes the place of one for the other chip",
        triggers=(),
        on=per_family(
            Advice("raises", "the PyTorch that torch-neuronx asks for, without CUDA's index"),
            Advice("raises", "torch and torch_xla[tpu] of one version, without CUDA's index"),
            Advice("raises", "its build for ROCm"),
            Advice("works", "leave it, or take the smaller build for the CPU", "none"),
        ),
        bad="torch==2.5.1+cu124\n",
        good="torch==2.5.1\n",
        grade="documented",
        sources=(neuron_sdk("tree/master/setup"), XLA),
        example="requirements.txt",
    ),
    Rule(
        id="C136",
        title="a scheduler, a container or a trainer is asked for GPUs",
        category="setup",
        why="the job waits for ever or is refused where there are none",
        triggers=(
            keyword("accelerator", when=_asks_gpus),
            keyword("gpus", when=_gives_gpus),
        ),
        on=per_family(
            Advice("raises", "whole instances, aws.amazon.com/neuron, or --device=/dev/neuron0"),
            Advice("raises", "google.com/tpu, or a machine with TPUs"),
            Advice("unknown", "leave --gres=gpu; amd.com/gpu, or --device=/dev/kfd and /dev/dri"),
            Advice("raises", "leave it out"),
        ),
        bad="#!/bin/bash\n#SBATCH --gres=gpu:8\nsrun python train.py\n",
        good="#!/bin/bash\n#SBATCH --cpus-per-task=8\nsrun python train.py\n",
        grade="documented",
        sources=(neuron_sdk("tree/master/containers"), GENERAL),
        example="train.sh",
    ),
    Rule(
        id="C137",
        title="a launch line counts its processes by GPUs",
        category="distributed",
        why="a chip has several cores, each with a process of its own: the others stay idle",
        triggers=(),
        on=per_family(
            Advice("silent", "one process per logical NeuronCore"),
            Advice("unknown", "one process per host, or torch_xla.launch"),
            LEAVE,
            Advice("slower", "one process: several share the same processors"),
        ),
        bad="torchrun --nproc_per_node=8 train.py\n",
        good="torchrun --nproc_per_node=1 train.py\n",
        grade="documented",
        sources=(NXD, XLA),
        example="train.sh",
    ),
)
