"""The schedule of a resumed training whose config has another one than its checkpoint.

MMEngine restores the schedulers of the checkpoint with all their settings. A config that has been
changed, to train longer for one, then has no effect: the old schedule is at its end, and training
goes on at its last learning rate.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.runner import Runner

from ..errors import CheckpointError

PROGRESS = ('last_step', '_global_step', '_last_value', 'verbose')  # of a scheduler; else settings
# how an optimizer works, and what schedulers set
NO_SETTINGS = ('params', 'param_names', 'fused', 'foreach', 'capturable', 'differentiable')


def follow_config(runner: Runner, checkpoint: dict) -> None:
    """Put the schedule of the config into a checkpoint that is to be resumed, if it is another one.

    What the schedulers set is as if the config had been the same from the start. Other settings of
    the optimizer stay those of the checkpoint. Either is said in the log.

    Args:
        runner: The runner, with new schedulers and a new optimizer.
        checkpoint: What is about to be restored; it is changed.

    Raises:
        CheckpointError: If neither of the schedules can be followed.
    """
    wrapper, new = runner.optim_wrapper, runner.param_schedulers or []
    saved = checkpoint.get('param_schedulers') or []
    groups = (checkpoint.get('optimizer') or {}).get('param_groups')
    if not (isinstance(wrapper, OptimWrapper) and isinstance(new, list) and groups):
        return  # several optimizers, or none is saved
    if len(groups) != len(wrapper.param_groups) or not isinstance(saved, list):
        return  # it does not fit, which MMEngine says
    scheduled = {each.param_name for each in new} | {'lr'}
    _tell_of_settings(runner, wrapper.param_groups[0], groups[0], scheduled)
    changes = list(_changes(new, saved))
    if not changes and not new and wrapper.param_groups[0]['lr'] != groups[0]['lr']:
        changes = [f'lr: {groups[0]["lr"]:g} became {wrapper.param_groups[0]["lr"]:g}']
    if not changes:
        return
    told = f'The schedule of the config is not that of the checkpoint ({"; ".join(changes)}).'
    iteration, epoch = checkpoint['meta']['iter'], checkpoint['meta']['epoch']
    try:
        _advance(new, iteration, epoch, len(runner.train_dataloader))
    except Exception as error:  # a schedule that depends on scores, or has ended before
        why = f'The one of the config cannot be joined at iteration {iteration} ({error})'
        if not _same_kinds(new, saved):
            raise CheckpointError(
                f'{told} {why}: resume with param_scheduler as it was, or start anew from the '
                'weights with load_from'
            ) from error
        runner.logger.warning(
            f'{told} {why}: training goes on with that of the checkpoint; to use the one of the '
            'config, start anew from the weights with load_from'
        )
        return
    before = groups[0].get('lr')
    for group, fresh in zip(groups, wrapper.param_groups, strict=True):
        for name in scheduled:
            group.update({k: fresh[k] for k in (name, f'initial_{name}') if k in fresh})
    checkpoint['param_schedulers'] = [each.state_dict() for each in new]
    runner.logger.warning(
        f'{told} Training follows the one of the config, as if it had from the start: the learning '
        f'rate after iteration {iteration} is {groups[0]["lr"]:.4g}, and was {before:.4g} with the '
        'schedule of the checkpoint'
    )


def tell_of_end(runner: Runner) -> None:
    """Say that the learning rate of a resumed training changes no more, if that is so."""
    schedulers, loop = runner.param_schedulers, runner.train_loop
    if not isinstance(schedulers, list):
        return
    rates = [each for each in schedulers if each.param_name == 'lr']
    done = {True: loop.epoch, False: loop.iter}
    if rates and loop.iter < loop.max_iters and all(e.end <= done[e.by_epoch] for e in rates):
        runner.logger.warning(
            f'The learning rate stays at {runner.optim_wrapper.param_groups[0]["lr"]:.4g} until '
            f'iteration {loop.max_iters}, since all of param_scheduler has ended: if it is to '
            'change, set the end (and T_max or total_iters) of param_scheduler to the new length'
        )


def _changes(new: Sequence[_ParamScheduler], saved: Sequence[dict]) -> Iterable[str]:
    """What of the schedulers is not as it was, in words."""
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
    """Whether the state of each scheduler was saved by one with the same settings."""
    return len(new) == len(saved) and all(
        _settings(scheduler.state_dict()).keys() == _settings(old).keys()
        for scheduler, old in zip(new, saved, strict=True)
    )


def _settings(state: Any) -> dict[str, Any]:
    found = state.items() if isinstance(state, dict) else ()
    return {
        key: _listed(value) for key, value in found if key not in PROGRESS and not callable(value)
    }


def _first(values: Sequence[float]) -> str:
    return f'{values[0]:g}' if values and isinstance(values[0], float | int) else str(values)


def _advance(
    schedulers: Sequence[_ParamScheduler], iterations: int, epochs: int, length: int
) -> None:
    """Step new schedulers as a training of so many iterations and epochs has."""
    if any(hasattr(each, 'need_val_args') for each in schedulers):
        raise ValueError('it depends on the scores')
    if epochs and iterations % epochs == 0:
        length = iterations // epochs
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # no optimizer has stepped
        for iteration in range(1, iterations + 1):
            ended = iteration % length == 0 and iteration // length <= epochs
            for by_epoch in [False, True][: 1 + ended]:
                for each in schedulers:
                    if each.by_epoch == by_epoch:
                        each.step()


def _tell_of_settings(runner: Runner, new: dict, saved: dict, scheduled: set[str]) -> None:
    for key, value in saved.items():
        name = key.removeprefix('initial_')
        if name in scheduled or key in NO_SETTINGS or key not in new:
            continue
        if _listed(new[key]) != _listed(value):
            runner.logger.warning(
                f'{key} of the optimizer is {new[key]} in the config and {value} in the '
                'checkpoint, which holds in a training that is resumed; start anew with load_from '
                'to change it'
            )


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
