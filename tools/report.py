"""Write one HTML page about training runs: scores, images, curves, calibration, cost and setup.

    python tools/report.py WORK_DIR [WORK_DIR ...] [--out report.html]

WORK_DIR is the output of tools/train.py or tools/cross_validate.py. The tool predicts the test set
with the best checkpoint of each run, or with the last one. For runs that differ only in seed or
fold, the page shows the mean and the standard deviation; other runs are shown side by side. The
page is one file and needs no network. If the data or a checkpoint is missing, the page says so.
"""

import argparse
import os
from pathlib import Path

if not {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys():
    os.environ['GOMP_SPINCOUNT'] = '1000'  # before PyTorch: docs/performance.md, "A busy machine"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'work_dirs', type=Path, nargs='+', metavar='WORK_DIR', help='work directory'
    )
    parser.add_argument(
        '--out', type=Path, help='HTML file; default: report.html, in WORK_DIR if there is only one'
    )
    parser.add_argument(
        '--split',
        choices=('val', 'test'),
        default='test',
        help='split to predict; default: %(default)s',
    )
    parser.add_argument(
        '--images',
        type=int,
        default=1,
        help='number of images of each kind (best, median, worst); default: %(default)s',
    )
    parser.add_argument(
        '--case-pattern',
        metavar='REGEX',
        help='compare models by cases, such as patients, instead of images: the case is the first '
        'group of the regular expression, or else its match, in the path of an image below the '
        'folder that all test images have in common',
    )
    parser.add_argument('--device', help='default: the GPU, if there is one')
    args = parser.parse_args(argv)
    if args.images < 0:
        parser.error(f'argument --images: {args.images} is below 0')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmengine.logging import MMLogger

import mmseg_attn  # noqa: F401  registers the parts
from mmseg_attn.apps.cli import check_output, progress, run_cli, usable_device
from mmseg_attn.apps.report import GroupResult, find_result, on_one_set, render
from mmseg_attn.apps.runs import case_rule, find_groups, merge
from mmseg_attn.io import write_file


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')  # one progress line is enough
    folder = args.work_dirs[0] if len(args.work_dirs) == 1 else Path()
    out = args.out or folder / 'report.html'
    case = case_rule(args.case_pattern) if args.case_pattern else str
    groups = merge(find_groups(args.work_dirs))
    device = usable_device(args.device)
    check_output('--out', out, ['.html', '.htm'])
    results = [
        GroupResult(
            group,
            on_one_set(
                [
                    find_result(
                        run,
                        args.split,
                        device=device,
                        watch=lambda batches, run=run: progress(batches, f'{run.name}: batch'),
                    )
                    for run in group.runs
                ]
            ),
        )
        for group in groups
    ]
    write_file(out, render(results, images=args.images, case=case))
    for result in [result for group in results for result in group.results]:
        if result.missing:
            print(f'missing from the page: {result.missing}')
        if result.evaluation and result.evaluation.note:
            print(result.evaluation.note)
    print(out)


if __name__ == '__main__':
    run_cli(main)
