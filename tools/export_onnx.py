"""Write a trained model as an ONNX file, for other programs to run.

    python tools/export_onnx.py CONFIG CHECKPOINT [--out FILE]

The model takes normalised images 'image' (batch, channels, height, width) of any size from about
64 pixels on and returns 'logits' (batch, classes, height, width). The file says in its metadata
which classes these are and how a picture becomes the input. It is compared with the model before
it is kept. A FILE that ends in .pt2 becomes a program of torch.export instead.
"""

import argparse
import logging
from pathlib import Path

from mmengine.config import Config

import mmseg_attn  # noqa: F401  registers the parts
from mmseg_attn.compat.checkpoint import CheckpointError
from mmseg_attn.datasets.conversion import ConversionError, run_cli
from mmseg_attn.datasets.nested_datasets import nested_datasets
from mmseg_attn.export import describe, write
from mmseg_attn.prediction import Predictor


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='a config')
    parser.add_argument('checkpoint', type=Path, help='the weights')
    parser.add_argument(
        '--out', type=Path, help='.onnx or .pt2 file; default: the checkpoint with .onnx'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if not args.config.is_file():
        raise ConversionError(f'{args.config} is missing: name a config file')
    for name in ('torch.onnx', 'onnx_ir', 'onnxscript'):  # they warn of their own affairs
        logging.getLogger(name).setLevel(logging.ERROR)
    cfg = Config.fromfile(args.config)
    try:
        predictor = Predictor(cfg, args.checkpoint)
    except CheckpointError as error:
        raise ConversionError(str(error)) from error
    *_, dataset = nested_datasets(cfg.test_dataloader.dataset)
    description = describe(
        predictor.model,
        config=args.config.stem,
        color_type=predictor.color_type,
        steps=dataset.pipeline,
        classes=predictor.classes,
        palette=predictor.palette,
    )
    out = args.out or args.checkpoint.with_suffix('.onnx')
    in_channels = cfg.model.backbone.get('in_channels', 3)
    difference = write(predictor.model, out, in_channels=in_channels, description=description)
    print(f'{out}: the logits differ from the model by {difference:.1e} at most')
    for name, text in description.items():
        print(f'{name}: {text}')


if __name__ == '__main__':
    run_cli(main)
