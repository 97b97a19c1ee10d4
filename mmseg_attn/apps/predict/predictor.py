"""A trained model that labels images of any size."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import BaseTTAModel
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from mmseg.models import EncoderDecoder
from mmseg.registry import DATASETS, MODELS, TRANSFORMS
from torch import nn

from ...compat.checkpoint import load_file
from ...config_types import class_of, is_a
from ...datasets.nested_datasets import nested_datasets
from ...engine.weights import load_weights
from ...errors import DataError, UnsupportedError
from ...models.label_rule import LabelRule
from ...models.segmentors import check_tta
from .loader import ConfigLoader
from .windows import WindowCount

Key = TypeVar('Key')
OVERLAP = 4  # windows share one part in so many with the next
FAR = 10  # standard deviations
# What a model says of images that it cannot take, and PyTorch of too little memory
REFUSALS = (ValueError, RuntimeError, AssertionError, cv2.error)


class Predictor:
    """A model with the test pipeline of its config.

    Args:
        cfg: The config; it is changed.
        checkpoint: The file of the weights.
        device: Where the model runs.
        window: Height and width of the windows that slide over what the pipeline makes of a
            image, overlapping by a quarter; ``None`` leaves it to the config.
        tta: Whether to average over the config's test-time augmentation.
        amp: Whether to compute in mixed precision.

    Attributes:
        classes: Names, in the order of the labels.
        palette: Colors of the classes, RGB.
        dataset: The type of the config's test dataset.
        loader: How the config loads images.
        color_type: 'grayscale', 'color' or 'unchanged', as of the loader.
        channels: Number of channels that the model takes, if known.
        rule: How the model's logits become labels.
        windows: Counts the windows of the images at work.
        shrunk: Number of images larger than the window that the pipeline made to fit into it.
        far: Number of images whose mean is far from that of the preprocessor.

    Raises:
        DataError: If the config or the device cannot be used.
        CheckpointError: If the checkpoint cannot be read or does not fit the model.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: Path,
        *,
        device: str = 'cpu',
        window: tuple[int, int] | None = None,
        tta: bool = False,
        amp: bool = False,
    ) -> None:
        self.device = _usable(device)
        self.amp = amp
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        if window:
            stride = [max(1, side - side // OVERLAP) for side in window]
            cfg.model.test_cfg = ConfigDict(mode='slide', crop_size=window, stride=stride)
            if class_of(cfg.model, MODELS) is EncoderDecoder:  # the same in less memory
                cfg.model.type = 'LargeImageEncoderDecoder'
        dataset = _dataset(cfg)
        steps = _pipeline(cfg, dataset, tta=tta)
        self.loader = ConfigLoader(TRANSFORMS.build(steps[0]))
        self.color_type = self.loader.color_type
        self.pipeline = Compose([_from_memory(steps[0]), *steps[1:]])
        self.window = window
        self.shrunk = self.far = 0
        self.dataset = class_of(dataset, DATASETS)

        self.model = init_model(cfg, device='cpu')
        content = load_file(checkpoint, 'cpu')
        load_weights(self.model, content, name=str(checkpoint), logger='silent')
        self.rule = LabelRule.of(self.model)
        self.classes, self.palette = _names(content.get('meta'), dataset, self.rule.classes)
        self.label_type = _label_type(len(self.classes))
        self.channels = _channels(self.model)
        self.windows = WindowCount(self.model)
        self.preprocessor = self.model.data_preprocessor
        if tta:
            self.model = MODELS.build(dict(cfg.tta_model, module=self.model))
            check_tta(self.model)
        self.model.to(self.device).eval()

    def __call__(
        self, images: Iterable[tuple[Key, np.ndarray]], *, batch_size: int = 1
    ) -> Iterator[tuple[Key, np.ndarray | Exception]]:
        """Label images as they come, those of one size that follow each other in batches.

        Args:
            images: Keys and images, (H, W) or (H, W, C), as the config's loader gives them.
            batch_size: The most images in a batch.

        Yields:
            Each key with its labels, (H, W) and uint8, or uint16 if there are more than 256
            classes, or with what was wrong.
        """
        keys: list[Key] = []
        batch: list[dict] = []
        for key, image in images:
            try:
                item = self.pipeline(dict(img=np.ascontiguousarray(image)))
                self._check(item, image)
            except REFUSALS as error:
                yield key, error
                continue
            if batch and (len(batch) == batch_size or _shapes(item) != _shapes(batch[0])):
                yield from zip(keys, self._predict(keys, batch), strict=True)
                keys, batch = [], []
            keys.append(key)
            batch.append(item)
        if batch:
            yield from zip(keys, self._predict(keys, batch), strict=True)

    def _check(self, item: dict, image: np.ndarray) -> None:
        """Compare the channels that the pipeline gives with the model's, and sizes with windows."""
        channels, *size = _shapes(item)[0]
        if self.channels not in (None, channels):
            raise UnsupportedError(
                f'comes out of the pipeline of the config with {channels} channels '
                f'({self.loader}), but the model takes {self.channels}: give images like those '
                'that it was trained on'
            )
        self.far += self._is_far(item)
        if self.window and not _fits_into(image.shape[:2], self.window):
            self.shrunk += _fits_into(size, self.window)

    def _is_far(self, item: dict) -> bool:
        """Whether values are unlike those whose mean and deviation the preprocessor has."""
        inputs = item['inputs']
        inputs = inputs[0] if isinstance(inputs, list) else inputs
        preprocessor = self.preprocessor
        if getattr(preprocessor, 'mean', None) is None:
            return False
        mean = preprocessor.mean.float().mean().cpu()
        deviation = preprocessor.std.float().mean().cpu()
        return bool(abs(inputs.float().mean() - mean) > FAR * deviation)

    def _predict(self, keys: list[Key], batch: list[dict]) -> list[np.ndarray | Exception]:
        self.windows.start(keys[0], _shapes(batch[0]))
        try:
            with torch.no_grad(), torch.autocast(self.device.type, enabled=self.amp):
                samples = self.model.test_step(pseudo_collate(batch))
            return [self._labels(sample) for sample in samples]
        except REFUSALS as error:
            failure = error
        # Only the frames in the traceback keep what the model had computed until then.
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        if self.device.type == 'cuda':
            torch.cuda.empty_cache()
        if len(batch) > 1:  # one of them may be the reason, or all together are too much
            pairs = zip(keys, batch, strict=True)
            return [result for key, item in pairs for result in self._predict([key], [item])]
        return [failure]

    def _labels(self, sample: Any) -> np.ndarray:
        labels = sample.pred_sem_seg.data.cpu().numpy().astype(self.label_type)
        return labels.reshape(labels.shape[-2:])


def _label_type(classes: int) -> type[np.integer]:
    """The smallest type of the labels that image files can have."""
    if classes > np.iinfo(np.uint16).max + 1:
        raise DataError(
            f'the model has {classes} classes, but masks hold at most 65536: merge some of them'
        )
    return np.uint8 if classes <= np.iinfo(np.uint8).max + 1 else np.uint16


def _channels(model: nn.Module) -> int | None:
    """Number of channels that a segmentor takes, if its preprocessor or first layer tell."""
    mean = getattr(model.data_preprocessor, 'mean', None)
    if mean is not None and mean.numel() > 1:
        return mean.numel()
    layers = model.backbone.modules()
    return next((each.in_channels for each in layers if isinstance(each, nn.Conv2d)), None)


def _fits_into(size: Sequence[int], window: Sequence[int]) -> bool:
    return all(side <= limit for side, limit in zip(size, window, strict=True))


def _shapes(item: dict) -> list[torch.Size]:
    """Of an image, or of all its augmented versions."""
    inputs = item['inputs']
    return [each.shape for each in (inputs if isinstance(inputs, list) else [inputs])]


def _usable(device: str) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f'the device {device!r} cannot be used ({reason}): use --device cpu, or one that this '
            'PyTorch has'
        ) from error
    return found


def _dataset(cfg: Config) -> ConfigDict:
    """The innermost test dataset."""
    if 'test_dataloader' not in cfg or 'model' not in cfg:
        raise DataError(
            f'{cfg.filename} has no model or no test_dataloader: name a complete config'
        )
    if is_a(cfg.model, MODELS, BaseTTAModel):
        raise DataError(
            f'{cfg.filename} is what a test with --tta wrote, which replaces model and pipeline: '
            'name the config of the training (WORK_DIR/*/vis_data/config.py has it)'
        )
    *_, inner = nested_datasets(cfg.test_dataloader.dataset)
    return inner


def _pipeline(cfg: Config, dataset: ConfigDict, *, tta: bool) -> list[dict]:
    """The steps of the test pipeline without labels."""
    if tta and not (cfg.get('tta_pipeline') and cfg.get('tta_model')):
        raise DataError(
            f'{cfg.filename} has no tta_pipeline or no tta_model: add them, or leave out --tta'
        )
    steps = _unlabeled(cfg.tta_pipeline if tta else dataset.pipeline)
    if not steps or class_of(steps[0], TRANSFORMS) is not LoadImageFromFile:
        raise DataError(
            f'the test pipeline of {cfg.filename} does not begin with LoadImageFromFile: '
            'files can only be given to one that does'
        )
    return steps


def _from_memory(step: dict) -> dict:
    """The step that goes on with what a loader has loaded."""
    return dict(type='LoadImageFromNDArray', to_float32=step.get('to_float32', False))


def _unlabeled(steps: Any) -> Any:
    """A pipeline without the steps that load labels, inside test-time augmentation too."""
    if isinstance(steps, list | tuple):
        kept = (step for step in steps if not is_a(step, TRANSFORMS, LoadAnnotations))
        return [_unlabeled(step) for step in kept]
    if isinstance(steps, dict) and 'transforms' in steps:
        return dict(steps, transforms=[t for t in _unlabeled(steps['transforms']) if t])
    return steps


def _names(saved: Any, dataset: ConfigDict, number: int) -> tuple[list[str], list[list[int]]]:
    """Names and colors of the classes, from the checkpoint or else from the dataset.

    Args:
        saved: What the checkpoint holds as ``meta``.
        dataset: The config of the dataset.
        number: How many classes the model has.
    """
    saved = saved.get('dataset_meta') if isinstance(saved, dict) else None
    if not _fits(saved, number):
        saved = DATASETS.build(dict(dataset, lazy_init=True, pipeline=[])).metainfo
    if _fits(saved, number):
        palette = [[int(value) for value in color] for color in saved['palette']]
        return [str(name) for name in saved['classes']], palette
    raise DataError(
        f'neither the checkpoint nor the test dataset names the {number} classes of the model: '
        'add metainfo=dict(classes=..., palette=...) to the dataset in the config'
    )


def _fits(meta: Any, number: int) -> bool:
    found = [meta.get(key) if isinstance(meta, dict) else None for key in ('classes', 'palette')]
    return all(isinstance(each, list | tuple) and len(each) == number for each in found)
