"""Small trainings that diverge: what is said, and which files are left."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_attn.engine.hooks.divergence_hook import first_not_finite


class Images(torch.utils.data.Dataset):
    """Image i is the number i, from the file ``images/i.png``."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict:
        sample = SegDataSample(metainfo=dict(img_path=f'images/{index}.png'))
        return dict(inputs=torch.tensor(float(index)), data_samples=sample)


class Toy(BaseModel):
    """Two losses; at the image ``bad`` the value or only the gradient of the second is nan."""

    def __init__(self, bad: int, how: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))
        self.bad, self.how = bad, how

    def forward(self, inputs, data_samples=None, mode='tensor'):
        inputs = torch.stack(list(inputs))
        if mode == 'predict':
            return data_samples
        found = (inputs == self.bad).any()
        first = self.weight**2
        second = self.weight * 0.1
        if found and self.how == 'value':
            second = second * float('nan')
        if found and self.how == 'gradient':
            second = torch.sqrt(self.weight * 0)  # 0, and its gradient 0 * inf
        return dict(loss_first=first, loss_second=second, acc=torch.tensor(float('nan')))


class Best(BaseMetric):
    """A score that is better every time."""

    default_prefix = None

    def __init__(self) -> None:
        super().__init__()
        self.score = 0

    def process(self, data_batch, data_samples) -> None:
        self.results.append(0)

    def compute_metrics(self, results) -> dict:
        self.score += 1
        return dict(score=self.score)


def train(
    folder: Path,
    model: Toy,
    *,
    by_epoch: bool,
    val: bool = False,
    saved_by: str = 'AtomicCheckpointHook',
    optim_wrapper: OptimWrapper | None = None,
) -> Runner:
    """Train with batches of two, in order: six iterations are an epoch."""
    loader = dict(
        batch_size=2, dataset=Images(), sampler=dict(type='DefaultSampler', shuffle=False)
    )
    checkpoint = dict(type=saved_by, interval=1, by_epoch=by_epoch, max_keep_ckpts=1)
    unit = 'max_epochs' if by_epoch else 'max_iters'
    loop = dict(by_epoch=by_epoch, val_interval=1, **{unit: 3 if by_epoch else 12})
    validation = {}
    if val:
        checkpoint |= dict(interval=-1, save_last=False, save_best='score', rule='greater')
        validation = dict(val_dataloader=loader, val_cfg=dict(), val_evaluator=[Best()])
    runner = Runner(
        model=model,
        work_dir=str(folder),
        train_dataloader=loader,
        train_cfg=loop,
        optim_wrapper=optim_wrapper or dict(optimizer=dict(type='SGD', lr=0.01)),
        default_hooks=dict(checkpoint=checkpoint, divergence=dict(type='DivergenceHook')),
        default_scope='mmseg',
        experiment_name=re.sub(r'\W', '_', str(folder)),
        log_level='ERROR',
        **validation,
    )
    runner.train()
    return runner


def weights(path: Path) -> float:
    return torch.load(path, weights_only=False)['state_dict']['weight'].item()


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('*.pth'))


def test_a_loss_that_is_not_finite(tmp_path):
    with pytest.raises(FloatingPointError) as error:
        train(tmp_path, Toy(bad=5, how='value'), by_epoch=False)
    message = str(error.value)
    assert message.startswith(
        'loss_second is nan in iteration 3 (epoch 1), on images/4.png, images/5.png: training has '
        'diverged'
    )
    assert message.endswith(f'The last good checkpoint is {tmp_path}/iter_2.pth.')
    assert '\n' not in message
    assert kept(tmp_path) == ['iter_2.pth']
    assert 0 < weights(tmp_path / 'iter_2.pth') < 0.5


def test_without_a_checkpoint(tmp_path):
    with pytest.raises(FloatingPointError, match=r'iteration 1 .* No checkpoint was written'):
        train(tmp_path, Toy(bad=0, how='value'), by_epoch=True)
    assert kept(tmp_path) == []


@pytest.mark.parametrize('saved_by', ['AtomicCheckpointHook', 'CheckpointHook'])
@pytest.mark.parametrize(('val', 'name'), [(False, 'iter_3.pth'), (True, 'best_score_iter_3.pth')])
def test_a_gradient_that_is_not_finite_writes_and_removes_nothing(tmp_path, saved_by, val, name):
    message = rf'weight is not finite after iteration 4 although .* is .*/{name}\.'
    with pytest.raises(FloatingPointError, match=message):
        train(tmp_path, Toy(bad=7, how='gradient'), by_epoch=False, val=val, saved_by=saved_by)
    assert kept(tmp_path) == [name]
    assert 0 < weights(tmp_path / name) < 0.5
    if not val:
        assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / name)


class LaterToy(Toy):
    """The gradient is bad in the last iteration of the second epoch."""

    steps = 0

    def forward(self, inputs, data_samples=None, mode='tensor'):
        self.steps += mode == 'loss'
        self.bad = 11 if self.steps == 12 else -1
        return super().forward(inputs, data_samples, mode)


def test_the_end_of_an_epoch(tmp_path):
    message = r'weight is not finite after iteration 12 .*/epoch_1\.pth'
    with pytest.raises(FloatingPointError, match=message):
        train(tmp_path, LaterToy(bad=-1, how='gradient'), by_epoch=True)
    assert kept(tmp_path) == ['epoch_1.pth']
    assert 0 < weights(tmp_path / 'epoch_1.pth') < 0.5


def test_a_hook_that_saves_at_any_time_is_stopped_too(tmp_path):
    runner = train(tmp_path, Toy(bad=-1, how='value'), by_epoch=False)
    runner.save_checkpoint(str(tmp_path), 'fine.pth')
    runner.model.weight.data.fill_(float('inf'))
    with pytest.raises(FloatingPointError, match='weight is not finite'):
        runner.save_checkpoint(str(tmp_path), 'bad.pth')
    assert 'fine.pth' in kept(tmp_path)
    assert 'bad.pth' not in kept(tmp_path)


def test_training_that_is_well_goes_on(tmp_path):
    runner = train(tmp_path, Toy(bad=-1, how='value'), by_epoch=True)  # acc is nan, but no loss
    assert runner.iter == 18


def test_the_losses_are_read_where_they_are_on_the_host():
    hook = HOOKS.build(dict(type='DivergenceHook'))
    hub = MessageHub.get_instance('host')
    runner = SimpleNamespace(message_hub=hub, hooks=[], iter=0, epoch=0)
    hub.update_scalar('train/loss', 1.0)
    hook.after_train_iter(runner, 0, None, dict(loss=object()))  # no tensor is touched
    hub.update_scalar('train/loss', float('inf'))
    with pytest.raises(FloatingPointError, match=r'loss is inf .* on images without a name'):
        hook.after_train_iter(runner, 0, None, dict(loss=object()))


def test_infinities_of_buffers_may_be_meant():
    model = nn.Linear(2, 2)
    model.register_buffer('mask', torch.tensor([0.0, float('-inf')]))
    model.register_buffer('count', torch.tensor(3))
    assert first_not_finite(model) is None
    model.mask[0] = float('nan')
    assert first_not_finite(model) == 'mask'
    model.bias.data[1] = float('inf')
    assert first_not_finite(model) == 'bias'
    assert first_not_finite(nn.ReLU()) is None


def test_the_shared_runtime_has_it_after_logging_and_before_saving(root, tmp_path):
    hooks = Config.fromfile(root / 'configs/_base_/default_runtime.py').default_hooks
    assert hooks.divergence.type == 'DivergenceHook'
    runner = train(tmp_path, Toy(bad=-1, how='value'), by_epoch=False)
    order = [type(hook).__name__ for hook in runner.hooks]
    places = [
        order.index(name) for name in ('RuntimeInfoHook', 'DivergenceHook', 'AtomicCheckpointHook')
    ]
    assert places == sorted(places)


class Scaled(OptimWrapper):
    """What ``AmpOptimWrapper`` does with the loss, without a GPU; the first gradient overflows."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(torch.optim.SGD(model.parameters(), lr=0.01))
        self.scaler = torch.amp.GradScaler('cpu', init_scale=3.4e38)

    def update_params(self, loss, step_kwargs=None, zero_kwargs=None) -> None:
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.zero_grad()


@pytest.mark.skipif(
    not hasattr(torch.amp, 'GradScaler'), reason='before PyTorch 2.3 only GPUs have a GradScaler'
)
def test_gradients_may_overflow_when_the_loss_is_scaled(tmp_path):
    model = Toy(bad=-1, how='value')
    runner = train(tmp_path, model, by_epoch=False, optim_wrapper=Scaled(model))
    assert runner.iter == 12
    assert runner.optim_wrapper.scaler.get_scale() < 3e38  # a step was left out
    assert 0 < runner.model.weight.item() < 0.5
    model = Toy(bad=5, how='value')
    with pytest.raises(FloatingPointError, match='loss_second is nan in iteration 3'):
        train(tmp_path / 'bad', model, by_epoch=False, optim_wrapper=Scaled(model))
