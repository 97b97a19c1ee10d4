"""Draw what a training sees: images and labels as they come out of the pipeline.

    python tools/analysis_tools/browse_dataset.py CONFIG DIR [--split val] [--number N]

MMSegmentation's own tool cannot draw images of one channel.
"""

import argparse
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

import mmseg_attn  # noqa: F401  registers the data sets
from mmseg_attn.datasets.conversion import ConversionError, at_least, progress, run_cli
from mmseg_attn.engine.cfg_options import merge_options
from mmseg_attn.visualization import SegComparisonVisualizer


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path)
    parser.add_argument('out', type=Path, help='the folder of the pictures')
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument(
        '--number',
        type=at_least(1),
        default=20,
        help='draw so many, spread over the set; default: %(default)s',
    )
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    return parser.parse_args(argv)


def picture(inputs: np.ndarray) -> np.ndarray:
    """Turn the packed image (C, H, W), grey or BGR, into 8 bits, (H, W, C) and RGB."""
    image = np.moveaxis(inputs, 0, -1)[..., ::-1]
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = ((image - low) * (255 / (high - low or 1))).astype(np.uint8)
    return image


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if not args.config.is_file():
        raise ConversionError(f'{args.config} is missing: name a config file')
    cfg = Config.fromfile(args.config)
    merge_options(cfg, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    dataset = DATASETS.build(cfg[f'{args.split}_dataloader'].dataset)
    visualizer = SegComparisonVisualizer(name='browse_dataset')
    visualizer.dataset_meta = dataset.metainfo
    number = min(args.number, len(dataset))
    indices = np.linspace(0, len(dataset) - 1, number).round().astype(int).tolist()
    args.out.mkdir(parents=True, exist_ok=True)
    for i in progress(indices, 'drawing image'):
        item = dataset[i]
        sample = item['data_samples']
        name = f'{i:06d}_{Path(sample.img_path).stem}'
        image = picture(item['inputs'].numpy())
        visualizer.add_datasample(name, image, sample, out_file=str(args.out / f'{name}.png'))
    print(f'{args.out}: {number} of {len(dataset)} {args.split} images')


if __name__ == '__main__':
    run_cli(main)
