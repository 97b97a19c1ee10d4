"""Prepare data, train and test a small LFA-UNet, and draw its predictions.

    python tools/quickstart.py                  use a small synthetic stack
    python tools/quickstart.py --data SOURCE    use the real ssTEM stack (folder or zip file)

Each step prints the command that it runs, so that you can run it yourself. The data are written to
data/ and the results to work_dirs/quickstart/ in the current folder. If the tool is interrupted,
run the same command again to resume.
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
except ImportError:  # Windows has no file locks here: do not resume one run in two processes
    fcntl = None

ROOT = Path(__file__).resolve().parent.parent  # contains tools/ and configs/
CONFIG = ROOT / 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'
RUNS = Path('work_dirs/quickstart')
STATE = 'quickstart.json'  # in the folder of a run: the source of its data, and the steps done
# Ctrl-C also reaches the running tool; this program ends it and prints how to resume.
BEFORE_TOOL = None if os.name == 'nt' else partial(signal.signal, signal.SIGINT, signal.SIG_IGN)


def relative(path: Path) -> str:
    """Return a path relative to the current folder, if it lies inside."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def is_active() -> bool:
    """Return whether ``python`` is the interpreter that runs this program."""
    return Path(shutil.which('python') or '').parent == Path(sys.executable).parent


def command(tool: str, *arguments: str | Path, **environment: str) -> str:
    """Return the command line that runs a tool."""
    python = 'python' if is_active() else relative(Path(sys.executable))
    words = [python, relative(ROOT / 'tools' / tool), *map(str, arguments)]
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
        child.terminate()  # if this program is interrupted
        child.wait()
    if code:
        how = f'was ended by {signal.Signals(-code).name}' if code < 0 else 'failed'
        sys.exit(
            f'\nquickstart stopped: "{step}" {how}. Correct the error above, then run the same '
            'command again to resume'
        )


def find_run(source: str) -> tuple[Path, list[str]]:
    """Find the newest unfinished run on the same data, or make one.

    Returns:
        The folder of the run, and its finished steps.
    """
    for file in sorted(RUNS.glob(f'*/{STATE}'), reverse=True):
        state = json.loads(file.read_text())
        if state['source'] == source and 'test' not in state['done'] and lock(file.parent):
            print(
                f'== Resuming the unfinished run {file.parent}\n'
                '   (to start a new run, remove this folder)'
            )
            return file.parent, state['done']
    folder = RUNS / time.strftime('%Y%m%d_%H%M%S')
    folder.mkdir(parents=True)
    lock(folder)
    write_state(folder, source, [])
    return folder, []


def lock(folder: Path) -> bool:
    """Lock a run until this process ends; return false if another process has locked it."""
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
    temporary = folder / f'{STATE}.tmp'
    temporary.write_text(json.dumps(dict(source=source, done=done)) + '\n')
    temporary.replace(folder / STATE)


def iteration(checkpoint: Path) -> int:
    return int(re.findall(r'\d+', checkpoint.stem)[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--data',
        help='stack1 folder, cloned repository or its zip file; default: a synthetic stack',
    )
    args = parser.parse_args()
    start = time.monotonic()

    real = bool(args.data)
    data = Path('data/drosophila' if real else 'data/synthetic_sstem')
    source = Path(args.data).expanduser().resolve() if real else Path('data/synthetic_sstem_stack')
    folder, done = find_run(str(source))

    # Both tools leave an existing result unchanged.
    if not real:
        run('Generate a synthetic stack', 'dataset_converters/synthetic_sstem.py', source)
    run('Cut it into crops and folds', 'dataset_converters/drosophila.py', source, '--out', data)

    config, environment = relative(CONFIG), dict(DROSOPHILA_ROOT=str(data))
    if 'train' in done:
        print('\n== Train: already finished')
    else:
        resume = ['--resume'] if (folder / 'last_checkpoint').exists() else []
        run('Train', 'train.py', config, '--work-dir', folder, *resume, **environment)
        done.append('train')
        write_state(folder, str(source), done)
    checkpoint = max(folder.glob('best_mIoU_*.pth'), key=iteration)  # two after a kill
    images = folder / 'images'
    show = ['--work-dir', folder, '--show-dir', images]
    run('Test', 'test.py', config, checkpoint, *show, **environment)
    write_state(folder, str(source), [*done, 'test'])

    stack = 'the real stack' if real else 'a synthetic stack, which is easier than real tissue'
    print(f'\n== Done in {(time.monotonic() - start) / 60:.1f} minutes, on {stack}')
    print('   IoU per class on the test split: see the table above')
    print(f'   images (input, ground truth, prediction): {images}')
    print('\n== Variables for the commands in README.md')
    activate = Path(sys.prefix, 'bin/activate')
    if not is_active() and activate.is_file():
        print(f'   . {relative(activate)}')
    print(f'   export DROSOPHILA_ROOT={data}\n   CONFIG={config}')
    print(f'   CHECKPOINT={checkpoint}\n   WORK_DIR={folder}')
    first = (data / 'splits/fold0/test.txt').read_text().split()[0]
    crop = data / f'images/{first}.png'
    attention = 'analysis_tools/show_attention.py'
    print('\n== Next steps')
    print(f'   {command("predict.py", config, checkpoint, crop, "--out", folder / "predicted")}')
    print(f'   {command(attention, config, checkpoint, crop, "--out", folder / "attention.png")}')
    print(f'   {command("report.py", folder)}')


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        sys.stderr.write('\nquickstart interrupted: run the same command again to resume\n')
        sys.exit(130)
