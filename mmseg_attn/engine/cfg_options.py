"""``--cfg-options KEY=VALUE``: what is wrong with an option, in one sentence.

MMEngine adds whatever key it is given. One that is misspelled has no effect, or ends in a traceback
of the class that gets it; a value that is a dict ends in a ``RecursionError`` of its parser.
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

ALIKE = 0.85  # of two keys, from which on one is a misspelled other
# what MMSegmentation's tools, its inferencer and FastRunner read of a config beside the runner
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


def merge_options(cfg: Config, options: Sequence[str]) -> None:
    """Change a config as ``--cfg-options`` does.

    Args:
        cfg: The config.
        options: Texts ``KEY=VALUE``.

    Raises:
        DataError: If one has no value, a value cannot be read, or nothing takes the key.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    for key, value in parse_options(options).items():
        _check(cfg, key)
        try:
            cfg.merge_from_dict({key: value})
        except Exception as error:  # MMEngine's have no common type
            reason = ' '.join(str(error).split())
            raise DataError(f'--cfg-options {key} does not fit the config: {reason}') from error


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """Read texts ``KEY=VALUE`` as MMEngine's ``DictAction`` does.

    Raises:
        DataError: If one has no value, or a value cannot be read.
    """
    found = {}
    for option in options:
        key, equals, text = option.partition('=')
        if not equals:
            raise DataError(f'--cfg-options {option} has no value: write KEY=VALUE')
        plain = text.strip('\'"').strip()
        if plain.startswith('{') and plain.endswith('}') and ':' in plain:
            raise DataError(
                f'--cfg-options {option} is a dict, which cannot be given on the command line: '
                'write it into a config that has the other one as its _base_'
            )
        try:
            found[key] = DictAction._parse_iterable(text)
        except (RecursionError, AssertionError, ValueError) as error:
            raise DataError(
                f'--cfg-options {option} cannot be read: write numbers, words and lists of them '
                'without spaces, as in key="[1,(2,3)]"'
            ) from error
    return found


def _check(cfg: Config, key: str) -> None:
    """Follow a key as far as the config goes, and see whether something takes the rest.

    Raises:
        DataError: If nothing does.
    """
    owner: Any = cfg
    parts = key.split('.')
    for i, part in enumerate(parts):
        if isinstance(owner, list | tuple):
            if not (part.isdigit() and int(part) < len(owner)):
                raise DataError(
                    f'--cfg-options {key}: {".".join(parts[:i])} is a list of {len(owner)}, so '
                    f'that {part} is none of its numbers: give one from 0 to {len(owner) - 1}'
                )
            owner = owner[int(part)]
        elif isinstance(owner, dict | Config) and part in owner:
            owner = owner[part]
        else:
            if isinstance(owner, dict | Config):
                _check_new(owner, parts, i)
            return


def _check_new(owner: dict | Config, parts: Sequence[str], i: int) -> None:
    """Refuse a new key that is a misspelled one, or that nothing reads.

    Args:
        owner: What gets the key.
        parts: All parts of the key.
        i: Which of them is new.
    """
    taken, all_of_them = _taken(owner, parts[:i])
    alike = closest(parts[i], [*map(str, owner), *taken])
    if parts[i] in taken or not (all_of_them or alike):
        if not i and parts[i] not in taken:
            print_log(
                f'--cfg-options {parts[0]}: neither the config nor the runner knows {parts[0]}, so '
                'that it probably changes nothing',
                logger='current',
                level=logging.WARNING,
            )
        return  # if it is wrong, whoever builds it will say so
    where = '.'.join(parts[:i])
    kind = owner.get('type') if i else None
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', where or 'the config')
    remedy = (
        f'did you mean {".".join([*parts[:i], alike])}?'
        if alike
        else ('correct the key, or leave it out')
    )
    raise DataError(f'--cfg-options {".".join(parts)}: {name} takes no {parts[i]}; {remedy}')


def closest(word: str, words: Iterable[str]) -> str:
    """The word that another one is misspelled of; empty if there is none."""
    return next(iter(get_close_matches(word, [*words], n=1, cutoff=ALIKE)), '')


def parameters_of(built: Any) -> tuple[set[str], bool]:
    """Names of the arguments of a class or function, and whether it takes no others."""
    names: set[str] = set()
    for each in inspect.getmro(built) if inspect.isclass(built) else [built]:
        function = each.__dict__.get('__init__') if inspect.isclass(each) else each
        if not inspect.isroutine(function):
            continue
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:  # of a built-in
            return names, False
        names |= parameters.keys()
        if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            return names - {'self'}, each is built or built.__init__ is function
    return names, False


def _taken(owner: dict | Config, path: Sequence[str]) -> tuple[set[str], bool]:
    """The keys that something takes, and whether these are all of them."""
    if not path:
        return parameters_of(Runner)[0] | {*KNOWN}, False  # hooks may read more
    if len(path) == 1 and path[0].endswith('_dataloader'):
        return parameters_of(DataLoader)[0] | {*LOADER}, True
    for registry in vars(mmseg.registry).values() if 'type' in owner else ():
        found = class_of(owner, registry) if isinstance(registry, Registry) else None
        if found is not None:
            names, all_of_them = parameters_of(found)
            return names | {'type', '_scope_', '_delete_'}, all_of_them
    return set(), False
