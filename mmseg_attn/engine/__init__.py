from . import hooks, weights
from .standard_tool import run_standard_tool

weights.check_predictions()

__all__ = ['hooks', 'run_standard_tool', 'weights']
