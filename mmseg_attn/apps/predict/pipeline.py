"""Find the test dataset of a config, and the steps of its pipeline that a prediction needs."""

from typing import Any

from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseTTAModel
from mmseg.registry import MODELS, TRANSFORMS

from ...config_types import class_of, is_a, type_name
from ...datasets.nested_datasets import nested_datasets
from ...datasets.pipelines import is_random
from ...datasets.transforms import LoadNeighbors, LoadRaster
from ...errors import DataError


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


def unlabeled_steps(cfg: Config, dataset: ConfigDict, *, tta: bool) -> list[dict]:
    """Return the steps of the test pipeline that do not load labels.

    Raises:
        DataError: If the pipeline does not begin with a loader of files, or is random.
    """
    if tta and not (cfg.get('tta_pipeline') and cfg.get('tta_model')):
        raise DataError(
            f'{cfg.filename} has no tta_pipeline or no tta_model: add them, or leave out --tta'
        )
    steps = _unlabeled(cfg.tta_pipeline if tta else dataset.pipeline)
    loaders = LoadImageFromFile, LoadNeighbors, LoadRaster
    if not steps or class_of(steps[0], TRANSFORMS) not in loaders:
        raise DataError(
            f'the test pipeline of {cfg.filename} does not begin with LoadImageFromFile, '
            'LoadNeighbors or LoadRaster, so it cannot load files: add one of them'
        )
    for name in filter(is_random, map(type_name, steps)):
        raise DataError(
            f'the test pipeline of {cfg.filename} contains {name}, which changes images at random: '
            'remove it'
        )
    return steps


def from_memory(step: dict) -> dict:
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
