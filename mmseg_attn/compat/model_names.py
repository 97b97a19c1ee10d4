"""Let ``MMSegInferencer`` find the models of this package by their names in ``model-index.yml``.

MMEngine looks up a name in the metafiles of the package that the inferencer's scope names.
``MMSegInferencer`` needs the scope ``mmseg``, where the parts of this package are registered. So
the models of this package are added to those of MMSegmentation, for ``list_models`` too.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import wraps
from pathlib import Path

from mmengine.infer.infer import BaseInferencer


def offer_models() -> None:
    """Add the models of this package to those that MMEngine finds, once."""
    listed = BaseInferencer._get_models_from_metafile
    if hasattr(listed, '__wrapped__'):
        return  # they are added already
    folder_of = BaseInferencer._get_repo_or_mim_dir

    @wraps(listed)
    def with_ours(dir: str) -> Iterator[dict]:
        if dir == folder_of('mmseg'):
            with suppress(FileNotFoundError):  # of a copy without configs
                ours = folder_of('mmseg_attn')
                for model in listed(ours):
                    # no weights are published: the user names a checkpoint, or the inferencer warns
                    yield dict(Weights=None) | model | dict(Config=str(Path(ours, model['Config'])))
        yield from listed(dir)

    BaseInferencer._get_models_from_metafile = staticmethod(with_ours)
