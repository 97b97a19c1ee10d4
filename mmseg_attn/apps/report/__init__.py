"""Pictures and pages about trainings, from the folders that these leave."""

from .curves import draw, panels
from .groups import Group, find_groups, merge
from .page import render
from .result import GroupResult, Result, find_result
from .run import Run
from .writing import write_bytes

__all__ = [
    'Group',
    'GroupResult',
    'Result',
    'Run',
    'draw',
    'find_groups',
    'find_result',
    'merge',
    'panels',
    'render',
    'write_bytes',
]
