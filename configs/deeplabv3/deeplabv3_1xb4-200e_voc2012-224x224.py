_base_ = [
    '../_base_/models/deeplabv3_r50-d8.py',
    '../_base_/datasets/voc2012.py',
    '../_base_/schedules/adam_200e_poly.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes),
    auxiliary_head=dict(num_classes=_base_.num_classes),
)
# The last batch of 2621 images has a single image, whose pooled 1x1 map has no batch statistics.
train_dataloader = dict(drop_last=True)
