"""Each script on the smallest sizes: what it writes, and what it refuses."""

import importlib
import json
import math
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS, TRANSFORMS

from mmseg_attn.errors import DataError
from mmseg_attn.models.segmentors import LargeImageEncoderDecoder
from tests.libraries import needs_rasterio

COMMON = ['--device', 'cpu', '--repeats', '1']


@pytest.fixture
def run(script, tmp_path, capsys):
    """Run a script; return what it wrote."""

    def run(name: str, *arguments: str) -> dict:
        file = tmp_path / f'{name}.json'
        script(name).main([*COMMON, '--json', str(file), *arguments])
        content = json.loads(file.read_text())
        printed = capsys.readouterr().out
        assert content['tables']
        assert all(f'### {table["title"]}' in printed for table in content['tables'])
        return content

    return run


def names(table: dict) -> list[str]:
    return [row['name'] for row in table['rows']]


def test_attention(run):
    content = run('attention', '--maps', 'window:4:9', 'global:2/4:5', '--layout', 'contiguous')
    assert len(content['tables']) == 2 * 2 * 2 + 2  # maps, types, passes; a summary of each kind
    windows, everything = content['tables'][0], content['tables'][4]
    assert windows['title'].startswith('window attention, 1 x 4 x 9 x 9, float32, contiguous')
    assert names(windows)[:2] == ['reference', 'sdpa']
    assert names(windows)[-4:] == ['auto', 'unfold', '3x3 convolution', 'copy']
    assert {'strips', 'chunks'} <= {*names(windows), *names(everything)}
    assert all(row['median'] and row['peak'] for row in windows['rows'])
    assert content['tables'][-1]['rows'][0]['maps'] == '1 x 4 x 5 x 5 (query and key 2)'


def test_prediction(run, monkeypatch, script):
    changes = script('prediction').CHANGES
    monkeypatch.delitem(changes, 'side by side, ONNX Runtime')
    content = run('prediction', '--base', '1', '--images', '3', '--size', '32')
    assert names(content['tables'][0]) == ['one by one', 'side by side', 'side by side, bfloat16']
    assert all(row['median'] for row in content['tables'][0]['rows'])


def test_the_targets_of_the_attention(script):
    cases, row = script('attention_cases'), script('harness').Row
    rows = {
        name: row(name, seconds, seconds, seconds, seconds / 4, 100, 0.1)
        for name, seconds in dict(
            reference=4, auto=1, unfold=5, copy=0.5, **{'3x3 convolution': 0.8}
        ).items()
    }

    def figures(maps: str, dtype=torch.float32, passes='both', device='cpu') -> list:
        case = cases.Case(cases.Maps.parse(maps), dtype, 'contiguous', passes, 1, device)
        return [(t.limit, t.measured) for t in script('attention').targets(case, rows)]

    assert figures('window:64:256') == [(1 / 3, 0.2), (1.5, 1.25)]
    assert figures('global:128:112') == [(0.55, 0.25), (0.2, 0.1)]
    assert figures('window:64:256', dtype=torch.bfloat16) == []
    assert figures('window:64:256', passes='forward') == []
    assert figures('window:128:128', passes='forward', device='cuda') == [(0.6, 0.5)]
    assert figures('window:128:128', dtype=torch.bfloat16, device='cuda') == [(3, 4)]
    assert figures('window:512:32', device='cuda') == []


def test_a_backend_that_is_wrong_is_not_timed(run, monkeypatch):
    module = importlib.import_module('mmseg_attn.ops.window_attention')
    right = module._BACKENDS['strips']
    monkeypatch.setitem(module._BACKENDS, 'strips', lambda *maps: 1.01 * right(*maps))
    with pytest.raises(
        DataError, match='the result of strips is wrong, so nothing is timed: result 0 is off'
    ):
        run('attention', '--quick', '--maps', 'window:4:9')


def test_a_reference_that_does_not_fit_is_left_out(run, monkeypatch, script):
    monkeypatch.setattr(script('attention'), 'free_bytes', lambda device: 1000)
    content = run('attention', '--quick', '--maps', 'global:4:9')
    reference, sdpa = content['tables'][0]['rows'][:2]
    assert (reference['median'], sdpa['ratio']) == (None, None)
    assert reference['note'] == 'needs more memory than is free'


def test_scaling(run, tmp_path):
    plot = tmp_path / 'plot.png'
    sizes = ['--sides', '9', '6', '--channels', '4', '--passes', 'both']
    content = run('scaling', *sizes, '--limit', '1000', '--plot', str(plot))
    assert plot.stat().st_size > 1000
    *_, summary = content['tables']
    assert [row['positions'] for row in summary['rows']] == ['6x6', '9x9', 'slope', 'in theory']
    assert summary['rows'][-1]['MSAM'] == 2
    assert all(isinstance(value, float) for value in list(summary['rows'][1].values())[1:])


def test_scaling_leaves_out_what_would_take_too_long(run):
    content = run('scaling', '--sides', '6', '9', '--channels', '4', '--limit', '0')
    notes = [row['note'] for row in content['tables'][1]['rows']]
    assert all(note.startswith('left out: about') for note in notes)


def test_the_slope_is_of_the_larger_sizes(script):
    slope = script('scaling').slope
    assert slope([1, 10, 100, 1000], [5, 5, 1, 100]) == pytest.approx(2)
    assert slope([1, 10], [1, 10]) == pytest.approx(1)
    assert slope([1], [1]) is None


def test_inference(run):
    some = ['--networks', 'U-Net', 'Hybrid-UNet', 'SegNet']
    content = run('inference', *some, '--size', '32', '32', '--width', '8')
    (table,) = content['tables']
    assert (names(table), table['baseline']) == (['U-Net', 'Hybrid-UNet', 'SegNet'], 'U-Net')
    assert all(row['images per second'] and row['peak'] for row in table['rows'])


def test_the_exact_scores_are_computed_on_the_cpu(script, monkeypatch):
    inference, devices = script('inference'), []
    build = inference.build

    def watched(cfg, device):
        devices.append(device)
        return build(cfg, 'cpu')

    monkeypatch.setattr(inference, 'build', watched)
    args = inference.parse_args(['--device', 'cuda:1', '--size', '32', '32', '--width', '8'])
    contender = inference.network('MSANet', args)
    samples = contender.build()()
    contender.check(samples)
    assert devices == ['cuda:1', 'cpu']
    samples[0].seg_logits.data = 1.1 * samples[0].seg_logits.data
    with pytest.raises(ValueError, match='the logits are off by 0'):
        contender.check(samples)


@pytest.mark.parametrize('wrong', [False, True])
def test_sliding_over_a_large_image(run, monkeypatch, wrong):
    arguments = ['--large', '40', '50', '--crop', '32', '--width', '8']
    if not wrong:
        content = run('inference', *arguments)
        assert names(content['tables'][0]) == ['EncoderDecoder', 'LargeImageEncoderDecoder']
        assert content['targets'][0]['what'].startswith('time, ')
        return
    labels = LargeImageEncoderDecoder._labels
    monkeypatch.setattr(
        LargeImageEncoderDecoder, '_labels', lambda self, logits: labels(self, -logits)
    )
    with pytest.raises(DataError, match=r'EncoderDecoder is wrong, .* labels differ'):
        run('inference', *arguments)


def meta(networks, name: str, width: int) -> torch.nn.Module:
    with torch.device('meta'):
        return MODELS.build(networks.load(name, width).model)


def test_every_network_at_another_width(script):
    networks = script('networks')
    for name in networks.NETWORKS:
        image = torch.zeros(1, 3, 64, 64, device='meta')
        out = meta(networks, name, 16)(image, mode='tensor')
        assert out.shape == (1, networks.CLASSES, 64, 64), name


@pytest.mark.parametrize('name', ['U-Net', 'MSANet', 'SegNet'])
def test_twice_the_width_is_four_times_the_weights(script, name):
    small, large = (
        sum(p.numel() for p in meta(script('networks'), name, width).parameters())
        for width in (32, 64)
    )
    assert large / small == pytest.approx(4, abs=0.02)


def test_data(run, pseudo_data, monkeypatch):
    # what the script changes is as before when the test is over
    monkeypatch.setenv('DROSOPHILA_ROOT', pseudo_data['DROSOPHILA_ROOT'])
    for name in ('LoadImageFromFile', 'LoadStrictAnnotations'):
        monkeypatch.setattr(TRANSFORMS.get(name), 'transform', TRANSFORMS.get(name).transform)
    folder = ['--data', pseudo_data['DROSOPHILA_ROOT'], '--batch', '2', '--width', '4']
    content = run('data', *folder, '--images', '3', '--workers', '2')
    training, alone = content['tables']
    for table in content['tables']:
        (files,) = table['rows']
        epochs = int(files['decoded'].split()[2])
        assert files['decoded'].split()[0] == str(2 * 3 * epochs)
    assert 0 <= training['rows'][0]['waiting'] <= 1
    assert alone['rows'][0]['waiting'] is None
    assert len(content['targets']) == 1


def test_runtime(run):
    small = ['--base', '4', '--size', '32', '--batch', '1', '--contenders', 'fast runtime']
    content = run('runtime', *small)
    (table,) = content['tables']
    assert names(table) == ['default runtime', 'fast runtime']
    assert all(row['median'] and row['peak of the process, MiB'] > 0 for row in table['rows'])
    assert [(t['limit'], t['at_least']) for t in content['targets']] == [(2.5, True)]


def test_a_runtime_with_another_loss_is_not_timed(script, monkeypatch):
    runtime = script('runtime')

    class Pretended(runtime.Training):
        def build(self):
            self.losses.append(2.0 if self.name == 'default runtime' else 2.1)
            return lambda: self.losses[0]

    monkeypatch.setattr(runtime, 'Training', Pretended)
    with pytest.raises(DataError, match=r'fast runtime is wrong, .* loss is 2\.1 instead of 2'):
        runtime.main([*COMMON, '--contenders', 'fast runtime'])


@pytest.mark.parametrize('device', ['cuda:1', 'cpu'])
def test_a_runtime_trains_where_it_is_told_to(script, monkeypatch, device):
    """MMEngine's runner takes the current GPU, and one wherever it sees one."""
    runtime, trained = script('runtime'), []
    current = [0]
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    monkeypatch.setattr('torch.cuda.set_device', lambda index: current.__setitem__(0, index))
    runner = Mock(train=lambda: trained.append(current[0]))
    monkeypatch.setattr(runtime.Runner, 'from_cfg', lambda cfg: runner)
    started = []

    class Worker:
        def __init__(self, name, target, *args, environment):
            started.append(environment)
            target(Mock(), *args)

        def receive(self):
            return 1.0, 2

    monkeypatch.setattr(runtime, 'Worker', Worker)
    args = runtime.parse_args(['--device', device, '--threads', '1', '--base', '4'])
    runtime.Training('default runtime', args).build()
    assert trained == [1 if device == 'cuda:1' else 0]
    assert started == [{} if device == 'cuda:1' else {'CUDA_VISIBLE_DEVICES': ''}]


@pytest.mark.parametrize(
    ('mine', 'other', 'same'), [(2.0, 1, True), (2.0, 0, False), (math.nan, 1, False)]
)
def test_processes_agree_if_all_of_them_do(script, monkeypatch, mine, other, same):
    processes = script('processes')
    weights = torch.tensor([1.0, mine])
    to = torch.Tensor.to
    # as from the CPU to a GPU, where a reduction reaches the copy alone
    monkeypatch.setattr(torch.Tensor, 'to', lambda self, *args: to(self, *args, copy=True))
    monkeypatch.setattr(processes.dist, 'broadcast', lambda x, source: x.copy_(weights))
    monkeypatch.setattr(
        processes.dist, 'all_reduce', lambda x, op: x.copy_(x.clamp(max=float(other)))
    )
    assert processes.agree(weights) is same


def test_processes_want_a_gpu_each(script, monkeypatch, capsys):
    processes = script('processes')
    with pytest.raises(SystemExit, match='2'):
        processes.main(['--device', 'cuda:1'])
    assert '--device cuda:1: each process uses its own GPU' in capsys.readouterr().err
    monkeypatch.setattr('torch.cuda.device_count', lambda: 1)
    monkeypatch.setattr('torch.cuda.set_device', lambda index: None)
    with pytest.raises(DataError, match='this machine has no GPU 1; use cuda:0'):
        processes.main(['--device', 'cuda'])


def test_busy(run):
    content = run('busy', '--base', '2', '--size', '32', '--steps', '1', '--spins', '1000')
    timings, table = content['tables']
    settings = ['default', 'GOMP_SPINCOUNT=1000', 'OMP_WAIT_POLICY=PASSIVE', 'one thread']
    assert names(timings) == [f'{x}, {how}' for x in settings for how in ('quiet', 'busy')]
    assert [row['setting'] for row in table['rows']] == settings
    for row in table['rows']:
        of = {
            how: timings['rows'][names(timings).index(f'{row["setting"]}, {how}')]
            for how in ('quiet', 'busy')
        }
        assert row['quiet'] == pytest.approx(1e3 * of['quiet']['median'])
        assert row['relative to the default'] == of['quiet']['ratio']
        assert row['busy'] == pytest.approx(1e3 * of['busy']['median'])
    assert table['rows'][-1]['relative to one thread'] == 1
    assert [target['limit'] for target in content['targets']] == [1.05, 1.5]


def test_processes(run):
    small = ['--processes', '2', '--size', '32', '--width', '4', '--steps', '1', '--batch', '1']
    content = run('processes', *small)
    assert content['tables'][0]['rows'][0]['processes'] == 2


@pytest.mark.parametrize(
    ('name', 'arguments', 'message'),
    [
        ('attention', ['--maps', 'window:64'], 'window:64 is not of the form window:64:256'),
        ('attention', ['--maps', 'local:4:4'], 'local:4:4 is not of the form'),
        ('attention', ['--maps', 'window:0:4'], 'window:0:4 is not of the form'),
        ('attention', ['--dtype', 'int8'], "invalid choice: 'int8'"),
        ('scaling', ['--sides', '0'], '0 is below 1'),
        ('inference', ['--networks', 'VGG'], "invalid choice: 'VGG'"),
        ('inference', ['--large', '300', '400'], 'needs --crop 300 or less'),
        ('processes', ['--processes', '0'], '0 is below 1'),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(script, capsys, name, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        script(name).main(arguments)
    assert message in capsys.readouterr().err


def test_a_missing_dataset_is_named(script, tmp_path):
    with pytest.raises(DataError, match='is not the converted Drosophila dataset'):
        script('data').main([*COMMON, '--data', str(Path(tmp_path) / 'x')])


@needs_rasterio
def test_raster_memory(run, script, monkeypatch):
    raster_memory = script('raster_memory')
    peaks = iter([100.0, 3000.0])

    def predict(file, model, args):
        cfg = Config.fromfile(model[0])
        MODELS.build(cfg.model).load_state_dict(torch.load(model[1], weights_only=True))
        image = TRANSFORMS.build(cfg.test_dataloader.dataset.pipeline[0])(dict(img_path=file))
        assert image['img'].shape == (*map(int, file.stem.split('x')), 2)
        assert 0.5 < image['valid'].mean() < 0.9
        return 1.5, next(peaks)

    monkeypatch.setattr(raster_memory, 'predict', predict)
    options = ['--sizes', '64', '600x300', '--bands', '2', '--depth', '2', '--empty', '0.5']
    content = run('raster_memory', *options)
    (table,) = content['tables']
    assert [row['raster'] for row in table['rows']] == ['64 x 64 x 2', '600 x 300 x 2']
    assert [row['peak, MiB more than the first'] for row in table['rows']] == [0, 2900]
    assert table['rows'][1]['decoded, MiB'] == 600 * 300 * 2 * 2 / 2**20
    (target,) = content['targets']
    assert (target['limit'], target['measured'], target['verdict']) == (2048, 2900, 'missed')
