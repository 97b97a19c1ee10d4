"""Reproduce the tables of the papers: runs of a row, and results next to the paper's figures."""

from .plan import Plan, check_data, plan_row
from .results import collect, markdown, plot, to_csv
from .tables import PaperRow, PaperTable, load_tables

__all__ = [
    'PaperRow',
    'PaperTable',
    'Plan',
    'check_data',
    'collect',
    'load_tables',
    'markdown',
    'plan_row',
    'plot',
    'to_csv',
]
