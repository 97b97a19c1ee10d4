"""Training: hooks, checkpoints, resuming."""

from . import hooks, optim
from .fast_runner import FastRunner
from .safe_loading import enable_safe_loading

__all__ = ['FastRunner', 'enable_safe_loading', 'hooks', 'optim']
