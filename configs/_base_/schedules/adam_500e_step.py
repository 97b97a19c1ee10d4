# CSAM-ResUNet on knee MRI: Adam, lr 2e-5, betas (0.9, 0.999); lr 2e-6 after epoch 300 of 500.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-5, betas=(0.9, 0.999)))
param_scheduler = [dict(type='MultiStepLR', milestones=[300], gamma=0.1)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=500, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
