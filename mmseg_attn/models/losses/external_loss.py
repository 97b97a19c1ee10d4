"""MONAI's losses by name, without ignored pixels.

MONAI (https://monai.io, Apache-2.0) has the losses of medical segmentation, each with the reference
of its paper. Before version 1.6, none of them knows ignored pixels, and since then only some do.
Here, none of them sees any:

- Losses that sum over pixels get only the other pixels of an image, as a row ``(1, C, P)``. So
  value and gradient are those of the image without the ignored pixels.
- Losses that need the neighbors of pixels (distance transform, skeleton) get the image, in which
  probabilities and labels of ignored pixels are zero: these pixels belong to no class. Their logits
  have no effect, but an ignored region ends a class as the border of another class does.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.utils import digit_version
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...compat.libraries import build_part, optional_library
from ...errors import UsageError
from ..label_rule import class_logits
from .pixels import class_masks

PROBABILITIES = ('DiceLoss', 'GeneralizedDiceLoss', 'MCCLoss', 'TverskyLoss')
CROSS_ENTROPY = ('DiceCELoss',)  # take logits and class numbers
FOCAL = ('DiceFocalLoss', 'FocalLoss', 'GeneralizedDiceFocalLoss')  # take logits
SPATIAL = (
    'BoundaryLoss',
    'HausdorffDTLoss',
    'LogHausdorffDTLoss',
    'SoftDiceclDiceLoss',
    'SoftclDiceLoss',
)
NOT_GENERALIZED = ('GeneralizedDiceFocalLoss', 'GeneralizedDiceLoss')  # but plain, in MONAI 1.2
FIXED = ('ignore_index', 'other_act', 'reduction', 'sigmoid', 'softmax', 'to_onehot_y')


@MODELS.register_module()
class ExternalLoss(nn.Module):
    """Compute a loss of MONAI from the pixels that are not ignored.

    The losses are ``DiceLoss``, ``GeneralizedDiceLoss``, ``TverskyLoss``, ``MCCLoss``,
    ``DiceCELoss``, ``FocalLoss``, ``DiceFocalLoss``, ``GeneralizedDiceFocalLoss``, and the spatial
    ones ``HausdorffDTLoss``, ``LogHausdorffDTLoss``, ``BoundaryLoss``, ``SoftclDiceLoss`` and
    ``SoftDiceclDiceLoss``, as far as the installed MONAI has them. Their arguments and defaults are
    those of that version.

    The result is the mean over the images that have pixels. With ``batch=True``, the sums run over
    all pixels of the batch.

    A head with one output channel predicts two classes, as for all losses of this package. The
    focal losses, which take the sigmoid of each logit, get this one channel as it is.

    Args:
        name: Class of ``monai.losses``.
        loss_weight: Factor on the loss.
        loss_name: Name in the log; it takes part in training if it starts with ``loss_``. ``None``
            means ``loss_`` and the name, for example ``loss_tversky``.
        kwargs: Arguments of MONAI's class. Activation, one-hot labels, reduction and ignored pixels
            are set here.

    Raises:
        UsageError: If MONAI is missing, or does not have the loss or the argument.
    """

    def __init__(
        self, *, name: str, loss_weight: float = 1.0, loss_name: str | None = None, **kwargs: Any
    ):
        super().__init__()
        part = type(self).__name__
        losses = optional_library('monai.losses', package='monai', part=part)
        version = optional_library('monai', package='monai', part=part).__version__
        known = {*PROBABILITIES, *CROSS_ENTROPY, *FOCAL, *SPATIAL}
        if digit_version(version) < digit_version('1.3.0'):
            known -= {*NOT_GENERALIZED}
        names = sorted(loss for loss in known if hasattr(losses, loss))
        if name not in names:
            raise UsageError(
                f'{part} has no {name!r} with MONAI {version}: set name to one of '
                f'{", ".join(names)}'
            )
        ours: dict[str, Any] = {}
        if name in CROSS_ENTROPY:
            ours['to_onehot_y'] = True
        if name in CROSS_ENTROPY + FOCAL:
            ours['other_act'] = _activate
        self.loss = build_part(
            getattr(losses, name),
            {key: _tensor(value) for key, value in kwargs.items()},
            ours=ours,
            fixed=(*FIXED, 'batch') if name in SPATIAL else FIXED,
        )
        for module in self.loss.modules():  # class weights are no weights of the model
            for key, buffer in module.named_buffers(recurse=False):
                module.register_buffer(key, buffer, persistent=False)
        self.name = name
        self.whole_batch = bool(kwargs.get('batch'))
        self.one_channel = name in FOCAL and not kwargs.get('use_softmax')
        self.loss_weight = loss_weight
        self.loss_name = loss_name or f'loss_{name.removesuffix("Loss").lower()}'

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = 255,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the loss in at least float32; the arguments are those of MMSegmentation's losses.

        It is zero, with zero gradients, if every pixel is ignored.

        Args:
            cls_score: Logits ``(N, C, H, W)``; one channel means two classes.
            label: Class of each pixel ``(N, H, W)``.
            weight: 1 for the pixels that a sampler keeps, and 0 for the others, ``(N, H, W)``.
            avg_factor: Only ``None``.
            reduction_override: ``None`` or ``'mean'``, since regions have no value per pixel.
            ignore_index: Label of the ignored pixels.
            kwargs: Arguments that MMSegmentation passes to other losses; they are not used.

        Returns:
            A scalar.

        Raises:
            UsageError: If a sampler or another caller needs what a loss over regions cannot do.
        """
        logits = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
        counted = label != ignore_index
        if weight is not None:
            counted = counted & self._kept(weight)
        if avg_factor is not None or reduction_override not in (None, 'mean'):
            raise UsageError(
                f'{self.name} has no value per pixel, but was called with '
                f'reduction_override={reduction_override!r} and avg_factor={avg_factor}: use a '
                'sampler that does not need it, such as OHEMPixelSampler with thresh, or another '
                'loss'
            )
        predicted, labels = self._pair(logits, label.where(counted, 0))
        if self.whole_batch:
            rows = [slice(None)] if counted.any() else []
        else:
            rows = [slice(i, i + 1) for i in counted.flatten(1).any(dim=1).nonzero()[:, 0].tolist()]
        values = [self._value(predicted[row], labels[row], counted[row]) for row in rows]
        loss = torch.stack(values).mean() if values else 0 * logits.sum()
        return self.loss_weight * loss

    def _kept(self, weight: Tensor) -> Tensor:
        """Return the pixels that a sampler keeps, boolean ``(N, H, W)``."""
        if self.name in SPATIAL:
            raise UsageError(
                f'{self.name} needs the neighbors of pixels, and a sampler leaves pixels out: '
                'remove sampler of the head, or use another loss'
            )
        kept = weight != 0
        if not torch.equal(kept.to(weight), weight):
            raise UsageError(
                f'{self.name} knows no weights of pixels other than 0 and 1: use another loss'
            )
        return kept

    def _pair(self, logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return what MONAI compares, both ``(N, C or 1, H, W)``."""
        scores = class_logits(logits)
        if self.name in CROSS_ENTROPY:
            return scores, label.unsqueeze(1)
        masks = class_masks(label, scores).to(scores.dtype)
        if self.name not in FOCAL:
            return scores.softmax(dim=1), masks
        if self.one_channel and logits.shape[1] == 1:
            return logits, masks[:, 1:]
        return scores, masks

    def _value(self, predicted: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
        """Compute MONAI's loss of some images, a scalar."""
        if self.name in SPATIAL:
            inputs = [x * counted.unsqueeze(1) for x in (predicted, labels)]
        else:
            inputs = [x.movedim(1, -1)[counted].T[None] for x in (predicted, labels)]  # (1, C, P)
        return self.loss(*inputs)  # clDice before 1.6 takes the labels first, but is symmetric


def _activate(logits: Tensor) -> Tensor:
    """Compute the probabilities of the Dice part."""
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)


def _tensor(value: Any) -> Any:
    """Return a list of numbers, such as class weights, as a tensor."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return torch.tensor(value, dtype=torch.float32)
    return value
