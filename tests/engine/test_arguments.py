"""What a tool is asked for, before it is run."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmseg_attn.engine import arguments
from mmseg_attn.engine.arguments import read_request
from mmseg_attn.errors import DataError

TEXT = """
model = dict(type='EncoderDecoder')
optim_wrapper = dict(type='{}', optimizer=dict(type='SGD', lr=0.1))
train_dataloader = dict(batch_size=2)
"""
LAZY = """
from mmengine.optim import OptimWrapper
optim_wrapper = dict(type=OptimWrapper)
"""


@pytest.fixture
def config(tmp_path):
    def config(text: str) -> str:
        (tmp_path / 'x.py').write_text(text)
        return str(tmp_path / 'x.py')

    return config


@pytest.fixture
def device(monkeypatch):
    return lambda name: monkeypatch.setattr(arguments, 'get_device', lambda: name)


def test_nothing_is_changed_without_need(config):
    argv = [config(TEXT.format('OptimWrapper')), '--work-dir', 'w', '--resume']
    request = read_request('train.py', argv)
    assert request.argv == argv
    assert request.options == []
    assert request.cfg.train_dataloader.batch_size == 2


def test_a_training_is_resumed_and_not_what_it_started_from(config, tmp_path, capsys):
    file = config(TEXT.format('OptimWrapper') + "load_from = 'pretrained.pth'\n")
    argv = [file, '--work-dir', str(tmp_path / 'w'), '--resume']
    (tmp_path / 'w').mkdir()
    assert read_request('train.py', argv).argv == argv  # nothing to resume, as in MMEngine
    (tmp_path / 'w/last_checkpoint').write_text(str(Path('pretrained.pth').resolve()))
    assert read_request('train.py', argv).argv == argv  # that training was resumed from it
    (tmp_path / 'w/last_checkpoint').write_text('iter_4.pth')
    assert read_request('train.py', argv).argv == [*argv, '--cfg-options', 'load_from=None']
    assert capsys.readouterr().err == (
        f'--resume: the training continues from {tmp_path}/w, not from pretrained.pth\n'
    )
    assert read_request('train.py', argv[:-1]).argv == argv[:-1]
    chosen = [*argv, '--cfg-options', f'load_from={tmp_path}/w/iter_2.pth']
    assert read_request('train.py', chosen).argv == chosen
    (tmp_path / 'w/last_checkpoint').unlink()
    assert read_request('train.py', argv).argv == argv
    (tmp_path / 'w/iter_4.pth').touch()
    assert read_request('train.py', argv).argv == [*argv, '--cfg-options', 'load_from=None']
    with pytest.raises(DataError, match=r'load_from=other\.pth would replace the checkpoints of'):
        read_request('train.py', [*argv, '--cfg-options', 'load_from=other.pth'])


def test_what_a_training_started_from_may_be_in_its_folder(config, tmp_path):
    folder = tmp_path / 'w'
    (folder / 'pretraining').mkdir(parents=True)
    for name in ('pretraining/iter_2.pth', 'imagenet.pth'):
        (folder / name).touch()
        file = config(TEXT.format('OptimWrapper') + f'load_from = {str(folder / name)!r}\n')
        argv = [file, '--work-dir', str(folder), '--resume']
        assert read_request('train.py', argv).argv == argv
        (folder / 'iter_4.pth').touch()
        assert read_request('train.py', argv).argv == [*argv, '--cfg-options', 'load_from=None']
        (folder / 'iter_4.pth').unlink()
    (folder / 'iter_4.pth').touch()
    options = ['--cfg-options', f'load_from={folder}/pretraining/iter_2.pth']
    with pytest.raises(DataError, match=r'iter_2\.pth would replace the checkpoints of'):
        read_request('train.py', [*argv, *options])


@pytest.mark.parametrize('resumed', [False, True])
def test_a_training_without_a_checkpoint_starts_again(config, tmp_path, capsys, resumed):
    file = config(TEXT.format('OptimWrapper') + "load_from = 'pretrained.pth'\n")
    argv = [file, '--work-dir', str(tmp_path / 'w'), '--resume']
    (tmp_path / 'w').mkdir()
    cfg = Config.fromfile(file)
    cfg.resume = resumed
    cfg.dump(tmp_path / 'w' / Path(file).name)
    assert read_request('train.py', argv).argv == (argv if resumed else argv[:-1])
    expected = (
        f'--resume: {tmp_path}/w has no checkpoint, so the training starts again from the weights '
        'of pretrained.pth\n'
    )
    assert capsys.readouterr().err == ('' if resumed else expected)


@pytest.mark.parametrize('text', [TEXT.format('OptimWrapper'), LAZY], ids=['text', 'pure Python'])
def test_mixed_precision_without_a_gpu_is_bfloat16(config, device, capsys, text):
    device('cpu')
    file = config(text)
    request = read_request('train.py', [file, '--amp', '--work-dir', 'w'])
    expected = ['--cfg-options', 'optim_wrapper.type=mmseg.BF16OptimWrapper']
    assert request.argv == [file, '--work-dir', 'w', *expected]
    assert 'this machine has no GPU' in capsys.readouterr().err


def test_with_a_gpu_it_is_left_to_mmsegmentation(config, device):
    device('cuda')
    argv = [config(TEXT.format('OptimWrapper')), '--amp']
    assert read_request('train.py', argv).argv == argv
    lazy = [config(LAZY), '--amp', '--cfg-options', 'optim_wrapper.x=1']
    expected = [*lazy, '--cfg-options', 'optim_wrapper.type=OptimWrapper']
    lazy[-1] = expected[3] = 'optim_wrapper.accumulative_counts=2'
    assert read_request('train.py', lazy).argv == expected


def test_bfloat16_is_mixed_precision_already(config, device):
    device('cuda')
    file = config(TEXT.format('mmseg.BF16OptimWrapper'))
    assert read_request('train.py', [file, '--amp']).argv == [file]


def test_what_cannot_work_is_refused(config, device):
    device('cpu')
    file = config(TEXT.format('AmpOptimWrapper'))
    for words in ([file], [file, '--amp']):
        with pytest.raises(DataError, match=r'needs a GPU, .*\.BF16OptimWrapper'):
            read_request('train.py', words)
    assert read_request('test.py', [file, 'x.pth']).cfg is not None
    fast = [file, '--cfg-options', 'runner_type=FastRunner']  # it replaces the wrapper itself
    assert read_request('train.py', fast).argv == fast
    other = [config(TEXT.format('mmengine.AmpOptimWrapper')), *fast[1:]]  # and not this name
    with pytest.raises(DataError, match='needs a GPU'):
        read_request('train.py', other)
    device('cuda')
    with pytest.raises(DataError, match=r'--amp works with OptimWrapper only, but .* is ApexOp'):
        read_request('train.py', [config(TEXT.format('ApexOptimWrapper')), '--amp'])


def test_options_are_checked_wherever_they_stand(config):
    file = config(TEXT.format('OptimWrapper'))
    wrong = 'train_dataloader.batch_sze=3'
    for words in (
        [file, '--cfg-options', wrong],
        ['--cfg-options', 'train_dataloader.batch_size=3', wrong, '--resume', file],
        [file, '--cfg-options', wrong, '--cfg-options', 'train_dataloader.batch_size=3'],
    ):
        with pytest.raises(DataError, match=r'did you mean train_dataloader\.batch_size'):
            read_request('train.py', words)
    right = [file, 'x.pth', '--show', '--cfg-options', 'train_dataloader.batch_size=3']
    request = read_request('test.py', right)
    assert request.argv == right
    assert request.cfg.train_dataloader.batch_size == 3


@pytest.mark.parametrize('argv', [[], ['--help'], ['nothing.py'], ['--cfg-options']])
def test_what_the_tool_says_itself_is_left_to_it(argv):
    request = read_request('train.py', argv)
    assert (request.argv, request.cfg) == (argv, None)


def test_a_config_that_raises_is_left_to_the_tool(config):
    assert read_request('train.py', [config('raise OSError')]).cfg is None


def test_the_config_is_read_as_the_tool_reads_it(config):
    file = config(TEXT.format('OptimWrapper'))
    found = read_request('train.py', [file, '--cfg-options', 'train_dataloader.batch_size=5'])
    expected = Config.fromfile(file)
    expected.merge_from_dict({'train_dataloader.batch_size': 5})
    assert found.cfg.pretty_text == expected.pretty_text
