"""Write a project for a folder of images and masks: config, splits, fingerprint, preview."""

from .choices import MODALITIES, MODELS, RULES
from .fingerprint import table
from .masks import Labels
from .measure import this_machine
from .project import Options, Project, project_name, read_dataset, write_project

__all__ = [
    'MODALITIES',
    'MODELS',
    'RULES',
    'Labels',
    'Options',
    'Project',
    'project_name',
    'read_dataset',
    'table',
    'this_machine',
    'write_project',
]
