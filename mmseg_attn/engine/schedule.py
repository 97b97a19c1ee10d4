"""Follow the schedule of the config in a resumed training, if it differs from the checkpoint's.

MMEngine restores the schedulers of the checkpoint with all their settings. A changed schedule in
the config, for example a longer one, then has no effect: the old schedule has ended, and training
continues at its last learning rate.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.runner import Runner

from ..errors import CheckpointError

PROGRESS = (
    'last_step',
    '_global_step',
    '_last_value',
    'verbose',
    'best',
    'num_bad_epochs',
    'cooldown_counter',
)  # progress of a scheduler; all other entries are settings
KINDS = ('betas', 'momentum', 'alpha', 'rho', 'etas', 'lr_decay')  # by which optimizers differ
# entries of an optimizer that are not hyperparameters
NO_SETTINGS = ('params', 'param_names', 'fused', 'foreach', 'capturable', 'differentiable')


def follow_config(runner: Runner, checkpoint: dict) -> None:
    """Replace the schedule in a checkpoint to resume from by that of the config, if they differ.

    The learning rate, and all that the schedulers set, become what they would be if the config had
    been the same from the start. Other settings of the optimizer stay those of the checkpoint. The
    log names all differences.

    Args:
        runner: The runner, with new schedulers and a new optimizer.
        checkpoint: The content of the checkpoint; it is changed.

    Raises:
        CheckpointError: If the optimizer is another one, or neither of the schedules can be
            followed.
    """
    wrapper, new = runner.optim_wrapper, runner.param_schedulers or []
    saved = checkpoint.get('param_schedulers') or []
    optimizer = checkpoint.get('optimizer') or {}
    groups = list(optimizer.get('param_groups') or [])
    if isinstance(base := optimizer.get('base_param_settings'), dict):  # with paramwise_cfg
        groups.append(base)
    if not (isinstance(wrapper, OptimWrapper) and isinstance(new, list) and groups):
        return  # several optimizers, or no saved one
    if len(groups) != len(wrapper.param_groups) or not isinstance(saved, list):
        return  # it does not fit, which MMEngine reports
    missing = [key for key in KINDS if key in wrapper.param_groups[0] and key not in groups[0]]
    if missing:
        kind = type(wrapper.optimizer).__name__
        raise CheckpointError(
            f'the checkpoint was saved with another optimizer than {kind}, as it has no '
            f'{missing[0]}: resume with optim_wrapper.optimizer as it was, or start anew from the '
            'weights with load_from'
        )
    scheduled = {scheduler.param_name for scheduler in new} | {'lr'}
    _tell_of_settings(runner, wrapper.param_groups[0], groups[0], scheduled)
    changes = list(_changes(new, saved))
    if not changes and not new and wrapper.param_groups[0]['lr'] != groups[0]['lr']:
        changes = [f'lr: {groups[0]["lr"]:g} became {wrapper.param_groups[0]["lr"]:g}']
    if not changes:
        return
    difference = (
        f'The schedule of the config differs from that of the checkpoint ({"; ".join(changes)}).'
    )
    iteration, epoch = checkpoint['meta']['iter'], checkpoint['meta']['epoch']
    try:
        _advance(new, iteration, epoch, len(runner.train_dataloader))
    except Exception as error:  # a schedule that depends on metrics, or has ended before
        reason = f'That of the config cannot start at iteration {iteration} ({error})'
        if not _same_kinds(new, saved):
            raise CheckpointError(
                f'{difference} {reason}: resume with param_scheduler as it was, or start anew from '
                'the weights with load_from'
            ) from error
        runner.logger.warning(
            f'{difference} {reason}: training continues with that of the checkpoint; to use that '
            'of the config, start anew from the weights with load_from'
        )
        return
    before = groups[0].get('lr')
    for group, fresh in zip(groups, wrapper.param_groups, strict=True):
        for name in scheduled:
            group.update({k: fresh[k] for k in (name, f'initial_{name}') if k in fresh})
    checkpoint['param_schedulers'] = [scheduler.state_dict() for scheduler in new]
    runner.logger.warning(
        f'{difference} Training follows that of the config, as if it had from the start: the '
        f'learning rate after iteration {iteration} is {groups[0]["lr"]:.4g}, and was {before:.4g} '
        'with the schedule of the checkpoint'
    )


def tell_of_end(runner: Runner) -> None:
    """Warn if the learning rate of a resumed training no longer changes."""
    schedulers, loop = runner.param_schedulers, runner.train_loop
    if not isinstance(schedulers, list):
        return
    rates = [scheduler for scheduler in schedulers if scheduler.param_name == 'lr']
    done = {True: loop.epoch, False: loop.iter}
    if rates and loop.iter < loop.max_iters and all(e.end <= done[e.by_epoch] for e in rates):
        runner.logger.warning(
            f'The learning rate stays at {runner.optim_wrapper.param_groups[0]["lr"]:.4g} until '
            f'iteration {loop.max_iters}, since all schedulers have ended: to change it, '
            'set the end (and T_max or total_iters) of param_scheduler to the new length'
        )


def _changes(new: Sequence[_ParamScheduler], saved: Sequence[dict]) -> Iterable[str]:
    """Describe how the schedulers differ from the saved ones."""
    if len(new) != len(saved):
        yield f'number of schedulers: {len(saved)} became {len(new)}'
        return
    for scheduler, old in zip(new, saved, strict=True):
        name, settings = type(scheduler).__name__, _settings(scheduler.state_dict())
        old = _settings(old)
        if settings.keys() != old.keys():
            yield f'another scheduler became {name}'
            continue
        for key, value in settings.items():
            if value != old[key] and key == 'base_values':
                yield f'{scheduler.param_name}: {_first(old[key])} became {_first(value)}'
            elif value != old[key]:
                yield f'{key} of {name}: {old[key]} became {value}'


def _same_kinds(new: Sequence[_ParamScheduler], saved: Sequence[dict]) -> bool:
    """Tell whether each saved state has the settings of a scheduler of the same kind."""
    return len(new) == len(saved) and all(
        _settings(scheduler.state_dict()).keys() == _settings(old).keys()
        for scheduler, old in zip(new, saved, strict=True)
    )


def _settings(state: Any) -> dict[str, Any]:
    items = state.items() if isinstance(state, dict) else ()
    return {
        key: _listed(value) for key, value in items if key not in PROGRESS and not callable(value)
    }


def _first(values: Sequence[float]) -> str:
    return f'{values[0]:g}' if values and isinstance(values[0], float | int) else str(values)


def _advance(
    schedulers: Sequence[_ParamScheduler], iterations: int, epochs: int, length: int
) -> None:
    """Step new schedulers through the iterations and epochs that are done."""
    if any(hasattr(scheduler, 'need_val_args') for scheduler in schedulers):
        raise ValueError('it depends on the metrics')
    if epochs and iterations % epochs == 0:
        length = iterations // epochs
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # no optimizer has stepped
        for iteration in range(1, iterations + 1):
            ended = iteration % length == 0 and iteration // length <= epochs
            for by_epoch in [False, True][: 1 + ended]:
                for scheduler in schedulers:
                    if scheduler.by_epoch == by_epoch:
                        scheduler.step()


def _tell_of_settings(runner: Runner, new: dict, saved: dict, scheduled: set[str]) -> None:
    for key, value in saved.items():
        name = key.removeprefix('initial_')
        if name in scheduled or key in NO_SETTINGS or key not in new:
            continue
        if _listed(new[key]) != _listed(value):
            runner.logger.warning(
                f'{key} of the optimizer is {new[key]} in the config and {value} in the '
                'checkpoint; the resumed training uses the value of the checkpoint. To change it, '
                'start anew with load_from'
            )


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
