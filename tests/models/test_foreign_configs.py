"""Each part in a config of somebody else: MMSegmentation's backbones and heads around it."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

RESNET_CHANNELS = [32, 64, 128, 256]
RESNET = dict(type='ResNet', depth=50, base_channels=8, stem_channels=8, norm_cfg=dict(type='BN'))
HEAD = dict(num_classes=3, norm_cfg=dict(type='BN'))
UNET_HEAD = dict(HEAD, type='UNetHead', in_channels=RESNET_CHANNELS)
UPER_HEAD = dict(
    HEAD,
    type='UPerHead',
    in_channels=RESNET_CHANNELS,
    in_index=[0, 1, 2, 3],
    pool_scales=(1, 2),
    channels=8,
)
FCN_HEAD = dict(HEAD, type='FCNHead', in_channels=256, in_index=3, channels=8)

CSAM_SKIP = dict(type='CSAMSkip', in_channels=RESNET_CHANNELS, reduction=4)
HYBRID_SKIP = dict(
    type='HybridAttentionSkip', in_channels=RESNET_CHANNELS, multi_scale=True, reduction=4
)
DA_BOTTLENECK = dict(type='DABottleneck', channels=256)
MSAM_NECK = dict(type='MSAMNeck', in_channels=RESNET_CHANNELS, norm_cfg=dict(type='BN'))


CHANNELS = [4, 8, 16, 32]
PARTS = [  # backbone, neck, head
    (RESNET, CSAM_SKIP, UNET_HEAD),
    (RESNET, HYBRID_SKIP, UNET_HEAD),
    (RESNET, MSAM_NECK, UNET_HEAD),
    (RESNET, DA_BOTTLENECK, UPER_HEAD),
    (RESNET, DA_BOTTLENECK, FCN_HEAD),
    (RESNET, None, dict(UNET_HEAD, type='LFAHead')),
    *(
        (dict(type=name, channels=CHANNELS), None, dict(UPER_HEAD, in_channels=CHANNELS))
        for name in ('UNetEncoder', 'ResUNetEncoder', 'MSANetEncoder')
    ),
]


@pytest.mark.parametrize(
    ('backbone', 'neck', 'head'), PARTS, ids=lambda part: part['type'] if part else ''
)
@pytest.mark.parametrize('size', [(64, 96), (75, 97)], ids=str)
def test_trains_and_predicts(backbone, neck, head, size):
    config = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone=backbone,
        neck=neck,
        decode_head=head,
        test_cfg=dict(mode='whole'),
    )
    model = MODELS.build(config)
    images = torch.randn(2, 3, *size)
    labels = [PixelData(data=torch.randint(3, (1, *size))) for _ in images]
    samples = [SegDataSample(gt_sem_seg=label) for label in labels]
    loss = model.loss(images, samples)['decode.loss_ce']
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert not [name for name, g in gradients.items() if g is None]
    if neck:
        assert all(p.grad.any() for p in model.neck.parameters())
    with torch.no_grad():
        predictions = model.eval().predict(images)
    assert predictions[0].pred_sem_seg.shape == size
