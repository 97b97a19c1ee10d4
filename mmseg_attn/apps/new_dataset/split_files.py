"""Find the splits that a folder already has: folders or lists of names."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ...errors import DataError
from ..convert import Pair
from .pairing import name_of

SPLIT_FOLDERS = dict(
    train='train',
    training='train',
    val='val',
    valid='val',
    validation='val',
    test='test',
    testing='test',
)


def splits_of(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """Return the names of each split if all names begin with the folder of a split."""
    splits: dict[str, list[str]] = {}
    for pair in pairs:
        split = SPLIT_FOLDERS.get(PurePosixPath(pair.name).parts[0].lower())
        if split is None or '/' not in pair.name:
            return {}
        splits.setdefault(split, []).append(pair.name)
    return splits if len(splits) > 1 else {}


def split_files(source: Path, names: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Read the splits of a folder in the layout of this project's converters.

    Args:
        source: The folder; its splits are ``splits/<fold>/{train,val,test}.txt`` or
            ``splits/{train,val,test}.txt``, of which one of the last two may be missing. They list
            names with or without the suffix of the file.
        names: Names of all images and slices.

    Returns:
        The names of 'train', 'val' and 'test' of each fold; empty if there are no such files.

    Raises:
        DataError: If a file lists an image that is missing, or is not encoded in UTF-8.
    """
    known = set(names)
    numbered = sorted(source.glob('splits/fold*'), key=lambda path: (len(path.name), path.name))
    folders = [*numbered, source / 'splits']
    folds: dict[str, dict[str, list[str]]] = {}
    for folder in folders:
        files = [folder / f'{split}.txt' for split in ('train', 'val', 'test')]
        files = [file for file in files if file.is_file()]
        if len(files) < 2 or files[0].stem != 'train' or (folds and folder.name == 'splits'):
            continue
        split = folds[f'fold{len(folds)}'] = {}
        for file in files:
            split[file.stem] = [
                line if line in known else name_of(Path(line)) for line in _lines(file)
            ]
            missing = [line for line in split[file.stem] if line not in known]
            if missing or not split[file.stem]:
                what = f'lists {missing[0]}, which is missing' if missing else 'is empty'
                raise DataError(f'{file} {what}: correct it, or remove {source / "splits"}')
    return folds


def _lines(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding='utf-8-sig').split('\n')
    except UnicodeDecodeError as error:
        raise DataError(f'{file} is not encoded in UTF-8 ({error}): save it in UTF-8') from error
    return [line.strip() for line in lines if line.strip()]
