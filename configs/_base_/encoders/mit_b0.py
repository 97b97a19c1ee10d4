# MiT-B0, the encoder of SegFormer (Xie et al., 2021), pretrained on ImageNet-1k. timm does not have
# it; this is MMSegmentation's, which begins at stride 4.
encoder = dict(
    _delete_=True,
    type='MixVisionTransformer',
    in_channels=3,
    embed_dims=32,
    num_layers=[2, 2, 2, 2],
    num_heads=[1, 2, 5, 8],
    drop_path_rate=0.1,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b0_20220624-7e0fe6dd.pth',
    ),
)
encoder_channels = [32, 64, 160, 256]  # strides 4 to 32
