"""Files beside the Python: what each format says, at which place, and what only looks like it.

Labels are written by hand: `rule line:column`, counted in an editor.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from glia.port.configs.scan import scan_other
from glia.port.reading import scan_one
from glia.port.source.files.project import SourceFile, kind_of

INDEX = "index" + "-url"  # this project's own files name no index: a test sees to that
ACCELERATE = """
    compute_environment: LOCAL_MACHINE
    deepspeed_config: {}
    distributed_type: MULTI_GPU
    fsdp_config: {}
    mixed_precision: fp16   # half
    num_processes: 8
    use_cpu: false
"""
TRAINER = """
    model:
      device: cuda:0
      attn_implementation: "flash_attention_2"
      load_in_4bit: true
      dtype: bfloat16
    data: {pin_memory: True, num_workers: 0}
    backend: nccl
    keywords: [cuda, gpu]
    devices: [cpu, cuda]
    note: runs on cuda and nccl
    optim: paged_adamw_8bit
    env:
      NCCL_DEBUG: INFO
      OMP_NUM_THREADS: "4"
"""
COMPOSE = """
    services:
      train:
        image: nvcr.io/nvidia/pytorch:24.07-py3
        command: ["torchrun", "--nproc-per-node=4", "train.py", "--device", "cuda"]
        environment:
          - CUDA_VISIBLE_DEVICES=0,1
        deploy:
          resources:
            reservations:
              devices:
                - driver: nvidia
                  count: 1
                  capabilities: [gpu]
      web:
        image: nginx:1.27
"""
KUBERNETES = """
    spec:
      containers:
      - image: "pytorch/pytorch:2.3.0-cuda12.1-cudnn8-runtime"
        env:
        - name: NCCL_P2P_DISABLE
          value: "1"
        resources:
          limits: {nvidia.com/gpu: 2}
          requests: {nvidia.com/gpu: 2}
"""
WORKFLOW = """
    jobs:
      test:
        steps:
        - run: |
            pip install torch --INDEX https://example.org/whl/cu121
            nvidia-smi
        - run: pytest -k cuda
"""
DEEPSPEED = """
    {
      "fp16": {"enabled": true, "loss_scale": 0},
      "bf16": {"enabled": false},
      "zero_optimization": {
        "stage": 3,
        "offload_optimizer": {"device": "cpu", "pin_memory": true}
      }
    }
"""
PYPROJECT = """
    [project]
    name = "flash-attn-tools"   # not a dependency
    dependencies = ["torch>=2", "flash-attn>=2.5"]
    [project.optional-dependencies]
    gpu = ["bitsandbytes"]
    [tool.pytest.ini_options]
    markers = ["cuda: needs a GPU"]
    [tool.train]
    device = "cuda"
"""
SLURM = """
    #!/bin/bash
    #SBATCH --gres=gpu:8
    #SBATCH --time=01:00:00
    # nvidia-smi would say it
    export NCCL_DEBUG=INFO
    echo "use --device cuda"
    CUDA_VISIBLE_DEVICES=0,1 torchrun --nproc_per_node 8 \\
        train.py --backend=nccl \\
        --fp16
    NGPU=$(nvidia-smi -L | wc -l)
    if command -v nvidia-smi > /dev/null; then
        nvidia-smi
    else
        python train.py --device=cpu
    fi
    sbatch <<EOF
    #SBATCH --gpus-per-node=4
    srun deepspeed train.py
    EOF
    module load gcc/12 cuda/12.1
    cat <<'EOF'
    it's nvidia-smi --device cuda
    EOF
    python -m torch.distributed.launch --nproc_per_node=1 a.py model.dtype=fp16
"""
DOCKER = """
    # FROM nvidia/cuda:11
    ARG BASE=nvidia/cuda:12.4.1-devel-ubuntu22.04
    FROM ${BASE} AS build
    ENV CUDA_HOME=/usr/local/cuda PATH=/usr/bin
    RUN apt-get update && apt-get install -y git \\
        # a comment between
        libcudnn8
    RUN pip install flash-attn==2.5 "xformers" && \\

        pip install "torch==2.3.0+cu121"
    FROM python:3.11-slim
    CMD ["torchrun", "--nproc_per_node=8", "train.py"]
"""
REQUIREMENTS = """
    # flash-attn
    torch==2.1.0+cu118
    --extra-INDEX https://example.org/whl/cu118
    flash_attn ; sys_platform == "linux"   # kernels
    git+https://github.com/NVIDIA/apex.git@master
    nvidia-cublas-cu12==12.1
    numpy
    cudatext
    xformersx
"""
CONDA = """
    name: env
    channels: [pytorch, nvidia]
    dependencies:
      - python=3.11
      - pytorch-cuda=12.1
      - cudatoolkit>=11
      - pip:
        - deepspeed==0.14
        - tqdm
"""
SETUP_CFG = """
    [metadata]
    name = deepspeed-tools
    [options]
    install_requires =
        torch
        triton
    [options.extras_require]
    eight = bitsandbytes
"""
KERNEL = """
    #include <torch/extension.h>
    // __global__ in a comment
    const char* s = "__global__";
    template <typename T>
    __global__ void add(T* x) {}
    /* __global__ */
    __global__ void mul(float* x) {}
"""
HOST = """
    #include <vector>
    #include <ATen/cuda/CUDAContext.h>
    void f() { cudaDeviceSynchronize(); }
"""
CASES = {
    "accelerate.yaml": (ACCELERATE, ["C137 3:1", "C147 5:1", "C137 6:1"]),
    "train.yml": (
        TRAINER,
        ["C003 2:3", "C056 3:3", "C064 4:3", "C033 6:8", "C103 7:1", "C003 9:16", "C065 11:1",
         "C104 13:3"],
    ),
    "docker-compose.yml": (
        COMPOSE, ["C134 3:5", "C137 4:27", "C003 4:61", "C105 6:9", "C136 13:30"],
    ),
    "pod.yaml": (KUBERNETES, ["C134 3:5", "C104 5:7", "C136 8:16"]),
    ".github/workflows/a.yml": (WORKFLOW, ["C135 5:39", "C132 6:9"]),
    "ds.json": (DEEPSPEED, ["C042 2:12", "C066 4:3", "C129 6:5", "C033 6:44"]),
    "pyproject.toml": (PYPROJECT, ["C054 3:29", "C064 5:8", "C003 9:1"]),
    "train.slurm": (
        SLURM,
        ["C136 2:9", "C104 5:8", "C105 7:1", "C137 7:35", "C103 8:14", "C042 9:5", "C132 10:8",
         "C132 12:5", "C136 17:9", "C066 18:6", "C134 20:20", "C042 24:60"],
    ),
    "Dockerfile": (
        DOCKER,
        ["C134 2:5", "C106 4:5", "C134 7:5", "C054 8:17", "C057 8:33", "C135 10:17", "C137 12:18"],
    ),
    "requirements-gpu.txt": (
        REQUIREMENTS, ["C135 2:1", "C135 3:1", "C054 4:1", "C063 5:1", "C135 6:1"],
    ),
    "environment.yml": (CONDA, ["C135 5:5", "C135 6:5", "C066 8:7"]),
    "setup.cfg": (SETUP_CFG, ["C060 6:5", "C064 8:1"]),
    "add.cu": (KERNEL, ["C061 5:1", "C061 7:1"]),
    "host.cpp": (HOST, ["C061 2:1"]),
    "plain.cpp": ("#include <vector>\n// cuda\n", []),
    "none.json": ('{"description": "cuda nccl fp16", "tags": ["cuda"], "gpu": "cudart"}', []),
}  # fmt: skip


def scan(folder: Path, name: str, text: str | bytes):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.replace("INDEX", INDEX).encode())
    kind = kind_of(path)
    assert kind is not None, name
    return scan_other(path, kind)


@pytest.mark.parametrize("name", CASES)
def test_places(name: str, tmp_path: Path):
    text, expected = CASES[name]
    found = scan(tmp_path, name, textwrap.dedent(text).lstrip("\n"))
    assert found.unread == ""
    assert [f"{f.rule} {f.line}:{f.column}" for f in found.findings] == expected


def test_what_is_optional_or_asked_for_is_guarded(tmp_path: Path):
    found = scan(tmp_path, "pyproject.toml", textwrap.dedent(PYPROJECT))
    assert {f.rule: f.guard for f in found.findings}["C064"] == "import"
    slurm = scan(tmp_path, "a.sh", textwrap.dedent(SLURM).lstrip("\n"))
    assert {f.line: f.guard for f in slurm.findings if f.rule == "C132"} == {10: "", 12: "cuda"}


SETUP = """
    from setuptools import setup
    EIGHT = ["bitsandbytes"]
    setup(
        name="deepspeed-tools",
        install_requires=["torch", "flash-attn>=2"],
        extras_require={"triton": EIGHT, "x": ["xformers"]},
    )
    print("cupy")
"""


def test_the_packages_that_a_setup_py_requires(tmp_path: Path):
    path = tmp_path / "setup.py"
    path.write_text(textwrap.dedent(SETUP).lstrip("\n"))
    found = scan_one(SourceFile(path, "setup.py", "python", "tool")).findings
    assert [(f.rule, f.line, f.column, f.guard) for f in found] == [
        ("C054", 5, 32, ""),
        ("C057", 6, 44, "import"),
    ]


KEPT = """
    GPT_ARGS="--tensor-model-parallel-size 8 \\
        --use-flash-attn
        --distributed-backend nccl"
    MORE=(--fp16 --micro-batch-size 4)
    NOTE="fp16 and cuda"
    CMD='torchrun --nproc_per_node=8'
    torchrun $GPT_ARGS "${MORE[@]}"
"""


def test_options_that_a_script_keeps_in_variables(tmp_path: Path):
    found = scan(tmp_path, "a.sh", textwrap.dedent(KEPT).lstrip("\n")).findings
    assert [f"{f.rule} {f.line}:{f.column}" for f in found] == [
        "C110 1:11", "C056 2:5", "C103 3:5", "C042 4:7", "C137 6:15",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "device: cuda  # glia: ignore[C003] only there\nbackend: nccl\n"),
        ("a.yaml", "# glia: ignore[C003] only there\ndevice: cuda\nbackend: nccl\n"),
        ("a.sh", "python a.py --device cuda  # glia: ignore[C003] only there\nx --backend nccl\n"),
        ("a.toml", 'device = "cuda" # glia: ignore[C003] only there\nbackend = "nccl"\n'),
        ("a.ini", "[a]\n# glia: ignore[C003] only there\ndevice = cuda\nbackend = nccl\n"),
    ],
)
def test_a_comment_accepts_a_finding(name: str, text: str, tmp_path: Path):
    found = {f.rule: f.accepted for f in scan(tmp_path, name, text).findings}
    assert found == {"C003": "only there", "C103": ""}


def test_a_comment_of_cpp_accepts_too_and_a_wrong_one_is_noted(tmp_path: Path):
    text = "// glia: ignore[C061] built on CUDA only\n__global__ void f() {}\n// glia: ignore\n"
    found = scan(tmp_path, "a.cu", text)
    assert [f.accepted for f in found.findings] == ["built on CUDA only"]
    assert any("names no rule" in note for note in found.notes)


UNREAD = {
    "a.yaml": (b"device: cuda\n  x: [\n", "not YAML: line"),
    "b.yaml": (b"device: {{ device }}\ncuda: [", "a template"),
    "c.yaml": (b"cuda: \x00", "not YAML"),
    "d.yaml": (b"cuda: " + b"[" * 50_000, "nested too deeply"),
    "e.yaml": (b"cuda\xff\xfe", "not text"),
    "a.json": (b'{"device": "cuda"', "not JSON"),
    "b.json": (b'{"cuda": ' + b"[" * 100_000, "nested too deeply"),
    "a.toml": (b'device = "cuda\n', "not TOML"),
    "b.toml": (b"cuda = " + b"[" * 100_000, "nested too deeply"),
    "a.cfg": (b"device cuda\n", "not INI"),
    "a.cu": (b"\xff\xff__global__", "not text"),
    "a.sh": (b"\xff\xffcuda", "not text"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_cannot_be_read_says_why(name: str, tmp_path: Path):
    content, reason = UNREAD[name]
    found = scan(tmp_path, name, content)
    assert reason in found.unread
    assert not found.findings


@pytest.mark.parametrize(
    ("name", "size"),
    [("package-lock.json", 1), ("model.safetensors.index.json", 1), ("data.json", 2 << 20)],
)
def test_data_is_left_out_on_purpose(name: str, size: int, tmp_path: Path):
    found = scan(tmp_path, name, '{"device": "cuda"}' + " " * size)
    assert "data" in found.skipped
    assert (found.findings, found.unread) == ((), "")


def test_aliases_and_deep_trees_end(tmp_path: Path):
    loop = "a: &a {device: cuda, again: *a}\nb: [*a, *a, *a]\n"
    assert [f.line for f in scan(tmp_path, "a.yaml", loop).findings] == [1]
    deep = "- " * 20_000 + "device: cuda"
    assert len(scan(tmp_path, "b.yaml", deep).findings) == 1


def test_editors_json_has_comments(tmp_path: Path):
    text = '{\n  // "device": "cpu"\n  "device": "cuda", /* here */\n}\n'
    assert [(f.rule, f.line, f.column) for f in scan(tmp_path, "a.json", text).findings] == [
        ("C003", 3, 3)
    ]
