"""Make the report page and the curves of training runs."""

from .curves import draw, panels
from .evaluation import GroupResult, RunResult, find_result, on_one_set
from .page import render

__all__ = ['GroupResult', 'RunResult', 'draw', 'find_result', 'on_one_set', 'panels', 'render']
