# ruff: noqa: T201  a command line tool
"""Kill a small real training at random moments, resume it, and compare it with one left alone.

    python tests/reliability/kill_training.py [--kills 30] [--seed 0]

Each kill is SIGKILL to a process that runs tools/train.py: half of them at a random time of the
training, half inside a save (file half written, written, renamed, before and after the removal of
an older one). Then the same command goes on with --resume. The resumed training must end with the
same weights, bit by bit, the same metrics, the same best score and the same files.
"""

import argparse
import contextlib
import gc
import json
import os
import random
import runpy
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch
from mmengine.fileio import LocalBackend
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.io import atomic

ROOT = Path(__file__).resolve().parent.parent.parent
POINTS = ('half written', 'written', 'renamed', 'before a removal', 'after a removal')
SHOWN = ('step', 'metrics', 'best', 'files')
CONFIG = f"""
_base_ = [
    '{ROOT}/configs/_base_/default_runtime.py',
    '{ROOT}/configs/_base_/datasets/drosophila.py',
]
norm = dict(type='BN', momentum=0.5)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(type='UNet', in_channels=1, base_channels=4, norm_cfg=norm),
    decode_head=dict(
        type='FCNHead', in_channels=4, in_index=4, channels=8, num_convs=1, norm_cfg=norm,
        num_classes=_base_.num_classes, dropout_ratio=0.5,
    ),
    test_cfg=dict(mode='whole'),
)
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=_base_.augmented_pipeline))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01))
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
"""
ALONE = """
train_dataloader.update(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
"""
# What differs: the loop, the workers, how often what is saved, how many files are kept.
TRAININGS = {
    'epochs': ALONE
    + """
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=8, val_interval=1)
param_scheduler = dict(type='PolyLR', end=8)
default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=1))
""",
    'epochs, persistent workers': """
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=8, val_interval=2)
param_scheduler = dict(type='PolyLR', end=8)
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2))
""",
    'iterations': ALONE
    + """
train_dataloader.update(sampler=dict(type='InfiniteSampler'))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20, val_interval=4)
param_scheduler = dict(type='PolyLR', end=20, by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
custom_hooks = [dict(type='EMAHook')]
""",
}


class Steps:
    """Counts the steps of the saves in this process, and kills it at one of them."""

    def __init__(self, log: Path, point: str | None, number: int) -> None:
        self.log, self.point, self.left = log, point, number
        os_ = type(sys)('os')
        os_.__dict__.update(vars(os), fsync=self.fsync, replace=self.replace)
        atomic.os = os_
        self._remove = LocalBackend.remove
        LocalBackend.remove = lambda backend, path: self.remove(backend, path)

    def at(self, point: str) -> bool:
        with self.log.open('a') as file:
            file.write(f'{point}\n')
        self.left -= point == self.point
        return point == self.point and self.left < 0

    def fsync(self, handle: int) -> None:
        if os.path.isfile(f'/proc/self/fd/{handle}') and self.at('half written'):
            os.ftruncate(handle, int(os.fstat(handle).st_size * random.random()))
            die()
        os.fsync(handle)

    def replace(self, source: Path, target: Path) -> None:
        if self.at('written'):
            die()
        os.replace(source, target)
        if self.at('renamed'):
            die()

    def remove(self, backend: LocalBackend, path: str) -> None:
        if self.at('before a removal'):
            die()
        self._remove(backend, path)
        if self.at('after a removal'):
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Training:
    """One kind of training: where it runs, what it gives if it is left alone.

    Attributes:
        expected: What it leaves.
        seconds: How long it takes after it has started.
        steps: How often each step of a save happens.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        folder.mkdir()
        (folder / 'config.py').write_text(CONFIG + TRAININGS[name])
        code, self.seconds = self.run('alone')
        if code:
            raise SystemExit(f'{name}: the training fails, see {folder}/alone.log')
        self.expected = outcome(folder / 'alone')
        self.steps = Counter((folder / 'alone.steps').read_text().splitlines())

    def run(
        self, run: str, *options: str, point: str | None = None, number: int = 0, after: float = 0
    ) -> tuple[int, float]:
        """Run tools/train.py in a process of its own.

        Args:
            run: Name of the work folder.
            options: More arguments.
            point: The kind of step of a save at which to kill it.
            number: How many of these steps to let pass.
            after: Seconds after the start at which to kill it; 0 lets it end.

        Returns:
            The exit code, negative for a signal, and the seconds from the start of the loop.
        """
        started, begin = os.pipe()
        child = os.fork()
        if not child:
            code = 1
            try:
                os.setsid()
                log = os.open(self.folder / f'{run}.log', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
                os.dup2(log, 1)
                os.dup2(log, 2)
                tell_start(begin)
                Steps(self.folder / f'{run}.steps', point, number)
                config = str(self.folder / 'config.py')
                sys.argv = ['train.py', config, '--work-dir', str(self.folder / run), *options]
                runpy.run_path(str(ROOT / 'tools/train.py'), run_name='__main__')
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                os._exit(code)
        os.close(begin)
        os.read(started, 1)  # nothing comes if it fails before
        os.close(started)
        start = time.monotonic()
        if after:
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        seconds = time.monotonic() - start
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # the workers of a killed training
        return os.waitstatus_to_exitcode(status), seconds

    def kill(self, number: int, *, in_save: bool) -> tuple[str, list[str]]:
        """Kill a training and resume it.

        Returns:
            When it was killed, and what is not as it should be.
        """
        run = f'kill{number}'
        while True:
            shutil.rmtree(self.folder / run, ignore_errors=True)
            (self.folder / f'{run}.log').unlink(missing_ok=True)
            if in_save:
                point = random.choice([each for each in POINTS if self.steps[each]])
                code, _ = self.run(run, point=point, number=random.randrange(self.steps[point]))
            else:
                point = 'any time'
                code, _ = self.run(run, after=random.uniform(0, self.seconds) + 1e-3)
            if code == -signal.SIGKILL:  # else it was done before
                break
        wrong, newest = left_behind(self.folder / run)
        code, _ = self.run(run, '--resume')
        log = (self.folder / f'{run}.log').read_text()
        if code:
            return point, [*wrong, f'--resume fails: {log.splitlines()[-1]}']
        if newest is not None and f'resumed epoch: {newest[0]}, iter: {newest[1]}' not in log:
            wrong.append(f'it does not go on from epoch {newest[0]}, iteration {newest[1]}')
        try:
            found = outcome(self.folder / run)
        except (OSError, RuntimeError) as error:
            return point, [*wrong, str(error)]
        for key, value in found.items():
            if not same(value, self.expected[key]):
                shown = f': {value} instead of {self.expected[key]}' if key in SHOWN else ''
                wrong.append(f'{key} differs{shown}')
        if newest is None:
            point += ', nothing saved before'
        return point, wrong


def tell_start(pipe: int) -> None:
    """Write to a pipe when a training loop begins."""
    for loop in (EpochBasedTrainLoop, IterBasedTrainLoop):

        def run(self, run=loop.run):
            os.write(pipe, b'.')
            return run(self)

        loop.run = run


def left_behind(work_dir: Path) -> tuple[list[str], tuple[int, int] | None]:
    """What a kill has left: what is wrong with it, and epoch and iteration of the newest file."""
    wrong, metas = [], []
    for path in work_dir.glob('*.pth'):
        try:
            checkpoint = load_file(path)
        except RuntimeError as error:
            wrong.append(f'{path.name} is not complete: {error}')
        else:
            if 'optimizer' in checkpoint:
                metas.append((checkpoint['meta']['iter'], checkpoint['meta']['epoch']))
    last = work_dir / 'last_checkpoint'
    if last.exists() and not Path(last.read_text()).is_file():
        wrong.append(f'last_checkpoint names {last.read_text()!r}, which is not there')
    return wrong, max(metas)[::-1] if metas else None


def outcome(work_dir: Path) -> dict:
    """What a finished training gives."""
    last = load_file((work_dir / 'last_checkpoint').read_text())
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    lines = [json.loads(line) for file in logs for line in file.read_text().splitlines()]
    scores = [line for line in lines if 'mIoU' in line][-1]
    info = last['message_hub']['runtime_info']
    (best,) = list(work_dir.glob('best_*.pth'))[-1:]
    return dict(
        step=(last['meta']['epoch'], last['meta']['iter']),
        weights=last['state_dict'],
        optimizer=last['optimizer'],
        metrics={key: value for key, value in scores.items() if 'time' not in key},
        best=(info['best_score'], Path(info['best_ckpt']).name),
        best_weights=load_file(best)['state_dict'],
        files=sorted(path.name for path in work_dir.iterdir() if path.is_file()),
    )


def same(one, other) -> bool:
    """Whether two results are equal, tensors bit by bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)


def make_data(folder: Path) -> Path:
    """Crops of two small synthetic slices."""
    stack, data = str(folder / 'stack'), folder / 'data'
    with open(os.devnull, 'w') as null, redirect_stdout(null), redirect_stderr(null):
        for name, *arguments in (
            ('synthetic_sstem', stack, '--slices', '2', '--size', '128'),
            ('drosophila', stack, '--out', str(data), '--crop-size', '64'),
        ):
            converter = runpy.run_path(str(ROOT / f'tools/dataset_converters/{name}.py'))
            converter['main'](arguments)
    return data


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--kills', type=int, default=30)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.set_num_threads(1)  # and so fit to be forked
    gc.freeze()  # MMEngine collects garbage with every dataset
    counts: Counter = Counter()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        os.environ['DROSOPHILA_ROOT'] = str(make_data(Path(name)))
        kinds = list(TRAININGS)[: args.kills]
        trainings = [Training(kind, Path(name, f'training{i}')) for i, kind in enumerate(kinds)]
        for training in trainings:
            print(f'{training.name}: {training.seconds:.1f} s, {dict(training.steps)}', flush=True)
        for i in range(args.kills):
            training = trainings[i % len(trainings)]
            point, wrong = training.kill(i, in_save=i // len(trainings) % 2 == 0)
            counts[training.name, point] += 1
            failed += bool(wrong)
            print(
                f'{i + 1:3} {training.name}: {point}: {"; ".join(wrong) or "as alone"}', flush=True
            )
            if wrong:
                print((training.folder / f'kill{i}.log').read_text()[-3000:], file=sys.stderr)
    print()
    for (kind, point), count in sorted(counts.items()):
        print(f'{kind:30}{point:45}{count:4}')
    print(f'{args.kills} kills, {args.kills - failed} resumed with the result of a training alone')
    sys.exit(bool(failed))


if __name__ == '__main__':
    main()
