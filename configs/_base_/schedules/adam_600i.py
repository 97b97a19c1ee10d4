# For a first look on a CPU: Adam, lr 0.001, no schedule, as in the paper, for 600 iterations.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.001, betas=(0.9, 0.999)))
param_scheduler = []
train_cfg = dict(type='IterBasedTrainLoop', max_iters=600, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
