"""Reproduce the tables of the papers: runs of a row, and results next to the paper's figures."""

from .index import index
from .other_splits import compare_splits
from .plot import plot
from .results import markdown, to_csv
from .rows import RowResult, collect
from .tables import PaperRow, PaperTable, Plan, check_data, load_tables, plan_row

__all__ = [
    'PaperRow',
    'PaperTable',
    'Plan',
    'RowResult',
    'check_data',
    'collect',
    'compare_splits',
    'index',
    'load_tables',
    'markdown',
    'plan_row',
    'plot',
    'to_csv',
]
