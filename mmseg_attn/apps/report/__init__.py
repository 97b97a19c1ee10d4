"""Make the report page and the curves of training runs."""

from .curves import draw, panels
from .page import render
from .results import GroupResult, RunResult, find_result

__all__ = ['GroupResult', 'RunResult', 'draw', 'find_result', 'panels', 'render']
