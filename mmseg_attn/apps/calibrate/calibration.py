"""Fit the temperature of a model on the labeled pixels of a split."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor

from ...errors import DataError
from ...evaluation.confusion import ignored_by
from ...evaluation.temperature import (
    VALUES,
    PixelSample,
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
)
from ...models.label_rule import LabelRule, class_logits
from ...models.temperature import LARGEST, SMALLEST, check_scalable
from ..predict import Predictor, data_errors, split_loader, truth_and_labels


class Calibration(NamedTuple):
    """The temperature of a model, and what it changes on the pixels it was fitted on.

    Attributes:
        temperature: The temperature.
        images: Number of images.
        labeled: Number of labeled pixels.
        pixels: Number of the pixels it was fitted on, a uniform sample of them, or all.
        nll: Mean negative log likelihood in nats, before and after.
        ece: Expected calibration error from 0 to 1, before and after.
    """

    temperature: float
    images: int
    labeled: int
    pixels: int
    nll: tuple[float, float]
    ece: tuple[float, float]


def calibrate(
    cfg: Config,
    checkpoint: Path,
    split: str,
    *,
    device: str = 'cpu',
    watch: Callable[[Iterable], Iterator] = iter,
    values: int = VALUES,
) -> Calibration:
    """Fit the temperature of a model.

    Args:
        cfg: The config, which is modified.
        checkpoint: The checkpoint file.
        split: 'val' or 'test'.
        device: The device of the model.
        watch: Iterates over the batches and shows the progress.
        values: The largest number of logits that are kept.

    Raises:
        DataError: If the data cannot be used, no pixel is labeled, a logit is not finite, or no
            temperature is the best.
        UsageError: If the segmentor cannot be calibrated.
    """
    ignored = ignored_by(cfg.get(f'{split}_evaluator'))
    predictor = Predictor(cfg, checkpoint, device=device)
    check_scalable(predictor.model)
    classes, images = predictor.rule.classes, 0
    sample = PixelSample(max(1, values // classes))
    with data_errors(), torch.no_grad():
        for batch in watch(split_loader(cfg, split, name=cfg.filename)):
            for image in _infer(predictor.model, batch):
                sample.add(*_labeled_pixels(image, predictor.rule, ignored))
                images += 1
    if not sample.seen:
        raise DataError(
            f'no pixel of {images} images of the {split} split is labeled: check its annotations, '
            f'or choose another --split'
        )
    logits, labels, predicted = sample.logits, sample.labels, sample.predicted
    temperature = fit_temperature(logits, labels)
    if not SMALLEST <= temperature <= LARGEST:
        raise DataError(
            f'the best temperature is {temperature:.3g}, so {checkpoint} predicts with logits out '
            'of all proportion: use another checkpoint'
        )
    both = 1.0, temperature
    nll = [negative_log_likelihood(logits, labels, t) for t in both]
    ece = [calibration_error(logits, labels, predicted, t) for t in both]
    return Calibration(
        temperature, images, sample.seen, len(sample), (nll[0], nll[1]), (ece[0], ece[1])
    )


def _infer(model: Any, batch: Any) -> list:
    """Return data samples whose ``seg_logits`` are one logit per class, at the size of the file."""
    data = model.data_preprocessor(batch, False)
    samples = data['data_samples']
    logits = model.inference(data['inputs'], [sample.metainfo for sample in samples])
    return model.postprocess_result(class_logits(logits), samples)


def _labeled_pixels(sample: Any, rule: LabelRule, ignored: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, true and predicted classes of the labeled pixels of an image."""
    truth = torch.from_numpy(truth_and_labels(sample)[0])
    labeled = (truth < rule.classes) & (truth != ignored)
    logits = sample.seg_logits.data.float().cpu()  # (C, H, W)
    if not logits.isfinite().all():
        raise DataError(
            f'the logits of {sample.img_path} contain NaN or infinity: use another checkpoint'
        )
    predicted = rule.labels((logits if rule.channels > 1 else logits[1:])[None])[0, 0]
    return logits.permute(1, 2, 0)[labeled], truth[labeled], predicted[labeled]
