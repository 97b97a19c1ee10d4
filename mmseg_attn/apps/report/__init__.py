"""Make the report page and the curves of training runs."""

from .curves import draw, panels
from .evaluation import GroupResult, RunResult, find_result
from .page import render

__all__ = ['GroupResult', 'RunResult', 'draw', 'find_result', 'panels', 'render']
