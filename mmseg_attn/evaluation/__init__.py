from . import metrics
from .complexity import Complexity, complexity

__all__ = ['Complexity', 'complexity', 'metrics']
