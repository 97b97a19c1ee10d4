# ruff: noqa: T201  a command line tool
"""Spoil files by chance and give them to the converters, the data sets and the checkpoint loader.

    python tests/reliability/fuzz.py [--files 2400] [--seed 0] [--limit 20] [--only NAME]

Each file must be taken or be refused with one of our own errors, within the time limit, with
nothing written outside the target folder (every file that Python opens for writing is watched, and
every process and connection), nothing left in it after a refusal, and no crash. What is not so is
printed with its traceback, and its folder is kept. Exit code 1 then.
"""

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
for _name in ('tests', 'tools'):  # whatever other packages have these names
    sys.modules[_name] = ModuleType(_name)
    sys.modules[_name].__path__ = [str(ROOT / _name)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.logging import HistoryBuffer  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmseg.registry import DATASETS  # noqa: E402
from PIL import Image  # noqa: E402

import mmseg_attn  # noqa: E402, F401
from mmseg_attn.compat.checkpoint import CheckpointError, load_file  # noqa: E402
from mmseg_attn.datasets.conversion import ConversionError  # noqa: E402
from mmseg_attn.engine.resume import resumable  # noqa: E402
from mmseg_attn.engine.weights import load_weights  # noqa: E402
from tests.data import (  # noqa: E402
    cityscapes,
    covid19,
    dicom,
    drosophila,
    floodnet,
    knee_mri,
    voc,
)
from tests.reliability.mutations import mutate  # noqa: E402
from tools.dataset_converters import covid19 as convert_covid19  # noqa: E402
from tools.dataset_converters import drosophila as convert_drosophila  # noqa: E402
from tools.dataset_converters import knee_mri as convert_knee_mri  # noqa: E402
from tools.dataset_converters import voc_split  # noqa: E402

MEMORY = 6 * 2**30
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# audit events that change files: which arguments are paths, and where the folders are that they
# are relative to, as open files
CHANGES = {
    'os.mkdir': {0: 2},
    'os.remove': {0: 1},
    'os.rmdir': {0: 1},
    'os.rename': {0: 2, 1: 3},
    'os.link': {1: 3},
    'os.symlink': {1: 2},
    'os.chmod': {0: 2},
    'os.truncate': {0: -1},
}
FORBIDDEN = (
    *('os.system', 'os.exec', 'os.fork', 'os.posix_spawn', 'os.spawn', 'subprocess.Popen'),
    *('socket.connect', 'socket.bind', 'pty.spawn', 'webbrowser.open'),
)


class Target(NamedTuple):
    """What is fed.

    Attributes:
        name: Its name.
        source: A sound file or folder.
        run: Feeds it a copy of the source, and a folder to write to.
        errors: How it may refuse.
        spoilt: Which files of the source are spoilt; all if there are none.
    """

    name: str
    source: Path
    run: Callable[[Path, Path], Any]
    errors: tuple[type[Exception], ...]
    spoilt: tuple[Path, ...] = ()


def converter(name: str, source: Path, module: ModuleType, *options: str) -> Target:
    def run(copy: Path, out: Path) -> None:
        module.main([str(copy), '--out', str(out / 'new'), *options])

    return Target(f'converter {name}', source, run, (ConversionError, OSError))


def data_set(name: str, source: Path, config: str, variable: str) -> Target:
    os.environ[variable] = str(source)
    cfg = Config.fromfile(ROOT / f'configs/_base_/datasets/{config}.py')

    def build(folder: Path) -> Any:
        return DATASETS.build(cfg.val_dataloader.dataset | dict(data_root=str(folder)))

    def run(copy: Path, out: Path) -> None:
        built = build(copy)
        for i in range(len(built)):
            try:
                built[i]
            except AssertionError as error:
                if not str(error).startswith(f'failed to load image: {copy}'):
                    raise
                raise ValueError(str(error)) from error  # mmcv's sentence, which names the file

    sound = build(source)
    infos = [sound.get_data_info(i) for i in range(len(sound))]
    read = [info[key] for info in infos for key in ('img_path', 'seg_map_path')]
    read += [sound.ann_file] * bool(sound.ann_file)
    spoilt = tuple(Path(file).relative_to(source) for file in read)
    return Target(f'data set {name}', source, run, (ValueError, FileNotFoundError), spoilt)


def checkpoint(name: str, source: Path) -> Target:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))

    def run(copy: Path, out: Path) -> None:
        content = load_file(copy)
        load_weights(model, resumable(content, copy), name=str(copy), logger='silent')

    return Target(f'checkpoint {name}', source, run, (CheckpointError,))


def make_checkpoints(folder: Path) -> dict[str, Path]:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 1, 2, 2)).sum().backward()
    optimizer.step()
    content = dict(
        state_dict=model.state_dict(),
        optimizer=optimizer.state_dict(),
        meta=dict(epoch=1, iter=3, dataset_meta=dict(classes=('a', 'b'), weight=np.ones(2))),
        message_hub=dict(log_scalars={'train/loss': HistoryBuffer([1.0, 2.0], [1, 1])}),
    )
    files = {kind: folder / f'{kind}.pth' for kind in ('zip', 'legacy')}
    for kind, file in files.items():
        torch.save(content, file, _use_new_zipfile_serialization=kind == 'zip')
    return files


def make_dicom(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(10):
        for kind in ('images', 'masks'):
            (folder / 'dicom' / kind).mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 2 if kind == 'masks' else 900, (16, 16)).astype(np.uint16)
            dicom.write(folder / 'dicom' / kind / f'{i}.dcm', pixels)
    return folder / 'dicom'


def make_targets(folder: Path) -> list[Target]:
    """Sound sources of all kinds, and what they are fed to."""
    sets = {
        module.__name__.rpartition('.')[2]: module.make(folder)
        for module in (cityscapes, covid19, drosophila, floodnet, knee_mri, voc)
    }
    stack = folder / 'stack'
    for mask in (folder / 'knee_source' / 'masks').iterdir():  # small, so that a run is short
        image = folder / 'knee_source' / 'images' / mask.name
        for path in (mask, image):
            Image.open(path).crop((0, 0, 24, 24)).save(path)
    archives = [Path(shutil.make_archive(str(stack), kind, stack)) for kind in ('zip', 'gztar')]
    crops = ('--crop-size', '64')
    targets = [
        converter('drosophila, folder', stack, convert_drosophila, *crops),
        *(converter(f'drosophila, {p.name}', p, convert_drosophila, *crops) for p in archives),
        converter('covid19, NIfTI', folder / 'covid19_source', convert_covid19),
        converter('knee_mri, PNG', folder / 'knee_source', convert_knee_mri),
        converter('knee_mri, DICOM', make_dicom(folder), convert_knee_mri),
        converter('voc_split', sets['voc'], voc_split),
    ]
    targets += [
        data_set('Drosophila', sets['drosophila'], 'drosophila', 'DROSOPHILA_ROOT'),
        data_set('COVID-19', sets['covid19'], 'covid19', 'COVID19_ROOT'),
        data_set('knee MRI', sets['knee_mri'], 'knee_mri', 'KNEE_MRI_ROOT'),
        data_set('FloodNet', sets['floodnet'], 'floodnet', 'FLOODNET_ROOT'),
        data_set('Cityscapes', sets['cityscapes'], 'cityscapes', 'CITYSCAPES_ROOT'),
        data_set('VOC', sets['voc'], 'voc2012', 'VOC_ROOT'),
    ]
    return targets + [checkpoint(*each) for each in make_checkpoints(folder).items()]


class Watch:
    """Notes what this process does that it must not."""

    def __init__(self) -> None:
        self.allowed: Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.allowed is None:
            return
        if event in FORBIDDEN:
            self.seen.append(f'{event} {arguments!r:.200}')
        elif event == 'open' and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self._look(event, arguments[0], -1)
        for path, folder in CHANGES.get(event, {}).items():
            self._look(event, arguments[path], -1 if folder < 0 else arguments[folder])

    def _look(self, event: str, path: Any, folder: int) -> None:
        if isinstance(path, int):  # an open file, which was looked at
            return
        place = os.getcwd() if folder < 0 else os.readlink(f'/proc/self/fd/{folder}')
        name = os.path.normpath(os.path.join(place, os.fsdecode(path)))
        if not name.startswith(str(self.allowed)) and name != os.devnull:
            self.seen.append(f'{event} {name}')


def feed(target: Target, box: Path, seed: str, watch: Watch) -> tuple[str, str]:
    """Feed one spoilt copy.

    Returns:
        'taken', 'refused' or 'defect', and the text of the error.
    """
    chance = random.Random(seed)
    shutil.rmtree(box, ignore_errors=True)
    copy, out = box / 'source' / target.source.name, box / 'target'
    out.mkdir(parents=True)
    (box / 'here').mkdir()
    if target.source.is_dir():
        shutil.copytree(target.source, copy)
        files = [copy / path for path in target.spoilt]
        files = files or sorted(path for path in copy.rglob('*') if path.is_file())
    else:
        copy.parent.mkdir()
        shutil.copy(target.source, copy)
        files = [copy]
    victim = chance.choice(files)
    victim.write_bytes(mutate(victim.read_bytes(), victim.name, chance))
    before = tree(box)
    os.chdir(box / 'here')
    watch.seen, watch.allowed = [], out
    try:
        target.run(copy, out)
        result, text = 'taken', ''
    except target.errors as error:
        result, text = 'refused', str(error)
    except Exception:
        result, text = 'defect', traceback.format_exc()
    finally:
        watch.allowed = None
    left = sorted(tree(box) - before)
    if watch.seen:
        return 'defect', f'it did what it must not: {watch.seen}'
    if left and result == 'refused':
        return 'defect', f'after "{text}" it left {left}'
    if result == 'refused' and (not text.strip() or len(text) > 2000 or 'Traceback' in text):
        return 'defect', f'{text!r:.3000} is no sentence'
    return result, text


def tree(box: Path) -> set[str]:
    return {str(path.relative_to(box)) for path in box.rglob('*')}


def work(targets: list[Target], folder: Path, jobs: Any, results: Any) -> None:
    """Feed what comes, in a process of its own."""
    sys.stdout = sys.stderr = open(os.devnull, 'w')  # noqa: SIM115
    os.environ['TMPDIR'] = str(folder / 'box' / 'target')
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    watch = Watch()
    while True:
        index, seed = jobs.recv()
        results.send(feed(targets[index], folder / 'box', seed, watch))


class Worker:
    """A process that feeds, started again after a crash or when time is up."""

    def __init__(self, targets: list[Target], folder: Path, limit: float) -> None:
        self.targets, self.folder, self.limit = targets, folder, limit
        self.process = None

    def __call__(self, index: int, seed: str) -> tuple[str, str]:
        if self.process is None:
            fork = multiprocessing.get_context('fork')
            theirs, self.jobs = fork.Pipe(duplex=False)
            self.results, answers = fork.Pipe(duplex=False)
            arguments = (self.targets, self.folder, theirs, answers)
            self.process = fork.Process(target=work, args=arguments, daemon=True)
            self.process.start()
            answers.close()
        self.jobs.send((index, seed))
        before = self.computed()
        try:
            for _ in range(int(30 * self.limit)):  # where the machine is busy, waiting is no hang
                if self.results.poll(1):
                    return self.results.recv()
                if self.computed() - before > self.limit:
                    break
            return self.stop(), f'it takes longer than {self.limit:g} s'
        except EOFError:
            self.process.join()
            return self.stop(), f'the process ended with code {self.process_code}'

    def computed(self) -> float:
        """Seconds of computing of the process."""
        fields = Path(f'/proc/{self.process.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def stop(self) -> str:
        self.process.kill()
        self.process.join()
        self.process_code, self.process = self.process.exitcode, None
        return 'defect'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--files', type=int, default=2400)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--limit', type=float, default=20, help='seconds of computing per file')
    parser.add_argument('--only', default='', help='part of the name of the targets')
    args = parser.parse_args()
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    folder = Path(tempfile.mkdtemp(prefix='fuzz-'))
    with open(os.devnull, 'w') as null, redirect_stdout(null), redirect_stderr(null):
        targets = [each for each in make_targets(folder) if args.only in each.name]
    feeder = Worker(targets, folder, args.limit)
    counts: Counter = Counter()
    for i in range(args.files):
        index = i % len(targets)
        result, text = feeder(index, f'{args.seed} {i}')
        counts[targets[index].name, result] += 1
        if result == 'defect':
            kept = folder / f'defect-{i}'
            shutil.copytree(folder / 'box', kept, symlinks=True)
            print(f'{targets[index].name}, see {kept}: {text}', flush=True)
    print(f'{"":34}{"files":>8}{"refused":>9}{"taken":>8}{"defects":>9}')
    kinds = ('refused', 'taken', 'defect')
    for name in [target.name for target in targets]:
        row = [counts[name, kind] for kind in kinds]
        print(f'{name:34}{sum(row):8}{row[0]:9}{row[1]:8}{row[2]:9}')
    row = [sum(counts[target.name, kind] for target in targets) for kind in kinds]
    print(f'{"all":34}{sum(row):8}{row[0]:9}{row[1]:8}{row[2]:9}')
    if not row[2]:
        shutil.rmtree(folder)
    sys.exit(bool(row[2]))


if __name__ == '__main__':
    main()
