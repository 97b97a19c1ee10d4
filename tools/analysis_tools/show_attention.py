"""Draw the attention of a trained model in an image.

    python tools/analysis_tools/show_attention.py CONFIG CHECKPOINT IMAGE --point 60 80 --out x.png

For DA, MSAM and LFA, the tool draws the attention weights of each point (the query) at all
positions; for LFA, it draws the local window and its position in the image. For CSAM, hybrid
attention and attention gates, it draws the weight of each position and the channels with the
largest weights. Red means a large weight; the legend explains the other colors. The model receives
the whole image, without sliding windows.
"""

import argparse
import io
import os
from pathlib import Path

if not {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys():
    os.environ['GOMP_SPINCOUNT'] = '1000'  # before PyTorch: docs/performance.md, "A busy machine"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config file')
    parser.add_argument('checkpoint', type=Path, help='checkpoint file')
    parser.add_argument('image', type=Path, help='PNG, JPEG, TIFF, DICOM or NIfTI file')
    parser.add_argument(
        '--point',
        type=float,
        nargs=2,
        action='append',
        metavar=('X', 'Y'),
        help='pixel whose attention is drawn, counted from the top left corner; repeat the option '
        'for several points; default: the center',
    )
    parser.add_argument('--slice', type=int, help='index of the slice in a volume, from 0')
    parser.add_argument('--out', type=Path, required=True, help='PNG file to write')
    parser.add_argument('--device', help='default: the GPU, if there is one')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    args = parser.parse_args(argv)
    if args.slice is not None and args.slice < 0:
        parser.error(f'argument --slice: {args.slice} is below 0')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import numpy as np
from mmengine.dataset import pseudo_collate

import mmseg_attn  # noqa: F401  registers the parts
from mmseg_attn.apps.cli import check_file, check_output, load_config, run_cli, usable_device
from mmseg_attn.apps.predict import Intensities, Predictor, neighbor_channels
from mmseg_attn.errors import DataError
from mmseg_attn.io import counted, write_file
from mmseg_attn.visualization.attention_picture import draw_attention
from mmseg_attn.visualization.attention_recording import METHODS, record
from mmseg_attn.visualization.drawable import drawable


def read(args: argparse.Namespace, predictor: Predictor) -> np.ndarray:
    """Return the image with the channels that the model's pipeline expects."""
    choose = getattr(predictor.dataset, 'intensity_window', None)
    keep = predictor.color_type == 'unchanged'
    intensities = Intensities([args.image], choose=choose, keep=keep)
    source = neighbor_channels(predictor, intensities, [args.image])
    loaded = source.load(args.image)
    slices = loaded.images
    if args.slice is None and len(slices) > 1:
        raise DataError(f'{args.image} has {len(slices)} slices: choose one with --slice')
    index = args.slice or 0
    if index >= len(slices):
        raise DataError(
            f'{args.image} has {counted(len(slices), "slice")}: choose --slice from 0 to '
            f'{len(slices) - 1}'
        )
    return source.image(args.image, loaded, index)


def check_points(points: list[list[float]] | None, image: np.ndarray) -> list[tuple[float, float]]:
    """Return the points, or the center of the image; all must lie inside."""
    height, width = image.shape[:2]
    points = points or [[width // 2, height // 2]]
    for x, y in points:
        if not (0 <= x < width and 0 <= y < height):
            raise DataError(
                f'--point {x:g} {y:g} lies outside the image, which has {width} x {height} '
                'pixels: choose smaller coordinates'
            )
    return [(x, y) for x, y in points]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    check_file(args.checkpoint, 'a checkpoint')
    check_output('--out', args.out, ['.png'], args.image)
    predictor = Predictor(cfg, args.checkpoint, device=usable_device(args.device))
    image = read(args, predictor)
    points = check_points(args.point, image)
    data = pseudo_collate([predictor.prepare(args.image, image)])
    data = predictor.model.data_preprocessor(data, training=False)
    recording = record(
        predictor.model,
        data['inputs'],
        image=drawable(image, bgr=predictor.loader.bgr),
        resized=data['data_samples'][0].img_shape,
    )
    if not recording.calls:
        raise DataError(
            f'{args.config} has no attention to draw, as no layer of its model has one of the '
            f'methods {", ".join(METHODS)}: choose a config with an attention layer'
        )
    title = f'Attention in {args.image.name}\n{args.config.stem}'
    figure = draw_attention(recording, points, title=title, classes=predictor.classes)
    png = io.BytesIO()
    figure.savefig(png)
    write_file(args.out, png.getvalue())
    for call in recording.calls:
        methods = ', '.join(method for method in METHODS if call.has(method))
        print(f'{call.name} ({type(call.layer).__name__}): {methods}')
    print(args.out)


if __name__ == '__main__':
    run_cli(main)
