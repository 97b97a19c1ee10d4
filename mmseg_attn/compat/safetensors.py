"""Read and write weights as safetensors, a format that cannot contain code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from ..errors import CheckpointError
from .libraries import optional_library

SUFFIX, SCHEME = '.safetensors', 'safetensors:'
_META = 'meta'


@CheckpointLoader.register_scheme(prefixes=SCHEME, force=True)  # a prefix that MMEngine lacks
def load_from_safetensors(file: str | Path, map_location: Any = None) -> dict[str, Any]:
    """Load a file of weights in the form of MMEngine's checkpoints.

    Args:
        file: Path of the file, also with the prefix ``safetensors:``.
        map_location: Device of the tensors, as for ``torch.load``; anything but a device is the
            CPU.

    Returns:
        ``state_dict``, and ``meta`` with the entries that :func:`save_safetensors` got.

    Raises:
        CheckpointError: If the file is damaged.
        OSError: If the file is missing or may not be read.
        UsageError: If safetensors is not installed.
    """
    file = str(file).removeprefix(SCHEME)
    library = optional_library('safetensors', package='safetensors', part=f'{file}, a file that')
    with open(file, 'rb'):  # an error of the system before one of the library
        pass
    device = map_location if isinstance(map_location, str | torch.device) else 'cpu'
    try:
        with library.safe_open(file, framework='pt', device=str(device)) as opened:
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            meta = json.loads((opened.metadata() or {}).get(_META, '{}'))
    except (library.SafetensorError, ValueError) as error:
        raise CheckpointError(
            f'{file} cannot be read as a checkpoint: its content is damaged ({error}); copy it '
            'again, or name another checkpoint'
        ) from error
    return dict(state_dict=weights, meta=meta if isinstance(meta, dict) else {})


def save_safetensors(weights: Mapping[str, Tensor], file: Path, meta: Mapping[str, Any]) -> None:
    """Save weights.

    Args:
        weights: The tensors of a state dict.
        file: Path of the new file.
        meta: Entries for the meta data, which can be written as JSON.

    Raises:
        OSError: If the file cannot be written.
        UsageError: If safetensors is not installed.
    """
    library = optional_library('safetensors.torch', package='safetensors', part='publish.py')
    # tensors that share their memory are refused
    weights = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()}
    content = library.save(weights, metadata={'format': 'pt', _META: json.dumps(meta)})
    file.write_bytes(content)
