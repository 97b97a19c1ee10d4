"""Write a config for a folder of images and masks, and check it.

    python tools/new_dataset.py FOLDER [--out DIR] [--model unet] [--minutes 20]

FOLDER contains the folders images/ and masks/ (or annotations/, labels/), or the pairs <name>.png
and <name>_mask.png; folders for train, val and test are kept. The files can be PNG, JPEG (images
only), TIFF, DICOM or NIfTI. Nothing in FOLDER is changed.

DIR gets config.py, which you can read and change, dataset.yaml (what the files contain),
preview.png (look at it), splits/, README.md with the next commands and, only if files have to be
converted, data/. docs/new_dataset.md explains every choice. If something is wrong with the files,
DIR is not written.
"""

import argparse
import math
from pathlib import Path

MODALITIES = ('em', 'ct', 'mri', 'rgb', 'fluorescence')


def value_and_class(text: str) -> tuple[str, str]:
    """Parse '255=1'."""
    value, equals, label = text.partition('=')
    if not (value and equals and label):
        raise argparse.ArgumentTypeError(f'{text} is not VALUE=CLASS, such as 255=1')
    return value, label


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, help='folder of the images and masks')
    parser.add_argument('--out', type=Path, help='output folder; default: projects/<FOLDER>')
    parser.add_argument('--images', type=Path, metavar='DIR', help='folder of the images')
    parser.add_argument('--masks', type=Path, metavar='DIR', help='folder of the masks')
    parser.add_argument('--classes', nargs='+', metavar='NAME', help='names of the classes')
    parser.add_argument(
        '--map',
        type=value_and_class,
        nargs='+',
        default=[],
        metavar='VALUE=CLASS',
        help='class of each value in the masks, such as 0=0 255=1, #ff0000=2 or 7=ignore',
    )
    parser.add_argument(
        '--yes', action='store_true', help='accept the proposed classes of values and colors'
    )
    parser.add_argument(
        '--model', default='unet', help='unet, lfa-unet, attention-unet, ...; default: %(default)s'
    )
    parser.add_argument(
        '--modality', choices=MODALITIES, help='kind of the images; default: a guess'
    )
    parser.add_argument(
        '--case-pattern',
        metavar='REGEX',
        help='part of the names that is the case (patient, stack); default: a guess',
    )
    parser.add_argument('--folds', type=int, metavar='N', help='number of folds; default: 5')
    parser.add_argument(
        '--minutes', type=float, metavar='M', help='length of a training on this machine'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the folds; default: %(default)s'
    )
    args = parser.parse_args(argv)
    if (args.images is None) != (args.masks is None):
        parser.error('--images and --masks need each other')
    if args.minutes is not None and not (args.minutes > 0 and math.isfinite(args.minutes)):
        parser.error(f'argument --minutes: {args.minutes} is not above 0')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import shlex
import sys

from mmseg_attn.apps.cli import run_cli
from mmseg_attn.apps.new_dataset import (
    MODELS,
    RULES,
    Labels,
    Options,
    Project,
    project_name,
    read_dataset,
    table,
    this_machine,
    write_project,
)
from mmseg_attn.errors import UsageError

TOOLS = Path(__file__).resolve().parent


def confirm(labels: Labels, *, yes: bool) -> None:
    """Show the proposed classes, and ask for them."""
    rows = labels.table()
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    print('the masks do not contain class numbers; their values are converted to these classes:')
    for value, label, percent in rows:
        print(f'  {value:>{widths[0]}} -> {label:<{widths[1]}}  {percent:>{widths[2]}}')
    sys.stdout.flush()
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        shown = ', '.join(f'{value} to {label}' for value, label, _ in rows[:8])
        more = f' and {len(rows) - 8} more' if rows[8:] else ''
        raise UsageError(
            f'the values of the masks have to be converted ({shown}{more}): add --yes to accept '
            'this, or choose the classes with --map 255=1 and name them with --classes'
        )
    if input('convert copies of the masks? [y/N] ').strip().lower() not in ('y', 'yes'):
        raise UsageError(
            'the masks were not converted: choose the classes with --map 255=1, and name them with '
            '--classes'
        )


def commands(out: Path, project: Project) -> list[tuple[str, str]]:
    """Return the next commands with their purpose."""
    config, name = shlex.quote(str(out / 'config.py')), project_name(out)
    tools = TOOLS.relative_to(Path.cwd()) if TOOLS.is_relative_to(Path.cwd()) else TOOLS
    fold = f'work_dirs/{name}/fold0'
    train, test = f'{fold}/train', f'{fold}/test'
    best = f'{train}/best_mIoU_iter_*.pth'

    def tool(script: str, *arguments: str) -> str:
        return ' '.join(['python', shlex.quote(str(tools / script)), *arguments])

    folds = project.fingerprint['folds']
    every = f' ({folds} for all folds)' if folds > 1 else ''
    cross_validate = 'cross_validate.py', config, '--folds', '1', '--work-dir', f'work_dirs/{name}'
    predict = (
        'predict.py',
        config,
        best,
        'NEW_FILES',
        *project.predict,
        '--out',
        f'{fold}/predicted',
    )
    return [
        ('Check the dataset', tool('check_dataset.py', config)),
        ('Train and test the first fold' + every, tool(*cross_validate)),
        ('Or train', tool('train.py', config, '--work-dir', train)),
        (
            'and test with drawings',
            tool('test.py', config, best, '--work-dir', test, '--show-dir', f'{test}/drawings'),
        ),
        ('Predict new files', tool(*predict)),
        ('Report', tool('report.py', train)),
        ('Publish the model', tool('publish.py', train, '--out', f'{fold}/published')),
    ]


def readme(out: Path, source: Path, project: Project) -> str:
    """Return the text of README.md in the project."""
    blocks = '\n'.join(f'# {what}\n{command}' for what, command in commands(out, project))
    choices = project.choices
    unused = dict(
        window=not project.predict,
        resize=not choices.resize,
        sampling=not (choices.cropping and choices.rare),
        test=not choices.slide,
    )
    reasons = '\n'.join(
        f'| {name} | {rule.reason} | {rule.source} |'
        for name, rule in RULES.items()
        if not unused.get(name)
    )
    return (
        f'# {out.name}\n\n'
        f'`tools/new_dataset.py` wrote this project for the images in `{source}`. `config.py` is '
        'the training\nconfig, `runtime.py` contains its hooks, `dataset.yaml` describes the '
        'files, `splits/` lists the images\nof each fold, and `preview.png` shows some of them.'
        f'\n\n```bash\n{blocks}\n```\n\n'
        '## Why the config is as it is\n\n'
        f'| choice | reason | source |\n|---|---|---|\n{reasons}\n\n'
        'The rules are explained in docs/new_dataset.md of mmseg_attn.\n'
    )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.model not in MODELS:
        raise UsageError(f'--model is {args.model}: choose one of {", ".join(MODELS)}')
    source = args.folder
    out = args.out or Path('projects', project_name(source))
    if source.exists() and source.resolve().is_relative_to(out.resolve()):
        raise UsageError(f'--out {out} contains the images: choose another folder')
    options = Options(
        images=args.images,
        masks=args.masks,
        classes=args.classes,
        mapping=dict(args.map),
        model=args.model,
        modality=args.modality,
        case_pattern=args.case_pattern,
        folds=args.folds,
        minutes=args.minutes,
        seed=args.seed,
    )
    dataset = read_dataset(
        source, options, lambda labels: confirm(labels, yes=args.yes or bool(args.map))
    )
    project = write_project(
        dataset,
        out,
        source=source,
        options=options,
        machine=this_machine(),
        readme=lambda project: readme(out, source, project),
    )
    report(out, project)


def report(out: Path, project: Project) -> None:
    """Print the fingerprint, the check and the next commands."""
    rows = table(project.fingerprint)
    width = max(len(name) for name, _ in rows)
    print(f'\n{out}{" (already up to date)" * project.unchanged}')
    for name, text in rows:
        print(f'  {name:<{width}}  {text}')
    choices = project.choices
    height, side = choices.crop
    print(
        f'  {"config":<{width}}  {choices.model} of width {choices.channels[0]} and '
        f'{len(choices.channels)} stages, crops of {side}x{height}, batches of {choices.batch}, '
        f'{choices.iterations} iterations'
    )
    print(f'\nCheck of the dataset:\n\n{project.check}'.replace('\n', '\n  '))
    print(f'\nLook at {out / "preview.png"}. Next commands, also in {out / "README.md"}:\n')
    for what, command in commands(out, project):
        print(f'  # {what}\n  {command}')


if __name__ == '__main__':
    run_cli(main)
