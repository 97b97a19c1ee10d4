"""Predict label maps of images of any size with a trained model."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import BaseTTAModel
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from mmseg.models import EncoderDecoder, SegTTAModel
from mmseg.registry import DATASETS, MODELS, TRANSFORMS
from torch import Tensor, nn

from ...compat.checkpoint import load_file
from ...config_types import class_of, is_a, type_name
from ...datasets.building import build_dataset
from ...datasets.nested_datasets import nested_datasets
from ...datasets.pipelines import flip_fault, frame_fault, is_random
from ...datasets.transforms import LoadRaster
from ...engine.hooks.divergence_hook import check_finite_weights
from ...engine.weights import load_weights
from ...errors import DataError, UnsupportedError
from ...io import counted
from ...models.label_rule import LabelRule, stored_probabilities
from ...models.segmentors import (
    EnsembleSegmentor,
    LargeImageEncoderDecoder,
    check_settings,
    check_tta,
    entropy_of,
)
from ...models.temperature import check_temperature, set_temperature
from .loader import ConfigLoader
from .onnx_network import use_onnx
from .temperature import read_temperature
from .windows import WindowCount

Key = TypeVar('Key')
OVERLAP = 4  # windows overlap by 1/4 of their size
FAR = 10  # standard deviations
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
        if window:
            stride = [max(1, side - side // OVERLAP) for side in window]
            cfg.model.test_cfg = ConfigDict(mode='slide', crop_size=window, stride=stride)
            if class_of(cfg.model, MODELS) is EncoderDecoder:
                cfg.model.type = 'LargeImageEncoderDecoder'
            if is_a(cfg.model, MODELS, LargeImageEncoderDecoder):
                cfg.model.test_cfg.blend = blend
        dataset = test_dataset(cfg)
        steps = _pipeline(cfg, dataset, tta=tta)
        self.loader = ConfigLoader(TRANSFORMS.build(steps[0]))
        self.color_type = self.loader.color_type
        self.first = TRANSFORMS.build(_from_memory(steps[0]))
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

        content = load_file(checkpoint, 'cpu')
        if members:
            self.model = _ensemble([(cfg, checkpoint), *members])
        else:
            ensemble = is_a(cfg.model, MODELS, EnsembleSegmentor)  # has no backbone for init_model
            self.model = MODELS.build(cfg.model) if ensemble else init_model(cfg, device='cpu')
            load_weights(self.model, content, name=str(checkpoint), logger='silent')
        check_settings(self.model)
        ensemble = isinstance(self.model, EnsembleSegmentor)
        parts = self.model.members if ensemble else [self.model]
        paths = self.model.checkpoints if ensemble else [str(checkpoint)]
        for part, path in zip(parts, paths, strict=True):
            check_finite_weights(part, path)
        if runtime == 'onnx':
            for part in parts:
                use_onnx(part, _channels(part))
        self.temperatures = _calibrate(parts, paths, temperature)
        self.rule = LabelRule.of(self.model)
        self.classes, self.palette = _names(content.get('meta'), dataset, self.rule.classes)
        self.thresholds = _by_number(thresholds or {}, self.classes)
        if self.maps or self.thresholds:
            self._keep_maps(tta=tta)
        self.label_type = _label_type(len(self.classes))
        self.channels = _channels(self.model)
        self.windows = WindowCount(self.model)
        self.preprocessor = self.model.data_preprocessor
        if tta:
            kind = dict(cfg.tta_model, module=self.model)
            merged = self.maps or self.thresholds
            if merged and class_of(kind, MODELS) is SegTTAModel:  # which merges labels alone
                kind['type'] = 'ProbabilityTTAModel'
            self.model = MODELS.build(kind)
            check_tta(self.model)
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
        self, images: Iterable[tuple[Key, np.ndarray]], *, batch_size: int = 1
    ) -> Iterator[tuple[Key, Prediction | Exception]]:
        """Predict labels and maps of images; otherwise as a call.

        Args:
            images: As in a call.
            batch_size: As in a call.

        Yields:
            Each key with its prediction, or with the error.
        """
        keys: list[Key] = []
        batch: list[dict] = []
        for key, image in images:
            try:
                item = self.prepare(key, image)
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

    def _predict(self, keys: list[Key], batch: list[dict]) -> list[Prediction | Exception]:
        self.windows.start(keys[0], _shapes(batch[0]))
        try:
            with torch.no_grad(), torch.autocast(self.device.type, enabled=self.amp):
                samples = self.model.test_step(pseudo_collate(batch))
            return [Prediction(self._labels(sample), self._maps(sample)) for sample in samples]
        except REFUSALS as error:
            failure = error
        # The traceback refers to all intermediate results of the model: release their memory.
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        if self.device.type == 'cuda':
            torch.cuda.empty_cache()
        if len(batch) > 1:  # one image may be the reason, or the batch is too large
            pairs = zip(keys, batch, strict=True)
            return [result for key, item in pairs for result in self._predict([key], [item])]
        return [failure]

    def _labels(self, sample: Any) -> np.ndarray:
        labels = sample.pred_sem_seg.data
        if self.thresholds:
            labels = decide(stored_probabilities(sample.seg_logits.data), self.thresholds)
        return labels.cpu().numpy().astype(self.label_type).reshape(labels.shape[-2:])

    def _keep_maps(self, *, tta: bool) -> None:
        """Make the model return what the maps are computed from."""
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


def decide(probabilities: Tensor, thresholds: Mapping[int, float]) -> Tensor:
    """Label each pixel by thresholds on the probabilities of some classes.

    Args:
        probabilities: ``(C, H, W)``.
        thresholds: Thresholds above 0 by class, of some classes but not of all.

    Returns:
        Labels ``(H, W)``.
    """
    chosen = list(thresholds)
    limits = probabilities.new_tensor(list(thresholds.values()))[:, None, None]
    factor, best = (probabilities[chosen] / limits).max(dim=0)
    others = probabilities.clone()
    others[chosen] = -1
    return torch.where(factor > 1, torch.tensor(chosen, device=best.device)[best], others.argmax(0))


def _by_number(thresholds: Mapping[str, float], classes: Sequence[str]) -> dict[int, float]:
    """Return thresholds by the number of the class.

    Raises:
        DataError: If a class is unknown, a threshold is not between 0 and 1, or no class is left.
    """
    for name, threshold in thresholds.items():
        if name not in classes:
            raise DataError(
                f'the model has no class {name!r}: set thresholds for some of {", ".join(classes)}'
            )
        if not 0 < threshold < 1:
            raise DataError(
                f'the threshold of {name} is {threshold:g}: set a probability between 0 and 1'
            )
    if thresholds and len(thresholds) == len(classes):
        raise DataError(
            'all classes have a threshold, so pixels below all of them have no class: leave one out'
        )
    return {list(classes).index(name): threshold for name, threshold in thresholds.items()}


def _ensemble(members: Sequence[tuple[Config, Path]]) -> EnsembleSegmentor:
    models = []
    for cfg, _ in members:
        model = ConfigDict(cfg.model, train_cfg=None)
        if 'data_preprocessor' in cfg:
            model.setdefault('data_preprocessor', cfg.data_preprocessor)
        models.append(model)
    checkpoints = [str(path) for _, path in members]
    return MODELS.build(dict(type=EnsembleSegmentor, models=models, checkpoints=checkpoints))


def _calibrate(
    models: Iterable[nn.Module], paths: Iterable[str], temperature: float | None
) -> dict[str, float]:
    """Set the temperatures of models, and return those that are not 1 by checkpoint."""
    found = {}
    for model, path in zip(models, paths, strict=True):
        value = read_temperature(Path(path)) if temperature is None else temperature
        if value not in (None, 1):
            set_temperature(model, value)
            found[path] = value
    return found


def _label_type(classes: int) -> type[np.integer]:
    """Return the smallest integer type of image files for the labels."""
    if classes > np.iinfo(np.uint16).max + 1:
        raise DataError(
            f'the model has {classes} classes, but masks support at most 65536: merge some classes'
        )
    return np.uint8 if classes <= np.iinfo(np.uint8).max + 1 else np.uint16


def _channels(model: nn.Module) -> int | None:
    """Return the input channels of the preprocessor or the first layer; ``None`` if unknown."""
    mean = getattr(model.data_preprocessor, 'mean', None)
    if mean is not None and mean.numel() > 1:
        return mean.numel()
    layers = model.backbone.modules()
    return next((layer.in_channels for layer in layers if isinstance(layer, nn.Conv2d)), None)


def _fits_into(size: Sequence[int], window: Sequence[int]) -> bool:
    return all(side <= limit for side, limit in zip(size, window, strict=True))


def _shapes(item: dict) -> list[torch.Size]:
    """Return the shape of an image, or the shapes of all its augmented versions."""
    inputs = item['inputs']
    return [image.shape for image in (inputs if isinstance(inputs, list) else [inputs])]


def test_dataset(cfg: Config) -> ConfigDict:
    """Return the config of the innermost test dataset."""
    if 'test_dataloader' not in cfg or 'model' not in cfg:
        raise DataError(
            f'{cfg.filename} has no model or no test_dataloader: name a complete config'
        )
    if is_a(cfg.model, MODELS, BaseTTAModel):
        raise DataError(
            f'{cfg.filename} was written by a test with --tta, which replaces model and pipeline: '
            'name the config of the training, such as WORK_DIR/*/vis_data/config.py'
        )
    leaves = [
        inner for inner in nested_datasets(cfg.test_dataloader.dataset) if 'pipeline' in inner
    ]
    if any(leaf.pipeline != leaves[0].pipeline for leaf in leaves):
        raise DataError(
            f'the test datasets of {cfg.filename} have different pipelines, and one is needed: set '
            'test_dataloader.dataset to the dataset whose images yours are like'
        )
    *_, inner = nested_datasets(cfg.test_dataloader.dataset)
    return inner


def _pipeline(cfg: Config, dataset: ConfigDict, *, tta: bool) -> list[dict]:
    """Return the steps of the test pipeline that do not load labels."""
    if tta and not (cfg.get('tta_pipeline') and cfg.get('tta_model')):
        raise DataError(
            f'{cfg.filename} has no tta_pipeline or no tta_model: add them, or leave out --tta'
        )
    steps = _unlabeled(cfg.tta_pipeline if tta else dataset.pipeline)
    loaders = LoadImageFromFile, LoadRaster
    if not steps or class_of(steps[0], TRANSFORMS) not in loaders:
        raise DataError(
            f'the test pipeline of {cfg.filename} does not begin with LoadImageFromFile or '
            'LoadRaster, so it cannot load files: add one of them'
        )
    for name in filter(is_random, map(type_name, steps)):
        raise DataError(
            f'the test pipeline of {cfg.filename} contains {name}, which changes images at random: '
            'remove it'
        )
    return steps


def _from_memory(step: dict) -> dict:
    """Return the step that replaces the loader for a loaded image."""
    return dict(type='LoadImageFromNDArray', to_float32=step.get('to_float32', False))


def _unlabeled(steps: Any) -> Any:
    """Remove the steps that load labels, also inside test-time augmentation."""
    if isinstance(steps, list | tuple):
        selected = (step for step in steps if not is_a(step, TRANSFORMS, LoadAnnotations))
        return [_unlabeled(step) for step in selected]
    if isinstance(steps, dict) and 'transforms' in steps:
        return dict(steps, transforms=[t for t in _unlabeled(steps['transforms']) if t])
    return steps


def _names(meta: Any, dataset: ConfigDict, number: int) -> tuple[list[str], list[list[int]]]:
    """Return the names and colors of the classes, from the checkpoint or from the dataset.

    Args:
        meta: The entry ``meta`` of the checkpoint.
        dataset: The config of the dataset.
        number: Number of classes of the model.
    """
    saved = meta.get('dataset_meta') if isinstance(meta, dict) else None
    if not _fits(saved, number):
        saved = build_dataset(dict(dataset, lazy_init=True, pipeline=[])).metainfo
    if _fits(saved, number):
        palette = [[int(value) for value in color] for color in saved['palette']]
        return [str(name) for name in saved['classes']], palette
    raise DataError(
        f'neither the checkpoint nor the test dataset names the classes of the model ({number}): '
        'add metainfo=dict(classes=..., palette=...) to the dataset in the config'
    )


def _fits(meta: Any, number: int) -> bool:
    values = [meta.get(key) if isinstance(meta, dict) else None for key in ('classes', 'palette')]
    return all(isinstance(value, list | tuple) and len(value) == number for value in values)
