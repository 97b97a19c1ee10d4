# Channel attention after the second upsampling (from 1/8 to 1/4 of the image's size).
_base_ = '../unet/unet_1xb8-300e_floodnet-512x512.py'
plain = dict(type='Concatenation')
attended = dict(type='ChannelAttentionConcatenation')
model = dict(decode_head=dict(fusion=[plain, plain, attended, plain]))
