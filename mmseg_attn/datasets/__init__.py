from . import transforms
from .covid19_ct import COVID19CTDataset
from .drosophila import DrosophilaDataset
from .floodnet import FloodNetDataset
from .knee_mri import KneeMRIDataset

__all__ = [
    'COVID19CTDataset',
    'DrosophilaDataset',
    'FloodNetDataset',
    'KneeMRIDataset',
    'transforms',
]
