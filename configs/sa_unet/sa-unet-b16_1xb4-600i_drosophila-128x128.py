# Differs from the other SA-UNets in data and schedule only: their width is 16, too.
_base_ = ['../unet/unet-b16_1xb4-600i_drosophila-128x128.py', '../_base_/models/sa_unet.py']
model = _base_.sa_unet
