"""Check ``--cfg-options KEY=VALUE`` and report a wrong option in one sentence.

MMEngine adds any key to the config. A misspelled key has no effect, or ends in a traceback of the
class that gets it; a dict as the value ends in a ``RecursionError`` of MMEngine's parser.
"""

import inspect
import logging
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import mmseg.registry
from mmengine.config import Config, DictAction
from mmengine.logging import print_log
from mmengine.registry import Registry, init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..config_types import class_of
from ..errors import DataError

ALIKE = 0.85  # similarity from which on a key counts as a misspelling of another
# keys that MMSegmentation's tools, its inferencer and FastRunner read, in addition to the runner's
KNOWN = (
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
)
LOADER = ('dataset', 'sampler', 'batch_sampler', 'collate_fn', 'worker_init_fn', 'type')
LOADER += ('num_batch_per_epoch',)
ENVIRONMENT = ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit')


def merge_options(cfg: Config, options: Sequence[str]) -> None:
    """Merge the values of ``--cfg-options`` into a config.

    Args:
        cfg: The config; it is changed.
        options: Strings ``KEY=VALUE``.

    Raises:
        DataError: If an option has no value, its value cannot be read, or its key is unknown.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    for key, value in parse_options(options).items():
        _check(cfg, key)
        try:
            cfg.merge_from_dict({key: value})
        except Exception as error:  # MMEngine's errors have no common type
            reason = ' '.join(str(error).split())
            raise DataError(f'--cfg-options {key} does not fit the config: {reason}') from error


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """Parse strings ``KEY=VALUE`` like MMEngine's ``DictAction``.

    Raises:
        DataError: If an option has no value, or its value cannot be read.
    """
    values = {}
    for option in options:
        key, equals, text = option.partition('=')
        if not equals:
            raise DataError(f'--cfg-options {option} has no value: write KEY=VALUE')
        plain = text.strip('\'"').strip()
        if plain.startswith('{') and plain.endswith('}') and ':' in plain:
            raise DataError(
                f'--cfg-options {option} is a dict, which is not possible on the command line: '
                'write it into a config file that has this config as its _base_'
            )
        try:
            values[key] = DictAction._parse_iterable(text)
        except (RecursionError, AssertionError, ValueError) as error:
            raise DataError(
                f'--cfg-options {option} cannot be read: write numbers, words and lists of them '
                'without spaces, as in key="[1,(2,3)]"'
            ) from error
    return values


def _check(cfg: Config, key: str) -> None:
    """Check that a key exists in the config, or that the object to build accepts it.

    Raises:
        DataError: If it does neither.
    """
    owner: Any = cfg
    parts = key.split('.')
    for i, part in enumerate(parts):
        if isinstance(owner, list | tuple):
            if not (part.isdigit() and int(part) < len(owner)):
                raise DataError(
                    f'--cfg-options {key}: {".".join(parts[:i])} is a list of length '
                    f'{len(owner)}, and {part} is not an index of it: use 0 to {len(owner) - 1}'
                )
            owner = owner[int(part)]
        elif isinstance(owner, dict | Config) and part in owner:
            owner = owner[part]
        else:
            if isinstance(owner, dict | Config):
                _check_new(owner, parts, i)
            if not i and parts[1:]:  # a section that the config does not have yet
                _check_new({}, parts, 1)
            return


def _check_new(owner: dict | Config, parts: Sequence[str], i: int) -> None:
    """Refuse a new key that is a misspelling, or that is not an argument of the object to build.

    Args:
        owner: The dict that gets the key.
        parts: All parts of the key.
        i: Index of the first new part.
    """
    accepted, complete = _accepted(owner, parts[:i])
    similar = closest(parts[i], [*map(str, owner), *accepted])
    if parts[i] in accepted or not (complete or similar):
        if not i and parts[i] not in accepted:
            print_log(
                f'--cfg-options {parts[0]}: neither the config nor the runner has {parts[0]}, so '
                'it probably has no effect',
                logger='current',
                level=logging.WARNING,
            )
        return  # if it is wrong, building the object fails
    where = '.'.join(parts[:i])
    kind = owner.get('type') if i else None
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', where or 'the config')
    remedy = (
        f'did you mean {".".join([*parts[:i], similar])}?'
        if similar
        else ('correct the key, or leave it out')
    )
    raise DataError(f'--cfg-options {".".join(parts)}: {name} has no {parts[i]}; {remedy}')


def closest(word: str, words: Iterable[str]) -> str:
    """Return the word that another one is a misspelling of; empty if there is none."""
    return next(iter(get_close_matches(word, [*words], n=1, cutoff=ALIKE)), '')


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


def _accepted(owner: dict | Config, path: Sequence[str]) -> tuple[set[str], bool]:
    """Return the keys that a dict of the config may have, and whether these are all of them."""
    if not path:
        return parameters_of(Runner)[0] | {*KNOWN}, False  # hooks may read more
    if len(path) == 1 and path[0].endswith('_dataloader'):
        return parameters_of(DataLoader)[0] | {*LOADER}, True
    if path == ['randomness']:
        return parameters_of(Runner.set_randomness)[0] - {'self'}, True
    if path == ['env_cfg']:
        return {*ENVIRONMENT}, False  # other runners may read more
    for registry in vars(mmseg.registry).values() if 'type' in owner else ():
        kind = class_of(owner, registry) if isinstance(registry, Registry) else None
        if kind is not None:
            names, complete = parameters_of(kind)
            return names | {'type', '_scope_', '_delete_'}, complete
    return set(), False
