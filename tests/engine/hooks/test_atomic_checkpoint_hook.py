"""What is saved when, and what a resumed training does; tests/reliability kills real ones."""

import os
import resource
from pathlib import Path

import mmengine.hooks
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.engine.atomic_backend import AtomicLocalBackend
from mmseg_attn.engine.hooks import AtomicCheckpointHook
from mmseg_attn.errors import CheckpointError
from mmseg_attn.io.atomic import SUFFIX


class Numbers(torch.utils.data.Dataset):
    def __init__(self, classes=('a', 'b')):
        self.metainfo = dict(classes=classes)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(inputs=torch.rand(3) + index)


class Line(BaseModel):
    """A line, or two that an auxiliary one may accompany."""

    def __init__(self, classes=2, auxiliary=False):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Dropout())
        self.conv_seg = torch.nn.Linear(5, classes)
        if auxiliary:
            self.auxiliary_head = torch.nn.Linear(5, classes)

    def forward(self, inputs, mode):
        out = self.conv_seg(self.layer(torch.stack(inputs)))
        return dict(loss=out.square().mean()) if mode == 'loss' else [out.sum()]


class Score(BaseMetric):
    """Grows, falls, grows: the best are those of the first, the third and the fifth validation."""

    default_prefix = 'test'
    given: tuple[float, ...] = (1, 0, 2, 1, 3, 2)

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        self.calls = getattr(self, 'calls', 0) + 1
        return dict(score=Score.given[self.calls - 1], loss=float(self.calls))


def loader(**settings):
    sampler = dict(type='DefaultSampler', shuffle=True)
    return dict(dataset=Numbers(**settings), sampler=sampler, batch_size=2, num_workers=0)


def build(work_dir, *, epochs=4, model=None, checkpoint=None, classes=('a', 'b'), **settings):
    """A runner with an ``AtomicCheckpointHook``."""
    torch.manual_seed(0)
    hook = dict(
        type='AtomicCheckpointHook', save_best='test/score', rule='greater', max_keep_ckpts=1
    )
    return Runner(
        model=model or Line(),
        work_dir=str(work_dir),
        train_dataloader=loader(),
        val_dataloader=loader(),
        test_dataloader=loader(classes=classes),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        val_cfg=dict(),
        test_cfg=dict(),
        val_evaluator=[Score()],
        test_evaluator=[Score()],
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
        default_hooks=dict(checkpoint=hook | dict(interval=1) | (checkpoint or {})),
        experiment_name=f'{work_dir.name}{len(MMLogger._instance_dict)}',
        randomness=dict(seed=0),
        default_scope='mmseg',
        log_level='WARNING',
        **settings,
    )


def names(folder) -> list[str]:
    """The files in it, but the dumped configs."""
    return sorted(p.name for p in folder.iterdir() if p.is_file() and p.suffix != '.py')


@pytest.fixture
def logged(monkeypatch):
    """The warnings of the runners."""
    sentences = []
    monkeypatch.setattr(MMLogger, 'warning', lambda self, text, *_, **__: sentences.append(text))
    return sentences


def test_it_has_a_name_of_its_own_and_mmengines_is_still_there():
    assert type(HOOKS.build(dict(type='AtomicCheckpointHook'))) is AtomicCheckpointHook
    assert type(HOOKS.build(dict(type='CheckpointHook'))) is mmengine.hooks.CheckpointHook


def test_at_every_moment_a_complete_checkpoint_is_named(tmp_path, monkeypatch):
    """Looked at before and after each change of the folder."""
    seen = []

    def looking(function):
        def call(*args):
            look()
            result = function(*args)
            look()
            return result

        return call

    def look():
        last = tmp_path / 'last_checkpoint'
        named = load_file(last.read_text())['meta']['epoch'] if last.exists() else None
        best = max((load_file(path)['meta']['epoch'] for path in tmp_path.glob('best*')), default=0)
        seen.append((named, best))
        for path in tmp_path.glob('*.pth'):
            load_file(path)

    monkeypatch.setattr(os, 'replace', looking(os.replace))
    monkeypatch.setattr(os, 'remove', looking(os.remove))
    build(tmp_path).train()
    assert list(dict.fromkeys(seen)) == [
        *[(None, 0), (1, 0), (1, 1), (2, 1), (3, 1), (3, 3), (4, 3)]
    ]
    assert names(tmp_path) == ['best_test_score_epoch_3.pth', 'epoch_4.pth', 'last_checkpoint']


def test_several_are_kept(tmp_path):
    build(tmp_path, checkpoint=dict(max_keep_ckpts=2)).train()
    assert [name for name in names(tmp_path) if name.startswith('e')] == [
        'epoch_3.pth',
        'epoch_4.pth',
    ]


def test_all_are_kept(tmp_path):
    build(tmp_path, checkpoint=dict(max_keep_ckpts=-1, save_best=None)).train()
    assert names(tmp_path) == [*(f'epoch_{i}.pth' for i in range(1, 5)), 'last_checkpoint']


def test_best_of_two_metrics(tmp_path):
    both = dict(save_best=['test/score', 'test/loss'], rule=['greater', 'less'])
    build(tmp_path, checkpoint=both).train()
    assert names(tmp_path)[:2] == ['best_test_loss_epoch_1.pth', 'best_test_score_epoch_3.pth']
    assert len(names(tmp_path)) == 4


def test_another_folder_and_an_old_file_that_a_kill_left(tmp_path):
    work_dir, out = tmp_path / 'run', tmp_path / 'out'
    work_dir.mkdir()
    (work_dir / f'epoch_1.pth{SUFFIX}').write_bytes(b'half')
    build(work_dir, epochs=1, checkpoint=dict(out_dir=str(out))).train()
    assert names(work_dir) == ['last_checkpoint']
    assert names(out / 'run') == ['best_test_score_epoch_1.pth', 'epoch_1.pth']
    again = build(work_dir, epochs=2, resume=True, checkpoint=dict(out_dir=str(out)))
    again.train()
    assert again.epoch == 2
    assert names(out / 'run') == ['best_test_score_epoch_1.pth', 'epoch_2.pth']


def test_publishing(tmp_path):
    build(tmp_path, checkpoint=dict(published_keys=['meta', 'state_dict'])).train()
    best, last = sorted(tmp_path.glob('*-????????.pth'))
    assert best.name.startswith('best_test_score_epoch_3-')
    assert last.name.startswith('epoch_4-')
    assert load_file(best).keys() == {'meta', 'state_dict'}
    weights = load_file(tmp_path / 'best_test_score_epoch_3.pth')['state_dict']
    torch.testing.assert_close(load_file(best)['state_dict'], weights, rtol=0, atol=0)


def test_explicit_backends_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(AtomicLocalBackend, 'put', None)
    hook = HOOKS.build(dict(type='AtomicCheckpointHook', backend_args=dict(backend='local')))
    assert hook.backend_args == dict(backend='local')
    remote = HOOKS.build(dict(type='AtomicCheckpointHook', out_dir='s3://bucket/runs'))
    assert remote.backend_args is None


def test_a_full_disk_keeps_the_checkpoint_before_and_training_goes_on_from_it(
    tmp_path, monkeypatch
):
    """The file system takes no file over 1 KiB from the second epoch on."""
    before, limits = resource.getrlimit(resource.RLIMIT_FSIZE), []
    put = AtomicLocalBackend.put

    def fill(self, content, path):
        if str(path).endswith('epoch_2.pth'):
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
            limits.append(path)
        try:
            put(self, content, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    with monkeypatch.context() as patch:
        patch.setattr(AtomicLocalBackend, 'put', fill)
        with pytest.raises(
            CheckpointError, match=r'epoch_2\.pth .* could not be written: File too'
        ):
            build(tmp_path).train()
    assert limits
    assert names(tmp_path) == ['best_test_score_epoch_1.pth', 'epoch_1.pth', 'last_checkpoint']
    again = build(tmp_path, resume=True)
    again.train()
    assert again.epoch == 4


class Stop(Exception):
    pass


def stopped(work_dir, monkeypatch, *, at, **settings) -> None:
    """Train until the hook's method is called for the n-th time, which it is not."""
    name, number = at
    method = getattr(AtomicCheckpointHook, name)
    calls = []

    def stop(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == number:
            raise Stop
        return method(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(AtomicCheckpointHook, name, stop)
        with pytest.raises(Stop):
            build(work_dir, **settings).train()


@pytest.mark.parametrize(
    'at',
    [
        ('before_train_epoch', 2),  # validated, with a best score
        ('before_train_epoch', 3),  # validated, without one: done again
        ('after_val_epoch', 3),  # not validated
        ('_save_best_checkpoint', 3),
        ('after_train_epoch', 3),
        ('_save_checkpoint_with_step', 5),  # after the best one is saved
        ('_remove_best', 4),  # before the one that it replaces is removed
    ],
)
def test_a_resumed_training_does_what_one_left_alone_does(tmp_path, monkeypatch, at):
    alone, killed = tmp_path / 'alone', tmp_path / 'killed'
    build(alone, epochs=6).train()
    stopped(killed, monkeypatch, at=at, epochs=6)
    done = load_file((killed / 'last_checkpoint').read_text())
    # Score counts validations, so tell it those before the checkpoint
    before = done['meta']['epoch'] - (not done['resume_state']['validated'])
    monkeypatch.setattr(Score, 'given', Score.given[before:])
    build(killed, epochs=6, resume=True).train()
    assert names(killed) == names(alone)
    one, other = load_file(alone / 'epoch_6.pth'), load_file(killed / 'epoch_6.pth')
    for key in ('state_dict', 'optimizer'):
        torch.testing.assert_close(other[key], one[key], rtol=0, atol=0)
    info = other['message_hub']['runtime_info']
    assert info['best_score'] == 3
    assert Path(info['best_ckpt']).name == 'best_test_score_epoch_5.pth'
    losses = [c['message_hub']['log_scalars']['train/loss'].data[0] for c in (one, other)]
    assert losses[0].tolist() == losses[1].tolist()


def test_a_kill_before_the_last_file_is_named(tmp_path, monkeypatch):
    """Nothing is left to train, and the file that last_checkpoint names is one too many."""
    replace = os.replace

    def stop(source, target):
        if Path(target).name == 'last_checkpoint' and (tmp_path / 'epoch_4.pth').exists():
            raise Stop
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', stop)
        with pytest.raises(Stop):
            build(tmp_path).train()
    assert Path((tmp_path / 'last_checkpoint').read_text()).name == 'epoch_3.pth'
    monkeypatch.setattr(Score, 'given', Score.given[3:])
    build(tmp_path, resume=True).train()
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_4.pth')
    assert names(tmp_path) == ['best_test_score_epoch_3.pth', 'epoch_4.pth', 'last_checkpoint']


def test_a_best_score_after_a_resume_is_saved_with_its_state(tmp_path, monkeypatch):
    """MMEngine does not, unless it has saved a checkpoint since."""
    two = dict(interval=2)
    stopped(tmp_path, monkeypatch, at=('before_train_epoch', 3), checkpoint=two)
    monkeypatch.setattr(Score, 'given', Score.given[1:])
    again = dict(resume=True, checkpoint=two)
    stopped(tmp_path, monkeypatch, at=('before_train_epoch', 2), **again)
    assert names(tmp_path) == ['best_test_score_epoch_3.pth', 'epoch_3.pth', 'last_checkpoint']


@pytest.mark.parametrize('first', ['CheckpointHook', 'AtomicCheckpointHook'])
def test_either_hook_resumes_the_checkpoints_of_the_other(tmp_path, first):
    hooks = ['CheckpointHook', 'AtomicCheckpointHook']
    hooks.remove(first)
    build(tmp_path, epochs=2, checkpoint=dict(type=first)).train()
    again = build(tmp_path, epochs=4, resume=True, checkpoint=dict(type=hooks[0]))
    again.train()
    assert (again.epoch, again.iter) == (4, 8)
    assert len(again.message_hub.log_scalars['train/loss'].data[0]) == 8
    best, *others = names(tmp_path)
    assert best.startswith('best_test_score_epoch_')
    assert others == ['epoch_4.pth', 'last_checkpoint']


def test_a_foreign_random_state_is_named_and_left_out(tmp_path, logged):
    build(tmp_path, epochs=1).train()
    content = load_file(tmp_path / 'epoch_1.pth')
    content['resume_state'] = dict(random=[dict(python=3)], validated=True)
    torch.save(content, tmp_path / 'epoch_1.pth')
    build(tmp_path, epochs=2, resume=True).train()
    assert any(text.startswith('The random numbers start anew, since those') for text in logged)


@pytest.mark.usefixtures('safe_loading')
def test_resume_says_what_it_passes_over(tmp_path, logged):
    build(tmp_path, epochs=3, checkpoint=dict(max_keep_ckpts=3)).train()
    file = tmp_path / 'epoch_3.pth'
    file.write_bytes(file.read_bytes()[:-100])
    again = build(tmp_path, epochs=3, resume=True)
    again.train()
    (sentence,) = [text for text in logged if 'skips a checkpoint' in text]
    assert sentence.startswith(
        f'--resume skips a checkpoint: {file} cannot be read as a checkpoint: its end is'
    )


def test_resume_stops_where_all_are_broken(tmp_path):
    (tmp_path / 'epoch_3.pth').write_bytes(b'PK')
    with pytest.raises(
        CheckpointError, match=r'^--resume finds no usable checkpoint in .*epoch_3\.pth'
    ):
        build(tmp_path, resume=True).train()


def test_resume_without_any_starts(tmp_path):
    again = build(tmp_path, epochs=1, resume=True)
    again.train()
    assert again.epoch == 1


def test_files_elsewhere_are_not_removed_because_a_checkpoint_says_so(tmp_path):
    """MMEngine removes whatever path the checkpoint calls the best one."""
    work_dir, precious = tmp_path / 'run', tmp_path / 'best_thesis.txt'
    build(work_dir, epochs=2).train()
    precious.write_text('three years')
    content = load_file(work_dir / 'epoch_2.pth')
    info = content['message_hub']['runtime_info']
    info.update(best_ckpt=str(precious), best_score=-1, replaced_best_ckpts=[str(precious), 3])
    info.update(keep_ckpt_ids=['x/../../best_thesis.txt', 1, 2])
    torch.save(content, work_dir / 'epoch_2.pth')
    build(work_dir, epochs=4, resume=True, checkpoint=dict(filename_tmpl='epoch_{}.pth')).train()
    assert precious.read_text() == 'three years'
    content['message_hub']['runtime_info'].update(keep_ckpt_ids=3, replaced_best_ckpts='x')
    torch.save(content, work_dir / 'epoch_4.pth')
    again = build(work_dir, epochs=5, resume=True)
    again.train()
    assert again.epoch == 5


@pytest.fixture
def other(tmp_path):
    """Save the weights of a model."""

    def other(model, **meta) -> str:
        content = dict(state_dict=model.state_dict(), meta=dict(dataset_meta=meta))
        torch.save(content, tmp_path / 'other.pth')
        return str(tmp_path / 'other.pth')

    return other


def test_weights_of_other_classes_are_refused_for_tests_and_taken_for_training(
    tmp_path, other, logged
):
    file = other(Line(classes=7))
    with pytest.raises(CheckpointError, match='trained for 7 classes, but the model has 2'):
        build(tmp_path / 'test', load_from=file).test()
    with pytest.raises(CheckpointError, match='trained for 7 classes, but the model has 2'):
        build(tmp_path / 'val', load_from=file).val()
    assert not logged
    build(tmp_path / 'train', epochs=1, load_from=file).train()
    (sentence,) = [text for text in logged if 'other.pth' in text]
    assert (
        'tensors that keep their random initialization: 2, conv_seg.weight (7x5 instead of 2x5)'
        in sentence
    )


def test_weights_of_another_model_are_refused_for_training_too(tmp_path, other):
    file = other(torch.nn.Sequential(torch.nn.Linear(3, 5)))
    for name, act in (('test', Runner.test), ('train', Runner.train)):
        with pytest.raises(CheckpointError, match=r'other\.pth is from another model'):
            act(build(tmp_path / name, load_from=file))


def test_weights_cannot_be_resumed(tmp_path, other):
    file = other(Line())
    with pytest.raises(CheckpointError, match='leave out --resume'):
        build(tmp_path, load_from=file, resume=True).train()


def test_a_missing_auxiliary_head_does_not_hinder_a_test(tmp_path, other, logged):
    build(tmp_path, model=Line(auxiliary=True), load_from=other(Line())).test()
    assert any('auxiliary_head.weight (missing)' in text for text in logged)


def test_other_names_of_the_classes_are_mentioned(tmp_path, other, logged):
    file = other(Line(), classes=['road', 'tree'])
    build(tmp_path / 'one', load_from=file, classes=('tree', 'road')).test()
    assert 'trained for the classes road, tree, but the dataset has tree, road' in logged[-1]
    logged.clear()
    build(tmp_path / 'two', load_from=file, classes=('road', 'tree')).test()
    assert not logged
