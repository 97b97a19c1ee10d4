"""Compare the setup and the cost of runs."""

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config

from ...config_types import type_name
from ...datasets.nested_datasets import nested_datasets
from ...evaluation import Complexity, complexity
from ...evaluation.input_shape import channels, input_shape
from ..runs import Run, seconds_per_iteration
from .evaluation import GroupResult, RunResult
from .tables import NONE, Cell, Row, Table, marked, mean

_VERSIONS = ('Python', 'PyTorch', 'MMEngine')
_GPU = re.compile(r'GPU [\d,]+')
_MIXED_PRECISION = 'AmpOptimWrapper', 'BF16OptimWrapper'
_IN_EVERY_PIPELINE = ('Load', 'Pack')  # prefixes of names of transforms


class Cost(NamedTuple):
    """The cost of a run; unknown values are ``None``.

    Attributes:
        complexity: Parameters, and FLOPs of an image of the shape.
        shape: Channels, height and width of an image.
        iteration: Seconds per training iteration, the median of the logged values.
        training: Seconds of the whole training, including validation.
        memory: Largest GPU memory, in MiB.
    """

    complexity: Complexity | None
    shape: tuple[int, int, int] | None
    iteration: float | None
    training: float | None
    memory: float | None


def cost(result: RunResult) -> Cost:
    """Find the cost of a run in its config and its log."""
    run, shape = result.run, None
    if run.cfg is not None:
        shape = input_shape(run.cfg)
        if not shape and result.evaluation:
            shape = (channels(run.cfg), *result.evaluation.images[0].shape)
    try:
        counted = complexity(run.cfg.model, shape) if shape else None
    except Exception:  # a foreign model that does not build without data, or cannot be counted
        counted = None
    memory = [entry['memory'] for entry in run.log.losses.values() if entry.get('memory')]
    return Cost(
        counted,
        shape,
        seconds_per_iteration(run.launches),
        run.seconds or None,
        max(memory, default=None),
    )


def costs(groups: Sequence[GroupResult]) -> Table:
    """Compare costs, a column per group, of several runs the mean. The lowest is marked."""
    of_groups = [[cost(result) for result in group.results] for group in groups]
    shapes = {cost.shape for of_runs in of_groups for cost in of_runs if cost.complexity}
    size = ' of ' + ' x '.join(map(str, *shapes)) if len(shapes) == 1 else ''
    quantities = {
        'parameters': (lambda c: c.complexity and c.complexity.parameters, millions),
        f'FLOPs for an image{size}': (
            lambda c: c.complexity and c.complexity.flops,
            lambda flops: f'{flops / 1e9:.2f} G',
        ),
        'training time per iteration': (lambda c: c.iteration, duration),
        'training time with validation': (lambda c: c.training, duration),
        'GPU memory': (lambda c: c.memory, lambda mib: f'{mib / 1024:.1f} GiB'),
    }
    table = Table('A multiply-add is two FLOPs.', _header(groups))
    for name, (value, text) in quantities.items():
        values = [mean(map(value, of_runs)) for of_runs in of_groups]
        if any(value is not None for value in values):
            texts = [NONE if value is None else text(value) for value in values]
            cells = marked(texts, [None if value is None else -value for value in values])
            table.rows.append(Row(name, cells))
    return table


def setups(groups: Sequence[GroupResult]) -> Table:
    """Compare setups, a column per group; a value that all groups share spans the columns."""
    of_groups = [[setup(result.run) for result in group.results] for group in groups]
    topics = dict.fromkeys(topic for of_runs in of_groups for run in of_runs for topic in run)
    table = Table('', _header(groups))
    for topic in topics:
        texts = [
            ', '.join(dict.fromkeys(run[topic] for run in of_runs if topic in run)) or NONE
            for of_runs in of_groups
        ]
        same = len(set(texts)) == 1
        cells = [Cell(text) for text in (texts[:1] if same else texts)]
        table.rows.append(Row(topic, cells, span=same and len(groups) > 1))
    return table


def setup(run: Run) -> dict[str, str]:
    """Describe the setup of a run by topic; unknown topics are omitted."""
    environment = run.launches[-1].environment if run.launches else {}
    texts = dict(config=run.config_name.name if run.config_name else '')
    for topic, describe in TOPICS.items():
        texts[topic] = _describe(describe, run.cfg) if run.cfg is not None else ''
    texts['seed'] = environment.get('seed') or texts['seed']
    versions = [
        f'{name} {environment[name].split()[0]}' for name in _VERSIONS if name in environment
    ]
    texts['trained with'] = ', '.join(versions)
    texts['trained on'] = device(run)
    if times := [launch.times for launch in run.launches if launch.times]:
        launches = f', in {len(times)} launches' if len(times) > 1 else ''
        texts['started'] = f'{times[0][0]:%Y-%m-%d %H:%M}{launches}'
    texts['checkpoint'] = run.checkpoint.name if run.checkpoint else ''
    texts['folder'] = str(run.folder)
    return {topic: text for topic, text in texts.items() if text}


def device(run: Run) -> str:
    """Name the device of a training as MMEngine logged it; empty without a log."""
    environment = run.launches[-1].environment if run.launches else {}
    gpus = [gpu for name, gpu in environment.items() if _GPU.fullmatch(name)]
    if not gpus or environment.get('CUDA available') == 'False':
        return 'CPU' if 'CUDA available' in environment else ''
    number = environment.get('GPU number', '1')  # of the GPUs in use
    return f'{number} x {gpus[0]}' if number != '1' else gpus[0]


def commands(run: Run) -> list[str]:
    """Return the commands that train and test a run again, with the config that it recorded."""
    if not run.config:
        return []
    train = ['python', 'tools/train.py', str(run.config), '--work-dir', f'{run.folder}-again']
    test = ['python', 'tools/test.py', str(run.config), str(run.checkpoint)]
    return [shlex.join(train), *([shlex.join(test)] if run.checkpoint else [])]


def duration(seconds: float) -> str:
    """Format a time with its two largest units, such as '1 h 12 min'."""
    if seconds < 60:
        return f'{seconds:.2g} s'
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, rest_of_day = divmod(hours, 24)
    if days:
        return f'{days} d {rest_of_day} h'
    return f'{hours} h {minutes} min' if hours else f'{minutes} min {rest} s'


def millions(value: float) -> str:
    """Format a large number in millions."""
    return f'{value / 1e6:.2f} M'


def _header(groups: Sequence[GroupResult]) -> list[str]:
    """Return the names of groups as a header; none for a single group."""
    return ['', *(group.group.title for group in groups)] if len(groups) > 1 else []


def _describe(describe: Callable[[Config], Any], cfg: Config) -> str:
    """Describe a topic of a config; empty if the config has another structure."""
    try:
        return str(describe(cfg))
    except (AttributeError, KeyError, TypeError, StopIteration):
        return ''


def _model(cfg: Config) -> str:
    parts = (cfg.model.get(part) for part in ('backbone', 'neck', 'decode_head', 'auxiliary_head'))
    return ', '.join(dict.fromkeys(type_name(item) for part in parts for item in _as_list(part)))


def _losses(cfg: Config) -> str:
    heads = _as_list(cfg.model.decode_head)
    losses = [loss for head in heads for loss in _as_list(head.get('loss_decode'))]
    return ' + '.join(
        (f'{loss.loss_weight:g} ' if loss.get('loss_weight', 1) != 1 else '') + type_name(loss)
        for loss in losses
    )


def _data(cfg: Config) -> str:
    *_, inner = nested_datasets(cfg.train_dataloader.dataset)
    split = inner.get('ann_file') or inner.get('data_prefix', {}).get('img_path', '')
    return ', '.join(part for part in (type_name(inner), inner.get('data_root'), split) if part)


def _augmentation(cfg: Config) -> str:
    for dataset in nested_datasets(cfg.train_dataloader.dataset):
        if dataset.get('pipeline'):
            steps = [
                _step(step)
                for step in dataset.pipeline
                if not type_name(step).startswith(_IN_EVERY_PIPELINE)
            ]
            return ', '.join(steps) or 'none'
    return ''


def _step(step: Any) -> str:
    size = step.get('crop_size') or step.get('scale')
    name = type_name(step)
    name = step.name if name == 'ExternalTransform' else name
    return f'{name} {" x ".join(map(str, _as_list(size)))}'.strip()


def _optimizer(cfg: Config) -> str:
    wrapper = cfg.optim_wrapper
    parts = [type_name(wrapper.optimizer), f'learning rate {wrapper.optimizer.lr:g}']
    decay = wrapper.optimizer.get('weight_decay')
    parts += [f'weight decay {decay:g}'] if decay else []
    parts += ['mixed precision'] if type_name(wrapper) in _MIXED_PRECISION else []
    return ', '.join([*parts, *map(type_name, _as_list(cfg.get('param_scheduler')))])


def _length(cfg: Config) -> str:
    lengths = dict(max_epochs='epochs', max_iters='iterations')
    key = next(key for key in lengths if cfg.train_cfg.get(key))
    return f'{cfg.train_cfg[key]} {lengths[key]}, batch size {cfg.train_dataloader.batch_size}'


def _as_list(value: Any) -> list:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


TOPICS: dict[str, Callable[[Config], Any]] = dict(
    model=_model,
    losses=_losses,
    data=_data,
    augmentation=_augmentation,
    optimizer=_optimizer,
    length=_length,
    seed=lambda cfg: cfg.randomness.seed,
)
