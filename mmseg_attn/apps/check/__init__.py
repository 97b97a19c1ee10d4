"""Check the datasets of a config for faults that would spoil a run."""

from .check import check_config
from .result import CheckResult

__all__ = ['CheckResult', 'check_config']
