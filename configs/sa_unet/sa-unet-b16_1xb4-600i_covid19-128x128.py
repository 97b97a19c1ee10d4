# Only dataset and schedule differ from the other configs: SA-UNet has base width 16 anyway.
_base_ = ['../unet/unet-b16_1xb4-600i_covid19-128x128.py', '../_base_/models/sa_unet.py']
model = _base_.sa_unet
