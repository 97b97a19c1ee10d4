"""Check the datasets of a config for errors before a training."""

from .check import check_config
from .result import CheckResult

__all__ = ['CheckResult', 'check_config']
