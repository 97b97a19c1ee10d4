"""Reproduce the tables of the papers: runs of a row, and results next to the paper's figures."""

from .index import index
from .other_splits import compare_splits
from .results import collect, markdown, plot, to_csv
from .tables import PaperRow, PaperTable, Plan, check_data, load_tables, plan_row

__all__ = [
    'PaperRow',
    'PaperTable',
    'Plan',
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
