"""Read the work directories of training runs, and train, test and resume runs."""

from .groups import Group, find_groups, merge, summarize
from .job import FoldJob, Job, read_config
from .log import PER_CLASS, Launch, Log, seconds_per_iteration
from .process import end_by_signals, environment
from .work_dir import Run

__all__ = [
    'PER_CLASS',
    'FoldJob',
    'Group',
    'Job',
    'Launch',
    'Log',
    'Run',
    'end_by_signals',
    'environment',
    'find_groups',
    'merge',
    'read_config',
    'seconds_per_iteration',
    'summarize',
]
