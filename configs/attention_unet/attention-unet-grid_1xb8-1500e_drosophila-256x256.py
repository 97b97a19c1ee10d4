# The authors' own gates: the coarser decoder feature is the signal, the finest skip is not gated.
_base_ = '../unet/unet_1xb8-1500e_drosophila-256x256.py'
gate = dict(type='GridAttentionGate')
model = dict(decode_head=dict(fusion=[dict(type='Concatenation'), gate, gate, gate]))
