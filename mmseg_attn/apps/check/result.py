"""Format the result of a check as text and for JSON."""

from dataclasses import dataclass

from ...datasets.findings import Finding, merge_findings
from ...io import counted


@dataclass
class CheckResult:
    """The result of a check.

    Attributes:
        splits: Counts of each split, or the name of the split that has the same dataset.
        findings: All findings; equal findings of several splits are merged.
        sample: Number of images of each dataset that were opened; ``None`` for all.
    """

    splits: dict[str, dict]
    findings: list[Finding]
    sample: int | None

    def __post_init__(self) -> None:
        self.findings = merge_findings(self.findings)

    @property
    def errors(self) -> int:
        """The number of findings that make the training or the metrics wrong."""
        return sum(finding.error for finding in self.findings)

    def to_dict(self) -> dict:
        """Return all contents, for JSON."""
        return dict(
            errors=self.errors,
            warnings=len(self.findings) - self.errors,
            sample=self.sample,
            splits=self.splits,
            findings=[finding.to_dict() for finding in self.findings],
        )

    def __str__(self) -> str:
        parts = [_overview(self.splits), _class_table(self.splits)]
        for error, title in ((True, 'ERRORS'), (False, 'WARNINGS')):
            entries = [f'  {finding}' for finding in self.findings if finding.error == error]
            if entries:
                parts.append('\n'.join([title, *entries]))
        parts.append(self._verdict())
        return '\n\n'.join(part for part in parts if part)

    def _verdict(self) -> str:
        counts = [(self.errors, 'error'), (len(self.findings) - self.errors, 'warning')]
        summary = ', '.join(counted(n, word) for n, word in counts)
        ending = 'correct the errors before you train' if self.errors else 'the data can be used'
        if self.sample is not None and not self.errors:
            ending += ', according to the sample'
        return f'{summary}: {ending}.'


def _overview(splits: dict[str, dict]) -> str:
    lines = []
    for split, counts in splits.items():
        if 'same_as' in counts:
            lines.append(f'{split}: same dataset as {counts["same_as"]}')
            continue
        images = counted(counts['images'], 'image')
        if counts['checked'] < counts['images']:
            images += f', {counts["checked"]} of them checked'
        sizes = list(counts['sizes'])
        shown = ', '.join(sizes[:3]) + (
            f' and {counted(len(sizes) - 3, "more size")}' if sizes[3:] else ''
        )
        lines.append(f'{split}: {images}{", " * bool(shown)}{shown}')
    return '\n'.join(lines)


def _class_table(splits: dict[str, dict]) -> str:
    """Format the percentages of the labeled pixels, a row per class and a column per split."""
    columns = {split: counts for split, counts in splits.items() if counts.get('classes')}
    rows: dict[str, list[str]] = {}
    for column, counts in enumerate(columns.values()):
        total = sum(pixels['pixels'] for pixels in counts['classes'].values())
        for name, pixels in counts['classes'].items():
            row = rows.setdefault(name, ['-'] * len(columns))
            row[column] = f'{100 * pixels["pixels"] / total:.2f}' if total else '-'
    if not rows:
        return ''
    title = 'percent of pixels'
    width = max(len(name) for name in [title, *rows])
    table = [(title, columns), *rows.items()]
    return '\n'.join(
        name.ljust(width) + ''.join(f'{cell:>9}' for cell in cells) for name, cells in table
    )
