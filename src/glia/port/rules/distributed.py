"""Rules about many devices: process groups, wrappers, collectives."""

from __future__ import annotations

import ast
import re

from glia.port.rules.conditions import (
    all_of,
    argument_of,
    given_text,
    given_value,
    in_isinstance,
    in_loop,
    in_torch_file,
    is_called,
    is_choice,
    is_given,
    is_not_none,
    is_true,
    last_name,
)
from glia.port.rules.rule import (
    HIP,
    LEAVE,
    Advice,
    Rule,
    imports,
    keyword,
    operator,
    per_family,
    string,
    use,
)
from glia.port.rules.sources import (
    ACCELERATE,
    NATIVE,
    NXD,
    PADDING_THREAD,
    PROBE,
    XLA,
    XLA_MODEL,
    neuron_sdk,
)
from glia.port.source.hits import Hit

_DDP = (
    "torch.nn.parallel.DistributedDataParallel",
    "torch.nn.parallel.distributed.DistributedDataParallel",
)
_REDUCE_SCATTERS = (
    "torch.distributed.reduce_scatter",
    "torch.distributed.reduce_scatter_tensor",
    "torch.distributed._reduce_scatter_base",
)


_BACKENDS = re.compile(r"\w+:\w+(,\w+:\w+)+")
_DEGREE = re.compile(r"(^|_)(tp|tensor_parallel|model_parallel|mp|world)(_|$)")


def _dist(*names: str) -> tuple[str, ...]:
    return tuple(f"torch.distributed.{name}" for name in names)


def _names_nccl(hit: Hit) -> bool:
    return in_torch_file(hit) and not is_choice(hit)


def _lists_nccl(hit: Hit) -> bool:
    """`cuda:nccl,cpu:gloo`."""
    return bool(_BACKENDS.fullmatch(hit.key)) and "nccl" in hit.key


def _over_heads(hit: Hit) -> bool:
    """`num_kv_heads // tp_size`."""
    node = hit.node
    if not isinstance(node, ast.BinOp):
        return False
    heads, degree = last_name(node.left).lower(), last_name(node.right).lower()
    return "head" in heads and bool(_DEGREE.search(degree))


def _is_written(hit: Hit) -> bool:
    """Not what a function of the project gives: it decides elsewhere."""
    return not isinstance(given_value(hit), ast.Call)


def _is_something(hit: Hit) -> bool:
    """No empty text: `fsdp=""` turns it off."""
    return hit.module.string(given_value(hit)) != ""


def _in_distributed(hit: Hit) -> bool:
    return is_true(hit) and argument_of("torch.distributed.*")(hit)


def _repeated(hit: Hit) -> bool:
    return is_called(hit) and in_loop(hit)


RULES: tuple[Rule, ...] = (
    Rule(
        id="C103",
        title='the process group talks over "nccl"',
        category="distributed",
        why="a build without CUDA has no NCCL: RuntimeError at the start",
        triggers=(
            string("nccl", when=_names_nccl),
            string("*", when=all_of(_names_nccl, _lists_nccl)),
            use("torch.distributed.ProcessGroupNCCL", "torch.distributed.ProcessGroupNCCL.*"),
            use("torch.distributed.is_nccl_available"),
            use("torch.cuda.nccl.*"),
        ),
        on=per_family(
            Advice("raises", 'backend="neuron"'),
            Advice("raises", 'backend="xla", with init_method="xla://"'),
            Advice("works", 'leave it: RCCL answers to "nccl"', "none"),
            Advice("raises", 'backend="gloo"'),
        ),
        bad='import torch.distributed as dist\ndist.init_process_group("nccl")\n',
        good='import torch.distributed as dist\ndist.init_process_group("gloo")\n',
        grade="documented",
        sources=(f"{ACCELERATE}state.py", NXD, XLA, PROBE),
    ),
    Rule(
        id="C107",
        title="DistributedDataParallel is given device_ids",
        category="distributed",
        why="it raises for a module on the CPU, and means nothing elsewhere",
        triggers=(
            keyword(
                "device_ids",
                "output_device",
                when=all_of(is_not_none, argument_of(*_DDP), _is_written),
            ),
        ),
        on=per_family(
            Advice("raises", "leave device_ids out"),
            Advice("raises", "leave device_ids out; gradient_as_bucket_view=True, or SPMD"),
            HIP,
            Advice("raises", "leave device_ids out"),
        ),
        bad="from torch.nn.parallel import DistributedDataParallel as DDP\n"
        "m = DDP(m, device_ids=[0])\n",
        good="from torch.nn.parallel import DistributedDataParallel as DDP\nm = DDP(m)\n",
        grade="documented",
        sources=(NXD, XLA, PROBE),
    ),
    Rule(
        id="C108",
        title="nn.DataParallel shares the batch among GPUs",
        category="distributed",
        why="without CUDA it uses one device, and says nothing",
        triggers=(
            use("torch.nn.DataParallel", "torch.nn.parallel.DataParallel", when=is_called),
            use("torch.nn.parallel.data_parallel"),
        ),
        on=per_family(
            Advice("silent", "torchrun and DistributedDataParallel", "hours"),
            Advice("silent", "torch_xla.launch", "hours"),
            HIP,
            Advice("silent", "leave it out"),
        ),
        bad="import torch.nn as nn\nmodel = nn.DataParallel(model)\n",
        good="from torch.nn.parallel import DistributedDataParallel\n"
        "model = DistributedDataParallel(model)\n",
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C109",
        title="parameters are sharded by FSDP",
        category="distributed",
        why="a core has less memory than a GPU, so that the old number of shards does not fit",
        triggers=(
            use(
                *_dist(
                    "fsdp.FullyShardedDataParallel",
                    "fsdp.fully_shard",
                    "_composable.fsdp.fully_shard",
                    "fsdp.fully_sharded_data_parallel.*",
                    "_composable.fully_shard",
                ),
                when=lambda hit: not in_isinstance(hit),
            ),
            use(
                *(
                    f"{package}.strategies.{name}"
                    for package in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric")
                    for name in ("FSDPStrategy", "FSDP2Strategy", "ModelParallelStrategy")
                ),
                when=is_called,
            ),
            use("accelerate.FullyShardedDataParallelPlugin"),
            use("accelerate.utils.FullyShardedDataParallelPlugin"),
            keyword("fsdp", when=all_of(in_torch_file, is_given, _is_something)),
            keyword("strategy", when=all_of(in_torch_file, given_text("fsdp.*"))),
        ),
        on=per_family(
            Advice("unknown", "count the shards anew; through accelerate it is refused", "hours"),
            Advice("raises", "SpmdFullyShardedDataParallel", "hours"),
        ),
        bad="from torch.distributed.fsdp import fully_shard\nfully_shard(model)\n",
        good="from torch.distributed.tensor import distribute_tensor\nt = distribute_tensor(w)\n",
        grade="documented",
        sources=(NATIVE, f"{ACCELERATE}commands/config/cluster.py"),
    ),
    Rule(
        id="C110",
        title="a degree of tensor parallelism is set",
        category="distributed",
        why="heads that it does not divide are refused, or copied to every core",
        triggers=(
            keyword(
                "tensor_parallel_size",
                "tp_size",
                "tp_degree",
                "tensor_model_parallel_size",
                when=is_given,
            ),
            operator("//", when=_over_heads),
        ),
        on=per_family(
            Advice("unknown", "see that it divides the heads; cores come by 2, 32 or 64"),
            Advice("unknown", "see that it divides the heads"),
            Advice("works", "see that it divides the heads", "none"),
        ),
        bad="import vllm\nengine = build(model, tensor_parallel_size=8)\n",
        good="engine = build(model, tensor_parallel_size=1)\n",
        grade="seen",
        sources=(neuron_sdk("issues/1222"), "https://github.com/pytorch/torchtitan/issues/2574"),
    ),
    Rule(
        id="C111",
        title="Python objects are sent between ranks",
        category="distributed",
        why="each length of a pickle is a new shape, and is compiled",
        triggers=(
            use(
                *_dist(
                    "broadcast_object_list",
                    "all_gather_object",
                    "gather_object",
                    "scatter_object_list",
                )
            ),
        ),
        on=per_family(
            Advice("slower", "pad to the next power of two, or send over gloo"),
            Advice("raises", "send over gloo"),
        ),
        bad="import torch.distributed as dist\ndist.all_gather_object(out, mine)\n",
        good="import torch.distributed as dist\ndist.all_gather(out, mine)\n",
        grade="documented",
        sources=(f"{ACCELERATE}utils/operations.py",),
    ),
    Rule(
        id="C112",
        title="ranks meet at a barrier",
        category="distributed",
        why="ranks whose graphs differ wait for ever",
        triggers=(use("torch.distributed.barrier", "torch.distributed.monitored_barrier"),),
        on=per_family(
            Advice("works", "leave it; see that all ranks run the same graph", "none"),
            Advice("unknown", "xm.rendezvous(tag)"),
        ),
        bad="import torch.distributed as dist\ndist.barrier()\n",
        good="import threading\nimport torch\ngate = threading.Barrier(2)\n",
        grade="seen",
        sources=(XLA_MODEL, PADDING_THREAD),
    ),
    Rule(
        id="C113",
        title="a collective runs beside the computation by hand",
        category="distributed",
        why="the compiler decides what overlaps",
        triggers=(keyword("async_op", when=_in_distributed),),
        on=per_family(
            Advice("slower", "leave the overlap to the compiler", "hours"),
            Advice("slower", "leave the overlap to the compiler", "hours"),
        ),
        bad="import torch.distributed as dist\nw = dist.all_reduce(x, async_op=True)\n",
        good="import torch.distributed as dist\ndist.all_reduce(x, async_op=False)\n",
        grade="documented",
        sources=(NATIVE,),
    ),
    Rule(
        id="C114",
        title="ranks send to each other one by one",
        category="distributed",
        why="pipelines are not in the first release of TorchNeuron",
        triggers=(
            use(*_dist("isend", "irecv", "send", "recv", "batch_isend_irecv", "P2POp")),
            use("torch.distributed.pipelining.*"),
            imports("torch.distributed.pipelining"),
        ),
        on=per_family(
            Advice("raises", "the pipelines of NxD, or another way to split", "days"),
            Advice("raises", "collective_permute", "days"),
        ),
        bad="import torch.distributed as dist\ndist.isend(x, 1)\n",
        good="import torch.distributed as dist\ndist.broadcast(x, 0)\n",
        grade="documented",
        sources=(NATIVE,),
    ),
    Rule(
        id="C115",
        title="tokens are exchanged by all_to_all",
        category="distributed",
        why="the sizes depend on the data; exchange in two dimensions is not there yet",
        triggers=(use(*_dist("all_to_all", "all_to_all_single")),),
        on=per_family(
            Advice("unknown", "routing with a fixed capacity", "days"),
            Advice("unknown", "routing with a fixed capacity", "days"),
            LEAVE,
            Advice("unknown", "gloo has it for some types"),
        ),
        bad="import torch.distributed as dist\ndist.all_to_all_single(y, x)\n",
        good="import torch.distributed as dist\ndist.all_gather_into_tensor(y, x)\n",
        grade="documented",
        sources=(NATIVE,),
    ),
    Rule(
        id="C116",
        title="reduce_scatter is called again and again",
        category="distributed",
        why="with weights of 5120 x 5120 and more the runtime has failed",
        triggers=(use(*_REDUCE_SCATTERS, when=_repeated),),
        on=per_family(
            Advice("unknown", "shard on the host, then DTensor.from_local", "hours"),
            LEAVE,
        ),
        bad="import torch.distributed as dist\nfor w in ws:\n    dist.reduce_scatter(o, w)\n",
        good="import torch.distributed as dist\ndist.reduce_scatter(o, w)\n",
        grade="seen",
        sources=(
            "https://github.com/huggingface/diffusers/blob/main/src/diffusers/hooks/"
            "tensor_parallel_neuron.py",
        ),
    ),
    Rule(
        id="C117",
        title="batch norm is synchronised over ranks",
        category="distributed",
        why="its kernel is for CUDA and XPU",
        triggers=(
            use("torch.nn.SyncBatchNorm.*", "torch.nn.SyncBatchNorm"),
            use("torch.nn.modules.batchnorm.SyncBatchNorm.*"),
            keyword("sync_batchnorm", when=is_true),
        ),
        on=per_family(
            Advice("raises", "GroupNorm, or an all_reduce of the statistics", "hours"),
            Advice("raises", "an all_reduce of the statistics", "hours"),
            LEAVE,
            Advice("raises", "convert only on CUDA: in a process group it refuses the CPU"),
        ),
        bad="import torch\nm = torch.nn.SyncBatchNorm.convert_sync_batchnorm(m)\n",
        good="import torch\nm = torch.nn.GroupNorm(4, 16)\n",
        grade="general",
        sources=(PROBE,),
    ),
)
