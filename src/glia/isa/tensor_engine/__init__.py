"""Tensor engine: matrix multiply and transpose on the 128 x 128 systolic array.

Operands come from SBUF, results go to PSUM. Products are exact and accumulate in float32.
Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py; nki/guides/architecture/*.rst; cost: git tag
v2.26.1 of the former, nki/deep-dives/nki_perf_guide.rst; chip constants in `chips/data`.
"""

from glia.isa.tensor_engine.matmul import nc_matmul
from glia.isa.tensor_engine.matmul_mx import nc_matmul_mx
from glia.isa.tensor_engine.transpose import nc_transpose

__all__ = ["nc_matmul", "nc_matmul_mx", "nc_transpose"]
