#!/usr/bin/env bash
set -e
export NCCL_IB_DISABLE=1 OMP_NUM_THREADS=8  # ~ C104
GPUS=$(nvidia-smi -L | wc -l)  # ~ C132
CUDA_VISIBLE_DEVICES=$1 vllm serve m/x --tensor-parallel-size 4 --gpu-memory-utilization 0.9  # ~ C105 C110 C133
echo started  # ~ none
python client.py --name cuda-benchmark  # ~ none
