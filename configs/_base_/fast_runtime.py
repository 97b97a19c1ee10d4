# Optional: faster training steps for any config (docs/training.md). Add to a config's _base_:
#   _base_ = ['./unet_1xb8-1500e_drosophila-256x256.py', '../_base_/fast_runtime.py']
# or, without a config file: --cfg-options runner_type=FastRunner
runner_type = 'FastRunner'
compile = False  # True compiles backbone, neck and heads
