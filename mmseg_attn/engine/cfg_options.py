"""Check ``--cfg-options KEY=VALUE`` and report a wrong option in one sentence.

MMEngine adds any key to the config. A misspelled key has no effect, or ends in a traceback of the
class that gets it; a dict as the value ends in a ``RecursionError`` of MMEngine's parser.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.logging import print_log
from mmengine.registry import init_default_scope

from ..errors import DataError
from .cfg_keys import ALWAYS, Others, keys_of

ALIKE = 0.85  # similarity from which on a key counts as a misspelling of another


def merge_options(cfg: Config, options: Sequence[str]) -> None:
    """Merge the values of ``--cfg-options`` into a config.

    Args:
        cfg: The config; it is changed.
        options: Strings ``KEY=VALUE``.

    Raises:
        DataError: If an option has no value, its value cannot be read, or its key is unknown.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    values = parse_options(options)
    for key, value in values.items():
        _check(cfg, key, values)
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


def _check(cfg: Config, key: str, options: Mapping[str, Any]) -> None:
    """Check that a key exists in the config, or that what gets it accepts it.

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
        elif isinstance(owner, dict | Config):
            if part not in owner:
                _check_new(cfg, owner, parts, i, options)
            elif i == 0 and part not in keys_of(cfg, cfg, [], options)[0]:
                print_log(
                    f'--cfg-options {key}: {part} is a variable of the config, so this has no '
                    'effect on the parts that the config has made with it; set the keys of these '
                    'parts',
                    logger='current',
                    level=logging.WARNING,
                )
            owner = owner.get(part, {})
        else:
            return


def _check_new(
    cfg: Config, owner: dict | Config, parts: list[str], i: int, options: Mapping[str, Any]
) -> None:
    """Refuse a new key that is a misspelling, or that makes what gets it fail.

    Args:
        cfg: The config.
        owner: The dict that gets the key.
        parts: All parts of the key.
        i: Index of the new part.
        options: All options, by their key.
    """
    known, others = keys_of(cfg, owner, parts[:i], options)
    free = parts[i].isdigit() or 'custom_keys' in parts[:i]  # numbers, and names in the model
    if parts[i] in known or parts[i] in ALWAYS or free:
        return
    similar = closest(parts[i], [*map(str, owner), *known])
    if not similar and others is not Others.FAIL:
        if others is Others.HAVE_NO_EFFECT:
            name = '.'.join(parts[: i + 1])
            print_log(
                f'--cfg-options {name}: neither the config nor the runner has {name}, so it '
                'probably has no effect',
                logger='current',
                level=logging.WARNING,
            )
        return
    where = '.'.join(parts[:i])
    kind = options.get(f'{where}.type', owner.get('type')) if i else None
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
