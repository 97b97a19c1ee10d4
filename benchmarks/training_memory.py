"""Count the peak memory of a training step of every config, and find settings that fit a GPU.

    python -m benchmarks.training_memory [CONFIG ...] [--cards 8 12 24 48 80] [--json FILE]

Each config is traced at its own batch size and crop on the meta device, in a second or two and
without a GPU. Weights, gradients, optimizer state and activations count (see tracing.py), in the
second step, when the optimizer has its state. ``bfloat16`` is ``--amp``; weights, gradients and
optimizer state stay in float32. ``checkpointing`` is ``ActivationCheckpointHook``.

For each card it shows the first setting that fits, in the order of their cost: no change,
``--amp``, ``--amp`` with checkpointing, then also gradient accumulation. A step may use the
fraction ``FILL`` of the card; the rest is for the CUDA context, cuDNN and fragmentation.
"""

import argparse
import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmengine.utils import digit_version
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from benchmarks import networks
from benchmarks.report import Report, at_least, markdown, parser
from benchmarks.tracing import AsOnGPU, LiveMemory
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.engine.hooks.activation_checkpoint_hook import checkpoint_stages, find_stages
from mmseg_attn.errors import DataError
from mmseg_attn.evaluation.complexity import on_meta
from mmseg_attn.evaluation.input_shape import input_shape

GIB = 2**30
MARKS = ('<!-- begin of the tables -->', '<!-- end of the tables -->')
TITLES = ('Peak memory of a training step, GiB', 'Cheapest setting')
FILL = 0.85
CARDS = (8, 12, 24, 48, 80)  # the card says GB but means GiB
FOREACH = ('Adam', 'AdamW', 'SGD')  # on GPUs PyTorch updates all weights at once


class Setting(NamedTuple):
    """Describe how a config is trained; the defaults change nothing.

    Attributes:
        amp: Whether the forward pass is under autocast to bfloat16.
        checkpointing: Whether activations are checkpointed.
        parts: Number of parts of the batch for gradient accumulation.
    """

    amp: bool = False
    checkpointing: bool = False
    parts: int = 1

    def __str__(self) -> str:
        words = ['amp'] * self.amp + ['ckpt'] * self.checkpointing
        return ' + '.join(words + [f'1/{self.parts}'] * (self.parts > 1)) or 'as is'


class Memory(NamedTuple):
    """Hold the memory of a training step.

    Attributes:
        peak: Peak memory in bytes.
        fixed: Permanent part in bytes: weights, buffers and the state of the optimizer.
    """

    peak: int
    fixed: int


class Job(NamedTuple):
    """Hold a config and the shape of its training images."""

    cfg: Config
    channels: int
    height: int
    width: int
    batch: int

    @classmethod
    def of(cls, file: Path) -> 'Job':
        """Read a config.

        Raises:
            DataError: If the size is missing from its name.
        """
        cfg = Config.fromfile(file)
        shape = input_shape(cfg)
        if shape is None:
            raise DataError(
                f'{file.name} does not end in the size of the crops: rename it, for example to '
                f'{file.stem}-512x512.py'
            )
        return cls(cfg, *shape, cfg.train_dataloader.batch_size)


AS_IS = Setting()


def trace(job: Job, setting: Setting = AS_IS, device: str = 'meta') -> Memory:
    """Count the memory of a training step.

    Args:
        job: The config and its images.
        setting: The training setting.
        device: ``meta``, or ``cpu`` for real tensors.
    """
    step = Step(job, setting, device)
    with LiveMemory() as memory:
        memory.watch([step.weights(), step.images()])
        step()
        fixed = memory.now() - sum(x.nbytes for x in step.images())
        memory.reset()
        step()
    return Memory(memory.peak, fixed)


class Step:
    """Run a training step: forward, loss, backward for each part of the batch, then the update.

    Args:
        job: The config and its images.
        setting: The training setting.
        device: ``meta``, or ``cpu`` for real tensors.
    """

    def __init__(self, job: Job, setting: Setting, device: str) -> None:
        self.setting = setting
        cfg = job.cfg.copy()
        self.model = build(cfg, device)
        if setting.checkpointing:
            stages = find_stages(self.model)
            for stage in stages:
                stage.forward = functools.partial(as_on_gpu, stage.forward)
            checkpoint_stages(stages)
        optimizer = cfg.optim_wrapper.optimizer.copy()
        if device == 'meta' and optimizer.type in FOREACH:
            optimizer.setdefault('foreach', True)
        wrapper = dict(cfg.optim_wrapper, optimizer=optimizer)
        self.optimizer = build_optim_wrapper(self.model, wrapper).optimizer
        self.data = batch(job, -(-job.batch // setting.parts), device)

    def weights(self) -> list[Tensor]:
        """Return the model's parameters and buffers."""
        return [*self.model.parameters(), *self.model.buffers()]

    def images(self) -> list[Tensor]:
        """Return the images and the label maps."""
        labels = [sample.gt_sem_seg.data for sample in self.data['data_samples']]
        return [*self.data['inputs'], *labels]

    def __call__(self) -> None:
        """Run the step."""
        for _ in range(min(self.setting.parts, 2)):  # more parts need no more memory
            self._accumulate()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _accumulate(self) -> None:
        data = self.model.data_preprocessor(self.data, training=True)
        with AsOnGPU(), torch.autocast('cpu', torch.bfloat16, enabled=self.setting.amp):
            loss, _ = self.model.parse_losses(self.model(**data, mode='loss'))
        loss.backward()


def as_on_gpu(forward: Callable, *args: Any, **kwargs: Any) -> Any:
    """Call a function like on a GPU, also in the backward pass."""
    with AsOnGPU():
        return forward(*args, **kwargs)


def build(cfg: Config, device: str) -> nn.Module:
    """Build a model for training, with PyTorch's initialization."""
    model = on_meta(cfg.model) if device == 'meta' else MODELS.build(cfg.model)
    return model.to(device).train()


def batch(job: Job, number: int, device: str) -> dict:
    """Return a batch like a data loader, with images and labels of zeros."""
    size = job.height, job.width
    meta = dict.fromkeys(('ori_shape', 'img_shape', 'pad_shape'), size)
    zeros = functools.partial(torch.zeros, device=device)
    return dict(
        inputs=[zeros(job.channels, *size, dtype=torch.uint8) for _ in range(number)],
        data_samples=[
            SegDataSample(
                metainfo=meta, gt_sem_seg=PixelData(data=zeros(1, *size, dtype=torch.int64))
            )
            for _ in range(number)
        ],
    )


def settings(batch: int) -> Iterator[Setting]:
    """Yield the settings by cost, cheapest first; the last one processes one image at a time."""
    yield AS_IS
    yield Setting(amp=True)
    for parts in range(1, batch + 1):
        if batch % parts == 0:
            yield Setting(amp=True, checkpointing=True, parts=parts)


def fits(peaks: Callable[[Setting], Memory], batch: int, card: int) -> str:
    """Return the cheapest setting whose step fits a card.

    Args:
        peaks: Function that counts the memory of a setting.
        batch: Images per step.
        card: Memory of the card in GiB.
    """
    for setting in settings(batch):
        if peaks(setting).peak <= FILL * card * GIB:
            return str(setting)
    return 'none'


def write_tables(page: Path, text: str) -> None:
    """Replace the text between the two markers of a page.

    Raises:
        DataError: If a marker is missing.
    """
    before, begin, rest = page.read_text(encoding='utf-8').partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise DataError(f'{page} lacks the lines {MARKS[0]} and {MARKS[1]}: add them')
    page.write_text(f'{before}{begin}\n\n{text}\n\n{end}{after}', encoding='utf-8')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument(
        'configs',
        nargs='*',
        type=Path,
        help='default: all of configs/ but those whose encoder needs timm',
    )
    options.add_argument(
        '--cards', type=at_least(1), nargs='+', default=CARDS, metavar='GB', help='default: all'
    )
    options.add_argument('--page', type=Path, help='write the tables into this page, too')
    options.set_defaults(device='cpu')
    args = options.parse_args(argv)
    args.configs = args.configs or [
        file
        for file in sorted(networks.CONFIGS.glob('*/*.py'))
        if file.parent.name != '_base_'
        and Config.fromfile(file).model.backbone.type != 'TimmEncoder'
    ]
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if digit_version(torch.__version__) < digit_version('2.1'):
        raise DataError(
            f'PyTorch {torch.__version__} has no cross entropy on the meta device: trace with '
            'PyTorch 2.1 or newer; the figures hold for older ones, too'
        )
    report = Report(args, timed=False)
    steps, cards = [], []
    for file in args.configs:
        job = Job.of(file)
        count = functools.cache(functools.partial(trace, job))
        line = {'config': file.stem, 'weights and optimizer': count(AS_IS).fixed / GIB}
        for checkpointing, amp in itertools.product((False, True), (False, True)):
            name = ('bfloat16' if amp else 'float32') + ', checkpointing' * checkpointing
            line[name] = count(Setting(amp, checkpointing)).peak / GIB
        steps.append(line)
        cards.append(
            {'config': file.stem, **{f'{x} GB': fits(count, job.batch, x) for x in args.cards}}
        )
        print(f'{len(steps)} of {len(args.configs)}: {file.stem}', file=sys.stderr)
    for title, rows in zip(TITLES, (steps, cards), strict=True):
        report.table(title, rows)
    if args.page:
        tables = zip(TITLES, (steps, cards), strict=True)
        text = '\n\n'.join(f'## {title}\n\n{markdown(rows)}' for title, rows in tables)
        write_tables(args.page, text)
    report.close()


if __name__ == '__main__':
    run_cli(main)
