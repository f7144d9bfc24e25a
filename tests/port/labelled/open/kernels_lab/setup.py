import os

from setuptools import setup
from torch.utils.cpp_extension import (  # ~ C061? C106?
    BuildExtension,
    CppExtension,
    CUDAExtension,
)

os.environ["TORCH_CUDA_ARCH_LIST"] = "8.0;9.0+PTX"  # ~ C106
setup(
    name="fused_bias",
    ext_modules=[
        CUDAExtension("fused_bias_cuda", ["csrc/fused_bias.cu"]),  # ~ C061
        CppExtension("fused_bias_cpu", ["csrc/fused_bias.cpp"]),  # ~ none
    ],
    cmdclass={"build_ext": BuildExtension},  # ~ none
)
