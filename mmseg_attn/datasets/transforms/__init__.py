from .random_right_angle import RandomRightAngle

__all__ = ['RandomRightAngle']
