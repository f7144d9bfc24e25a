from .env import HAS_CUDA, has_gpu

__all__ = ["HAS_CUDA", "has_gpu"]
