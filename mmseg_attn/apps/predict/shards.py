"""Split the files of a run into shards, which are predicted by jobs of their own.

Each shard has a complete output folder, so that two jobs never write the same file. The names of
results are those of the whole list of files, and merge.py joins the folders.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mmengine.config import Config
from mmseg.registry import MODELS

from ...config_types import is_a
from ...errors import DataError
from ...io import checksum, read_manifest
from ...io.output import complete_manifest
from ...models.segmentors import EnsembleSegmentor
from ...version import __version__
from .inputs import CONVERTER, Item, shards_root
from .predictor import Predictor
from .results import Results
from .run import Predictions
from .temperature import read_temperature

ENTRY = 'shard'  # of the manifest
COUNTS = ('slices', 'made_gray', 'cut', 'without_area', 'medical')  # of Predictions
T = TypeVar('T')


class Shard(NamedTuple):
    """A part of a list, of which shard 1 has the items 1, 1 + count, 1 + 2 * count, ...

    Attributes:
        number: Number of the shard, from 1 on.
        count: Number of all shards.
    """

    number: int
    count: int

    def take(self, items: Sequence[T]) -> list[T]:
        """Return the items of this shard, in their order."""
        return list(items[self.number - 1 :: self.count])

    def folder(self, out: Path) -> Path:
        """Return the output folder of this shard, in a folder beside that of the whole run."""
        digits = len(str(self.count))
        return shards_root(out) / f'{self.number:0{digits}d}-of-{self.count}'


def shards_in(out: Path) -> list[Shard]:
    """Return the shards that have a folder, finished or not, in their order."""
    root = shards_root(out)
    names = [path.name for path in root.iterdir()] if root.is_dir() else []
    matches = filter(None, (re.fullmatch(r'(\d+)-of-(\d+)', name) for name in names))
    shards = (Shard(*map(int, match.groups())) for match in matches)
    return sorted(shard for shard in shards if 1 <= shard.number <= shard.count)


def describe_job(
    items: Sequence[Item],
    configs: Iterable[Config],
    checkpoints: Sequence[Path],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Describe all that the results of a run depend on, in JSON, to compare runs.

    Args:
        items: All files, in their order.
        configs: The configs, as they were loaded.
        checkpoints: The checkpoints.
        settings: The settings of the manifest.
    """
    configs = list(configs)
    ensembles = [cfg.model for cfg in configs if is_a(cfg.model, MODELS, EnsembleSegmentor)]
    own = [Path(path) for ensemble in ensembles for path in ensemble.checkpoints]
    checkpoints = [*checkpoints, *own]
    calibrated = settings.get('temperature') is None
    job = dict(
        files=list_checksum(items),
        config=_checksum([_content(cfg) for cfg in configs]),
        checkpoint=[checksum(path) for path in checkpoints],
        temperature=[read_temperature(path) for path in checkpoints] if calibrated else [],
        settings=settings,
        version=__version__,
    )
    return json.loads(json.dumps(job))  # tuples become lists, as in a manifest


def list_checksum(items: Iterable[Sequence[object]]) -> str:
    """Compute a checksum of the paths and names of files."""
    return _checksum([[str(path), str(name)] for path, name in items])


@dataclass
class ShardJob:
    """A shard of a run.

    Args:
        shard: The shard.
        out: The output folder of the whole run.
        job: What the results depend on.
        items: The files of the shard.
        command: The command of the run without ``--shard``.
        empty: Number of input folders without images.

    Attributes:
        stamps: Size and time of the last change of each file of the shard, before it is read.
    """

    shard: Shard
    out: Path
    job: dict[str, Any]
    items: list[Item]
    command: str
    empty: int
    stamps: list[list[int] | None] = field(init=False)

    def __post_init__(self) -> None:
        self.stamps = [_stamp(item.path) for item in self.items]

    @property
    def folder(self) -> Path:
        """The output folder of the shard."""
        return self.shard.folder(self.out)

    def finished(self) -> dict | None:
        """Return the manifest of the shard if this job has written it, from the files of today.

        Raises:
            DataError: If a file in the folder of the shard was added or changed.
        """
        try:
            manifest = complete_manifest(self.folder, CONVERTER)
        except DataError as error:
            raise DataError(
                f'{self.folder} was changed, or is no shard: remove it, and run the command again'
            ) from error
        entry = read_entry(self.folder)
        same = (entry.get('job'), entry.get('stamps')) == (self.job, self.stamps)
        return manifest if same else None

    def count_finished(self) -> int:
        """Count the shards that jobs of this run have finished."""
        shards = (Shard(number + 1, self.shard.count) for number in range(self.shard.count))
        return sum(read_entry(shard.folder(self.out)).get('job') == self.job for shard in shards)

    def entry(
        self, predictions: Predictions, results: Results, predictor: Predictor
    ) -> dict[str, Any]:
        """Return the entry of the manifest, with all that the summary of the whole run needs."""
        mapped = {str(path): mapping for path, (_, mapping) in predictions.done.items() if mapping}
        return dict(
            command=self.command,
            job=self.job,
            items=[[str(path), name] for path, name in self.items],
            stamps=self.stamps,
            empty=self.empty,
            outside={path: mapping.outside for path, mapping in mapped.items()},
            counts={name: int(getattr(predictions, name)) for name in COUNTS},
            notes={
                note: [str(path) for path in paths] for note, paths in predictions.notes.items()
            },
            classes=list(results.classes),
            pixels=results.pixels.tolist(),
            model=dict(
                color_type=predictor.color_type,
                dataset=predictor.dataset.__name__,
                chooses=hasattr(predictor.dataset, 'intensity_window'),
                shrunk=int(predictor.shrunk),
                far=int(predictor.far),
            ),
        )


def read_entry(folder: Path) -> dict[str, Any]:
    """Return the entry of the manifest in the folder of a shard; empty if there is none."""
    entry = read_manifest(folder).get(ENTRY)
    return entry if isinstance(entry, dict) else {}


def interleave(lists: Sequence[Sequence[T]]) -> Iterator[T]:
    """Yield the items of all shards in the order of the whole list."""
    for row in range(max(map(len, lists), default=0)):
        for items in lists:
            if row < len(items):
                yield items[row]


def _stamp(path: Path) -> list[int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _content(cfg: Config) -> str:
    """Return the settings of a config; of classes and functions, the name."""

    def name(value: Any) -> str:
        return getattr(value, '__qualname__', type(value).__qualname__)

    return json.dumps(cfg.to_dict(), default=name, skipkeys=True)


def _checksum(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
