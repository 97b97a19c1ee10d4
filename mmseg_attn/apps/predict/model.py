"""Build the model of a prediction, and its classes."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config, ConfigDict
from mmseg.apis import init_model
from mmseg.registry import MODELS
from torch import nn

from ...compat.checkpoint import load_file
from ...config_types import is_a
from ...datasets.building import build_dataset
from ...engine.hooks.divergence_hook import check_finite_weights
from ...engine.weights import load_weights
from ...errors import DataError
from ...models.segmentors import EnsembleSegmentor, check_settings
from ...models.temperature import set_temperature
from .onnx_network import use_onnx
from .temperature import read_temperature


class Model(NamedTuple):
    """Hold the model of a prediction.

    Attributes:
        segmentor: The segmentor, which may be an ensemble.
        meta: The entry ``meta`` of its (first) checkpoint; ``None`` without one.
        temperatures: The temperature of each checkpoint that has one.
    """

    segmentor: nn.Module
    meta: Any
    temperatures: dict[str, float]


def build_model(
    members: Sequence[tuple[Config, Path]], *, temperature: float | None, runtime: str
) -> Model:
    """Build a model, or an ensemble of several.

    Args:
        members: Configs and checkpoints.
        temperature: As in :class:`Predictor`.
        runtime: As in :class:`Predictor`.

    Raises:
        DataError: If the settings of a model are wrong.
        CheckpointError: If a checkpoint cannot be read or does not fit its model.
    """
    (cfg, checkpoint), *others = members
    content = load_file(checkpoint, 'cpu')
    segmentor: Any
    if others:
        segmentor = _ensemble(members)
    else:
        ensemble = is_a(cfg.model, MODELS, EnsembleSegmentor)  # has no backbone for init_model
        segmentor = MODELS.build(cfg.model) if ensemble else init_model(cfg, device='cpu')
        load_weights(segmentor, content, name=str(checkpoint), logger='silent')
    check_settings(segmentor)
    ensemble = isinstance(segmentor, EnsembleSegmentor)
    parts = segmentor.members if ensemble else [segmentor]
    paths = segmentor.checkpoints if ensemble else [str(checkpoint)]
    for part, path in zip(parts, paths, strict=True):
        check_finite_weights(part, path)
        if runtime == 'onnx':
            use_onnx(part, input_channels(part))
    if ensemble:
        segmentor.separate_thresholds()
    temperatures = _calibrate(parts, paths, temperature)
    if ensemble:
        segmentor.share_threshold()
    return Model(segmentor, content.get('meta'), temperatures)


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


def input_channels(model: nn.Module) -> int | None:
    """Return the input channels of the preprocessor or the first layer; ``None`` if unknown."""
    mean = getattr(model.data_preprocessor, 'mean', None)
    if mean is not None and mean.numel() > 1:
        return mean.numel()
    layers = model.backbone.modules()
    return next((layer.in_channels for layer in layers if isinstance(layer, nn.Conv2d)), None)


def class_names(meta: Any, dataset: ConfigDict, number: int) -> tuple[list[str], list[list[int]]]:
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
