# For a first test on a CPU: Adam, lr 0.003, decreasing to 0 in the second half of 600 iterations.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.003, betas=(0.9, 0.999)))
param_scheduler = [
    dict(type='LinearLR', start_factor=1.0, end_factor=0.0, begin=300, end=600, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=600, val_interval=200)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
