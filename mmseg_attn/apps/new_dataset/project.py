"""Read a folder of images and masks, and write a project that trains on it."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from ...errors import DataError, UnsupportedError, UsageError
from ...io import Stage, counted, staged_output
from ..check import CheckResult, check_config
from ..cli import progress
from ..convert import write_splits
from .cases import find_cases, make_splits
from .choices import Choices, Machine, choose, iterations_in
from .config_text import Data, config_text
from .convert import (
    converted_suffix,
    has_palette,
    image_loader,
    mask_source,
    why_convert,
    windows,
    write_images,
    write_masks,
)
from .files import find_files
from .fingerprint import Dataset, describe, unify
from .masks import Labels, find_labels
from .measure import Speed, measure_speed
from .pairing import suffix
from .preview import draw_preview
from .reading import Slice, measure
from .search import FINGERPRINT
from .split_files import split_files

CONVERTER = 'new_dataset'
BASE = Path(__file__).resolve().parents[2] / '.mim/configs/_base_/default_runtime.py'
RUNTIME = """
# The generated config counts iterations instead of epochs.
log_processor['by_epoch'] = False
default_hooks['logger']['log_metric_by_epoch'] = False
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
"""
START = 10.0  # seconds until PyTorch and MMSegmentation are imported


@dataclass
class Options:
    """What the user can choose; ``None`` leaves the choice to the rules."""

    images: Path | None = None
    masks: Path | None = None
    classes: Sequence[str] | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    model: str = 'unet'
    modality: str | None = None
    case_pattern: str | None = None
    folds: int | None = None
    minutes: float | None = None
    seed: int = 0


@dataclass
class Project:
    """What was written.

    Attributes:
        fingerprint: The content of dataset.yaml.
        choices: The settings of the config.
        check: The result of the check, as text.
        predict: Further arguments of tools/predict.py.
        unchanged: Whether the same project was already there.
    """

    fingerprint: dict[str, Any]
    choices: Choices
    check: str
    predict: list[str]
    unchanged: bool = False


def read_dataset(source: Path, options: Options, confirm: Callable[[Labels], None]) -> Dataset:
    """Read all files of a folder, and check that they can be trained on.

    Args:
        source: The folder.
        options: What the user chose.
        confirm: Is called with the classes if the values of the masks have to be changed; raises an
            error to stop.

    Raises:
        DataError: If the files cannot be used.
        UsageError: If the options do not fit the files.
    """
    files = find_files(source, options.images, options.masks)
    slices: list[Slice] = []
    for pair in progress(files.pairs, 'reading image'):
        slices += measure(pair)
    names = [one.name for one in slices]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f'two images have the name {twice}: rename one of them')
    slices, unified = unify(slices)
    labels = find_labels(slices, classes=options.classes, chosen=options.mapping)
    cases, case_note = find_cases(slices, options.case_pattern)
    kept: dict = {'fold0': files.splits} if files.splits else {}
    kept = kept or split_files(source, {*names, *(one.pair.name for one in slices)})
    if kept and options.folds:
        raise UsageError(f'{source} has its own splits: leave out --folds, or remove the splits')
    folds, split_note = make_splits(
        slices,
        cases,
        {one.name: labels.classes_of(one) for one in slices},
        labels.classes,
        kept=kept,
        folds=options.folds,
        seed=options.seed,
    )
    if labels.changed:
        confirm(labels)
    notes = dict(cases=case_note, folds=split_note)
    notes |= {'masks': labels.note} if labels.note else {}
    notes |= {'colors': unified} if unified else {}
    notes |= {'files': '; '.join(files.notes)} if files.notes else {}
    return Dataset(files, slices, labels, cases, folds, notes)


def write_project(
    dataset: Dataset,
    out: Path,
    *,
    source: Path,
    options: Options,
    machine: Machine,
    readme: Callable[[Project], str],
) -> Project:
    """Write the project, check its dataset, and move it to the output folder.

    Args:
        dataset: The dataset.
        out: The output folder.
        source: The folder of the user.
        options: What the user chose.
        machine: Where the training runs.
        readme: Makes the text of README.md.

    Raises:
        DataError: If the check finds an error, or the folder contains other files.
        OSError: If the disk is full or the folder is not writable.
    """
    quote = next((quote for quote in '\'"' if quote not in str(out.resolve())), None)
    if quote is None or '\\' in out.name:
        raise UsageError(
            f'{out} has quotation marks or a backslash in its path: choose another --out'
        )
    with staged_output(out, converter=CONVERTER) as stage:
        project = _write(
            dataset, stage, quote, out=out, source=source, options=options, machine=machine
        )
        (stage.folder / 'README.md').write_text(readme(project), encoding='utf-8')
        draw_preview(dataset, stage.folder / 'preview.png')
        stage.manifest.update(source=str(source))
    project.unchanged = stage.unchanged
    return project


def _write(
    dataset: Dataset,
    stage: Stage,
    quote: str,
    *,
    out: Path,
    source: Path,
    options: Options,
    machine: Machine,
) -> Project:
    folder, slices, train = stage.folder, dataset.slices, dataset.train
    fractions = dataset.fractions(train)
    choices = choose(
        slices, train, fractions, machine, model=options.model, modality=options.modality
    )
    dataset.notes['modality'] = f'{choices.modality}: {choices.why_modality}'
    fingerprint = describe(dataset)  # of the files, before they are converted
    reason = why_convert(slices)
    loader, predict = image_loader(slices[0]), []
    images, image_suffix = dataset.files.root.resolve(), suffix(slices[0].pair.image)
    if reason:
        images, image_suffix = Path('data/images'), converted_suffix(slices[0])
        chosen = windows(slices, choices.modality)
        dataset.notes['images'], predict = _conversion(reason, chosen, choices.modality)
        write_images(slices, folder / images, chosen)
        loader = image_loader(slices[0])
    masks = mask_source(dataset, bool(reason))
    if masks is None:
        write_masks(dataset, folder / 'data/masks')
    write_splits(folder / 'splits', dataset.folds)
    shutil.copy(BASE, folder / 'runtime.py')
    with (folder / 'runtime.py').open('a') as file:
        file.write(RUNTIME)
    data = Data(
        source=source.name or str(source),
        name=project_name(out),
        images=images,
        image_suffix=image_suffix,
        masks=Path('data/masks') if masks is None else masks[0].resolve(),
        mask_suffix='.png' if masks is None else masks[1],
        palette=masks is not None and has_palette(slices),
        loader=loader,
        folds=len(dataset.folds),
    )

    def write_config(choices: Choices, why: str) -> Path:
        text = config_text(
            data, dataset.labels, choices, slices, train, fractions, why_iterations=why, quote=quote
        )
        file = folder / 'config.py'
        file.write_text(text, encoding='utf-8')
        return file

    file = write_config(choices, '250 passes over the training images, in limits.')
    cfg = Config.fromfile(file)
    _check_channels(cfg)
    check = check_config(cfg, workers=1)
    _refuse_errors(check, folder, out)
    if options.minutes:
        speed = measure_speed(file, machine)
        choices = _in_minutes(choices, options.minutes, speed, len(dataset.folds['fold0']['val']))
        write_config(choices, _why_minutes(options.minutes, speed))
    text = yaml.safe_dump(fingerprint, sort_keys=False, allow_unicode=True, width=100)
    (folder / FINGERPRINT).write_text(text, encoding='utf-8')
    text = str(check).replace(str(folder), str(out))
    return Project(fingerprint, choices, text, predict)


def project_name(out: Path) -> str:
    """Return the name of a project without characters that a shell interprets."""
    return re.sub(r'[^\w.-]+', '-', out.resolve().name).strip('-') or 'project'


def _conversion(reason: str, chosen: dict, modality: str) -> tuple[str, list[str]]:
    """Describe the conversion of images, and return the arguments to predict new files."""
    if not chosen:
        return reason, []
    if modality == 'ct':
        low, high = next(iter(chosen.values()))
        note = f'{reason}: the values {low:g} to {high:g} become 0 to 255'
        return note, ['--intensity', f'{low:g}', f'{high:g}']
    note = f'{reason}: the percentiles 0.5 to 99.5 of each file or series become 0 to 255'
    return note, ['--percentiles', '0.5', '99.5']


def _check_channels(cfg: Config) -> None:
    """Check that the preprocessor of this stack supports the number of channels."""
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    try:
        MODELS.build(cfg.model.data_preprocessor)
    except AssertionError as error:  # the onedl forks take mean and std of 1 or 3 channels
        raise UnsupportedError(
            f'the images have {counted(len(cfg.model.data_preprocessor.mean), "channel")}, which '
            'SegDataPreProcessor of this environment does not support: use MMSegmentation 1.1 to '
            '1.2 instead of its fork, or save images with 1 or 3 channels'
        ) from error


def _refuse_errors(check: CheckResult, folder: Path, out: Path) -> None:
    errors = [finding for finding in check.findings if finding.error]
    if errors:
        raise DataError(errors[0].sentence.replace(str(folder), str(out)))


def _in_minutes(choices: Choices, minutes: float, speed: Speed, images: int) -> Choices:
    count, validations = iterations_in(
        60 * minutes,
        step=speed.step,
        validation=images * speed.image,
        start=START + speed.start,
    )
    return replace(choices, iterations=count, validations=validations)


def _why_minutes(minutes: float, speed: Speed) -> str:
    unit = 'minute' if minutes == 1 else 'minutes'
    return (
        f'{minutes:g} {unit} on this machine: {speed.step:.3g} s per iteration, '
        f'{speed.image:.3g} s per validation image.'
    )
