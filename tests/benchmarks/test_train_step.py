import json
import math

import pytest
import torch

from mmseg_attn.errors import DataError

SMALL = ['--device', 'cpu', '--repeats', '1', '--size', '32', '--batch', '2', '--base', '2']


@pytest.fixture
def run(script, tmp_path):
    """Run the script; return what it wrote."""

    def run(*arguments: str) -> dict:
        file = tmp_path / 'train_step.json'
        script('train_step').main([*SMALL, '--json', str(file), *arguments])
        return json.loads(file.read_text())

    return run


def test_ours_and_mmsegmentations(run):
    content = run('--models', 'LFA-UNet', 'U-Net', 'MMSegmentation UNet + FCNHead')
    (table,) = content['tables']
    assert table['baseline'] == 'U-Net'
    assert table['title'].endswith('base width 2, batch 2, 32x32, float32')
    for row in table['rows']:
        assert row['median'] > 0
        assert row['peak'] > 0
        assert row['images per second'] == pytest.approx(2 / row['median'])
        assert row['GFLOP per second'] == pytest.approx(2 * row['GFLOP per image'] / row['median'])
    (target,) = content['targets']  # LFA-UNet's are for base widths of 16 and 64
    assert target['measured'] == pytest.approx(table['rows'][2]['ratio'])


def test_the_fast_runtime_is_for_ours(run, script):
    train_step, dtypes = script('train_step'), {}
    build = train_step.build

    def watched(name, base):
        model, network = build(name, base)
        last = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)][-1]
        last.register_forward_hook(lambda m, args, out: dtypes.update({name: out.dtype}))
        return model, network

    train_step.build = watched
    try:
        content = run('--runtime', 'fast', '--models', 'U-Net', train_step.MMSEG)
    finally:
        train_step.build = build
    assert dtypes == {'U-Net': torch.bfloat16, train_step.MMSEG: torch.float32}
    assert content['tables'][0]['title'].endswith('float32, ours in the fast runtime')
    assert content['targets'] == []


def test_without_monai_its_rows_say_so(run, script, monkeypatch):
    contenders = script('training_contenders')
    monkeypatch.setattr(contenders.importlib.util, 'find_spec', lambda name: None)
    content = run('--models', 'Attention U-Net', contenders.ATTENTION)
    gated, peer = content['tables'][0]['rows']
    assert gated['median'] > 0
    assert peer['median'] is None
    assert 'MONAI is not installed' in peer['note']
    assert [target['verdict'] for target in content['targets']] == ['not measured']


def test_monais_networks_where_it_is_installed(run, script):
    pytest.importorskip('monai')
    contenders = script('training_contenders')
    some = ['U-Net', 'Attention U-Net', contenders.BASIC, contenders.ATTENTION]
    content = run('--models', *some)
    rows = {row['name']: row for row in content['tables'][0]['rows']}
    faster, share = content['targets']
    assert faster['measured'] == rows[contenders.BASIC]['ratio']
    speeds = [rows[name]['GFLOP per second'] for name in (contenders.ATTENTION, 'Attention U-Net')]
    assert share['measured'] == pytest.approx(speeds[0] / speeds[1], rel=1e-6)


def test_a_network_that_is_wrong_is_not_timed(run, script, monkeypatch):
    train_step = script('train_step')
    build = train_step.build

    def detached(name, base):
        model, network = build(name, base)
        model.decode_head.conv_seg.weight.requires_grad_(False)
        return model, network

    monkeypatch.setattr(train_step, 'build', detached)
    with pytest.raises(DataError, match=r'U-Net is wrong, .*conv_seg.weight has no finite'):
        run('--models', 'U-Net')


def test_flops_are_those_of_the_formula(script):
    count = script('training_contenders').flops
    small, wide = (count('U-Net', base, 32, 1) for base in (16, 32))
    assert math.isclose(wide / small, 4, rel_tol=0.02)
    assert count('U-Net', 16, 32, 2) == 2 * small
    assert count('LFA-UNet', 64, 64, 1) < count('U-Net', 64, 64, 1)


def test_names_are_checked(script, capsys):
    with pytest.raises(SystemExit, match='2'):
        script('train_step').main(['--models', 'V-Net'])
    assert "invalid choice: 'V-Net'" in capsys.readouterr().err
