# Opt-in: faster training steps for any config, here or elsewhere (docs/performance.md).
#   _base_ = ['./unet_1xb8-1500e_drosophila-256x256.py', '../_base_/fast_runtime.py']
# or, without a file: --cfg-options runner_type=FastRunner in_memory=True
# channels-last, bfloat16 where the processor has it, fused optimizer, no wait for a GPU in a step
runner_type = 'FastRunner'
in_memory = False  # True: images and masks are decoded once and kept; for small sets
compile = False  # True: torch.compile for the network
