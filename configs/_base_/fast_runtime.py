# Opt-in: faster training steps for any config (docs/training.md). One line in a leaf's _base_:
#   _base_ = ['./unet_1xb8-1500e_drosophila-256x256.py', '../_base_/fast_runtime.py']
# or, without a file: --cfg-options runner_type=FastRunner
runner_type = 'FastRunner'
compile = False  # True: torch.compile for the parts of the network
