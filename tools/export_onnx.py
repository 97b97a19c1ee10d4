"""Export a trained model to an ONNX file.

    python tools/export_onnx.py CONFIG CHECKPOINT [--out FILE] [--format onnx|torch]

The exported model has the input 'image': float32, (batch, channels, height, width), pixels from 0
to 255, colors in RGB, any batch size, sides of at least 33 pixels. Some backbones need 65 pixels;
the metadata has the number. The model normalizes and pads the image. It returns 'logits' (batch,
classes, height, width); the label of a pixel is the class with the largest logit. If calibrate.py
wrote a temperature beside the checkpoint, the logits are divided by it. The metadata of the file
names the classes and the preprocessing. The tool compares the file with the model before it saves
the file; for ONNX, the comparison needs onnxruntime. With --format torch, the tool writes a
torch.export program (.pt2) instead.
"""

import argparse
import os
import sys
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
        '--out',
        type=Path,
        help='output file; default: the checkpoint with the suffix .onnx or .pt2',
    )
    parser.add_argument(
        '--format', choices=('onnx', 'torch'), default='onnx', help='default: %(default)s'
    )
    parser.add_argument(
        '--temperature',
        type=float,
        metavar='T',
        help='divide the logits by T, 1 for none; default: the number that calibrate.py wrote '
        'beside the checkpoint, if it did',
    )
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
from mmseg_attn.apps.cli import check_file, load_config, run_cli
from mmseg_attn.apps.export import SUFFIXES, Check, write
from mmseg_attn.apps.predict import Predictor, describe_temperatures, exportable
from mmseg_attn.errors import UsageError


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    suffix = SUFFIXES[args.format]
    out = args.out or args.checkpoint.with_suffix(suffix)
    if out.suffix != suffix:
        raise UsageError(
            f'--out {out} does not end in {suffix}: change the suffix, or choose another --format'
        )
    cfg = load_config(args.config, args.cfg_options)
    check_file(args.checkpoint, 'a checkpoint')
    predictor = Predictor(cfg, args.checkpoint, temperature=args.temperature)
    module, description = exportable(predictor, cfg, name=args.config.stem)
    check = write(
        module,
        out,
        kind=args.format,
        description=description,
        say=lambda text: print(f'{text} ...', file=sys.stderr),
    )
    if args.temperature is None:
        for line in describe_temperatures(predictor.temperatures):
            print(line)
    for name, text in description.items():
        print(f'{name}: {text}')
    print(f'{out} ({out.stat().st_size / 2**20:.1f} MiB): {verdict(check)}')


def verdict(check: Check | None) -> str:
    """Describe how the file compares with the model."""
    if check is None:
        return 'not compared with the model because onnxruntime is missing: pip install onnxruntime'
    text = (
        f'the logits differ from those of the model by at most {check.difference:.1e} (largest '
        f'logit: {check.largest:.3g}), and the labels differ at {check.labels} of {check.pixels} '
        'pixels'
    )
    if check.outliers:
        text += f'; {check.outliers} pixels differ by more than rounding (see docs/export.md)'
    return text


if __name__ == '__main__':
    run_cli(main)
