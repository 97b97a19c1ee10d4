"""Draw the images and labels of a dataset as the model receives them from the pipeline.

    python tools/analysis_tools/browse_dataset.py CONFIG --out DIR [--split val] [--number N]

The first three channels of an image are drawn as red, green and blue. If there are fewer, the first
channel is drawn in gray. Values of more than 8 bits are scaled by their range. MMSegmentation's own
tool draws only images with three channels.
"""

import argparse
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config file')
    parser.add_argument('--out', type=Path, required=True, help='output folder')
    parser.add_argument(
        '--split',
        choices=('train', 'val', 'test'),
        default='train',
        help='split to draw; default: %(default)s',
    )
    parser.add_argument(
        '--number',
        type=int,
        default=20,
        help='number of images, evenly spaced; default: %(default)s',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    args = parser.parse_args(argv)
    if args.number < 1:
        parser.error(f'argument --number: {args.number} is below 1')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import numpy as np
from mmengine.registry import init_default_scope

import mmseg_attn  # noqa: F401  registers the datasets
from mmseg_attn.apps.cli import load_config, progress, run_cli
from mmseg_attn.datasets.building import build_split, class_names
from mmseg_attn.io import counted
from mmseg_attn.visualization import SegComparisonVisualizer
from mmseg_attn.visualization.drawable import drawable, loads_bgr


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    dataset = build_split(cfg, args.split)
    class_names(dataset)
    visualizer = SegComparisonVisualizer(name='browse_dataset')
    visualizer.dataset_meta = dataset.metainfo
    number = min(args.number, len(dataset))
    indices = np.linspace(0, len(dataset) - 1, number).round().astype(int).tolist()
    args.out.mkdir(parents=True, exist_ok=True)
    bgr = loads_bgr(dataset)
    for i in progress(indices, 'drawing image'):
        item = dataset[i]
        sample, inputs = item['data_samples'], item['inputs']
        if isinstance(sample, list):  # of TestTimeAug, whose first version is drawn
            sample, inputs = sample[0], inputs[0]
        name = f'{i:06d}_{Path(sample.img_path).stem}'
        image = drawable(np.moveaxis(inputs.numpy(), 0, -1), bgr=bgr)
        visualizer.add_datasample(name, image, sample, out_file=str(args.out / f'{name}.png'))
    print(f'{args.out}: {number} of {counted(len(dataset), f"{args.split} image")}')


if __name__ == '__main__':
    run_cli(main)
