"""Read the work directories of training runs, run jobs, and record and compare their results."""

from .cases import case_rule
from .comparison import Comparison, compare
from .groups import Group, find_groups, merge
from .job import Job, read_config
from .log import PER_CLASS, seconds_per_iteration
from .process import end_by_signals, environment
from .queue import run_jobs
from .record import Key, Record, config_hash, portable_options, read_record, read_records
from .statistics import MEASURES, summarize
from .work_dir import Run

__all__ = [
    'MEASURES',
    'PER_CLASS',
    'Comparison',
    'Group',
    'Job',
    'Key',
    'Record',
    'Run',
    'case_rule',
    'compare',
    'config_hash',
    'end_by_signals',
    'environment',
    'find_groups',
    'merge',
    'portable_options',
    'read_config',
    'read_record',
    'read_records',
    'run_jobs',
    'seconds_per_iteration',
    'summarize',
]
