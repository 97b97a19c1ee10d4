"""The result of a check, for people and for machines."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...io import counted
from .findings import Finding


@dataclass
class Report:
    """What was looked at and what was found.

    Attributes:
        splits: Counts of each split, or the split that it is the same as.
        findings: What was found; the same in several splits becomes one.
        sample: How many images of each dataset were looked at; ``None`` for all.
    """

    splits: dict[str, dict]
    findings: list[Finding]
    sample: int | None

    def __post_init__(self) -> None:
        self.findings = _merged(self.findings)

    @property
    def errors(self) -> int:
        """How many findings would spoil a run."""
        return sum(each.error for each in self.findings)

    def to_dict(self) -> dict:
        """Everything, for JSON."""
        return dict(
            errors=self.errors,
            warnings=len(self.findings) - self.errors,
            sample=self.sample,
            splits=self.splits,
            findings=[each.to_dict() for each in self.findings],
        )

    def __str__(self) -> str:
        parts = [_overview(self.splits), _class_table(self.splits)]
        for error, title in ((True, 'ERRORS'), (False, 'WARNINGS')):
            found = [f'  {each}' for each in self.findings if each.error == error]
            if found:
                parts.append('\n'.join([title, *found]))
        parts.append(self._verdict())
        return '\n\n'.join(part for part in parts if part)

    def _verdict(self) -> str:
        counts = [(self.errors, 'error'), (len(self.findings) - self.errors, 'warning')]
        named = ', '.join(f'{n} {word}{"s" * (n != 1)}' for n, word in counts)
        ending = 'correct the errors before you train' if self.errors else 'nothing spoils a run'
        if self.sample is not None:
            ending += ', as far as a sample can tell' * (not self.errors)
        return f'{named}: {ending}.'


def _merged(findings: Sequence[Finding]) -> list[Finding]:
    """One finding where several splits say the same about the same files."""
    merged: dict[tuple, Finding] = {}
    for each in findings:
        key = (each.kind, each.message, tuple(each.files))
        if key in merged:
            merged[key].split += f', {each.split}'
        else:
            merged[key] = each
    return list(merged.values())


def _overview(splits: dict[str, dict]) -> str:
    lines = []
    for split, counts in splits.items():
        if 'same_as' in counts:
            lines.append(f'{split}: the same as {counts["same_as"]}')
            continue
        images = counted(counts['images'], 'image')
        if counts['checked'] < counts['images']:
            images += f', {counts["checked"]} of them looked at'
        sizes = list(counts['sizes'])
        shown = ', '.join(sizes[:3]) + (f' and {len(sizes) - 3} more sizes' if sizes[3:] else '')
        lines.append(f'{split}: {images}{", " * bool(shown)}{shown}')
    return '\n'.join(lines)


def _class_table(splits: dict[str, dict]) -> str:
    """Shares of the labeled pixels in percent, a row per class and a column per split."""
    columns = {name: each for name, each in splits.items() if each.get('classes')}
    rows: dict[str, list[str]] = {}
    for number, counts in enumerate(columns.values()):
        total = sum(each['pixels'] for each in counts['classes'].values())
        shares = {name: each['pixels'] for name, each in counts['classes'].items()}
        for name, pixels in shares.items():
            row = rows.setdefault(name, ['-'] * len(columns))
            row[number] = f'{100 * pixels / total:.2f}' if total else '-'
    if not rows:
        return ''
    width = max(len(name) for name in ['percent of pixels', *rows])
    table = [('percent of pixels', columns), *rows.items()]
    return '\n'.join(
        name.ljust(width) + ''.join(f'{cell:>9}' for cell in cells) for name, cells in table
    )
