"""Enable stricter loading of checkpoints than the host's, in tools and scripts that ask for it."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from mmengine.runner.checkpoint import _load_checkpoint
from torch import nn

from ..compat import checkpoint
from ..errors import CheckpointError
from .weights import load_weights


def enable_safe_loading() -> None:
    """Load all checkpoints safely from now on, in this process.

    - A checkpoint with anything but weights and MMEngine's own records is refused, and no code in
      it runs: :mod:`mmseg_attn.compat.checkpoint`.
    - ``init_model`` and MMSegmentation's inferencers refuse weights that do not fit the model.
    - An inferencer with weights but no config is refused: it would execute the config inside the
      checkpoint as Python.

    The tools of this package call it; ``import mmseg_attn`` does not.
    """
    from mmengine.infer.infer import BaseInferencer
    from mmseg.apis import inference, mmseg_inferencer

    checkpoint.enable()
    inference.load_checkpoint = _from_file
    with contextlib.suppress(ImportError):  # MMSegmentation 1.1.0 has none
        from mmseg.apis import remote_sense_inferencer

        remote_sense_inferencer.load_checkpoint = _from_file
    mmseg_inferencer._load_checkpoint_to_model = _from_content
    if not hasattr(BaseInferencer._init_model, '__wrapped__'):
        BaseInferencer._init_model = _with_config(BaseInferencer._init_model)


def _from_file(model: nn.Module, filename: str, map_location: Any = None) -> dict:
    """Replace MMEngine's ``load_checkpoint``, for predictions."""
    content = _load_checkpoint(filename, map_location)
    load_weights(model, content, name=filename)
    content.setdefault('meta', {})  # init_model reads it, and plain state dicts have none
    return content


def _from_content(model: nn.Module, content: dict) -> dict:
    """Replace MMEngine's ``_load_checkpoint_to_model``, for predictions."""
    load_weights(model, content, name='the checkpoint')
    return content


def _with_config(init_model: Callable) -> Callable:
    @functools.wraps(init_model)
    def checked(self: Any, cfg: Any, weights: str | None, *args, **settings) -> nn.Module:
        if not cfg:
            raise CheckpointError(
                f'{weights} is given without a config, and the config inside it could run any '
                'code: name the config, or the model, as well'
            )
        return init_model(self, cfg, weights, *args, **settings)

    return checked
