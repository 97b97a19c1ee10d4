_base_ = '../unet/unet-b16_1xb4-600i_covid19-128x128.py'
model = dict(neck=dict(type='DABottleneck', channels=256))
