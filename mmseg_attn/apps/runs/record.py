"""Record finished runs as small files that do not depend on the machine."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config

from ...errors import DataError
from ...evaluation.confusion import IGNORE, ignored_by
from ...io import checksum, write_file
from .code import changed_files
from .record_check import check_record
from .statistics import scores

# What a run reads of a config; the other variables are helpers, or metrics that only report
_READ = (
    *('model', 'data_preprocessor', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr'),
    *(f'{split}_{part}' for split in ('train', 'val', 'test') for part in ('cfg', 'dataloader')),
    *('val_evaluator', 'default_hooks', 'custom_hooks', 'randomness', 'load_from'),
    *('runner_type', 'compile', 'sync_bn', 'conversion'),
)
# Settings of the machine
_MACHINE = ('data_root', 'num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')
# Hooks that only watch, or that act only in special cases
_WATCHING = (
    *('timer', 'runtime_info', 'logger', 'visualization', 'per_class', 'per_image'),
    *('dataset_check', 'divergence', 'schedule'),
)


class Key(NamedTuple):
    """What tells a run from all others.

    Attributes:
        config_hash: The hash of its config, see :func:`config_hash`.
        seed: Its seed.
        split: The split that is measured, 'val' or 'test'.
        measured: The checkpoint that is measured, 'best' or 'last'.
    """

    config_hash: str
    seed: int | None
    split: str
    measured: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished run.

    Attributes:
        config: The config file, below ``configs`` and without ``.py``.
        options: What was changed in it, by dotted key.
        config_hash: The hash of the whole config.
        fold: The number of the fold.
        seed: The seed.
        split: The split that was measured, 'val' or 'test'.
        measured: The checkpoint that was measured, 'best' or 'last'.
        checkpoint: Its file name.
        tta: Whether the test used the test-time augmentation of the config.
        metrics: What the test logged.
        validations: mIoU of each validation in percent, by epoch or iteration; empty if unknown.
        classes: Names of the classes.
        areas: Names of the three lists of each image.
        images: Areas of the classes in pixels by image.
        parameters: Number of parameters; ``None`` if unknown.
        flops: FLOPs of one image, a multiply-add is two; ``None`` if unknown.
        seconds: Duration of ``training`` by its log, ``test``, and an ``iteration`` (the median).
        memory: Largest GPU memory of the training in MiB; ``None`` on a CPU.
        resumed: How many times the training was resumed.
        date: The day of the test.
        machine: ``CPU``, ``cores``, ``threads`` and, if there is one, ``GPU``.
        versions: Versions of Python and the packages.
        code: Hashes of the files of this package that the run used, when it began.
        command: The command that repeats the run.
    """

    config: str
    options: dict[str, Any]
    config_hash: str
    fold: int
    seed: int | None
    split: str
    measured: str
    checkpoint: str
    tta: bool = False
    metrics: dict[str, float]
    validations: dict[str, float] = field(default_factory=dict)
    classes: list[str]
    areas: tuple[str, ...] = ('intersection', 'predicted', 'labeled')
    images: dict[str, list[list[int]]]
    parameters: int | None
    flops: int | None
    seconds: dict[str, float | None]
    memory: float | None
    resumed: int
    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    code: dict[str, str]
    command: str

    @property
    def key(self) -> Key:
        """What tells the run from all others."""
        return Key(self.config_hash, self.seed, self.split, self.measured)

    @property
    def name(self) -> str:
        """A unique name for its file."""
        return f'{run_name(self.config, self.options, self.fold, self.key)}_{self.split}.json'

    @cached_property
    def scores(self) -> dict[str, float]:
        """The metrics, those that follow from the areas without rounding."""
        areas = np.array([*self.images.values()])  # (images, 3, C)
        return self.metrics | scores(areas.sum(axis=0), self.classes)

    def changed_code(self) -> list[str]:
        """Return the files that the run used and that were changed since."""
        return changed_files(self.code)

    def write(self, file: Path) -> None:
        """Write a file with one line per image."""
        content = asdict(self)
        images = ',\n'.join(
            f'    {json.dumps(name)}: {json.dumps(areas)}' for name, areas in self.images.items()
        )
        content['images'] = '@'
        text = json.dumps(content, indent=2, ensure_ascii=False)
        text = text.replace('"images": "@"', f'"images": {{\n{images}\n  }}')
        write_file(file, text + '\n')


def read_records(folder: Path) -> dict[Key, Record]:
    """Read the records in a folder; of two records of one run, the later one.

    Raises:
        DataError: If a file is not a record.
    """
    records = [read_record(file) for file in sorted(folder.glob('[!.]*.json'))]
    return {record.key: record for record in sorted(records, key=lambda record: record.date)}


def read_record(file: Path) -> Record:
    """Read a record.

    Raises:
        DataError: If the file is not a record.
    """
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        record = Record(**content)
        check_record(record)
        return record
    except (ValueError, TypeError) as error:
        raise DataError(
            f'{file} is not the record of a run ({error}): remove it, get it again, or update this '
            'package if it is of a later version'
        ) from error


def config_hash(config: Config, *, tta: bool = False) -> str:
    """Return a hash of all in a config that the areas of a record depend on.

    It does not depend on the seed, on the folder of the data, on settings of the machine such as
    the number of workers, on hooks that only watch, on the metrics of the test, or on helper
    variables of the config. A file with an absolute path, such as pretrained weights, counts by its
    name and content.

    Args:
        config: The config.
        tta: Whether the test uses its test-time augmentation.
    """
    text = json.dumps(content_of(config, tta=tta), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def content_of(config: Config, *, tta: bool = False) -> dict:
    """Return what :func:`config_hash` hashes."""
    names = _READ + ('tta_model', 'tta_pipeline') * tta
    read = {key: value for key, value in config.to_dict().items() if key in names}
    content = {key: value for key, value in read.items() if value is not None}
    hooks = (content.get('default_hooks') or {}).items()
    content['default_hooks'] = {name: hook for name, hook in hooks if name not in _WATCHING}
    randomness = (content.get('randomness') or {}).items()
    content['randomness'] = {name: value for name, value in randomness if name != 'seed'}
    if (ignored := ignored_by(config.get('test_evaluator'))) != IGNORE:
        content['test_ignore_index'] = ignored
    return _portable(content)


def portable_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without settings of the machine, and with names of files, not paths."""
    kept = {k: v for k, v in options.items() if not set(k.split('.')) & {*_MACHINE}}
    return _portable(kept)


def run_name(config: str, options: Mapping[str, Any], fold: int, key: Key) -> str:
    """Return the name of the folder of a run: config, options of its row, fold, seed and hash.

    Args:
        config: The config file.
        options: What is changed in it; only the model's options are part of the name.
        fold: The number of the fold.
        key: The key.
    """
    parts = [PurePath(config).name]
    for option, value in options.items():
        if option.startswith('model.'):
            value = value.get('type') if isinstance(value, dict) else value
            parts.append(f'{option.rpartition(".")[2]}-{value}')
    name = '-'.join(''.join(c for c in part if c.isalnum() or c in '._-') for part in parts)
    return f'{name}_fold{fold}_seed{key.seed}_{key.config_hash[:8]}'


def _portable(value: Any) -> Any:
    """Return a value for JSON without what belongs to a machine; paths become names of files."""
    if isinstance(value, dict):
        return {str(k): _portable(v) for k, v in value.items() if k not in _MACHINE}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_portable(item) for item in value]
    if isinstance(value, str) and _is_absolute(value):
        return _name_of_file(value)
    if isinstance(value, type) or callable(value):
        return f'{value.__module__}.{value.__qualname__}'
    return value


def _name_of_file(path: str) -> str:
    """Return the name of a file, and if it is here the beginning of its SHA-256."""
    name = PureWindowsPath(path).name  # which also knows the slash
    if not os.path.isfile(path):
        return name
    status = os.stat(path)
    return f'{name}@{_checksum(Path(path), status.st_mtime_ns, status.st_size)[:8]}'


@cache
def _checksum(file: Path, *status: int) -> str:
    return checksum(file)


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
