"""Find what in the data of a config would spoil a run."""

from .check import check_config
from .findings import KINDS, File, Finding
from .fit import BOUNDARY_HEADS
from .report import Report

__all__ = ['BOUNDARY_HEADS', 'KINDS', 'File', 'Finding', 'Report', 'check_config']
