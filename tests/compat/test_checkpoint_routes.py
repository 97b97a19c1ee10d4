"""With safe loading, every way in which MMEngine and MMSegmentation load a checkpoint is safe."""

import json
import pickle
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader, Runner, load_checkpoint
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmseg.apis import MMSegInferencer, inference_model, init_model

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.compat.unpickler import Reader
from mmseg_attn.errors import CheckpointError
from tests.hostile import make_folder

pytestmark = pytest.mark.usefixtures('safe_loading')


class Numbers(torch.utils.data.Dataset):
    def __init__(self):
        self.metainfo = dict(classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]], weights=np.ones(2))

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(inputs=torch.full((3,), float(index)))


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))

    def forward(self, inputs, mode):
        out = self.layer(torch.stack(inputs) if isinstance(inputs, list) else inputs)
        return dict(loss=out.square().mean()) if mode == 'loss' else [out]


class Score(BaseMetric):
    default_prefix = 'test'

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(score=np.float32(0.5), count=np.int64(len(results)))


def loader(batch_size):
    sampler = dict(type='DefaultSampler', shuffle=True)
    return dict(dataset=Numbers(), sampler=sampler, batch_size=batch_size, num_workers=0)


def runner(work_dir, name, *, epochs=2, **settings):
    scheduler = [dict(type='OneCycleLR', eta_max=0.1, total_steps=20), dict(type='PolyLR')]
    return Runner(
        model=Line(),
        work_dir=str(work_dir),
        train_dataloader=loader(2),
        val_dataloader=loader(1),
        test_dataloader=loader(1),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        val_cfg=dict(),
        test_cfg=dict(),
        val_evaluator=[Score()],
        test_evaluator=[Score()],
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01)),
        param_scheduler=scheduler,
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', save_best='test/score', rule='greater'),
            logger=dict(type='LoggerHook', interval=1),
        ),
        custom_hooks=[dict(type='EMAHook')],
        log_level='ERROR',
        experiment_name=name,
        **settings,
    )


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    """A run of two epochs by MMEngine's runner."""
    work_dir = tmp_path_factory.mktemp('run')
    runner(work_dir, 'first').train()
    return work_dir


@pytest.fixture
def genuine(work_dir):
    return work_dir / 'epoch_2.pth'


@pytest.fixture
def loads(monkeypatch):
    """The settings with which ``torch.load`` was called."""
    calls, load = [], torch.load

    def spy(*args, **settings):
        calls.append(settings)
        return load(*args, **settings)

    monkeypatch.setattr(torch, 'load', spy)
    yield calls
    assert all(type(settings['pickle_module']) is Reader for settings in calls)


def test_all_of_a_checkpoint_comes_back(genuine):
    loaded = load_file(genuine)
    trusted = torch.load(genuine, weights_only=False)
    assert loaded.keys() == trusted.keys() >= {'message_hub', 'optimizer', 'ema_state_dict'}
    logs, expected = (c['message_hub'].pop('log_scalars') for c in (loaded, trusted))
    assert logs.keys() == expected.keys() >= {'train/loss'}
    for key, buffer in logs.items():
        assert type(buffer) is HistoryBuffer
        assert vars(buffer).keys() == vars(HistoryBuffer()).keys()
        for array, other in zip(buffer.data, expected[key].data, strict=True):
            assert array.dtype == other.dtype
            np.testing.assert_array_equal(array, other)
        assert buffer.statistics('mean') == expected[key].mean()
    for key in loaded.keys() - {'state_dict', 'ema_state_dict', 'optimizer'}:
        assert pickle.dumps(loaded[key]) == pickle.dumps(trusted[key])
    torch.testing.assert_close(loaded['state_dict'], trusted['state_dict'])
    assert loaded['state_dict']._metadata == trusted['state_dict']._metadata
    torch.testing.assert_close(loaded['optimizer'], trusted['optimizer'])


def test_resume(work_dir, tmp_path, loads):
    again = runner(
        tmp_path, 'again', epochs=3, load_from=str(work_dir / 'epoch_2.pth'), resume=True
    )
    again.train()
    assert loads
    assert (again.epoch, again.iter) == (3, 6)
    assert len(again.message_hub.log_scalars['train/loss'].data[0]) == 6
    assert [s._global_step for s in again.param_schedulers] == [3, 3]


def test_load_from_and_test(work_dir, tmp_path, loads, genuine):
    other = runner(tmp_path, 'other', load_from=str(genuine))
    assert other.test()['test/score'] == 0.5
    assert loads


def test_load_checkpoint_into_a_model(genuine, loads):
    model = Line()
    load_checkpoint(model, str(genuine))
    assert loads
    torch.testing.assert_close(model.state_dict(), load_file(genuine)['state_dict'])


UNET = dict(
    default_scope='mmseg',
    model=dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', size=(32, 32), seg_pad_val=255),
        backbone=dict(type='UNet', base_channels=2),
        decode_head=dict(type='FCNHead', in_channels=2, in_index=4, channels=2, num_classes=3),
        test_cfg=dict(mode='whole'),
    ),
    test_pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')],
    test_dataloader=dict(
        dataset=dict(
            type='BaseSegDataset',
            pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')],
        )
    ),
    visualizer=dict(type='SegLocalVisualizer', name='compat'),
)


@pytest.fixture
def unet(tmp_path):
    """Config and checkpoint of MMSegmentation's own U-Net, with what a runner adds."""
    config = Config(UNET)
    config.dump(tmp_path / 'unet.py')
    content = dict(
        state_dict=init_model(config, device='cpu').state_dict(),
        meta=dict(dataset_meta=dict(classes=list('abc'), palette=np.eye(3, dtype=int) * 9)),
        message_hub=dict(log_scalars=dict(loss=HistoryBuffer([1.0], [1]))),
    )
    torch.save(content, tmp_path / 'unet.pth')
    return str(tmp_path / 'unet.py'), str(tmp_path / 'unet.pth')


def test_init_model(unet, loads):
    model = init_model(*unet, device='cpu')
    assert len(loads) == 1
    assert model.dataset_meta['classes'] == list('abc')
    result = inference_model(model, np.zeros((32, 32, 3), np.uint8))
    assert result.pred_sem_seg.data.shape == (1, 32, 32)


def test_inferencer(unet, loads):
    inferencer = MMSegInferencer(*unet, device='cpu')
    assert len(loads) == 1
    assert inferencer(np.zeros((32, 32, 3), np.uint8))['predictions'].shape == (32, 32)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder, and the address at which it is served; also MMEngine's home."""
    handler = type('Handler', (SimpleHTTPRequestHandler,), dict(log_message=lambda *_: None))
    monkeypatch.setenv('MMENGINE_HOME', str(tmp_path))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('no_proxy', '*')
    with ThreadingHTTPServer(
        ('127.0.0.1', 0), lambda *args: handler(*args, directory=tmp_path)
    ) as server:
        url = f'http://127.0.0.1:{server.server_port}/file.pth'
        (tmp_path / 'open_mmlab.json').write_text(json.dumps(dict(web=url, local='file.pth')))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield tmp_path, url
        server.shutdown()


@pytest.mark.parametrize('scheme', ['local', 'http', 'open-mmlab web', 'open-mmlab local', 's3'])
def test_every_scheme_is_safe(scheme, served, genuine, tmp_path, loads, monkeypatch):
    folder, url = served
    file = folder / 'file.pth'
    storage = type('Storage', (), dict(get=lambda self, name: file.read_bytes()))
    monkeypatch.setattr(mmengine_checkpoint, 'get_file_backend', lambda *_, **__: storage())
    address = {
        'local': str(file),
        'http': url,
        'open-mmlab web': 'open-mmlab://web',
        'open-mmlab local': 'openmmlab://local',
        's3': 's3://bucket/file.pth',
    }[scheme]
    file.write_bytes(genuine.read_bytes())
    assert CheckpointLoader.load_checkpoint(address)['meta']['epoch'] == 2

    for cached in folder.glob('cache/**/file.pth'):
        cached.unlink()
    marker = tmp_path / 'marker'
    torch.save(dict(state_dict=make_folder(marker)), file)
    with pytest.raises(CheckpointError, match=r"asks for 'posix\.mkdir'"):
        CheckpointLoader.load_checkpoint(address)
    assert len(loads) == 2
    assert not marker.exists()


def test_mmengine_loads_pickles_nowhere_else():
    folder = Path(mmengine.__file__).parent
    found = {
        str(path.relative_to(folder))
        for path in folder.rglob('*.py')
        if any(word in path.read_text() for word in ('torch.load(', 'load_url('))
    }
    assert found == {'runner/checkpoint.py', 'utils/dl_utils/hub.py'}
