"""Weights that do not fit the model stop what would give numbers without meaning.

MMEngine loads what fits, leaves the rest of the model at its random start, and prints a warning.
For fine-tuning this is wanted; a test or a prediction would go on with noise. The check looks at
which tensors were written to, so that modules that rename what they load are judged rightly.
"""

from typing import Any

from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import Tensor, nn

from ..errors import CheckpointError

SHOWN = 3


def load_weights(
    model: nn.Module, checkpoint: Any, *, name: str, partly: bool = False, logger: Any = None
) -> list[str]:
    """Load a checkpoint into a model and see what of the model it fills.

    Args:
        model: The model.
        checkpoint: The content of the file.
        name: Its name, for messages.
        partly: Whether it is enough that something fits.
        logger: As for MMEngine, which lists there what does not fit.

    Returns:
        The tensors of the model that are as they were, with both shapes.

    Raises:
        CheckpointError: If the checkpoint holds no weights, if nothing fits, or if ``partly`` is
            false and something is missing that predictions need: all but the auxiliary heads.
    """
    held = _held(checkpoint, name)
    before = {key: tensor._version for key, tensor in _tensors(model).items()}
    try:
        _load_checkpoint_to_model(model, checkpoint, logger=logger)
    except Exception as error:  # hostile content can raise anything
        raise CheckpointError(
            f'{name} cannot be loaded into the model: {error}; name another checkpoint'
        ) from error
    own = _tensors(model)
    left = [key for key, tensor in own.items() if tensor._version == before[key]]
    if left and len(left) == len(own):
        raise CheckpointError(
            f'{name} is of another model: of the {len(own)} tensors of this one, {left[0]} for '
            f'one, none is in it with the right shape; it begins with {next(iter(held), "none")!r}'
            '; name a checkpoint of this config'
        )
    differences = {key: _difference(key, own[key], held.get(key)) for key in left}
    needed = [text for key, text in differences.items() if not key.startswith('auxiliary_head')]
    if needed and not partly:
        raise CheckpointError(
            f'{name} does not fit the model: {len(needed)} of its {len(own)} tensors would stay '
            f'random, {some(needed)}; {_remedy(left, own, held)}'
        )
    return list(differences.values())


def _held(checkpoint: Any, name: str) -> dict[str, Tensor]:
    """The weights in a checkpoint.

    Raises:
        CheckpointError: If there are none.
    """
    found = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise CheckpointError(f'{name} holds no weights of a model: name another checkpoint')
    return {key.removeprefix('module.'): value for key, value in found.items()}


def some(texts: list[str]) -> str:
    """The first few of several texts."""
    more = f' and {len(texts) - SHOWN} more' if len(texts) > SHOWN else ''
    return ', '.join(texts[:SHOWN]) + more


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers but the counters of batch norms, which MMEngine does not miss."""
    return {
        key.removeprefix('module.'): value
        for key, value in model.state_dict(keep_vars=True).items()
        if isinstance(value, Tensor) and not key.endswith('num_batches_tracked')
    }


def _difference(key: str, own: Tensor, held: Any) -> str:
    if not isinstance(held, Tensor):
        return f'{key} (missing)'
    return f'{key} ({_shape(held)} instead of {_shape(own)})'


def _shape(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'a number'


def _remedy(left: list[str], own: dict[str, Tensor], held: dict[str, Any]) -> str:
    key = next((key for key in left if key.endswith('conv_seg.weight')), None)
    if isinstance(tensor := held.get(key), Tensor) and tensor.shape[1:] == own[key].shape[1:]:
        return (
            f'it was trained for {len(tensor)} classes and the model has {len(own[key])}: '
            'take the config that it was trained with'
        )
    return 'take the config that it was trained with'
