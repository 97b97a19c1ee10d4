"""Provide the datasets and their transforms."""

from . import transforms
from .cityscapes import CheckedCityscapesDataset, Cityscapes20Dataset
from .compact_collate import compact_collate
from .covid19_ct import COVID19CTDataset
from .drosophila import DrosophilaDataset
from .floodnet import FloodNetDataset
from .knee_mri import KneeMRIDataset
from .voc import CheckedVOCDataset

__all__ = [
    'COVID19CTDataset',
    'CheckedCityscapesDataset',
    'CheckedVOCDataset',
    'Cityscapes20Dataset',
    'DrosophilaDataset',
    'FloodNetDataset',
    'KneeMRIDataset',
    'compact_collate',
    'transforms',
]
