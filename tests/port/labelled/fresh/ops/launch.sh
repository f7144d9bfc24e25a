#!/bin/bash
#SBATCH --gpus-per-node=4  # ~ C136
export NCCL_SOCKET_IFNAME=eth0  # ~ C104
export TOKENIZERS_PARALLELISM=false  # ~ none
srun python train.py --backend nccl --precision fp16  # ~ C103 C042
accelerate launch --num_processes 4 train.py  # ~ C137
echo "cuda is great"  # ~ none
