# MSANet: Adam, lr 0.001, polynomial decay with power 0.9 at every iteration of 200 epochs;
# by MMEngine's count, the last iteration has lr 0.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.001))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, end=200, convert_to_iter_based=True)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
