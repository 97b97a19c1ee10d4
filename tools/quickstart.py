"""From nothing to pictures: prepare data, train a small LFA-UNet, test it, draw its predictions.

    python tools/quickstart.py                  on a small synthetic stack
    python tools/quickstart.py --data SOURCE    on the real ssTEM stack (folder or zip)

Every step is a command that you can run yourself; each is printed before it runs. Data go to data/
and results to work_dirs/quickstart/ in the current folder. After an interruption the same command
goes on.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two quickstarts at once must not go on with the same run there
    fcntl = None

ROOT = Path(__file__).resolve().parent.parent  # holds tools/ and configs/
CONFIG = ROOT / 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'
RUNS = Path('work_dirs/quickstart')
STATE = 'quickstart.json'  # in the folder of a run: the source of its data, and the steps done
# Ctrl-C reaches the tool that runs, too; it ends with this program, which says how to go on.
BEFORE_TOOL = None if os.name == 'nt' else partial(signal.signal, signal.SIGINT, signal.SIG_IGN)


def typed(path: Path) -> str:
    """A path as one types it in the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def is_active() -> bool:
    """Whether ``python`` is the one that runs this."""
    return Path(shutil.which('python') or '').parent == Path(sys.executable).parent


def command(tool: str, *arguments: str | Path, **environment: str) -> str:
    """The command line that runs a tool, to be read and pasted."""
    python = 'python' if is_active() else typed(Path(sys.executable))
    words = [python, typed(ROOT / 'tools' / tool), *map(str, arguments)]
    return ' '.join([*(f'{key}={value}' for key, value in environment.items()), shlex.join(words)])


def run(step: str, tool: str, *arguments: str | Path, **environment: str) -> None:
    """Print a command and run it; stop the program if it fails."""
    print(f'\n== {step}\n   {command(tool, *arguments, **environment)}\n', flush=True)
    child = subprocess.Popen(
        [sys.executable, ROOT / 'tools' / tool, *arguments],
        env=os.environ | environment,
        preexec_fn=BEFORE_TOOL,
    )
    try:
        code = child.wait()
    finally:
        child.terminate()  # where this program is interrupted
        child.wait()
    if code:
        how = f'was ended by {signal.Signals(-code).name}' if code < 0 else 'failed'
        sys.exit(
            f'\nquickstart stopped: "{step}" {how}. What it said last stands above; when that is '
            'mended, the same command goes on from here'
        )


def find_run(source: str) -> tuple[Path, list[str]]:
    """The newest run on the same data that is not finished, or else a new one; its steps done."""
    for file in sorted(RUNS.glob(f'*/{STATE}'), reverse=True):
        state = json.loads(file.read_text())
        if state['source'] == source and 'test' not in state['done'] and take(file.parent):
            print(
                f'== Going on with {file.parent}, which was not finished\n'
                '   (remove that folder to begin anew)'
            )
            return file.parent, state['done']
    folder = RUNS / time.strftime('%Y%m%d_%H%M%S')
    folder.mkdir(parents=True)
    take(folder)
    write_state(folder, source, [])
    return folder, []


def take(folder: Path) -> bool:
    """Mark a run as in use for as long as this process lives; false if another one uses it."""
    if fcntl:
        handle = os.open(folder, os.O_RDONLY)  # stays open
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
    return True


def write_state(folder: Path, source: str, done: list[str]) -> None:
    aside = folder / f'{STATE}.tmp'
    aside.write_text(json.dumps(dict(source=source, done=done)) + '\n')
    aside.replace(folder / STATE)


def iteration(checkpoint: Path) -> int:
    return int(re.findall(r'\d+', checkpoint.stem)[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', help='stack1 folder, cloned repository or its zip')
    args = parser.parse_args()
    start = time.monotonic()

    real = bool(args.data)
    data = Path('data/drosophila' if real else 'data/synthetic_sstem')
    source = Path(args.data).expanduser().resolve() if real else Path('data/synthetic_sstem_stack')
    folder, done = find_run(str(source))

    # Both change nothing where their result is there already.
    if not real:
        run('Generate a synthetic stack', 'dataset_converters/synthetic_sstem.py', source)
    run('Cut it into crops and folds', 'dataset_converters/drosophila.py', source, '--out', data)

    config, environment = typed(CONFIG), dict(DROSOPHILA_ROOT=str(data))
    if 'train' in done:
        print('\n== Train: finished before')
    else:
        resume = ['--resume'] if (folder / 'last_checkpoint').exists() else []
        run('Train', 'train.py', config, '--work-dir', folder, *resume, **environment)
        done.append('train')
        write_state(folder, str(source), done)
    checkpoint = max(folder.glob('best_mIoU_*.pth'), key=iteration)  # a kill can leave two
    pictures = folder / 'pictures'
    show = ['--work-dir', folder, '--show-dir', pictures]
    run('Test', 'test.py', config, checkpoint, *show, **environment)
    write_state(folder, str(source), [*done, 'test'])

    what = 'the real stack' if real else 'a synthetic stack, which is easier than real tissue'
    print(f'\n== Done in {(time.monotonic() - start) / 60:.1f} minutes, on {what}')
    print('   per-class IoU on the test split: the table above')
    print(f'   pictures (image, ground truth, prediction): {pictures}')
    print('\n== What the commands in README.md ask for')
    activate = Path(sys.prefix, 'bin/activate')
    if not is_active() and activate.is_file():
        print(f'   . {typed(activate)}')
    print(f'   export DROSOPHILA_ROOT={data}\n   CONFIG={config}')
    print(f'   CHECKPOINT={checkpoint}\n   WORK_DIR={folder}')
    first = (data / 'splits/fold0/test.txt').read_text().split()[0]
    crop = data / f'images/{first}.png'
    attention = 'analysis_tools/show_attention.py'
    print('\n== For example')
    print(f'   {command("predict.py", config, checkpoint, crop, "--out", folder / "predicted")}')
    print(f'   {command(attention, config, checkpoint, crop, "--out", folder / "attention.png")}')
    print(f'   {command("report.py", folder)}')


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        sys.stderr.write('\nquickstart interrupted: the same command goes on from here\n')
        sys.exit(130)
