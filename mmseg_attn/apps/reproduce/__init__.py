"""What ``tools/reproduce.py`` and ``tools/cross_validate.py`` are made of."""

from .ending import BEFORE_TOOL, end_by_signals
from .plan import Plan, check_data, plan_row
from .plot import plot
from .process import find_checkpoint, find_metrics, read_config, summarize, write_json, write_text
from .progress import Progress, remaining
from .report import markdown, to_csv
from .result import collect
from .run import Run
from .tables import Row, Table, load_tables

__all__ = [
    'BEFORE_TOOL',
    'Plan',
    'Progress',
    'Row',
    'Run',
    'Table',
    'check_data',
    'collect',
    'end_by_signals',
    'find_checkpoint',
    'find_metrics',
    'load_tables',
    'markdown',
    'plan_row',
    'plot',
    'read_config',
    'remaining',
    'summarize',
    'to_csv',
    'write_json',
    'write_text',
]
