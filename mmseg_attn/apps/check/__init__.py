"""Find everything in the data of a config that would spoil a run."""

from .check import check_config
from .report import Report

__all__ = ['Report', 'check_config']
