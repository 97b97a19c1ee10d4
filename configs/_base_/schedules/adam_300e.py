# DA-UNet on FloodNet: Adam, lr 0.001, 300 epochs, no schedule of the learning rate.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.001))
param_scheduler = []
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=300, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
