"""Merge the results of all shards of a run into the folder that one run would have written."""

import contextlib
import csv
import itertools
import os
import shlex
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ...errors import DataError
from ...io import counted, staged_output
from ...io.output import complete_manifest, locked
from .inputs import CONVERTER, shards_root
from .intensities import IntensityMapping
from .results import TABLE_TEXT
from .run import Predictions
from .shards import (
    COUNTS,
    ENTRY,
    Shard,
    interleave,
    list_checksum,
    read_entry,
    shards_in,
)
from .summary import collect_warnings, summarize

LOCK = '.merging'  # jobs that end together merge one after the other
OWN = ('converter', 'files', ENTRY)  # entries of a manifest that belong to the shard alone
PARTS = dict(
    files='another list of files',
    config='another config',
    checkpoint='another checkpoint',
    temperature='another temperature',
    settings='other settings',
    version='another version of mmseg_attn',
)


class Merged(NamedTuple):
    """The result of all shards.

    Attributes:
        summary: What the tool prints about the run.
        warnings: Possible mistakes of the user.
        skipped: Number of files that were skipped.
        files: Number of all files.
        empty: Number of input folders without images.
    """

    summary: str
    warnings: list[str]
    skipped: int
    files: int
    empty: int


def merge_shards(out: Path, count: int | None = None) -> Merged:
    """Merge the shards of a run.

    The shards stay. Where the file system supports it, their files are linked, not copied.

    Args:
        out: The output folder of the run.
        count: Number of shards; by default, that of the shards beside ``out``.

    Raises:
        DataError: If a shard is missing or was changed, if the shards were made with different
            settings, or if no file could be predicted.
        OSError: If the disk is full or the folder is not writable.
    """
    folders = _folders(out, count)
    manifests = [_manifest(folder, folders[0]) for folder in folders]
    entries = [manifest[ENTRY] for manifest in manifests]
    items = list(interleave([entry['items'] for entry in entries]))
    if list_checksum(items) != entries[0]['job']['files']:
        raise DataError(
            f'the shards in {shards_root(out)} do not have all files of their run together: remove '
            f'that folder, and run {_command(entries[0], Shard(1, len(folders)))} and the others '
            'again'
        )
    inputs = {path: entry for manifest in manifests for path, entry in manifest['inputs'].items()}
    skipped = {path: why for manifest in manifests for path, why in manifest['skipped'].items()}
    if not inputs:
        raise DataError(
            f'no file could be predicted: see the reasons in {folders[0] / "conversion.json"} and '
            'the other shards'
        )
    order = [path for path, _ in items]
    predictions = _predictions(order, inputs, skipped, entries)
    pixels = np.sum([entry['pixels'] for entry in entries], axis=0)
    results: Any = SimpleNamespace(classes=entries[0]['classes'], pixels=pixels)
    settings = manifests[0]['settings']
    options = ('intensity', 'percentiles')
    option = next((f'--{name}' for name in options if settings.get(name)), None)
    warnings = collect_warnings(predictions, results, _model(entries), option=option)
    kept = {key: value for key, value in manifests[0].items() if key not in OWN}
    with locked(folders[0].parent / LOCK), staged_output(out, converter=CONVERTER) as stage:
        _join(folders, order, stage.folder)
        stage.manifest.update(kept, inputs=inputs, skipped=skipped, warnings=warnings)
    summary = summarize(out, predictions, results, option=option)
    return Merged(summary, warnings, len(skipped), len(items), entries[0]['empty'])


def _folders(out: Path, count: int | None) -> list[Path]:
    """Return the folders of all shards, in their order."""
    root, found = shards_root(out), shards_in(out)
    counts = sorted({shard.count for shard in found} if count is None else {count})
    if len(counts) > 1:
        raise DataError(
            f'{root} contains shards of {" and of ".join(map(str, counts))}: remove those of the '
            'runs that you do not need'
        )
    present = {shard for shard in found if shard.count in counts and read_entry(shard.folder(out))}
    if not present:
        raise DataError(f'{root} contains no finished shard: run tools/predict.py with --shard')
    shards = [Shard(number + 1, counts[0]) for number in range(counts[0])]
    missing = [shard for shard in shards if shard not in present]
    if missing:
        command = _command(read_entry(min(present).folder(out)), missing[0])
        others = len(missing) - 1
        folder = missing[0].folder(out)
        if folder.exists():
            command = f'rm -r {shlex.quote(str(folder))}, and then {command}'
        raise DataError(
            f'{root} lacks {len(missing)} of {counts[0]} shards, '
            f'{_listed([shard.number for shard in missing])}, which failed or did not end yet: run '
            f'{command}' + (f', and so on for {counted(others, "other")}' if others else '')
        )
    return [shard.folder(out) for shard in shards]


def _manifest(folder: Path, first: Path) -> dict[str, Any]:
    """Return the manifest of a shard that is complete and belongs to the run of the first one."""
    entry, expected = read_entry(folder), read_entry(first)
    command = _command(entry, Shard(*map(int, folder.name.split('-of-'))))
    for part, description in PARTS.items():
        if entry['job'].get(part) != expected['job'].get(part):
            raise DataError(
                f'{folder} was made with {description} than {first}: run the one again that is '
                f'wrong, such as {command}'
            )
    try:
        manifest = complete_manifest(folder, CONVERTER)
    except DataError as error:
        raise DataError(f'{folder} was changed: remove it, and run {command}') from error
    if manifest is None:
        raise DataError(f'files are missing in {folder}: run {command}')
    return manifest


def _command(entry: dict[str, Any], shard: Shard) -> str:
    return f'{entry["command"]} --shard {shard.number}/{shard.count}'


def _listed(numbers: Sequence[int]) -> str:
    """Write numbers as Slurm's ``--array`` takes them: 3,5-7."""
    parts = []
    for _, group in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        parts.append(str(run[0]) if len(run) == 1 else f'{run[0]}-{run[-1]}')
    return ','.join(parts)


def _predictions(
    order: Sequence[str],
    inputs: dict[str, dict],
    skipped: dict[str, str],
    entries: Sequence[dict[str, Any]],
) -> Predictions:
    """Return the outcome of the whole run."""
    outside = {path: value for entry in entries for path, value in entry['outside'].items()}
    predictions = Predictions()
    for path in order:
        if path in inputs:
            window = inputs[path]['window']
            mapping = IntensityMapping(tuple(window), outside[path]) if window else None
            predictions.done[Path(path)] = inputs[path]['name'], mapping
        else:
            predictions.failed[Path(path)] = skipped[path]
    for name in COUNTS:
        setattr(predictions, name, sum(entry['counts'][name] for entry in entries))
    noted = defaultdict(set)
    for entry in entries:
        for note, paths in entry['notes'].items():
            noted[note] |= {*paths}
    for note, paths in noted.items():
        predictions.notes[note] = [Path(path) for path in order if path in paths]
    return predictions


def _model(entries: Sequence[dict[str, Any]]) -> Any:
    """Return what the warnings read of a predictor."""
    facts = entries[0]['model']
    attributes = dict(intensity_window=None) if facts['chooses'] else {}
    sums = {key: sum(entry['model'][key] for entry in entries) for key in ('shrunk', 'far')}
    dataset = type(facts['dataset'], (), attributes)
    return SimpleNamespace(color_type=facts['color_type'], dataset=dataset, **sums)


def _join(folders: Sequence[Path], order: Sequence[str], out: Path) -> None:
    """Link or copy the files of all shards, and join their tables."""
    tables = {path.name for folder in folders for path in folder.glob('*.csv')}
    for name in sorted(tables):
        _join_tables([folder / name for folder in folders], order, out / name)
    for folder in folders:
        for path in folder.rglob('*'):
            if path.is_file() and path.parent != folder:
                target = out / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(path, target)
                except FileExistsError:
                    raise DataError(
                        f'{path} is also the result of another shard: remove {folder.parent}, and '
                        'run the shards again'
                    ) from None
                except OSError:  # a file system without hard links
                    shutil.copyfile(path, target)


def _join_tables(tables: Sequence[Path], order: Sequence[str], out: Path) -> None:
    """Join tables whose first column is the file, in the order of the files."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(table.open(**TABLE_TEXT)) for table in tables]
        target = stack.enter_context(out.open('w', **TABLE_TEXT))
        readers = [csv.reader(file) for file in opened]
        headers = [next(reader) for reader in readers]
        writer = csv.writer(target)
        writer.writerow(headers[0])
        rows = [_ByFile(reader) for reader in readers]
        for number, path in enumerate(order):
            writer.writerows(rows[number % len(tables)].of(path))


class _ByFile:
    """Read the rows of a table file by file."""

    def __init__(self, rows: Iterator[list[str]]) -> None:
        self.groups = itertools.groupby(rows, lambda row: row[0])
        self.next = next(self.groups, None)

    def of(self, path: str) -> Iterator[list[str]]:
        """Yield the rows of a file, if they come next; a file that was skipped has none."""
        if self.next and self.next[0] == path:
            yield from self.next[1]
            self.next = next(self.groups, None)
