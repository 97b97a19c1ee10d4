"""Training: hooks, checkpoints, resuming."""

from . import hooks, optim, weights
from .fast_runner import FastRunner
from .standard_tool import run_standard_tool

weights.check_predictions()

__all__ = ['FastRunner', 'hooks', 'optim', 'run_standard_tool', 'weights']
