"""Compare the FLOPs of LFA-UNet with local and with global attention.

    python -m benchmarks.lfa_flops [--size 256] [--window-size 7] [--json FILE]

PyTorch's FlopCounterMode (a multiply-add is two) counts the reference backend on the meta device,
so that nothing is computed. The paper reports a "total computational cost" of 0.0466 at 256x256 and
does not say how it is counted.
"""

import argparse
import json

import torch
from mmseg.registry import MODELS
from torch.utils.flop_counter import FlopCounterMode

import mmseg_attn  # noqa: F401  registers the parts

PAPER = 0.0466
CHANNELS = [64, 128, 256, 512, 1024]


def count(window_size: int | None, size: int) -> dict[str, int]:
    """Count the FLOPs of LFA-UNet for one image, base width 64, one input channel, five classes.

    Returns:
        FLOPs of the attention without and with its projections, and of the whole network.
    """
    norm_cfg = dict(type='BN')
    head = dict(type='LFAHead', in_channels=CHANNELS, num_classes=5, backend='reference')
    loss = dict(type='SoftmaxFocalLoss')
    with torch.device('meta'):
        encoder = MODELS.build(
            dict(type='UNetEncoder', in_channels=1, channels=CHANNELS, norm_cfg=norm_cfg)
        )
        head = MODELS.build(
            dict(head, window_size=window_size, norm_cfg=norm_cfg, loss_decode=loss)
        )
        image = torch.empty(1, 1, size, size)
    counter = FlopCounterMode(display=False)
    with counter:
        head.eval()(encoder.eval()(image))
    modules = counter.get_flop_counts()
    fusions = [name for name in modules if name.rpartition('.fusions.')[2].isdigit()]
    counts = [item for name in fusions for item in modules[name].items()]
    projected = sum(flops for _, flops in counts)
    alone = sum(flops for operator, flops in counts if operator is torch.ops.aten.bmm)
    return {
        'attention alone': alone,
        'attention with its projections': projected,
        'whole network': counter.get_total_flops(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--size', type=int, default=256, help='side of the image in pixels')
    parser.add_argument('--window-size', type=int, default=7, help='local range m')
    parser.add_argument('--json', help='also write the figures to this file')
    args = parser.parse_args()

    local, whole = count(args.window_size, args.size), count(None, args.size)
    print(f'LFA-UNet, {args.size}x{args.size}, local range {args.window_size}')
    print(f'{"GFLOPs":32}{"local":>12}{"global":>12}{"ratio":>10}')
    for name in local:
        a, b = local[name], whole[name]
        print(f'{name:32}{a / 1e9:12.2f}{b / 1e9:12.2f}{a / b:10.5f}')
    print(f'{"reported by the paper (256x256)":56}{PAPER:10.4f}')
    if args.json:
        with open(args.json, 'w') as file:
            json.dump({'local': local, 'global': whole, 'paper': PAPER}, file, indent=2)


if __name__ == '__main__':
    main()
