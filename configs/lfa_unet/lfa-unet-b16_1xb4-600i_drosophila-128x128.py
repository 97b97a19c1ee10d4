# The crops have half the side of the paper's, and so, about, has the local range.
_base_ = '../unet/unet-b16_1xb4-600i_drosophila-128x128.py'
model = dict(decode_head=dict(type='LFAHead', window_size=3))
