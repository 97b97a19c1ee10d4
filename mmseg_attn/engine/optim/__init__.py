"""Optimizer wrappers."""

from .bf16_optim_wrapper import BF16OptimWrapper, has_bfloat16

__all__ = ['BF16OptimWrapper', 'has_bfloat16']
