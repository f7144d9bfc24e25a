"""What `from torch.cuda import *` brings: the names that rules ask for, by the module they are of.

Nothing is imported to find out, and not every name is here: those that no rule looks for may be
missing. A name that is given something later in the file is then taken for the import's.
"""

from __future__ import annotations

_CUDA = """
    Event Stream CUDAGraph FloatTensor HalfTensor LongTensor current_device current_stream
    device_count empty_cache get_device_capability get_device_name get_device_properties
    get_rng_state get_rng_state_all graph ipc_collect is_available is_bf16_supported manual_seed
    manual_seed_all max_memory_allocated max_memory_reserved mem_get_info memory_allocated
    memory_reserved memory_stats memory_summary nvtx reset_peak_memory_stats set_device
    set_rng_state set_rng_state_all stream synchronize make_graphed_callables
"""
_TORCH = """
    Generator arange as_strided autocast bernoulli bincount bmm cat compile complex complex64
    complex128 device double empty empty_like float16 float64 full full_like half int64 linspace
    load long masked_select matmul multinomial nonzero normal ones ones_like polar rand rand_like
    randint randn randn_like randperm repeat_interleave save stft tensor unique
    use_deterministic_algorithms view_as_complex view_as_real where zeros zeros_like cuda nn
"""
_NN = """
    CTCLoss ConvTranspose2d DataParallel Embedding Linear MaxPool2d Module Parameter SyncBatchNorm
    functional parallel utils
"""
_FUNCTIONAL = """
    ctc_loss cross_entropy dropout grid_sample interpolate max_pool2d one_hot
    scaled_dot_product_attention softmax
"""
_DISTRIBUTED = """
    all_gather all_gather_object all_reduce all_to_all all_to_all_single barrier
    batch_isend_irecv broadcast broadcast_object_list gather_object get_rank get_world_size
    init_process_group irecv isend new_group recv reduce_scatter reduce_scatter_tensor
    scatter_object_list send
"""
_EXPORTS = {
    "torch": _TORCH,
    "torch.cuda": _CUDA,
    "torch.nn": _NN,
    "torch.nn.functional": _FUNCTIONAL,
    "torch.distributed": _DISTRIBUTED,
    "torch.cuda.amp": "GradScaler autocast custom_bwd custom_fwd",
    "torch.amp": "GradScaler autocast custom_bwd custom_fwd",
}


def exports(module: str) -> tuple[str, ...]:
    """The names that a star import of this module brings; empty for a module not known here."""
    return tuple(_EXPORTS.get(module, "").split())
