# ResNet-50 with a 3x3 stem (v1c) at output stride 8 and the auxiliary head of MMSegmentation's own
# configs; the configs that use it add a decode head.
# The environment variable PRETRAINED_RESNET50 is a checkpoint; 'none' starts from scratch.
pretrained = '{{$PRETRAINED_RESNET50:open-mmlab://resnet50_v1c}}'
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='ResNetV1c',
        depth=50,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=True,
        norm_cfg=norm_cfg,
        init_cfg=None if pretrained == 'none' else dict(type='Pretrained', checkpoint=pretrained),
    ),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=1024,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        num_classes=19,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.4),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
