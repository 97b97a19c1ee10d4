"""Plan, train and predict with nnU-Net v2; benchmarks/nnunet.py starts it in nnU-Net's environment.

    PYTHON nnunet_worker.py WORK_DIR --name DATASET --minutes M

It needs nnunetv2 and nothing of this package. ``WORK_DIR/raw/DATASET`` has the cases, and the
environment variables of nnU-Net name the folders. The predictions of the test cases are written to
``WORK_DIR/predictions``, and ``WORK_DIR/report.json`` tells what was run.
"""

import argparse
import json
import shutil
import time
from importlib.metadata import version
from pathlib import Path

PATCH = 128
BATCH = 4
CHANNELS = [16, 32, 64, 128, 256]


def shrink(plans: dict) -> dict:
    """Return the plans of nnU-Net with our patch, batch and widths in the 2D configuration."""
    plans = json.loads(json.dumps(plans))
    configuration = plans['configurations']['2d']
    configuration |= dict(patch_size=[PATCH, PATCH], batch_size=BATCH)
    architecture, stages = configuration['architecture']['arch_kwargs'], len(CHANNELS)
    architecture |= dict(features_per_stage=CHANNELS, n_stages=stages)
    for key in ('kernel_sizes', 'strides', 'n_conv_per_stage', 'n_conv_per_stage_decoder'):
        architecture[key] = architecture[key][: stages - key.endswith('decoder')]
    return plans


def prepare(name: str, raw: Path, preprocessed: Path) -> None:
    """Let nnU-Net plan and preprocess, with smaller plans and the splits of ``raw``."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    number = int(name[len('Dataset') :].partition('_')[0])
    api.extract_fingerprints([number], num_processes=1)
    api.plan_experiments([number])
    file = preprocessed / 'nnUNetPlans.json'
    file.write_text(json.dumps(shrink(json.loads(file.read_text())), indent=2))
    api.preprocess([number], configurations=('2d',), num_processes=(1,))
    shutil.copy(raw / 'splits_final.json', preprocessed)


def train(trainer, seconds: float) -> int:
    """Train for some seconds, and return the number of iterations.

    The learning rate follows nnU-Net's polynomial over the time instead of over 1,000 epochs. The
    validations of nnU-Net, which only choose another checkpoint, are left out.
    """
    trainer.num_epochs = 1  # the length of the schedule
    trainer.on_train_start()
    trainer.network.train()
    iterations, begin = 0, time.monotonic()
    while (passed := (time.monotonic() - begin) / seconds) < 1:
        trainer.lr_scheduler.step(passed)
        loss = trainer.train_step(next(trainer.dataloader_train))['loss']
        iterations += 1
        if iterations % 50 == 0:
            print(f'iteration {iterations}, {passed:.1%} of the time, loss {loss:.4f}', flush=True)
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        if hasattr(loader, '_finish'):
            loader._finish()
    return iterations


def predict(trainer, source: Path, out: Path) -> None:
    """Predict with nnU-Net's sliding window and its flips."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(device=trainer.device, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [{name: value.clone() for name, value in trainer.network.state_dict().items()}],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    out.mkdir(exist_ok=True)
    predictor.predict_from_files_sequential(str(source), str(out))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument('work_dir', type=Path)
    options.add_argument('--name', required=True)
    options.add_argument('--minutes', type=float, required=True)
    options.add_argument('--seed', type=int, default=0)
    args = options.parse_args()
    import numpy as np
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    raw = args.work_dir / 'raw' / args.name
    prepare(args.name, raw, args.work_dir / 'preprocessed' / args.name)
    trainer = get_trainer_from_args(args.name, '2d', 0, device=torch.device('cpu'))
    begin, cpu = time.monotonic(), time.process_time()
    iterations = train(trainer, 60 * args.minutes)
    seconds, cpu = time.monotonic() - begin, time.process_time() - cpu
    predict(trainer, raw / 'imagesTs', args.work_dir / 'predictions')
    report = dict(
        iterations=iterations,
        seconds=seconds,
        cpu_seconds=cpu,  # of this process, without the workers that augment
        parameters=sum(p.numel() for p in trainer.network.parameters()),
        versions={name: version(name) for name in ('nnunetv2', 'torch')},
        plans=trainer.plans_manager.plans['configurations']['2d'],
    )
    (args.work_dir / 'report.json').write_text(json.dumps(report, indent=2))


if __name__ == '__main__':
    main()
