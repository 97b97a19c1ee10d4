"""Calibrate a trained model with one temperature, for ``tools/calibrate.py``."""

from .calibration import Calibration, calibrate

__all__ = ['Calibration', 'calibrate']
