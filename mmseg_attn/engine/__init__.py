from . import hooks, weights

weights.check_predictions()

__all__ = ['hooks', 'weights']
