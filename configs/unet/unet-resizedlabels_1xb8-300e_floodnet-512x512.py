# The DA-UNet paper's 37.55 mIoU, scored as that paper does: on labels that are resized to 512x512.
_base_ = './unet_1xb8-300e_floodnet-512x512.py'
test_pipeline = _base_.resized_labels_pipeline
tta_pipeline = _base_.resized_labels_tta_pipeline
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
