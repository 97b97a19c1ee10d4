"""Write a trained model to a folder for others, for ``tools/publish.py``."""

from .folder import PREVIEW, Published, find_published, publish
from .hub import check_hub, push

__all__ = ['PREVIEW', 'Published', 'check_hub', 'find_published', 'publish', 'push']
