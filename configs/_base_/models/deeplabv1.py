# DeepLabV1 (Chen et al., 2015), with VGG16 and a large field of view, without its CRF.
# The environment variable PRETRAINED_VGG16 is a checkpoint of VGG16; 'none' starts from scratch.
pretrained = '{{$PRETRAINED_VGG16:torchvision://vgg16}}'
he = dict(type='Kaiming', layer='Conv2d', distribution='normal')
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='DilatedVGG16',
        init_cfg=[he]
        if pretrained == 'none'
        else [he, dict(type='Pretrained', checkpoint=pretrained)],
    ),
    decode_head=dict(
        type='LargeFOVHead',
        num_classes=21,
        init_cfg=dict(he, override=dict(type='Normal', std=0.01, name='conv_seg')),
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
