"""Calibrate a trained model: find the temperature that makes its probabilities agree with accuracy.

    python tools/calibrate.py CONFIG CHECKPOINT [--split val]

The tool predicts the labeled images of a split, and finds the number T > 0 for which softmax(logits
/ T) has the smallest negative log likelihood (Guo et al., arXiv 1706.04599); for a head with one
output channel, it is sigmoid(logit / T). It prints the negative log likelihood (NLL, in nats) and
the expected calibration error (ECE, from 0 to 1) before and after, and writes T beside the
checkpoint: best.temperature.json for best.pth. predict.py, export_onnx.py and report.py then use
it. Labels stay the same.

Calibrate on images that the model was not trained on, and measure the result on others.
"""

import argparse
import os
import tempfile
from pathlib import Path

if not {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys():
    os.environ['GOMP_SPINCOUNT'] = '1000'  # before PyTorch: docs/performance.md, "A busy machine"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config file')
    parser.add_argument('checkpoint', type=Path, help='checkpoint file')
    parser.add_argument(
        '--split',
        choices=('val', 'test'),
        default='val',
        help='split to calibrate on; default: %(default)s',
    )
    parser.add_argument('--device', help='default: the GPU, if there is one')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import mmseg_attn  # noqa: F401  registers the parts
from mmseg_attn.apps.calibrate import calibrate
from mmseg_attn.apps.cli import (
    check_file,
    load_config,
    print_table,
    progress,
    run_cli,
    usable_device,
)
from mmseg_attn.apps.predict import write_temperature
from mmseg_attn.errors import DataError
from mmseg_attn.io import checksum, counted


def check(checkpoint: Path) -> None:
    """Check that the result can be written, before the predictions start."""
    check_file(checkpoint, 'a checkpoint')
    try:
        with tempfile.TemporaryFile(dir=checkpoint.parent):
            pass
    except OSError as error:
        raise DataError(
            f'{checkpoint.parent} cannot be written ({error.strerror}): copy the checkpoint to '
            'another folder'
        ) from error


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    check(args.checkpoint)
    sha256 = checksum(args.checkpoint)  # a training may replace the file in the meantime
    found = calibrate(
        cfg,
        args.checkpoint,
        args.split,
        device=usable_device(args.device),
        watch=lambda batches: progress(batches, 'batch'),
    )
    file = write_temperature(
        args.checkpoint,
        found.temperature,
        sha256=sha256,
        config=str(args.config),
        cfg_options=args.cfg_options,
        split=args.split,
        **{name: value for name, value in found._asdict().items() if name != 'temperature'},
    )
    of = f' of {found.labeled:,} labeled' if found.pixels < found.labeled else ' labeled'
    print(f'{args.split}: {counted(found.images, "image")}, {found.pixels:,}{of} pixels\n')
    rows = zip(('1', f'{found.temperature:.4f}'), found.nll, found.ece, strict=True)
    print_table(
        ('temperature', 'NLL', 'ECE'), [(t, f'{nll:.4f}', f'{ece:.4f}') for t, nll, ece in rows]
    )
    print(f'\n{file}')


if __name__ == '__main__':
    run_cli(main)
