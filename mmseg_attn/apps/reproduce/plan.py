"""What is to run for a row of a table: its configs, one per fold, and their folders."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from mmseg_attn.engine.cfg_options import merge_options
from mmseg_attn.evaluation import Complexity, complexity

from ...errors import DataError, UsageError
from .process import read_config
from .run import Run
from .tables import Row, Table

LENGTHS = dict(max_epochs='epochs', max_iters='iterations')


@dataclass
class Plan:
    """A row with its runs.

    Args:
        row: the row.
        runs: one per fold.
        complexity: parameters of the model, and FLOPs of an image of the size in the config's name.
        cut: how its training is shortened, in words; empty for the whole schedule.
        weights: the checkpoint that its training starts from; empty for random weights.
        cost: of one run, up to a factor that all rows share.
        error: why it cannot run.
    """

    row: Row
    runs: list[Run] = field(default_factory=list)
    complexity: Complexity | None = None
    cut: str = ''
    weights: str = ''
    cost: float = 0.0
    error: str = ''


def plan_row(
    row: Row,
    *,
    configs: Path,
    work_dir: Path,
    folds: int = 1,
    options: Sequence[str] = (),
    cut: dict[str, int] | None = None,
) -> Plan:
    """Plan a row; whatever is wrong with the row itself stands in the plan.

    Args:
        row: the row.
        configs: the folder ``configs``.
        work_dir: where all runs are. A run of another table with the same config is the same run.
        folds: number of folds.
        options: ``KEY=VALUE``, for every config.
        cut: ``max_epochs`` or ``max_iters``, the most that may be trained.

    Raises:
        UsageError: if ``options`` or ``cut`` do not fit the config.
    """
    plan, file = Plan(row), configs / f'{row.config}.py'
    if not file.is_file():
        plan.error = f'{file} is missing'
        return plan
    try:
        for fold in range(folds):
            config = read_config(file, (), fold=fold)
            changed = {k: v for k, v in row.options.items() if find(config, k) != v}
            config.merge_from_dict(changed)
            key = next(key for key in LENGTHS if config.train_cfg.get(key))
            whole = config.train_cfg[key]
            check_options(config, options, row)
            merge_options(config, options)
            shorten(config, cut or {}, row)
            length = config.train_cfg[key]
            name = [Path(row.config).name]
            name += [f'{k.rpartition(".")[2]}-{v}' for k, v in changed.items()]
            if length != whole:
                name.append(f'{length}{LENGTHS[key][0]}')
                plan.cut = f'cut to {length} of {whole} {LENGTHS[key]}'
            plan.runs.append(Run(config, fold, work_dir / '-'.join(name) / f'fold{fold}'))
        height, width = map(int, re.findall(r'\d+', row.config)[-2:])
        shape = config.model.backbone.get('in_channels', 3), height, width
        plan.complexity = complexity(config.model, shape)
        plan.weights = pretrained(config)
        plan.cost = plan.complexity.flops * length
    except UsageError:
        raise
    except DataError as error:
        raise UsageError(str(error)) from error
    except Exception as error:  # a config is a program, and the other rows shall go on
        plan.error = f'{file}: {type(error).__name__}: {error}'
    return plan


def pretrained(config: Config) -> str:
    """The checkpoint that a training of the config starts from."""
    inits = config.model.backbone.get('init_cfg') or []
    inits = inits if isinstance(inits, list) else [inits]
    names = [init.checkpoint for init in inits if init.type == 'Pretrained']
    return config.get('load_from') or ', '.join(names)


def find(config: Config | dict | list, key: str) -> object:
    """Follow a dotted key.

    Raises:
        KeyError: with the part of the key that is not there.
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


def check_options(config: Config, options: Sequence[str], row: Row) -> None:
    """Refuse what MMEngine would silently add to the config, or what the row itself sets.

    Raises:
        UsageError: if a key is not known, or is that of the row.
    """
    for option in options:
        key, equals, _ = option.partition('=')
        if not equals:
            raise UsageError(f'--cfg-options {option} has no value: write KEY=VALUE')
        if key in row.options:
            raise UsageError(
                f'--cfg-options {key} is what the rows of this table differ in: leave it out'
            )
        owner = key.rpartition('.')[0] or key  # a new key is fine, but not in a new place
        try:
            find(config, owner)
        except KeyError as error:
            raise UsageError(
                f'--cfg-options {key} does not fit {row.config}, which has no {error.args[0]}: '
                'correct the key, or choose the rows that have it with --rows'
            ) from None


def shorten(config: Config, cut: dict[str, int], row: Row) -> None:
    """Train no longer than ``cut`` says; the learning rate keeps its schedule.

    Raises:
        UsageError: if the training is not counted in this unit.
    """
    for key, most in cut.items():
        if key not in config.train_cfg:
            other = next(flag for flag in LENGTHS if flag != key).replace('_', '-')
            raise UsageError(f'{row.config} is not trained by {LENGTHS[key]}: use --{other}')
        config.train_cfg[key] = min(most, config.train_cfg[key])


def check_data(table: Table, plans: Sequence[Plan]) -> None:
    """Look for the files of every dataset that is to be used.

    Raises:
        UsageError: if files are missing or do not fit together, with what to do.
    """
    seen: set[str] = set()
    for run in [run for plan in plans if not plan.error for run in plan.runs]:
        for split in ('train', 'val', table.split):
            dataset = run.config[f'{split}_dataloader'].dataset
            known = str({key: dataset.get(key) for key in ('data_root', 'data_prefix', 'ann_file')})
            if known not in seen:
                seen.add(known)
                try:
                    with DefaultScope.overwrite_default_scope('mmseg'):
                        DATASETS.build(dict(dataset, lazy_init=True)).load_data_list()
                except (OSError, ValueError) as error:
                    raise UsageError(str(error)) from error
