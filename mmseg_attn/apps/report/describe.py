"""What a run was, in words."""

import re
import shlex
from collections.abc import Callable
from typing import Any

from mmengine.config import Config

from ...config_types import type_name
from ...datasets.nested_datasets import nested_datasets
from .run import Run

VERSIONS = ('Python', 'PyTorch', 'MMEngine')
GPU = re.compile(r'GPU [\d,]+')
MIXED = 'AmpOptimWrapper', 'BF16OptimWrapper'  # optimizer wrappers
UNTOLD = ('Load', 'Pack')  # beginnings of transforms that every pipeline has


def setup(run: Run) -> dict[str, str]:
    """What the run was, by topic; topics that nothing is known of are left out."""
    environment = run.launches[-1].environment if run.launches else {}
    told = dict(config=run.config_name.name if run.config_name else '')
    for topic, tell in TOPICS.items():
        told[topic] = _told(tell, run.cfg) if run.cfg is not None else ''
    told['seed'] = environment.get('seed') or told['seed']
    found = [f'{name} {environment[name].split()[0]}' for name in VERSIONS if name in environment]
    told['trained with'] = ', '.join(found)
    told['trained on'] = device(run)
    if times := [launch.times for launch in run.launches if launch.times]:
        told['begun'] = f'{times[0][0]:%Y-%m-%d %H:%M}'
        told['begun'] += f', in {len(times)} starts' if len(times) > 1 else ''
    told['checkpoint'] = run.checkpoint.name if run.checkpoint else ''
    told['folder'] = str(run.folder)
    return {topic: text for topic, text in told.items() if text}


def device(run: Run) -> str:
    """What it was trained on, as MMEngine saw it; empty where the log does not tell."""
    environment = run.launches[-1].environment if run.launches else {}
    cards = [card for name, card in environment.items() if GPU.fullmatch(name)]
    if not cards or environment.get('CUDA available') == 'False':
        return 'CPU' if 'CUDA available' in environment else ''
    number = environment.get('GPU number', '1')  # that were used
    return f'{number} x {cards[0]}' if number != '1' else cards[0]


def commands(run: Run) -> list[str]:
    """What trains and tests it again, with the config that the training wrote down."""
    if not run.config:
        return []
    train = ['python', 'tools/train.py', str(run.config), '--work-dir', f'{run.folder}-again']
    test = ['python', 'tools/test.py', str(run.config), str(run.checkpoint)]
    return [shlex.join(train), *([shlex.join(test)] if run.checkpoint else [])]


def _told(tell: Callable[[Config], Any], cfg: Config) -> str:
    """What a topic says of a config; nothing of one that is built otherwise."""
    try:
        return str(tell(cfg))
    except (AttributeError, KeyError, TypeError, StopIteration):
        return ''


def _model(cfg: Config) -> str:
    parts = (cfg.model.get(part) for part in ('backbone', 'neck', 'decode_head', 'auxiliary_head'))
    return ', '.join(dict.fromkeys(type_name(each) for part in parts for each in _list(part)))


def _losses(cfg: Config) -> str:
    heads = _list(cfg.model.decode_head)
    losses = [loss for head in heads for loss in _list(head.get('loss_decode'))]
    return ' + '.join(
        (f'{loss.loss_weight:g} ' if loss.get('loss_weight', 1) != 1 else '') + type_name(loss)
        for loss in losses
    )


def _data(cfg: Config) -> str:
    *_, inner = nested_datasets(cfg.train_dataloader.dataset)
    split = inner.get('ann_file') or inner.get('data_prefix', {}).get('img_path', '')
    return ', '.join(part for part in (type_name(inner), inner.get('data_root'), split) if part)


def _augmentation(cfg: Config) -> str:
    for each in nested_datasets(cfg.train_dataloader.dataset):
        if each.get('pipeline'):
            steps = [step for step in each.pipeline if not type_name(step).startswith(UNTOLD)]
            return ', '.join(map(_step, steps)) or 'none'
    return ''


def _step(step: Any) -> str:
    size = step.get('crop_size') or step.get('scale')
    return f'{type_name(step)} {" x ".join(map(str, _list(size)))}'.strip()


def _optimizer(cfg: Config) -> str:
    wrapper = cfg.optim_wrapper
    parts = [type_name(wrapper.optimizer), f'learning rate {wrapper.optimizer.lr:g}']
    decay = wrapper.optimizer.get('weight_decay')
    parts += [f'weight decay {decay:g}'] if decay else []
    parts += ['mixed precision'] if type_name(wrapper) in MIXED else []
    return ', '.join([*parts, *map(type_name, _list(cfg.get('param_scheduler')))])


def _length(cfg: Config) -> str:
    counted = next(key for key in ('max_epochs', 'max_iters') if cfg.train_cfg.get(key))
    unit = dict(max_epochs='epochs', max_iters='iterations')[counted]
    return f'{cfg.train_cfg[counted]} {unit}, batch size {cfg.train_dataloader.batch_size}'


def _list(value: Any) -> list:
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
