# The paper's 40.03 mIoU, scored as the paper does: on labels that are resized to 512x512.
_base_ = './da-unet_1xb8-300e_floodnet-512x512.py'
model = dict(neck=dict(residual=False))
test_pipeline = _base_.resized_labels_pipeline
tta_pipeline = _base_.resized_labels_tta_pipeline
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
