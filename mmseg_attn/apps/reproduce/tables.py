"""Read the tables of the papers from ``configs/tables.yaml``, and plan the runs of their rows."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from ...engine.cfg_keys import TOP
from ...engine.cfg_options import merge_options, parse_options
from ...errors import DataError, UsageError
from ...io import read_manifest
from ...io.output import MANIFEST
from ..runs import Job, case_rule, config_hash, read_config

_LENGTHS = dict(max_epochs='epochs', max_iters='iterations')
# What the manifest of a converter has if a config says nothing else in `conversion`
_CONVERSIONS: dict[str, dict[str, Any]] = dict(
    covid19=dict(folds=4, seed=0),
    drosophila=dict(split_unit='crop', folds=5, seed=0, synthetic_stack=None),
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One metric of a table.

    Args:
        name: Its heading.
        metric: Its name in the log.
        decimals: Number of decimals that the paper prints.
        scale: Factor from the metric to the unit of the paper.
    """

    name: str
    metric: str
    decimals: int = 2
    scale: float = 1.0

    def text(self, value: float) -> str:
        """Format a value in the unit of the paper."""
        return f'{value:.{self.decimals}f}'


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """One row of a table.

    Args:
        name: Its heading.
        config: Its config file under ``configs``, without ``.py``.
        options: Its changes to the config, by dotted key.
        paper: The figures of the paper, in the order of the columns; may be shorter.
        note: A remark.
        own_protocol: Whether the options of the table do not apply to the row.
        tta: Whether the test uses the test-time augmentation of the config.
    """

    name: str
    config: str
    options: dict[str, Any] = field(default_factory=dict)
    paper: tuple[float, ...] = ()
    note: str = ''
    own_protocol: bool = False
    tta: bool = False

    @property
    def slug(self) -> str:
        """The name in lower case with hyphens, for the command line."""
        words = re.sub(r'(?<=\S)\+', ' plus', self.name.lower())  # U-Net++, but not U-Net + x
        return '-'.join(re.findall(r'[a-z0-9.]+', words))

    def reported(self, column: int) -> float | None:
        """Return the figure of the paper in a column."""
        return self.paper[column] if column < len(self.paper) else None


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table of a paper, or one of the same kind with a protocol of ours.

    Args:
        name: Its name: that on the command line and, unless it is the paper's, the protocol.
        title: Its heading.
        split: The split that is measured, ``val`` or ``test``.
        checkpoint: The checkpoint that is measured, ``best`` or ``last``.
        columns: Its metrics, the main one first.
        rows: Its rows.
        paper: The source of the paper's figures; empty if there are none.
        folds: Number of folds of its dataset.
        notes: Sentences under the heading.
        options: Changes to the configs of all rows without ``own_protocol``, by dotted key.
        baselines: Names of the rows that the proposals are compared with.
        proposals: Names of the rows that are compared with the baselines.
        claimed: The class whose IoU is compared, too; empty without one.
        cases: What the cases are, such as slices, and their pattern for :func:`case_rule`; empty if
            each image is its own case.
        other_split: The table that tests the same images after trainings on other splits, with
            which rows of the same name are compared; empty without one.
    """

    name: str
    title: str
    split: str
    checkpoint: str
    columns: tuple[Column, ...]
    rows: tuple[PaperRow, ...]
    paper: str = ''
    folds: int = 1
    notes: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()
    proposals: tuple[str, ...] = ()
    claimed: str = ''
    cases: dict[str, str] = field(default_factory=dict)
    other_split: str = ''

    def changes(self, row: PaperRow) -> dict[str, Any]:
        """Return all changes to the config of a row, by dotted key."""
        return row.options if row.own_protocol else self.options | row.options

    @property
    def case(self) -> Callable[[str], str]:
        """Returns the case of an image by its name."""
        return case_rule(*self.cases.values()) if self.cases else str

    @property
    def in_paper(self) -> list[bool]:
        """Whether the paper has figures, for each column."""
        return [
            any(row.reported(i) is not None for row in self.rows) for i in range(len(self.columns))
        ]


@dataclass
class Plan:
    """A row of a table with its configs.

    Args:
        row: The row.
        configs: The config of each fold of the table; none if there is an error.
        options: What is changed in the config file, by dotted key.
        cut: Description of a shortened training; empty for the whole schedule.
        error: The reason why it cannot run; empty if it can.
    """

    row: PaperRow
    configs: list[Config] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    cut: str = ''
    error: str = ''

    @cached_property
    def hashes(self) -> list[str]:
        """The hash of the config of each fold."""
        return [config_hash(config, tta=self.row.tta) for config in self.configs]

    @property
    def weights(self) -> str:
        """The checkpoint that the training starts from; empty for random weights."""
        config = self.configs[0]
        inits = config.model.backbone.get('init_cfg') or []
        inits = inits if isinstance(inits, list) else [inits]
        names = [init.checkpoint for init in inits if init.type == 'Pretrained']
        return config.get('load_from') or ', '.join(names)

    def job(self, table: PaperTable, fold: int, seed: int, work_dir: Path, command: str) -> Job:
        """Return the job of a fold with a seed."""
        config = self.configs[fold].copy()
        config.randomness = dict(config.get('randomness') or {}, seed=seed)
        job = Job(
            title=f'{self.row.name}, fold {fold}, seed {seed}',
            source=self.row.config,
            config=config,
            options=self.options,
            fold=fold,
            folder=work_dir,
            split=table.split,
            measured=table.checkpoint,
            tta=self.row.tta,
            command=command,
        )
        job.folder = work_dir / job.name
        return job


def load_tables(file: Path) -> dict[str, PaperTable]:
    """Read all tables.

    Returns:
        The tables by name.
    """
    tables = {}
    for name, content in yaml.safe_load(file.read_text(encoding='utf-8')).items():
        columns = tuple(Column(**column) for column in content.pop('columns'))
        rows = tuple(
            PaperRow(name=row, **dict(values, paper=tuple(values.get('paper', ()))))
            for row, values in content.pop('rows').items()
        )
        lists = {k: tuple(v) for k, v in content.items() if isinstance(v, list)}
        tables[name] = PaperTable(name=name, columns=columns, rows=rows, **content | lists)
    return tables


def plan_row(
    row: PaperRow,
    table: PaperTable,
    configs: Path,
    *,
    options: Sequence[str] = (),
    cut: dict[str, int] | None = None,
) -> Plan:
    """Plan the runs of a row; an error of the row itself is part of the plan.

    Args:
        row: The row.
        table: Its table.
        configs: The folder ``configs``.
        options: ``KEY=VALUE``, for every config.
        cut: The largest ``max_epochs`` or ``max_iters``.

    Raises:
        UsageError: If ``options`` or ``cut`` do not fit the config.
    """
    file, changes = configs / f'{row.config}.py', table.changes(row)
    plan = Plan(row, options=changes)
    if not file.is_file():
        plan.error = f'{file} is missing: correct config in tables.yaml'
        return plan
    try:
        for fold in range(table.folds):
            config = read_config(file, fold=fold)
            config.merge_from_dict(changes)
            key = next(key for key in _LENGTHS if config.train_cfg.get(key))
            whole = config.train_cfg[key]
            _check_options(config, options, row)
            merge_options(config, options)
            _shorten(config, cut or {}, row)
            length = config.train_cfg[key]
            if length != whole:
                plan.cut = f'cut to {length} of {whole} {_LENGTHS[key]}'
            plan.configs.append(config)
        plan.options = changes | parse_options(options)
        plan.options |= {f'train_cfg.{k}': config.train_cfg[k] for k in cut or {}}
    except UsageError:
        raise
    except DataError as error:
        raise UsageError(str(error)) from error
    except Exception as error:  # a config is a program, and the other rows can still run
        plan.error = f'{file}: {type(error).__name__}: {error}'
        plan.configs.clear()
    return plan


def check_data(jobs: Iterable[Job], *, trial: bool = False) -> None:
    """Check that the files of every dataset of the jobs exist, and that it is the right dataset.

    Args:
        jobs: The jobs.
        trial: Whether any dataset will do, unless a config says in ``conversion`` what it needs.

    Raises:
        UsageError: If files are missing or do not match; the message names the remedy.
    """
    checked: set[str] = set()
    for job in jobs:
        for split in ('train', 'val', job.split):
            dataset = job.config[f'{split}_dataloader'].dataset
            key = str({key: dataset.get(key) for key in ('data_root', 'data_prefix', 'ann_file')})
            if key not in checked:
                checked.add(key)
                try:
                    with DefaultScope.overwrite_default_scope('mmseg'):
                        DATASETS.build(dict(dataset, lazy_init=True)).load_data_list()
                except (OSError, ValueError) as error:
                    raise UsageError(str(error)) from error
                _check_conversion(job, Path(dataset.get('data_root') or ''), trial)


def _check_conversion(job: Job, folder: Path, trial: bool) -> None:
    """Check that a dataset was converted as a job needs it, which its hash does not tell.

    Raises:
        UsageError: If the manifest of the dataset has another value.
    """
    needed = job.config.get('conversion') or {}
    manifest = read_manifest(folder)
    try:
        entries = manifest | manifest.get('settings', {})
    except TypeError:  # no converter wrote it
        entries = {}
    if not trial:
        needed = _CONVERSIONS.get(entries.get('converter'), {}) | needed
    for key, value in needed.items():
        if entries.get(key) != value:
            raise UsageError(
                f'the data in {folder} has {_entry(key, entries.get(key))} (see {MANIFEST}), but '
                f'{job.title}, needs {_entry(key, value)}: convert it accordingly, or name another '
                'converted folder'
            )


def _entry(key: str, value: Any) -> str:
    return f'no {key}' if value is None else f'{key} {json.dumps(value)}'


def _lookup(config: Config | dict | list, key: str) -> object:
    """Return the value of a dotted key.

    Raises:
        KeyError: If the config has no such key; the error names the first missing part.
    """
    parts = key.split('.')
    for i, part in enumerate(parts):
        if isinstance(config, list | tuple) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        elif isinstance(config, dict | Config) and part in config:
            config = config[part]
        else:
            raise KeyError('.'.join(parts[: i + 1]))
    return config


def _check_options(config: Config, options: Sequence[str], row: PaperRow) -> None:
    """Reject options that MMEngine would silently add to the config, or that the row sets.

    Raises:
        UsageError: If a key is unknown, or the row sets it.
    """
    for option in options:
        key, equals, _ = option.partition('=')
        if not equals:
            raise UsageError(f'--cfg-options {option} has no value: write KEY=VALUE')
        if key in row.options:
            raise UsageError(
                f'--cfg-options {key} is set by the row {row.name} of this table: remove the '
                'option, or choose other rows with --rows'
            )
        try:  # a known dict may get a new key
            _lookup(config, key.rpartition('.')[0] or ('model' if key in TOP else key))
        except KeyError as error:
            raise UsageError(
                f'--cfg-options {key} does not fit {row.config}, which has no {error.args[0]}: '
                'correct the key, or choose the rows that have it with --rows'
            ) from None


def _shorten(config: Config, cut: dict[str, int], row: PaperRow) -> None:
    """Shorten the training to ``cut``, with the same learning rate schedule.

    Raises:
        UsageError: If the training uses the other unit.
    """
    for key, maximum in cut.items():
        if key not in config.train_cfg:
            other = next(flag for flag in _LENGTHS if flag != key).replace('_', '-')
            raise UsageError(f'{row.config} is not trained by {_LENGTHS[key]}: use --{other}')
        config.train_cfg[key] = min(maximum, config.train_cfg[key])
