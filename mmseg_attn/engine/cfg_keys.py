"""Find the keys that a dict in a config may have, from what MMEngine builds or calls with it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

import mmseg.registry
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.registry import Registry
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from ..config_types import class_of

# keys that tools, MMSegmentation's inferencer and FastRunner read, in addition to the runner's
TOP = (
    'custom_imports',
    'runner_type',
    'compile',
    'tta_model',
    'tta_pipeline',
    'test_pipeline',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'sync_bn',
    'work_dir',
    'gpu_ids',
    'strategy',
    'conversion',
)
LOADER = ('dataset', 'sampler', 'batch_sampler', 'collate_fn', 'worker_init_fn')
LOADER += ('num_batch_per_epoch',)
ALWAYS = ('type', '_scope_', '_delete_')
# keys that are read one by one, so that any other has no effect
READ = {
    'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
    'auto_scale_lr': ('enable', 'base_batch_size'),
    'optim_wrapper.paramwise_cfg': (
        'custom_keys',
        'bias_lr_mult',
        'bias_decay_mult',
        'norm_decay_mult',
        'dwconv_decay_mult',
        'flat_decay_mult',
        'bypass_duplicate',
        'dcn_offset_lr_mult',
    ),
}
CONSTRUCTOR = 'DefaultOptimWrapperConstructor'  # the only one whose paramwise_cfg is known
DEFAULT_TYPES = {'val_cfg': 'ValLoop', 'test_cfg': 'TestLoop', 'log_processor': 'LogProcessor'}


class Others(Enum):
    """Say what happens to a key that is not among the known ones."""

    FAIL = auto()  # building the object fails
    HAVE_NO_EFFECT = auto()  # unless a part of the user's project reads them
    MAY_BE_RIGHT = auto()


def keys_of(
    cfg: Config, owner: Mapping, path: Sequence[str], options: Mapping[str, Any]
) -> tuple[set[str], Others]:
    """Return the known keys of a dict in a config, and what happens to others.

    Args:
        cfg: The config.
        owner: The dict; empty if an option creates it.
        path: Its keys, from the top level of the config.
        options: All options by their dotted key, as another option can set the ``type``.
    """
    where = '.'.join(path)
    if not path:
        return parameters_of(Runner)[0] | {*TOP}, Others.HAVE_NO_EFFECT
    if where in ('optim_wrapper', 'optim_wrapper.paramwise_cfg'):
        wrapper = cfg.get('optim_wrapper')
        if _value('optim_wrapper.constructor', wrapper, options) not in (None, CONSTRUCTOR):
            return set(), Others.MAY_BE_RIGHT  # the constructor decides
    if where in READ:
        return {*READ[where]}, Others.HAVE_NO_EFFECT
    if len(path) == 1 and where.endswith('_dataloader'):
        return _keys(parameters_of(DataLoader)[0] | {*LOADER})
    kind = _value(f'{where}.type', owner, options) or DEFAULT_TYPES.get(where)
    if where == 'optim_wrapper' and 'optimizer' in owner:
        kind = kind or 'OptimWrapper'
    if where == 'train_cfg' and kind is None:
        loops = EpochBasedTrainLoop, IterBasedTrainLoop
        return _keys({'by_epoch'}.union(*(parameters_of(loop)[0] for loop in loops)))
    function = _function(where, _value('runner_type', cfg, options))
    if function is not None:
        return _keys(*parameters_of(function))
    for registry in vars(mmseg.registry).values() if kind else ():
        built = class_of(dict(type=kind), registry) if isinstance(registry, Registry) else None
        if built is not None:
            names, complete = parameters_of(built)
            return _keys(names | _removed(path), complete)
    return set(), Others.MAY_BE_RIGHT


def parameters_of(built: Any) -> tuple[set[str], bool]:
    """Return the argument names of a class or function, and whether it accepts no others."""
    names: set[str] = set()
    for owner in inspect.getmro(built) if inspect.isclass(built) else [built]:
        function = owner.__dict__.get('__init__') if inspect.isclass(owner) else owner
        if not inspect.isroutine(function):
            continue
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:  # of a built-in
            return names, False
        names |= parameters.keys()
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return names - {'self'}, owner is built or built.__init__ is function
    return names, False


def _keys(names: set[str], complete: bool = True) -> tuple[set[str], Others]:
    return names | {*ALWAYS}, Others.FAIL if complete else Others.MAY_BE_RIGHT


def _value(key: str, owner: Any, options: Mapping[str, Any]) -> Any:
    """Return the value of a dotted key: that of an option, or that in its dict."""
    value = owner.get(key.rpartition('.')[2]) if isinstance(owner, Mapping | Config) else None
    return options.get(key, value)


def _function(where: str, runner_type: Any) -> Callable | None:
    """Return the function that the runner calls with a dict."""
    runner = class_of(dict(type=runner_type), mmseg.registry.RUNNERS) if runner_type else Runner
    return {
        'randomness': getattr(runner, 'set_randomness', None),
        'env_cfg.mp_cfg': set_multi_processing,
        'env_cfg.dist_cfg': init_dist,
    }.get(where)


def _removed(path: Sequence[str]) -> set[str]:
    """Return the keys that are removed from a dict before the object is built."""
    if path[0] in ('default_hooks', 'custom_hooks') and len(path) == 2:
        return {'priority'}
    if path[0] == 'param_scheduler':
        return {'convert_to_iter_based', 'epoch_length'}
    if path == ['optim_wrapper']:
        return {'constructor', 'paramwise_cfg'}
    return {'requires_grad'} if path[-1] == 'norm_cfg' else set()
