# LFA-UNet on COVID-19: SGD, momentum 0.9, lr = 0.001 (cos(pi epoch / 250) + 1) / 2, by epoch.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.001, momentum=0.9))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=250)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=250, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
