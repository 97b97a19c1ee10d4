"""Count the parameters and FLOPs of every decoder and neck on every pretrained encoder.

    python -m benchmarks.encoder_grid

It prints the table of docs/encoders.md: parameters in millions, and FLOPs of an image of 512x512
with 3 channels and 10 classes in billions (a multiply-add is two). Nothing is computed; the models
are on the meta device. It needs timm.
"""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from benchmarks.report import markdown
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.evaluation import complexity

ENCODERS = Path(__file__).resolve().parent.parent / 'configs/_base_/encoders'
NORM = dict(type='BN')
PARTS: dict[str, dict[str, Any]] = {
    'UNetHead': dict(head=dict(type='UNetHead')),
    'UNetHead, AttentionGate': dict(
        head=dict(type='UNetHead', fusion=dict(type='AttentionGate', norm_cfg=NORM))
    ),
    'UNetHead, GridAttentionGate': dict(
        head=dict(type='UNetHead', fusion=dict(type='GridAttentionGate'))
    ),
    'UNetHead, ChannelAttentionConcatenation': dict(
        head=dict(type='UNetHead', fusion=dict(type='ChannelAttentionConcatenation'))
    ),
    'UNetHead, LocalFeatureAggregation': dict(
        head=dict(type='UNetHead', fusion=dict(type='LocalFeatureAggregation', window_size=7))
    ),
    'LFAHead': dict(head=dict(type='LFAHead', window_size=7)),
    'NestedUNetHead': dict(head=dict(type='NestedUNetHead')),
    'LargeFOVHead': dict(head=dict(type='LargeFOVHead', channels=256)),
    'CSAMSkip, UNetHead': dict(neck=dict(type='CSAMSkip'), head=dict(type='UNetHead')),
    'HybridAttentionSkip, UNetHead': dict(
        neck=dict(type='HybridAttentionSkip'), head=dict(type='UNetHead')
    ),
    'DABottleneck, UNetHead': dict(neck=dict(type='DABottleneck'), head=dict(type='UNetHead')),
    'MSAMNeck, UNetHead': dict(
        neck=dict(type='MSAMNeck', norm_cfg=NORM), head=dict(type='UNetHead')
    ),
}


def encoders() -> dict[str, Config]:
    """Return the encoders of configs/_base_/encoders, by name."""
    return {path.stem: Config.fromfile(path) for path in sorted(ENCODERS.glob('*.py'))}


def segmentor(encoder: Config, part: dict[str, Any], *, num_classes: int = 10) -> dict[str, Any]:
    """Return the config of a segmentor of an encoder and one of ``PARTS``."""
    channels = encoder.encoder_channels
    head = dict(part['head'], num_classes=num_classes, norm_cfg=NORM, in_channels=channels)
    if head['type'] == 'LargeFOVHead':
        head.update(in_channels=channels[-1], in_index=len(channels) - 1)
    necks = [encoder.pyramid] if 'pyramid' in encoder else []
    if 'neck' in part:
        size = dict(in_channels=channels)
        if part['neck']['type'] == 'DABottleneck':
            size = dict(channels=channels[-1])
        necks.append(dict(part['neck'], **size))
    backbone = {key: value for key, value in encoder.encoder.items() if key != '_delete_'}
    model = dict(type='EncoderDecoder', backbone=backbone, decode_head=head)
    return dict(model, neck=necks) if necks else model


def main() -> None:
    """Print the table."""
    print(table())


def table() -> str:
    """Count, and format the table in Markdown."""
    configs, rows = encoders(), []
    for name, part in PARTS.items():
        row = {'': f'`{name}`'}
        for encoder, config in configs.items():
            parameters, flops = complexity(segmentor(config, part), (3, 512, 512))
            row[encoder] = f'{parameters / 1e6:.1f} M, {flops / 1e9:.0f} G'
        rows.append(row)
    return markdown(rows)


if __name__ == '__main__':
    run_cli(main)
