"""From nothing to pictures: prepare data, train a small LFA-UNet, test it, draw its predictions.

    python tools/quickstart.py                  on a small synthetic stack
    python tools/quickstart.py --data SOURCE    on the real ssTEM stack (folder or zip)

Every step is a command that you can run yourself; each is printed before it runs.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'


def run(step: str, *command: str, **environment: str) -> None:
    """Print a command and run it in the project's folder; stop the program if it fails."""
    shown = [f'{name}={value}' for name, value in environment.items()]
    shown += ['python', *map(shlex.quote, command)]
    print(f'\n== {step}\n   {" ".join(shown)}\n', flush=True)
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=os.environ | environment)
    if done.returncode:
        sys.exit(f'quickstart stopped: "{step}" failed with exit code {done.returncode}, see above')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', help='stack1 folder, cloned repository or its zip')
    args = parser.parse_args()
    start = time.monotonic()

    converter = 'tools/dataset_converters/drosophila.py'
    if args.data:
        data = 'data/drosophila'
        source = str(Path(args.data).expanduser().resolve())
    else:
        data, source = 'data/synthetic_sstem', 'data/synthetic_sstem_stack'
        run('Generate a synthetic stack', 'tools/dataset_converters/synthetic_sstem.py', source)
    run('Cut it into crops and folds', converter, source, '--out', data)

    work_dir = f'work_dirs/quickstart/{time.strftime("%Y%m%d_%H%M%S")}'
    run('Train', 'tools/train.py', CONFIG, '--work-dir', work_dir, DROSOPHILA_ROOT=data)
    (checkpoint,) = (ROOT / work_dir).glob('best_mIoU_*.pth')
    checkpoint = str(checkpoint.relative_to(ROOT))
    pictures = f'{work_dir}/pictures'
    show = ['--work-dir', work_dir, '--show-dir', pictures]
    run('Test', 'tools/test.py', CONFIG, checkpoint, *show, DROSOPHILA_ROOT=data)

    what = 'the real stack' if args.data else 'a synthetic stack, which is easier than real tissue'
    print(f'\n== Done in {(time.monotonic() - start) / 60:.1f} minutes, on {what}')
    print(f'   per-class IoU on the test split: the table above\n   checkpoint: {checkpoint}')
    print(f'   pictures (image, ground truth, prediction): {pictures}/vis_data/vis_image')


if __name__ == '__main__':
    main()
