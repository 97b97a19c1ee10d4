# Crops and local range have about half the side of the paper's.
_base_ = '../unet/unet-b16_1xb4-600i_drosophila-128x128.py'
model = dict(decode_head=dict(type='LFAHead', window_size=3))
