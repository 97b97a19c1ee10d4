"""Make seeded cross-validation splits and write their files."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import DataError
from ...io.words import counted

Split = dict[str, list[str]]


def make_folds(
    groups: Mapping[str, Sequence[str]], *, folds: int, seed: int, unit: str = 'unit'
) -> dict[str, Split]:
    """Distribute groups of images over parts; fold i tests on part i and validates on part i + 1.

    The order depends only on the seed and the names. It is drawn with ``random.Random.random``, the
    only generator whose sequence Python guarantees for all versions.

    Args:
        groups: Stems of the images, by the name of their group; a group is never split.
        folds: Number of parts, at least 3; their sizes differ by at most one group.
        seed: Seed of the order.
        unit: Name of a group in messages, in the singular.

    Returns:
        The sorted stems of 'train', 'val' and 'test' of 'fold0', 'fold1', ...

    Raises:
        DataError: If there are fewer groups than folds, or fewer than three folds.
    """
    if not 3 <= folds <= len(groups):
        remedy = f'choose 3 to {len(groups)} folds' if len(groups) > 3 else 'choose 3 folds'
        if len(groups) < 3:
            remedy = f'provide at least 3 {unit}s, one each for training, validation and test'
        raise DataError(
            f'{counted(len(groups), unit)} cannot be split into {folds} folds: {remedy}'
        )
    generator = random.Random(seed)
    order = [name for _, name in sorted((generator.random(), name) for name in sorted(groups))]
    parts = [[stem for name in order[i::folds] for stem in groups[name]] for i in range(folds)]
    result = {}
    for i in range(folds):
        val = (i + 1) % folds
        rest = [stem for j, part in enumerate(parts) if j not in (i, val) for stem in part]
        split = {'train': rest, 'val': parts[val], 'test': parts[i]}
        result[f'fold{i}'] = {name: sorted(stems) for name, stems in split.items()}
    return result


def write_splits(folder: Path, folds: Mapping[str, Split]) -> None:
    """Write ``<folder>/<fold>/{train,val,test}.txt``, one stem per line."""
    for fold, split in folds.items():
        (folder / fold).mkdir(parents=True)
        for name, stems in split.items():
            text = ''.join(f'{stem}\n' for stem in stems)
            (folder / fold / f'{name}.txt').write_text(text, encoding='utf-8')
