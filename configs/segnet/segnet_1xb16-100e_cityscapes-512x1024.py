_base_ = ['../_base_/models/segnet.py', '../_base_/protocols/hybrid_unet.py']
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes, loss_decode=_base_.loss),
)
