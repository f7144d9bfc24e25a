"""The public name `nki`, for kernels in files."""

from public_nki import public_nki

__all__ = ["public_nki"]
