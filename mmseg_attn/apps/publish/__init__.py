"""Write a trained model to a folder for others, for ``tools/publish.py``."""

from .bioimage import check_bioimage
from .folder import PREVIEW, Published, find_published, publish
from .hub import check_hub, push

__all__ = [
    'PREVIEW',
    'Published',
    'check_bioimage',
    'check_hub',
    'find_published',
    'publish',
    'push',
]
