#!/bin/bash
export CUDA_DEVICE_MAX_CONNECTIONS=1  # ~ C106
python -m vllm.entrypoints.openai.api_server --model x --tensor-parallel-size 8 --gpu-memory-utilization 0.95  # ~ C133 C110
watch -n 1 nvidia-smi  # ~ C132
pip install flash-attn --no-build-isolation  # ~ C054
deepspeed --num_gpus 4 train.py --deepspeed ds.json  # ~ C066 C136
echo "done with nccl"  # ~ none
