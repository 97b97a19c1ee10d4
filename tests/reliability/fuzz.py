# ruff: noqa: T201  a command line tool
"""Spoil files by chance and give them to the converters, the datasets and the checkpoint loader.

    python tests/reliability/fuzz.py [--files 2400] [--seed 0] [--limit 20] [--only NAME]
    python tests/reliability/fuzz.py --unusual 1000 [--seed 0] [--only NAME]

Each file must be taken or be refused with one of our own errors, within the time limit, with
nothing written outside the target folder (every file that Python opens for writing is watched, and
every process and connection), nothing left in it after a refusal, and no crash. What is not so is
printed with its traceback, and its folder is kept. Exit code 1 then. First, each is given a sound
file, which it must take.

With ``--unusual``, files are valid and unusual instead: TIFF over its tags, DICOM over its fields,
NIfTI over its headers, PNG over its color types. predict.py's mask must be that of the pixels that
an independent reader reads, or the file must be refused in a sentence that does not call it
damaged.
"""

import argparse
import gc
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent.parent
for _name in ('tests', 'tools'):  # whatever other packages have these names
    sys.modules[_name] = ModuleType(_name)
    sys.modules[_name].__path__ = [str(ROOT / _name)]

import torch  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

from mmseg_attn.apps.cli import progress  # noqa: E402
from tests.processes import HANG  # noqa: E402
from tests.reliability.mutations import mutate  # noqa: E402
from tests.reliability.targets import Target, make_targets  # noqa: E402
from tests.reliability.watching import Watch  # noqa: E402

MEMORY = 6 * 2**30


def feed(target: Target, box: Path, seed: str | None, watch: Watch) -> tuple[str, str]:
    """Feed one copy, corrupted by chance; a sound one without a seed.

    Returns:
        'taken', 'refused' or 'defect', and the text of the error.
    """
    shutil.rmtree(box, ignore_errors=True)
    copy, out = box / 'source' / target.source.name, box / 'target'
    out.mkdir(parents=True)
    (box / 'here').mkdir()
    if target.source.is_dir():
        shutil.copytree(target.source, copy)
        files = [copy / path for path in target.corrupted]
        files = files or sorted(path for path in copy.rglob('*') if path.is_file())
    else:
        copy.parent.mkdir()
        shutil.copy(target.source, copy)
        files = [copy]
    if seed is not None:
        chance = random.Random(seed)
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
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # decoders written in C say much
        os.dup2(null, stream)
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

    def __call__(self, index: int, seed: str | None) -> tuple[str, str]:
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
            for _ in range(HANG):  # where the machine is busy, waiting is no hang
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


def judge_unusual(folder: Path, number: int, *, seed: int, only: str) -> NoReturn:
    """Predict valid files and compare the masks with those of what others read."""
    from tests.reliability.judging import LOADERS, Judge
    from tests.reliability.unusual import MAKERS, make

    with open(os.devnull, 'w') as null, redirect_stdout(null), redirect_stderr(null):
        judge = Judge(folder)
    box = folder / 'box'
    box.mkdir()
    names, counts, models = [name for name in MAKERS if only in name], Counter(), list(LOADERS)
    for i in progress(range(number), 'judging'):
        name, chance = names[i % len(names)], random.Random(f'{seed} {i}')
        file = make(name, f'{seed} {i}', box)
        model, windowed = chance.choice(models), chance.random() < 0.7
        try:
            result, text = judge(file, model, windowed=windowed)
        except Exception:
            result, text = 'defect', traceback.format_exc()
        counts[name, result] += 1
        if result == 'defect':
            kept = folder / f'defect-{i}{"".join(file.path.suffixes)}'
            shutil.copy(file.path, kept)
            print(f'\n{kept} for {model}, windowed={windowed}: {text}\n  {file.words}', flush=True)
    print_table(names, counts, ('right', 'refused', 'defect'))
    if not any(result == 'defect' for _, result in counts):
        shutil.rmtree(folder)
        sys.exit(0)
    sys.exit(1)


def print_table(names: Sequence[str], counts: Counter, kinds: tuple[str, str, str]) -> None:
    """Print how often each ended how."""
    print(f'{"":34}{"files":>8}' + ''.join(f'{kind:>9}' for kind in kinds))
    rows = {name: [counts[name, kind] for kind in kinds] for name in names}
    rows['all'] = [sum(column) for column in zip(*rows.values(), strict=True)]
    for name, row in rows.items():
        print(f'{name:34}{sum(row):8}' + ''.join(f'{count:9}' for count in row))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--files', type=int, default=2400)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--limit', type=float, default=20, help='seconds of computing per file')
    parser.add_argument('--only', default='', help='part of the name of the targets')
    parser.add_argument('--unusual', type=int, help='try so many valid files instead')
    args = parser.parse_args()
    torch.set_num_threads(1)
    gc.freeze()  # MMEngine collects garbage with every dataset
    init_default_scope('mmseg')
    folder = Path(tempfile.mkdtemp(prefix='fuzz-'))
    if args.unusual:
        judge_unusual(folder, args.unusual, seed=args.seed, only=args.only)
    with open(os.devnull, 'w') as null, redirect_stdout(null), redirect_stderr(null):
        targets = [each for each in make_targets(folder) if args.only in each.name]
    feeder = Worker(targets, folder, args.limit)
    for index, target in enumerate(targets):
        result, text = feeder(index, None)
        if result != 'taken':
            sys.exit(f'{target.name} does not take a sound file: {text}')
    counts: Counter = Counter()
    for i in progress(range(args.files), 'fuzzing'):
        index = i % len(targets)
        result, text = feeder(index, f'{args.seed} {i}')
        counts[targets[index].name, result] += 1
        if result == 'defect':
            kept = folder / f'defect-{i}'
            shutil.copytree(folder / 'box', kept, symlinks=True)
            print(f'\n{targets[index].name}, see {kept}: {text}', flush=True)
    print_table([target.name for target in targets], counts, ('refused', 'taken', 'defect'))
    defects = any(result == 'defect' for _, result in counts)
    if not defects:
        shutil.rmtree(folder)
    sys.exit(defects)


if __name__ == '__main__':
    main()
