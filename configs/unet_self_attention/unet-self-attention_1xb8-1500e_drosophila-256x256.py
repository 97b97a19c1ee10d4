# "U-Net + self-attention" of the LFA-UNet paper: self-attention in the bottleneck of the U-Net.
_base_ = '../unet/unet_1xb8-1500e_drosophila-256x256.py'
model = dict(neck=dict(type='DABottleneck', channels=1024))
