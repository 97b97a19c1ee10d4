_base_ = ['../_base_/models/fcn_r50-d8.py', '../_base_/protocols/hybrid_unet.py']
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes, loss_decode=_base_.loss),
    auxiliary_head=dict(num_classes=_base_.num_classes),
)
