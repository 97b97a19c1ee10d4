_base_ = './unet-b16_1xb4-600i_drosophila-128x128.py'
model = dict(
    decode_head=dict(loss_decode=dict(_delete_=True, type='CrossEntropyLoss', avg_non_ignore=True))
)
