"""Draw the loss, mean IoU and IoU per class of one or more training runs.

    python tools/analysis_tools/plot_curves.py WORK_DIR... [--out curves.png]

WORK_DIR is the output of tools/train.py or tools/cross_validate.py. The folds of a cross-validation
have one color. A resumed training is one curve. For the IoU per class, the config needs
PerClassIoUMetric; the configs of this package have it.
"""

import argparse
import io
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'work_dirs', type=Path, nargs='+', metavar='WORK_DIR', help='work directory'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('curves.png'), help='PNG file; default: %(default)s'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmseg_attn.apps.cli import check_output, run_cli
from mmseg_attn.apps.report import draw, panels
from mmseg_attn.apps.runs import find_groups
from mmseg_attn.errors import DataError
from mmseg_attn.io import counted, write_file

COLUMNS = 3


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    groups = find_groups(args.work_dirs)
    check_output('--out', args.out, ['.png'])
    curves = panels(groups)
    if not curves:
        names = ', '.join(map(str, args.work_dirs))
        raise DataError(
            f'the logs of {names} contain no loss and no IoU yet: wait for the first entry'
        )
    columns = 2 if len(curves) in (2, 4) else COLUMNS
    title = groups[0].title if len(groups) == 1 else ''
    png = io.BytesIO()
    draw(curves, columns=columns, title=title).savefig(png)
    write_file(args.out, png.getvalue())
    runs = sum(len(group.runs) for group in groups)
    print(f'{args.out}: {counted(len(curves), "panel")} of {counted(runs, "run")}')


if __name__ == '__main__':
    run_cli(main)
