# Registers the parts of this plugin, also in MMSegmentation's own tools.
custom_imports = dict(imports=['mmseg_attn'], allow_failed_imports=False)
default_scope = 'mmseg'
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# With several GPUs, BN becomes SyncBN; with one GPU it stays BN.
sync_bn = 'torch'
randomness = dict(seed=0)

# TensorBoard: pip install tensorboard, and add dict(type='TensorboardVisBackend') to the list.
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='SegComparisonVisualizer', vis_backends=vis_backends, name='visualizer')
# Log the mean loss of each validation; MMEngine would average it over the last ten.
log_processor = dict(
    by_epoch=True, custom_cfg=[dict(data_src='mean_loss', method_name='mean', window_size=1)]
)
log_level = 'INFO'
load_from = None
resume = False

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=10, max_keep_ckpts=1, save_best='mIoU'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Stops before the first iteration if the config does not fit the dataset.
    dataset_check=dict(type='DatasetCheckHook'),
    # Stops if a loss or a weight is not finite, before a checkpoint is written.
    divergence=dict(type='DivergenceHook'),
    # A resumed training follows a changed schedule.
    schedule=dict(type='ResumedScheduleHook'),
    per_class=dict(type='PerClassCSVHook'),
    per_image=dict(type='PerImageCSVHook'),
    visualization=dict(type='SegPictureHook'),
)

tta_model = dict(type='SegTTAModel')
