"""Find what in the data of a config would spoil a run."""

from .check import check_config
from .findings import File, Finding
from .kinds import KINDS
from .report import Report

__all__ = ['KINDS', 'File', 'Finding', 'Report', 'check_config']
