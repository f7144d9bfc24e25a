#!/bin/bash
python -m vllm.entrypoints.openai.api_server --model m --gpu-memory-utilization 0.9 --tensor-parallel-size 2  # ~ C133 C110
vllm serve m --max-num-seqs 64 --dtype float16  # ~ C133 C042
python -m sglang.launch_server --model-path m --mem-fraction-static 0.8  # ~ C133
text-generation-launcher --model-id m --quantize gptq  # ~ C133? C069
trtllm-build --checkpoint_dir ckpt --output_dir eng  # ~ C071
trtexec --onnx=m.onnx --fp16  # ~ C071 C042
lmdeploy serve api_server m --tp 2  # ~ C133 C110?
docker run --gpus all -p 8000:8000 vllm/vllm-openai:latest --model m  # ~ C136 C133|C134
uvicorn app:app --port 80  # ~ none
llama-server -m m.gguf -ngl 99  # ~ none C133?
