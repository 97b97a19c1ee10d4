"""Find the adjacent slices of a stack whose slices are numbered files."""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePath

from ..errors import DataError

LAST_NUMBER = r'(\d+)\D*$'


def adjacent_files(
    path: str, neighbors: int, *, exists: Callable[[str], bool], patterns: Sequence[str]
) -> list[str]:
    """List a file with its neighbors, whose names differ only in their number.

    A number that is missing ends the stack. Beyond an end, the file at the end is repeated.

    Args:
        path: The file.
        neighbors: How many files below it and how many above it.
        exists: Returns whether a file exists.
        patterns: Regular expressions that are searched in the name without its suffix. The first
            group of the first that is found is the number.

    Returns:
        ``2 * neighbors + 1`` files, by increasing number.

    Raises:
        DataError: If the name has no number.
    """
    folder, name = _split(path)
    stem = PurePath(name).stem
    matches = (re.search(pattern, stem) for pattern in patterns)
    match = next((match for match in matches if match and (match[1] or '').isdecimal()), None)
    if match is None:
        raise DataError(
            f'{path} has no number in its name by which its neighbors are found '
            f'({" or ".join(patterns)}): name the slices of a stack like slice_007.png, or set '
            'pattern of LoadNeighbors'
        )
    start, end = match.span(1)
    number = match[1]

    def other(value: int) -> str | None:
        texts = [f'{value:0{len(number)}d}', *([] if number.startswith('0') else [str(value)])]
        files = (f'{folder}{name[:start]}{text}{name[end:]}' for text in texts if value >= 0)
        return next(filter(exists, files), None)

    sides: list[list[str]] = []
    for step in (-1, 1):
        files = [path]
        for distance in range(1, neighbors + 1):
            files.append(other(int(number) + step * distance) or files[-1])
            if files[-1] == files[-2]:
                break
        sides.append((files + [files[-1]] * neighbors)[1 : neighbors + 1])
    return [*sides[0][::-1], path, *sides[1]]


def _split(path: str) -> tuple[str, str]:
    """Split a path, which may be a URL, in its folder with the separator, and its name."""
    at = max(path.rfind('/'), path.rfind('\\')) + 1
    return path[:at], path[at:]
