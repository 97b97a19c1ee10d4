from . import transforms
from .drosophila import DrosophilaDataset

__all__ = ['DrosophilaDataset', 'transforms']
