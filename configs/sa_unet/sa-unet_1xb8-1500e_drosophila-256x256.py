_base_ = ['../unet/unet_1xb8-1500e_drosophila-256x256.py', '../_base_/models/sa_unet.py']
model = _base_.sa_unet
