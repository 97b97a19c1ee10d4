"""Write a trained model to a folder for others, for ``tools/publish.py``."""

from .folder import Published, find_published, publish
from .hub import check_hub, push

__all__ = ['Published', 'check_hub', 'find_published', 'publish', 'push']
