"""Optimizer wrappers, and how they are built."""

from .bf16_optim_wrapper import BF16OptimWrapper, has_bfloat16
from .stage_decay_constructor import StageDecayConstructor

__all__ = ['BF16OptimWrapper', 'StageDecayConstructor', 'has_bfloat16']
