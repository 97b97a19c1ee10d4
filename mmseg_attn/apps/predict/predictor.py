"""Predict label maps of images of any size with a trained model."""

import copy
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.models import EncoderDecoder, SegTTAModel
from mmseg.registry import DATASETS, MODELS, TRANSFORMS
from torch import nn

from ...config_types import class_of, is_a
from ...datasets.pipelines import flip_fault, frame_fault
from ...errors import DataError, UnsupportedError
from ...io import counted
from ...models.label_rule import LabelRule, stored_probabilities
from ...models.segmentors import (
    EnsembleSegmentor,
    LargeImageEncoderDecoder,
    entropy_of,
)
from ...models.temperature import check_temperature
from .loader import ConfigLoader
from .model import build_model, class_names, input_channels
from .parallel import in_order
from .pipeline import from_memory, test_dataset, unlabeled_steps
from .thresholds import decide, thresholds_by_number
from .windows import WindowCount

Key = TypeVar('Key')
OVERLAP = 4  # windows overlap by 1/4 of their size
FAR = 10  # standard deviations
LARGE = 2**22  # values of a batch, such as those of four color images of 512x512
WIDE = 2**23  # weights: PyTorch's threads share the work of one image well
MOST = 16  # threads: beyond, they wait for Python's lock
# Errors of a model for images that it cannot take, and of PyTorch for too little memory
REFUSALS = (ValueError, RuntimeError, AssertionError, cv2.error)


class Prediction(NamedTuple):
    """Hold what is predicted for an image.

    Attributes:
        labels: The labels (H, W), uint8, or uint16 for more than 256 classes.
        maps: Maps by name, float32: ``probabilities`` (classes, H, W), ``entropy`` and
            ``disagreement`` in nats (1, H, W); empty unless ``Predictor`` was built with ``maps``.
    """

    labels: np.ndarray
    maps: dict[str, np.ndarray]


class _Batch(NamedTuple):
    """Keys and prepared images of one size, or a key and the error of its image."""

    keys: list
    items: Any

    @property
    def values(self) -> int:
        if isinstance(self.items, Exception):
            return 0
        return sum(size.numel() for item in self.items for size in _shapes(item))


class Predictor:
    """Predict images with a model, or an ensemble, and the test pipeline of its config.

    Args:
        cfg: The config, which is modified.
        checkpoint: The checkpoint file.
        device: The device of the model.
        window: Height and width of sliding windows, which overlap by a quarter; ``None`` uses
            the mode of the config.
        blend: How these windows are averaged, ``'gaussian'`` or ``'uniform'``, if the model is an
            ``EncoderDecoder``.
        window_batch: Number of windows of an image in a batch; images are predicted one by one if
            it is more than 1 and the model slides windows.
        tta: Whether to use the test-time augmentation of the config.
        amp: Whether to use mixed precision.
        members: Configs and checkpoints of further models of an ensemble; the pipeline is that of
            ``cfg``.
        maps: Names of the maps of :class:`Prediction`; all but ``disagreement`` are computed if
            there is one.
        thresholds: Probabilities by class: a pixel has one of these classes where its probability
            exceeds the threshold (by the largest factor, if there are several), and otherwise the
            most probable of the other classes.
        runtime: ``'torch'``, or ``'onnx'`` to compute the networks with ONNX Runtime on the CPU.
        temperature: Divide the logits by this number; with ``None``, those of each model by the
            number that ``tools/calibrate.py`` wrote beside its checkpoint, if it did.

    Attributes:
        classes: Names, in the order of the labels.
        palette: Colors of the classes, RGB.
        dataset: The class of the test dataset of the config.
        loader: The loader of the config.
        color_type: 'grayscale', 'color' or 'unchanged'; the ``color_type`` of the loader.
        channels: Number of channels that the model takes; ``None`` if unknown.
        rule: The rule that converts logits to labels.
        windows: The counter of the sliding windows.
        temperatures: The temperature of each checkpoint that has one.
        shrunk: Number of images larger than the window that the pipeline resized to fit into it.
        far: Number of images whose mean is far from that of the preprocessor.

    Raises:
        DataError: If the config cannot be used.
        CheckpointError: If the checkpoint cannot be read or does not fit the model.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: Path,
        *,
        device: str = 'cpu',
        window: tuple[int, int] | None = None,
        blend: str = 'gaussian',
        window_batch: int = 1,
        tta: bool = False,
        amp: bool = False,
        members: Sequence[tuple[Config, Path]] = (),
        maps: Collection[str] = (),
        thresholds: Mapping[str, float] | None = None,
        temperature: float | None = 1,
        runtime: str = 'torch',
    ) -> None:
        if temperature is not None:
            check_temperature(temperature)
        self.maps = tuple(maps)
        self.device = torch.device(device)
        self.amp = amp
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        model = cfg.model
        if is_a(model, MODELS, EnsembleSegmentor) and model.models:  # predicts like its first one
            model = model.models if isinstance(model.models, dict) else model.models[0]
        if window:
            stride = [max(1, side - side // OVERLAP) for side in window]
            model.test_cfg = ConfigDict(mode='slide', crop_size=window, stride=stride)
            if class_of(model, MODELS) is EncoderDecoder:
                model.type = 'LargeImageEncoderDecoder'
            if is_a(model, MODELS, LargeImageEncoderDecoder):
                model.test_cfg.blend = blend
        large = is_a(model, MODELS, LargeImageEncoderDecoder)
        self.window_batch = window_batch if large and _slides(model) else 1
        if self.window_batch > 1:
            model.test_cfg.window_batch = window_batch
        dataset = test_dataset(cfg)
        steps = unlabeled_steps(cfg, dataset, tta=tta)
        self.loader = ConfigLoader(TRANSFORMS.build(steps[0]))
        self.color_type = self.loader.color_type
        self.first = TRANSFORMS.build(from_memory(steps[0]))
        self.pipeline = Compose(steps[1:])
        for fault in (
            flip_fault(self.pipeline.transforms),
            frame_fault(type(step).__name__ for step in self.pipeline.transforms),
        ):
            if fault:
                raise DataError(': '.join(fault))
        self.window = window
        self.shrunk = self.far = 0
        self.dataset = class_of(dataset, DATASETS)

        self.model, meta, self.temperatures = build_model(
            [(cfg, checkpoint), *members], temperature=temperature, runtime=runtime
        )
        self.rule = LabelRule.of(self.model)
        self.classes, self.palette = class_names(meta, dataset, self.rule.classes)
        self.thresholds = thresholds_by_number(thresholds or {}, self.classes)
        if self.maps or self.thresholds or tta:
            self._keep_maps(tta=tta)
        self.label_type = _label_type(len(self.classes))
        self.channels = input_channels(self.model)
        self.windows = WindowCount(self.model)
        self.preprocessor = self.model.data_preprocessor
        if tta:
            kind = dict(cfg.tta_model, module=self.model)
            if class_of(kind, MODELS) is SegTTAModel:  # keeps no logits; 1.1.0 needs ground truth
                kind['type'] = 'ProbabilityTTAModel'
            self.model = MODELS.build(kind)
        self.model.to(self.device).eval()

    def __call__(
        self, images: Iterable[tuple[Key, np.ndarray]], *, batch_size: int = 1
    ) -> Iterator[tuple[Key, np.ndarray | Exception]]:
        """Predict images in their order; consecutive images of one size form batches.

        Args:
            images: Keys and images, (H, W) or (H, W, C), as the loader of the config returns them.
            batch_size: The largest number of images in a batch.

        Yields:
            Each key with its labels, (H, W) and uint8 (uint16 for more than 256 classes), or
            with the error.
        """
        for key, result in self.predict(images, batch_size=batch_size):
            yield key, result if isinstance(result, Exception) else result.labels

    def predict(
        self, images: Iterable[tuple[Key, np.ndarray]], *, batch_size: int = 1, workers: int = 0
    ) -> Iterator[tuple[Key, Prediction | Exception]]:
        """Predict labels and maps of images; otherwise as a call.

        Args:
            images: As in a call.
            batch_size: As in a call.
            workers: Number of threads that predict while the next images are taken; 0 for the
                calling thread alone. They share PyTorch's threads. Batches of more than ``LARGE``
                values are predicted one by one.

        Yields:
            Each key with its prediction, or with the error.
        """
        batch_size = 1 if self.window_batch > 1 else batch_size
        threads = torch.get_num_threads()
        local = threading.local()
        copies = self._copies(workers)
        number = len(copies)

        def start() -> None:
            torch.set_num_threads(max(1, threads // number))
            local.model = copies.pop()

        def compute(batch: _Batch) -> list[Prediction | Exception]:
            try:
                return self._predict(batch, local.model)
            except Warning:  # an error only while another thread reads the tags of a TIFF file
                return self._predict(batch, local.model)

        def alone(batch: _Batch) -> list[Prediction | Exception]:
            if not isinstance(batch.items, Exception):
                self.windows.start(batch.keys[0], _shapes(batch.items[0]), len(batch.keys))
            return self._predict(batch, self.model)

        try:
            for batch, results in in_order(
                compute,
                self._batches(images, batch_size),
                workers=max(1, number),
                ahead=number + 1,
                is_large=lambda batch: not number or batch.values > LARGE,
                alone=alone,
                start=start,
            ):
                yield from zip(batch.keys, results, strict=True)
        finally:
            torch.set_num_threads(threads)  # for the threads that are started from now on

    @property
    def workers(self) -> int:
        """The fastest number of threads for :meth:`predict`."""
        weights = sum(parameter.numel() for parameter in self.model.parameters())
        if self.device.type != 'cpu' or weights > WIDE:
            return 1
        return min(torch.get_num_threads(), MOST)

    def _batches(
        self, images: Iterable[tuple[Key, np.ndarray]], batch_size: int
    ) -> Iterator['_Batch']:
        batch = _Batch([], [])
        for key, image in images:
            try:
                item = self.prepare(key, image)
                self._check(item, image)
            except REFUSALS as error:
                if batch.keys:
                    yield batch
                    batch = _Batch([], [])
                yield _Batch([key], error)
                continue
            full = len(batch.keys) == batch_size
            if batch.keys and (full or _shapes(item) != _shapes(batch.items[0])):
                yield batch
                batch = _Batch([], [])
            batch.keys.append(key)
            batch.items.append(item)
        if batch.keys:
            yield batch

    def _copies(self, number: int) -> list[nn.Module]:
        """Copy the model, since a model may keep values of an image; share all its weights.

        Returns:
            The copies; none if the model cannot be copied.
        """
        silent = copy.copy(self.windows)
        silent.watch = None
        shared = {id(x): x for x in chain(self.model.parameters(), self.model.buffers())}
        try:
            return [
                copy.deepcopy(self.model, {**shared, id(self.windows): silent})
                for _ in range(number)
            ]
        except (TypeError, RuntimeError):
            return []

    def prepare(self, key: Any, image: np.ndarray) -> dict:
        """Apply the pipeline, in which steps of the user may read the path of the image."""
        results: Any = self.first(dict(img=np.ascontiguousarray(image)))
        results['img_path'] = str(key)
        for step in self.pipeline.transforms:
            try:
                results = step(results)
            except (KeyError, AttributeError, TypeError) as error:
                reason = ' '.join(f'{type(error).__name__}: {error}'.split())
                raise UnsupportedError(
                    f'cannot be prepared, as {type(step).__name__} fails without labels '
                    f'({reason}): correct this step of the test pipeline'
                ) from error
        return results

    def _check(self, item: dict, image: np.ndarray) -> None:
        """Compare the channels with those of the model, and the sizes with the window."""
        channels, *size = _shapes(item)[0]
        if self.channels not in (None, channels):
            raise UnsupportedError(
                f'has {counted(channels, "channel")} after the pipeline of the config '
                f'({self.loader}), but the model takes {self.channels}: use images like the '
                'training images'
            )
        self.far += self.is_far(item)
        if self.window and not _fits_into(image.shape[:2], self.window):
            self.shrunk += _fits_into(size, self.window)

    def is_far(self, item: dict) -> bool:
        """Return whether the mean of ``inputs`` is far from that of the preprocessor."""
        inputs = item['inputs']
        inputs = inputs[0] if isinstance(inputs, list) else inputs
        preprocessor = self.preprocessor
        if getattr(preprocessor, 'mean', None) is None:
            return False
        mean = preprocessor.mean.float().mean().cpu()
        deviation = preprocessor.std.float().mean().cpu()
        return bool(abs(inputs.float().mean() - mean) > FAR * deviation)

    def _predict(self, batch: '_Batch', model: nn.Module) -> list[Prediction | Exception]:
        keys, items = batch
        if isinstance(items, Exception):
            return [items]
        try:
            with torch.no_grad(), torch.autocast(self.device.type, enabled=self.amp):
                samples = model.test_step(pseudo_collate(items))
            return [Prediction(self._labels(sample), self._maps(sample)) for sample in samples]
        except REFUSALS as error:
            failure = error
        # The traceback refers to all intermediate results of the model: release their memory.
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        if self.device.type == 'cuda':
            torch.cuda.empty_cache()
        if len(items) > 1:  # one image may be the reason, or the batch is too large
            pairs = zip(keys, items, strict=True)
            return [
                result
                for key, item in pairs
                for result in self._predict(_Batch([key], [item]), model)
            ]
        return [failure]

    def _labels(self, sample: Any) -> np.ndarray:
        labels = sample.pred_sem_seg.data
        if self.thresholds:
            labels = decide(stored_probabilities(sample.seg_logits.data), self.thresholds)
        return labels.cpu().numpy().astype(self.label_type).reshape(labels.shape[-2:])

    def _keep_maps(self, *, tta: bool) -> None:
        """Make the model return what maps and the merging of augmented images are computed from."""
        model: Any = self.model
        if isinstance(model, LargeImageEncoderDecoder):
            model.test_cfg = ConfigDict(model.test_cfg or dict(mode='whole'), keep_logits=True)
        if 'disagreement' in self.maps:
            if not isinstance(model, EnsembleSegmentor) or tta:
                raise DataError(
                    'the disagreement is that of the models of an ensemble: name several '
                    'checkpoints, and leave out test-time augmentation'
                )
            model.keep_disagreement = True

    def _maps(self, sample: Any) -> dict[str, np.ndarray]:
        if not self.maps:
            return {}
        p = stored_probabilities(sample.seg_logits.data)
        entropy = entropy_of(p[None])[0]
        maps = dict(probabilities=p, entropy=entropy)
        if 'disagreement' in self.maps:
            maps['disagreement'] = sample.disagreement.data
        return {name: x.float().cpu().numpy() for name, x in maps.items()}


def _slides(model: ConfigDict) -> bool:
    return (model.get('test_cfg') or {}).get('mode') == 'slide'


def _label_type(classes: int) -> type[np.integer]:
    """Return the smallest integer type of image files for the labels."""
    if classes > np.iinfo(np.uint16).max + 1:
        raise DataError(
            f'the model has {classes} classes, but masks support at most 65536: merge some classes'
        )
    return np.uint8 if classes <= np.iinfo(np.uint8).max + 1 else np.uint16


def _fits_into(size: Sequence[int], window: Sequence[int]) -> bool:
    return all(side <= limit for side, limit in zip(size, window, strict=True))


def _shapes(item: dict) -> list[torch.Size]:
    """Return the shape of an image, or the shapes of all its augmented versions."""
    inputs = item['inputs']
    return [image.shape for image in (inputs if isinstance(inputs, list) else [inputs])]
