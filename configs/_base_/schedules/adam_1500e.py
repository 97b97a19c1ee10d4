# LFA-UNet on Drosophila: Adam, lr 0.001, "momentum 0.9" (beta1), 1500 epochs, no schedule.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.001, betas=(0.9, 0.999)))
param_scheduler = []
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1500, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
