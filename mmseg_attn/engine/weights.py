"""Refuse weights that do not fit the model, where they would give meaningless results.

MMEngine loads the weights that fit, leaves the others at their random initialization, and prints a
warning. This is right for fine-tuning; a test or a prediction would continue with random weights.
The check compares which tensors were written to, so that modules may rename the weights they load.
"""

from typing import Any

from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import Tensor, nn

from ..errors import CheckpointError

SHOWN = 3


def load_weights(
    model: nn.Module, checkpoint: Any, *, name: str, partly: bool = False, logger: Any = None
) -> list[str]:
    """Load a checkpoint into a model and check which weights it contains.

    Args:
        model: The model.
        checkpoint: The content of the file.
        name: Name of the file, for messages.
        partly: Whether it is enough that some weights fit.
        logger: Logger in which MMEngine lists the weights that do not fit.

    Returns:
        The tensors of the model that were not loaded, each with both shapes.

    Raises:
        CheckpointError: If the checkpoint contains no weights, if none fits, or if ``partly`` is
            false and weights are missing that predictions need, which are all but the auxiliary
            heads'.
    """
    weights = _weights(checkpoint, name)
    before = {key: tensor._version for key, tensor in _tensors(model).items()}
    try:
        _load_checkpoint_to_model(model, checkpoint, logger=logger)
    except Exception as error:  # hostile content can raise anything
        raise CheckpointError(
            f'{name} cannot be loaded into the model: {error}; name another checkpoint'
        ) from error
    own = _tensors(model)
    missing = [key for key, tensor in own.items() if tensor._version == before[key]]
    if missing and len(missing) == len(own):
        raise CheckpointError(
            f'{name} is from another model: it contains none of the {len(own)} tensors of this '
            f'model (for example {missing[0]}) with the right shape; its first one is '
            f'{next(iter(weights), "none")!r}. Name a checkpoint of this config'
        )
    differences = {key: _difference(key, own[key], weights.get(key)) for key in missing}
    needed = [text for key, text in differences.items() if not key.startswith('auxiliary_head')]
    if needed and not partly:
        raise CheckpointError(
            f'{name} does not fit the model: {len(needed)} of the {len(own)} tensors of the model '
            f'would stay random, {format_list(needed)}; {_remedy(missing, own, weights)}'
        )
    return list(differences.values())


def _weights(checkpoint: Any, name: str) -> dict[str, Tensor]:
    """Return the weights in a checkpoint.

    Raises:
        CheckpointError: If there are none.
    """
    weights = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(key, str) for key in weights):
        raise CheckpointError(f'{name} contains no model weights: name another checkpoint')
    return {key.removeprefix('module.'): value for key, value in weights.items()}


def format_list(texts: list[str]) -> str:
    """Join the first few of several texts, and count the others."""
    more = f' and {len(texts) - SHOWN} more' if len(texts) > SHOWN else ''
    return ', '.join(texts[:SHOWN]) + more


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers, without the counters of batch norms, which may be missing."""
    return {
        key.removeprefix('module.'): value
        for key, value in model.state_dict(keep_vars=True).items()
        if isinstance(value, Tensor) and not key.endswith('num_batches_tracked')
    }


def _difference(key: str, own: Tensor, loaded: Any) -> str:
    if not isinstance(loaded, Tensor):
        return f'{key} (missing)'
    return f'{key} ({_shape(loaded)} instead of {_shape(own)})'


def _shape(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'a scalar'


def _remedy(missing: list[str], own: dict[str, Tensor], weights: dict[str, Any]) -> str:
    key = next((key for key in missing if key.endswith('conv_seg.weight')), None)
    if isinstance(tensor := weights.get(key), Tensor) and tensor.shape[1:] == own[key].shape[1:]:
        return (
            f'it was trained for {len(tensor)} classes, but the model has {len(own[key])}: '
            'use the config that it was trained with'
        )
    return 'use the config that it was trained with'
