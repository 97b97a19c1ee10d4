"""Divide the logits of a segmentor by a temperature, which calibrates its probabilities.

Source: Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599). With the logits z
and the temperature T of a network, p = softmax(z / T), or sigmoid(z / T) of one output channel.

The logits are divided where they leave the network, so that everything behind it reads calibrated
values: windows and resizing average logits, which commutes with the division, and test-time
augmentation and ensembles average the probabilities of each model.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmseg.models import EncoderDecoder
from torch import Tensor, nn

from ..errors import UsageError
from .label_rule import LabelRule, stored_probabilities
from .segmentors import EnsembleSegmentor
from .segmentors.ensemble_segmentor import last_head

SMALLEST, LARGEST = 1e-6, 1e6  # single precision holds all logits that are divided by them


def check_temperature(temperature: float) -> None:
    """Check that logits can be divided by a number.

    Raises:
        UsageError: If it is not finite, not above 0, or out of all proportion.
    """
    if not SMALLEST <= temperature <= LARGEST:
        raise UsageError(
            f'the temperature is {temperature:g}: set a number from {SMALLEST:g} to {LARGEST:g}, '
            'such as 1, which changes nothing'
        )


def check_scalable(model: nn.Module) -> None:
    """Check that all predictions of a segmentor pass the method whose logits are divided.

    Raises:
        UsageError: If the segmentor predicts in its own way, or is an ensemble.
    """
    if isinstance(model, EnsembleSegmentor):
        raise UsageError(
            'EnsembleSegmentor has no temperature of its own: calibrate each of its models, with '
            'its own config'
        )
    if getattr(type(model), 'inference', None) is not EncoderDecoder.inference:
        raise UsageError(
            f'{type(model).__name__} predicts in its own way, so that its logits cannot be '
            'calibrated: use EncoderDecoder or LargeImageEncoderDecoder'
        )


def set_temperature(model: nn.Module, temperature: float) -> None:
    """Divide the logits of a segmentor by a temperature, in all of its predictions.

    Labels stay, up to the rounding of nearly equal logits: the largest logit remains the largest,
    and the threshold t of a head with one output channel becomes ``sigmoid(logit(t) / T)``, which
    is t for 0.5. The losses and ``mode='tensor'`` stay, too.

    Args:
        model: The segmentor, whose temperature was not set before.
        temperature: The temperature.

    Raises:
        UsageError: As :func:`check_temperature` and :func:`check_scalable` describe.
    """
    check_temperature(temperature)
    check_scalable(model)
    segmentor: Any = model
    segmentor.encode_decode = _Divided(segmentor.encode_decode, temperature)
    rule = LabelRule.of(model)
    if rule.threshold is not None and 0 < rule.threshold < 1:
        odds = torch.tensor(rule.threshold, dtype=torch.float64).logit()
        last_head(segmentor).threshold = float((odds / temperature).sigmoid())


def uncalibrated_probabilities(stored: Tensor, temperature: float) -> Tensor:
    """Compute the probabilities before the division from the ``seg_logits`` of a data sample.

    Args:
        stored: ``(channels, H, W)``, as in :func:`.stored_probabilities`.
        temperature: The temperature that they were divided by. With one channel and T < 1, a stored
            probability of 1 stays 1.

    Returns:
        Probabilities ``(classes, H, W)``.
    """
    if len(stored) > 1:
        return stored_probabilities(temperature * stored)
    return stored_probabilities((temperature * stored.double().logit()).sigmoid())


class _Divided:
    """A method that computes logits, and divides them in single precision or more."""

    def __init__(self, method: Callable[..., Tensor], temperature: float) -> None:
        self.method = method
        self.temperature = temperature

    def __call__(self, inputs: Tensor, batch_img_metas: Sequence[dict]) -> Tensor:
        logits = self.method(inputs, batch_img_metas)
        return logits.to(torch.promote_types(logits.dtype, torch.float32)) / self.temperature
