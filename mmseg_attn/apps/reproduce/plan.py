"""Plan the runs of a table row: one config per fold, and its folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from ...engine.cfg_options import merge_options
from ...errors import DataError, UsageError
from ...evaluation import Complexity, complexity
from ..runs import Job, read_config
from .tables import PaperRow, PaperTable

_LENGTHS = dict(max_epochs='epochs', max_iters='iterations')


@dataclass
class Plan:
    """A row of a table with its runs.

    Args:
        row: The row.
        jobs: One job per fold.
        complexity: Parameters of the model, and FLOPs for the image size in the name of the config.
        cut: Description of a shortened training; empty for the whole schedule.
        weights: The checkpoint that the training starts from; empty for random weights.
        cost: The cost of one run, relative to those of other rows.
        error: The reason why it cannot run; empty if it can.
    """

    row: PaperRow
    jobs: list[Job] = field(default_factory=list)
    complexity: Complexity | None = None
    cut: str = ''
    weights: str = ''
    cost: float = 0.0
    error: str = ''


def plan_row(
    row: PaperRow,
    *,
    configs: Path,
    work_dir: Path,
    folds: int = 1,
    options: Sequence[str] = (),
    cut: dict[str, int] | None = None,
) -> Plan:
    """Plan the runs of a row; an error of the row itself is part of the plan.

    Args:
        row: The row.
        configs: The folder ``configs``.
        work_dir: The folder of all runs. Rows of several tables with the same config share a run.
        folds: Number of folds.
        options: ``KEY=VALUE``, for every config.
        cut: The largest ``max_epochs`` or ``max_iters``.

    Raises:
        UsageError: If ``options`` or ``cut`` do not fit the config.
    """
    plan, file = Plan(row), configs / f'{row.config}.py'
    if not file.is_file():
        plan.error = f'{file} is missing: correct config in tables.yaml'
        return plan
    try:
        for fold in range(folds):
            config = read_config(file, (), fold=fold)
            overrides = {k: v for k, v in row.options.items() if _lookup(config, k) != v}
            config.merge_from_dict(overrides)
            key = next(key for key in _LENGTHS if config.train_cfg.get(key))
            whole = config.train_cfg[key]
            _check_options(config, options, row)
            merge_options(config, options)
            _shorten(config, cut or {}, row)
            length = config.train_cfg[key]
            name = [Path(row.config).name]
            name += [f'{k.rpartition(".")[2]}-{v}' for k, v in overrides.items()]
            if length != whole:
                name.append(f'{length}{_LENGTHS[key][0]}')
                plan.cut = f'cut to {length} of {whole} {_LENGTHS[key]}'
            plan.jobs.append(Job(config, fold, work_dir / '-'.join(name) / f'fold{fold}'))
        height, width = map(int, re.findall(r'\d+', row.config)[-2:])
        shape = config.model.backbone.get('in_channels', 3), height, width
        plan.complexity = complexity(config.model, shape)
        plan.weights = _pretrained(config)
        plan.cost = plan.complexity.flops * length
    except UsageError:
        raise
    except DataError as error:
        raise UsageError(str(error)) from error
    except Exception as error:  # a config is a program, and the other rows can still run
        plan.error = f'{file}: {type(error).__name__}: {error}'
    return plan


def check_data(table: PaperTable, plans: Sequence[Plan]) -> None:
    """Check that the files of every dataset of the plans exist.

    Raises:
        UsageError: If files are missing or do not match; the message names the remedy.
    """
    checked: set[str] = set()
    for job in [job for plan in plans if not plan.error for job in plan.jobs]:
        for split in ('train', 'val', table.split):
            dataset = job.config[f'{split}_dataloader'].dataset
            key = str({key: dataset.get(key) for key in ('data_root', 'data_prefix', 'ann_file')})
            if key not in checked:
                checked.add(key)
                try:
                    with DefaultScope.overwrite_default_scope('mmseg'):
                        DATASETS.build(dict(dataset, lazy_init=True)).load_data_list()
                except (OSError, ValueError) as error:
                    raise UsageError(str(error)) from error


def _pretrained(config: Config) -> str:
    """Name the checkpoint that a training of the config starts from."""
    inits = config.model.backbone.get('init_cfg') or []
    inits = inits if isinstance(inits, list) else [inits]
    names = [init.checkpoint for init in inits if init.type == 'Pretrained']
    return config.get('load_from') or ', '.join(names)


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
                f'--cfg-options {key} is set by the rows of this table: remove the option'
            )
        try:
            _lookup(config, key.rpartition('.')[0] or key)  # a known dict may get a new key
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
