# Hybrid-UNet on Cityscapes: AdamW, lr 0.0005, cosine annealing over 100 epochs. The paper does not
# give the weight decay: 0.01 is our decision.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.0005, weight_decay=0.01)
)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=100, convert_to_iter_based=True)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
