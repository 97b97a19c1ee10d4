"""Find what in the data of a config would spoil a run."""

from .check import check_config
from .findings import File, Finding
from .fit import BOUNDARY_HEADS
from .kinds import KINDS
from .report import Report

__all__ = ['BOUNDARY_HEADS', 'KINDS', 'File', 'Finding', 'Report', 'check_config']
