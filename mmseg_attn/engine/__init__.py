from . import hooks, weights
from .bf16_optim_wrapper import Bf16OptimWrapper
from .fast_runner import FastRunner

weights.check_predictions()

__all__ = ['Bf16OptimWrapper', 'FastRunner', 'hooks', 'weights']
