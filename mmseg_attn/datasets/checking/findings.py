"""A finding: one kind of fault in one set, and the files that have it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from .kinds import KINDS

SHOWN = 3  # files and values that the text names; JSON has them all


class File(NamedTuple):
    """A file and what is wrong with it."""

    path: str
    note: str = ''

    def __str__(self) -> str:
        return f'{self.path} ({self.note})' if self.note else self.path


@dataclass
class Finding:
    """One kind of fault in one set, with all files that have it.

    Attributes:
        kind: A key of ``KINDS``.
        split: Train, val or test; several with commas between.
        error: Whether it spoils a run; else it is a warning.
        message: The sentence.
        remedy: What to do.
        files: The files.
        values: Pixels of each value, where values are at fault.
    """

    kind: str
    split: str
    error: bool
    message: str
    remedy: str
    files: list[File] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """Everything, for JSON."""
        found = asdict(self)
        found['files'] = [file._asdict() for file in self.files]
        return found

    @property
    def sentence(self) -> str:
        """All in one line."""
        more = f' and {len(self.files) - SHOWN} more' if len(self.files) > SHOWN else ''
        files = ', '.join(map(str, self.files[:SHOWN])) + more
        where = f' ({self.split}: {files})' if files else ''
        return f'{self.message}{where}: {self.remedy}'

    def __str__(self) -> str:
        lines = [f'{self.split}: {self.message}']
        lines += [f'    {file}' for file in self.files[:SHOWN]]
        if len(self.files) > SHOWN:
            lines.append(f'    and {len(self.files) - SHOWN} more')
        return '\n'.join([*lines, f'    -> {self.remedy}'])


def finding(
    kind: str,
    split: str,
    *,
    files: Sequence[File] = (),
    total: int = 0,
    why: str = '',
    values: dict[str, int] | None = None,
    remedy: str = '',
) -> Finding:
    """Write the sentence of a finding.

    Args:
        kind: A key of ``KINDS``.
        split: Where it is.
        files: The files that have the fault.
        total: How many files were looked at.
        why: What the sentence says in its place.
        values: Pixels of each value at fault.
        remedy: What to do, where more is known than the remedy of the kind.
    """
    error, message, usual = KINDS[kind]
    text = message.format(n=len(files), total=total, why=why, values=pixels_of(values or {}))
    return Finding(kind, split, error, text, remedy or usual, list(files), dict(values or {}))


def pixels_of(values: dict[str, int]) -> str:
    """Values with their pixels, the most frequent first."""
    first = sorted(values.items(), key=lambda item: -item[1])[: 2 * SHOWN]
    more = f' and {len(values) - len(first)} more' if len(values) > len(first) else ''
    return ', '.join(f'{value} ({pixels} px)' for value, pixels in first) + more
