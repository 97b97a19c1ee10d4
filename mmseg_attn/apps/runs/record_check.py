"""Check what a file says about a run before its figures are used."""

from datetime import date
from pathlib import PurePosixPath
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import numpy as np

if TYPE_CHECKING:
    from .record import Record


def check_record(record: 'Record') -> None:
    """Check that a record is one: the types of its fields, its areas, and what depends on them.

    Raises:
        ValueError: If it is not; the message names the field.
    """
    for name, hint in get_type_hints(type(record)).items():
        if not _fits(getattr(record, name), hint):
            raise ValueError(f'{name} has a wrong type')
    _check_areas(record)
    if record.seconds.get('training') is None:
        raise ValueError('seconds has no training')
    if not all(step.isdecimal() for step in record.validations):
        raise ValueError('validations has a step that is no number')
    paths = map(PurePosixPath, record.code)
    if any(path.is_absolute() or '..' in path.parts for path in paths):
        raise ValueError('code names a file outside of this package')
    date.fromisoformat(record.date)


def _check_areas(record: 'Record') -> None:
    """Check that the areas of each image are possible.

    Raises:
        ValueError: If they are not.
    """
    if not record.images or not record.classes:
        raise ValueError('it has no images or no classes')
    for name, areas in record.images.items():
        if [len(row) for row in areas] != 3 * [len(record.classes)]:
            raise ValueError(f'the areas of {name} are not those of {len(record.classes)} classes')
    correct, predicted, labeled = np.moveaxis(np.array([*record.images.values()]), 1, 0)
    possible = ((correct >= 0) & (correct <= np.minimum(predicted, labeled))).all(axis=1)
    if not possible.all():
        raise ValueError(f'the areas of {[*record.images][possible.argmin()]} are impossible')


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value of a JSON file has the type of a hint."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return True
    if kind is UnionType:
        return any(_fits(value, part) for part in parts)
    if kind is dict:
        return isinstance(value, dict) and all(_fits(v, parts[1]) for v in value.values())
    if kind in (list, tuple):
        return isinstance(value, list | tuple) and all(_fits(v, parts[0]) for v in value)
    if kind is float:
        return isinstance(value, int | float)
    return type(value) is kind
