"""Write a trained model as an ONNX file, for other programs to run.

    python tools/export_onnx.py CONFIG CHECKPOINT [--out FILE] [--format onnx|torch]

The model in the file takes 'image', float32 (batch, channels, height, width): pixels from 0 to 255,
colors as RGB, of any batch and size from 33 pixels on; some backbones need 65, and the metadata
has the number. It normalizes and pads them itself and returns 'logits' (batch, classes, height,
width), whose largest is the label. The file's metadata names the classes and says what has to
happen to a picture before. The file is compared with the model before it is kept; for ONNX that
needs onnxruntime. --format torch writes a program of torch.export (.pt2) instead.
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
    parser.add_argument('config', type=Path, help='a config')
    parser.add_argument('checkpoint', type=Path, help='a checkpoint')
    parser.add_argument(
        '--out', type=Path, help='the file; default: beside the checkpoint, with .onnx or .pt2'
    )
    parser.add_argument('--format', choices=('onnx', 'torch'), default='onnx')
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
from mmseg_attn.apps.export import SUFFIXES, Check, PixelsToLogits, describe, loader_of, write
from mmseg_attn.apps.predict import Predictor
from mmseg_attn.datasets.nested_datasets import nested_datasets
from mmseg_attn.errors import UsageError
from mmseg_attn.evaluation.input_shape import channels


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    suffix = SUFFIXES[args.format]
    out = args.out or args.checkpoint.with_suffix(suffix)
    if out.suffix != suffix:
        raise UsageError(
            f'--out {out} does not end in {suffix}: name it so, or choose another --format'
        )
    cfg = load_config(args.config, args.cfg_options)
    check_file(args.checkpoint, 'a checkpoint')
    predictor = Predictor(cfg, args.checkpoint)
    *_, dataset = nested_datasets(cfg.test_dataloader.dataset)
    loader = loader_of(dataset.pipeline)
    module = PixelsToLogits(
        predictor.model,
        in_channels=channels(cfg),
        color_type=predictor.color_type,
        bgr=loader.bgr,
    )
    description = describe(
        module,
        config=args.config.stem,
        steps=dataset.pipeline,
        classes=predictor.classes,
        palette=predictor.palette,
        loader=loader,
    )
    check = write(
        module,
        out,
        kind=args.format,
        description=description,
        say=lambda text: print(f'{text} ...', file=sys.stderr),
    )
    for name, text in description.items():
        print(f'{name}: {text}')
    print(f'{out} ({out.stat().st_size / 2**20:.1f} MiB): {verdict(check)}')


def verdict(check: Check | None) -> str:
    """How the file compares with the model, in words."""
    if check is None:
        return 'not compared with the model, which needs onnxruntime: pip install onnxruntime'
    text = (
        f'the logits differ from those of the model by {check.difference:.1e} at most, where the '
        f'largest is {check.largest:.3g}, and the labels at {check.labels} of {check.pixels} pixels'
    )
    if check.outliers:
        text += f'; {check.outliers} pixels differ by more than rounding (see docs/export.md)'
    return text


if __name__ == '__main__':
    run_cli(main)
