import os

import torch
from setuptools import find_packages, setup
from torch.utils.cpp_extension import CUDA_HOME, BuildExtension, CppExtension, CUDAExtension  # ~ C061?

os.environ["TORCH_CUDA_ARCH_LIST"] = "8.0;9.0"  # ~ C106
with_cuda = torch.cuda.is_available() and CUDA_HOME is not None  # ~ C006 C061?
flags = {"cxx": ["-O3"], "nvcc": ["-O3", "--use_fast_math"]}  # ~ C061?
Ext = CUDAExtension if with_cuda else CppExtension  # ~ C061:light

setup(
    name="fused_ops",
    packages=find_packages(),
    ext_modules=[
        CUDAExtension(  # ~ C061
            "fused_ops._C",
            ["csrc/bind.cpp", "csrc/kernel.cu"],  # ~ C061?
            extra_compile_args=flags,
        ),
        CppExtension("fused_ops._host", ["csrc/host.cpp"]),  # ~ none
    ],
    cmdclass={"build_ext": BuildExtension},  # ~ none
    install_requires=[
        "torch>=2.2",  # ~ none
        "triton==2.2.0",  # ~ C060
        "flash-attn",  # ~ C054
    ],
)
