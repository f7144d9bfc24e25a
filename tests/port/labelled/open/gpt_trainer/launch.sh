#!/bin/bash
#SBATCH --gres=gpu:8  # ~ C136
# export NCCL_DEBUG=INFO when it hangs (cuda errors too)
export CUDA_VISIBLE_DEVICES=0,1,2,3  # ~ C105
export NCCL_P2P_DISABLE=1  # ~ C104
export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True  # ~ C106
export OMP_NUM_THREADS=4  # ~ none
nvidia-smi  # ~ C132
echo "no cuda here"  # ~ none
torchrun --standalone --nproc_per_node=8 train.py --device cuda  # ~ C003 C137?
