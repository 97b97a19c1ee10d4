"""Reduce the config of a training to what predictions need."""

import copy
from collections.abc import Sequence
from typing import Any

from mmcv.transforms import LoadAnnotations
from mmengine.config import Config
from mmseg.registry import TRANSFORMS

from ...config_types import is_a, type_name
from ...datasets.nested_datasets import nested_datasets

# Settings that a prediction, MMSegmentation's inferencer and --tta read
KEPT = (
    'default_scope',
    'custom_imports',
    'model',
    'tta_model',
    'tta_pipeline',
    'visualizer',
)
FILES = 'data_root', 'data_prefix', 'ann_file', 'img_suffix', 'seg_map_suffix', 'indices'
PRETRAINED = 'pretrained', 'init_cfg'


def prediction_config(
    cfg: Config, *, classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> Config:
    """Return a config without the files, the schedule and the hooks of the training.

    Args:
        cfg: The config of the training, whose model has its preprocessor.
        classes: Names, in the order of the labels.
        palette: Colors of the classes, RGB.
    """
    kept: dict[str, Any] = {key: copy.deepcopy(cfg[key]) for key in KEPT if cfg.get(key)}
    kept['model'] = _without_files(kept['model'])
    *_, inner = nested_datasets(cfg.test_dataloader.dataset)
    dataset = {key: value for key, value in copy.deepcopy(inner).items() if key not in FILES}
    dataset['metainfo'] = dict(classes=list(classes), palette=[list(color) for color in palette])
    kept['test_dataloader'] = dict(batch_size=1, num_workers=0, dataset=dataset)
    # MMSegmentation's inference_model reads this one, and removes only its own LoadAnnotations
    kept['test_pipeline'] = [
        step for step in dataset['pipeline'] if not is_a(step, TRANSFORMS, LoadAnnotations)
    ]
    if visualizer := kept.get('visualizer'):
        visualizer.pop('vis_backends', None)  # they write to the work directory
    return Config(kept)


def _without_files(value: Any) -> Any:
    """Remove files that only a training reads, at any depth.

    These are the weights from which it started, and class weights of the losses.
    """
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        if type_name(value) == 'TIMMBackbone':
            kept['pretrained'] = False  # True by default
        for key, item in value.items():
            if key in PRETRAINED:
                if isinstance(item, bool):
                    kept[key] = False
            elif not (key == 'class_weight' and isinstance(item, str)):
                kept[key] = _without_files(item)
        return kept
    if isinstance(value, list | tuple):
        return [_without_files(item) for item in value]
    return value
