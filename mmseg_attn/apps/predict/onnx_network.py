"""Compute the logits of a segmentor with ONNX Runtime, which is faster on a CPU."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmseg.models import EncoderDecoder
from torch import Tensor

from ...errors import UsageError
from ...io.libraries import numpy_kept
from ..export import PixelsToLogits, write

PACKAGES = 'onnx', 'onnxscript', 'onnxruntime'


def use_onnx(model: EncoderDecoder, in_channels: int | None) -> None:
    """Replace the network of a segmentor on the CPU by ONNX Runtime.

    The data preprocessor, windows, test-time augmentation and ensembles stay, as they call
    ``encode_decode``. The export is compared with the network. Images below the smallest size of
    the export are computed with PyTorch.

    Args:
        model: The segmentor.
        in_channels: Number of channels of its images; ``None`` if unknown, which is refused.

    Raises:
        UsageError: If a package is missing, or the number of channels is not known.
        ExportError: If the network cannot be exported.
    """
    if not all(map(find_spec, PACKAGES)):
        raise UsageError(
            f'--runtime onnx needs {", ".join(PACKAGES)}: run pip install {" ".join(PACKAGES)} '
            f'{numpy_kept()}'
        )
    if in_channels is None:
        raise UsageError(
            '--runtime onnx needs the number of channels: set mean and std of data_preprocessor, '
            'with one value per channel'
        )
    import onnxruntime

    network = _Network(model, in_channels)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with TemporaryDirectory() as folder:
        file = Path(folder, 'network.onnx')
        write(network, file, kind='onnx', description={})
        session = onnxruntime.InferenceSession(
            str(file), options, providers=['CPUExecutionProvider']
        )
    segmentor: Any = model
    segmentor.encode_decode = _Session(session, segmentor.encode_decode, network.smallest)


class _Network(PixelsToLogits):
    """The network of a segmentor alone, for images that its data preprocessor has processed."""

    def __init__(self, model: EncoderDecoder, in_channels: int) -> None:
        super().__init__(model, in_channels=in_channels, color_type='unchanged')
        self.order = [*range(in_channels)]
        self.normalized = False
        self.padding = {}


class _Session:
    """Compute logits with ONNX Runtime, and of small images with the method that it replaces."""

    def __init__(self, session: Any, method: Callable[..., Tensor], smallest: int) -> None:
        self.session = session
        self.method = method
        self.smallest = smallest

    def __deepcopy__(self, memo: dict) -> '_Session':
        """Return itself: a session can be used by several threads."""
        return self

    def __call__(self, inputs: Tensor, batch_img_metas: Sequence[dict]) -> Tensor:
        if min(inputs.shape[2:]) < self.smallest:
            return self.method(inputs, batch_img_metas)
        (logits,) = self.session.run(['logits'], dict(image=inputs.contiguous().numpy()))
        return torch.from_numpy(logits)
