from .complexity import Complexity, complexity

__all__ = ['Complexity', 'complexity']
