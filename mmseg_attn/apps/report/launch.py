"""One start of a training: the folder, named by the time, that MMEngine fills in a work folder."""

import csv
import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from statistics import mean

LINE = re.compile(r'^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - ', re.M)
TIME = '%Y/%m/%d %H:%M:%S'
RESUMED = re.compile(r'resumed epoch: \d+, iter: (\d+)')
ENVIRONMENT = re.compile(r'^ {4}([\w ,]+): (.*)$', re.M)
RULE = '-' * 60  # MMEngine frames what it says of the machine with two of them
MODES = ('train/', 'val/')  # prefixes that MMEngine's log_with_hierarchy gives


class Launch:
    """What is known of it.

    Args:
        folder: The folder, ``WORK_DIR/20240102_030405``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def text(self) -> str:
        """The log as text; empty where there is none."""
        files = sorted(self.folder.glob('*.log'))
        return '\n'.join(file.read_text(encoding='utf-8', errors='replace') for file in files)

    @cached_property
    def entries(self) -> list[dict]:
        """What was logged as numbers, oldest first; from ``per_class.csv`` if there is no more."""
        scalars, table = self.folder / 'vis_data' / 'scalars.json', self.folder / 'per_class.csv'
        if scalars.is_file():
            return list(_parsed(scalars.read_text(encoding='utf-8', errors='replace')))
        return _validations(table) if table.is_file() else []

    @property
    def resumed_at(self) -> int | None:
        """The iteration that it went on from; ``None`` if the log does not tell."""
        if found := RESUMED.search(self.text):
            return int(found[1])
        return 0 if self.text else None

    @cached_property
    def environment(self) -> dict[str, str]:
        """What MMEngine wrote of the machine: ``PyTorch``, ``MMEngine``, ``GPU 0``, ``seed``..."""
        _, _, framed = self.text.partition(RULE)
        return dict(ENVIRONMENT.findall(framed.partition(RULE)[0]))

    @cached_property
    def times(self) -> list[datetime]:
        """When its lines were written."""
        return [datetime.strptime(found, TIME) for found in LINE.findall(self.text)]


def find_launches(work_dir: Path) -> list[Launch]:
    """The starts of the training in a work folder, oldest first; tests do not count."""
    launches = [Launch(folder) for folder in sorted(work_dir.glob('*/'))]  # the names are times
    return [launch for launch in launches if launch.entries]


def _parsed(text: str) -> Iterator[dict]:
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # a kill may cut the last one
            continue
        if isinstance(entry, dict):
            yield {_plain(key): value for key, value in entry.items()}


def _plain(key: str) -> str:
    for mode in MODES:
        key = key.removeprefix(mode)
    return key


def _validations(table: Path) -> list[dict]:
    """The validations that ``PerClassCSVHook`` wrote, as the log would hold them."""
    found: dict[int, dict] = {}
    with table.open(newline='', encoding='utf-8') as file:
        for row in csv.DictReader(file):
            if row['split'] == 'val' and row.get('IoU'):
                step = int(row['iter'])
                found.setdefault(step, dict(step=step))[f'IoU.{row["class"]}'] = float(row['IoU'])
    for entry in found.values():
        entry['mIoU'] = mean(value for key, value in entry.items() if key != 'step')
    return list(found.values())
