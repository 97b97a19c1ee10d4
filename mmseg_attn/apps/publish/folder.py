"""Write the folder of a published model, and find its files."""

import copy
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmcv.transforms import LoadAnnotations
from mmengine.config import Config
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import DATASETS, MODELS, TRANSFORMS

from ...compat.safetensors import save_safetensors
from ...config_types import is_a, type_name
from ...datasets.nested_datasets import nested_datasets
from ...errors import CheckpointError, DataError, UsageError
from ...io import Stage, checksum, read_manifest, staged_output
from ...models.segmentors import EnsembleSegmentor
from ...version import __version__
from ..predict import (
    Intensities,
    Predictor,
    Results,
    find_items,
    predict_files,
    read_temperature,
    write_temperature,
)
from ..report.overview import setup
from ..runs import Run
from .bioimage import write_bioimage
from .card import Card, card_text
from .config import prediction_config

CONFIG, WEIGHTS, SUMS, PREVIEW = 'config.py', 'model.safetensors', 'SHA256SUMS', 'preview.png'
PRIVATE = 'folder', 'data', 'checkpoint'  # names of files on the machine of the training


class Published(NamedTuple):
    """The files of a published model that a prediction reads."""

    config: Path
    weights: Path


def find_published(folder: Path) -> Published:
    """Find config and weights in the folder of a published model, and check the weights.

    Raises:
        UsageError: If the folder does not contain them.
        CheckpointError: If the checksum of the weights is not the one in the folder.
    """
    found = Published(folder / CONFIG, folder / WEIGHTS)
    for file in (*found, folder / SUMS):
        if not file.is_file():
            raise UsageError(
                f'{folder} is a folder without {file.name}: name a config file, or a folder that '
                'tools/publish.py has written'
            )
    lines = (folder / SUMS).read_text(encoding='utf-8').splitlines()
    sums = {name: digest for digest, _, name in (line.partition('  ') for line in lines)}
    if sums.get(WEIGHTS) != checksum(found.weights):
        raise CheckpointError(
            f'{found.weights} is not the file that was published, as its checksum in {SUMS} '
            'differs: copy it again'
        )
    return found


def publish(
    run: Run,
    out: Path,
    *,
    name: str,
    license: str | None = None,
    preview: Path | None = None,
    bioimage: Any = None,
    authors: Sequence[str] = (),
) -> Stage:
    """Write a folder with a trained model that others can use.

    Args:
        run: The training; its best or last checkpoint is published.
        out: The new folder.
        name: Name of the model.
        license: Identifier of the license of the weights.
        preview: An image that may be published; a drawing of its prediction is added.
        bioimage: The library of ``check_bioimage``, to describe the model for the BioImage Model
            Zoo, too, which needs a license and authors.
        authors: Names of the authors, for this description.

    Returns:
        What was written.

    Raises:
        DataError: If the run has no config or no checkpoint, or the image cannot be predicted.
        CheckpointError: If the checkpoint cannot be read or does not fit the model.
        UsageError: If the model is an ensemble.
    """
    if run.cfg is None or run.checkpoint is None:
        what = 'config' if run.cfg is None else 'checkpoint'
        raise DataError(f'{run.folder} contains no {what}: name the work directory of a training')
    if is_a(run.cfg.model, MODELS, EnsembleSegmentor):
        raise UsageError(f'{run.config} is an ensemble: publish each of its models')
    with staged_output(out, converter='publish') as stage:
        predictor = Predictor(copy.deepcopy(run.cfg), run.checkpoint)
        classes, palette = predictor.classes, predictor.palette
        cfg = prediction_config(run.cfg, classes=classes, palette=palette)
        cfg.dump(stage.folder / CONFIG)
        meta = dict(dataset_meta=dict(classes=classes, palette=palette), mmseg_attn=__version__)
        weights = stage.folder / WEIGHTS
        save_safetensors(predictor.model.state_dict(), weights, meta)
        if temperature := read_temperature(run.checkpoint):
            write_temperature(weights, temperature)
        calibration = (
            dict(temperature=f'logits divided by {temperature:.4g}') if temperature else {}
        )
        if preview:
            _draw(stage, preview)
        metrics, source = run.recorded_metrics('test')
        metrics = {key: round(value, 4) for key, value in metrics.items()}
        setting, values = _images(run.cfg)
        setting |= {key: text for key, text in setup(run).items() if key not in PRIVATE}
        card = Card(
            name=name,
            classes=classes,
            palette=palette,
            preprocessing=values | _preprocessing(cfg) | calibration,
            metrics=metrics,
            source=source,
            data=_data(run.cfg, 'val' if source.startswith('validation') else 'test'),
            setup=setting,
            license=license,
            preview=PREVIEW if preview else None,
            imports=[
                module
                for module in (cfg.get('custom_imports') or {}).get('imports', [])
                if not module.startswith('mmseg_attn')
            ],
        )
        (stage.folder / 'README.md').write_text(card_text(card), encoding='utf-8')
        content = {key: value for key, value in card._asdict().items() if key != 'imports'}
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (stage.folder / 'model.json').write_text(text + '\n', encoding='utf-8')
        if bioimage:
            write_bioimage(
                bioimage,
                stage.folder,
                stage.folder / CONFIG,
                weights,
                name=name,
                license=str(license),
                authors=authors,
                cover=PREVIEW if preview else None,
            )
        files = sorted(path for path in stage.folder.iterdir())
        sums = ''.join(f'{checksum(path)}  {path.name}\n' for path in files)
        (stage.folder / SUMS).write_text(sums, encoding='utf-8')
        stage.manifest.update(mmseg_attn=__version__)
    return stage


def _draw(stage: Stage, image: Path) -> None:
    """Draw the prediction of the published files themselves for an image."""
    predictor = Predictor(Config.fromfile(stage.folder / CONFIG), stage.folder / WEIGHTS)
    items, _ = find_items([image], exclude=stage.folder)
    if len(items) != 1:
        raise DataError(f'--preview {image} contains {len(items)} images: name one image')
    results = Results(stage.scratch, classes=predictor.classes, palette=predictor.palette)
    keep = predictor.color_type == 'unchanged'
    predictions = predict_files(
        predictor, items, results, intensities=Intensities([image], keep=keep)
    )
    drawings = [*(stage.scratch / 'overlays').rglob('*.png')]
    if predictions.failed or not drawings:
        raise DataError(*predictions.failed.values())
    shutil.copy(drawings[len(drawings) // 2], stage.folder / PREVIEW)


def _images(cfg: Config) -> tuple[dict[str, str], dict[str, str]]:
    """Describe the images of the training by their number and type, if the files are there."""
    texts, values = [], {}
    for split in ('train', 'test'):
        try:
            dataset = DATASETS.build(copy.deepcopy(cfg[f'{split}_dataloader'].dataset))
            texts.append(f'{split} {len(dataset)}')
            if split == 'test':
                *_, inner = nested_datasets(cfg.test_dataloader.dataset)
                load = TRANSFORMS.build(dict(inner.pipeline[0]))
                image = load(dict(img_path=dataset.get_data_info(0)['img_path']))['img']
                values['values'] = str(image.dtype)
        except Exception:  # the files may have been moved since, and the class be the user's own
            continue
    return dict(images=', '.join(texts)) if texts else {}, values


def _preprocessing(cfg: Config) -> dict[str, str]:
    """Describe what happens to an image before the network, by topic."""
    preprocessor, backbone = cfg.model.get('data_preprocessor') or {}, cfg.model.get('backbone', {})
    *_, inner = nested_datasets(cfg.test_dataloader.dataset)
    steps = [
        _step(step)
        for step in inner.pipeline
        if not is_a(step, TRANSFORMS, LoadAnnotations) and not is_a(step, TRANSFORMS, PackSegInputs)
    ]
    texts: dict[str, Any] = dict(
        channels=backbone.get('in_channels', 3),
        steps=', '.join(steps),
        mean=preprocessor.get('mean'),
        std=preprocessor.get('std'),
        colors='RGB' if preprocessor.get('bgr_to_rgb') else None,
        prediction=cfg.model.get('test_cfg'),
    )
    return {key: str(text) for key, text in texts.items() if text is not None}


def _step(step: Mapping[str, Any]) -> str:
    settings = ', '.join(f'{key}={value!r}' for key, value in step.items() if key != 'type')
    return f'{type_name(step)}({settings})'


def _data(cfg: Config, split: str) -> str:
    """Name the data of a split without the user's folder, but with the name of their project."""
    *_, inner = nested_datasets(cfg[f'{split}_dataloader'].dataset)
    file = Path(inner.get('ann_file') or inner.get('data_prefix', {}).get('img_path', ''))
    parts = file.parts
    place = '/'.join(parts[-3:] if not file.is_absolute() else parts[-2:]) if parts else ''
    project = cfg.get('project')  # of new_dataset.py, whose datasets have no class of their own
    own = bool(project) and file.is_relative_to(project)
    name = Path(project).name if own else type_name(inner)
    synthetic = read_manifest(Path(inner.get('data_root') or '')).get('synthetic_stack')
    drawn = 'synthetic images' if synthetic else ''
    return ', '.join(part for part in (name, place, drawn) if part)
