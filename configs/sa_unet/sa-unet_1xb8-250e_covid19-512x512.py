_base_ = ['../unet/unet_1xb8-250e_covid19-512x512.py', '../_base_/models/sa_unet.py']
model = _base_.sa_unet
