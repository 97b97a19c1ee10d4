"""Prediction as a user asks for it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mmseg_attn.apps.predict import write_temperature
from mmseg_attn.errors import MMSegAttnError
from tools import predict

CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'


@pytest.fixture
def place(root, tmp_path, monkeypatch):
    """A folder with one image, weights that find synapses everywhere, and an empty folder."""
    config = root / CONFIG
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    Image.fromarray(noise).save('a.png')
    model = MODELS.build(Config.fromfile(config).model)
    for values in model.decode_head.conv_seg.parameters():
        torch.nn.init.zeros_(values)
    model.decode_head.conv_seg.bias.data[2] = 1
    torch.save(model.state_dict(), 'x.pth')
    return str(config)


def run(*words: str) -> object:
    """The exit code."""
    with pytest.raises(SystemExit) as end:
        predict.main([*words, '--out', 'out', '--device', 'cpu'])
    return end.value.code


def test_a_suspicious_result_is_told_at_the_end(place, tmp_path, capsys):
    assert run(place, 'x.pth', 'a.png', '--intensity', '0', '1000') == 0
    out, err = capsys.readouterr()
    assert out.startswith('out: masks, overlays and pixels.csv of 1 file\n')
    first, second = err.splitlines()[-2:]
    assert first.startswith('warning: --intensity changed nothing in 1 file')
    assert second.startswith('warning: 100.0% of all pixels are synapse')
    kept = json.loads((tmp_path / 'out/conversion.json').read_text())['warnings']
    assert [f'warning: {sentence}' for sentence in kept] == [first, second]


def test_maps_of_an_earlier_run_are_not_lost(place, tmp_path):
    assert run(place, 'x.pth', 'a.png', '--save', 'entropy', 'probabilities') == 0
    with pytest.raises(MMSegAttnError, match='--save entropy, which would be lost: add this'):
        predict.main([place, 'x.pth', 'a.png', '--save', 'probabilities', '--out', 'out'])
    assert (tmp_path / 'out/entropy/a.png').is_file()
    assert run(place, 'x.pth', 'a.png', '--save', 'probabilities', 'entropy') == 0


def test_probabilities_of_classes_of_an_earlier_run_are_not_lost(place, tmp_path):
    words = [place, 'x.pth', 'a.png', '--save', 'probabilities', '--out', 'out', '--save-classes']
    assert run(*words[:-3], *words[-1:], 'synapse', 'membrane') == 0
    assert len([*(tmp_path / 'out/probabilities').iterdir()]) == 2
    with pytest.raises(MMSegAttnError, match='probabilities of synapse membrane, some of which'):
        predict.main([*words, 'synapse'])
    assert run(*words[:-3]) == 0  # all classes
    with pytest.raises(MMSegAttnError, match='probabilities of all classes, some of which'):
        predict.main([*words, 'synapse'])


def test_classes_of_no_map(capsys):
    with pytest.raises(SystemExit):
        predict.parse_args(
            ['c', 'x', 'a', '--out', 'o', '--save', 'entropy', '--save-classes', 'b']
        )
    assert '--save-classes needs --save probabilities' in capsys.readouterr().err


def test_what_is_skipped_is_counted(place, tmp_path, capsys):
    (tmp_path / 'b.png').write_text('no image')
    assert run(place, 'x.pth', 'a.png', 'b.png') == 1
    out, err = capsys.readouterr()
    assert '\n1 of 2 files skipped: see the reasons above or in out/conversion.json\n' in out
    assert 'skipped: b.png is truncated or damaged' in err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['no.py', 'x.pth', 'a.png'], r'no\.py is missing: name a config file'),
        (['{config}', 'no.pth', 'a.png'], r'no\.pth is missing: name a checkpoint'),
        (['{config}', 'x.pth', 'a.png', 'no.png'], r'no\.png is missing: name existing files'),
        (['{config}', 'x.pth', 'b.png', 'c.png'], r'b\.png and 1 more are missing: name'),
        (['{config}', 'x.pth', 'empty'], 'the inputs contain no images'),
        (['{config}', 'x.pth', 'empty', '--out', 'empty'], 'empty is in the output folder empty'),
        (['{config}', 'x.pth', 'a.png', '--out', '.'], r'a\.png is in the output folder \.: cho'),
        (['{config}', 'x.pth', 'a.png', '--intensity', '9', '3'], '--intensity is 9 3: choose LOW'),
        (['{config}', 'x.pth', 'a.png', '--intensity', '0', 'nan'], '--intensity is 0 nan'),
        (['{config}', 'x.pth', 'a.png', '--intensity', '0', 'inf'], '--intensity is 0 inf'),
        (['{config}', 'x.pth', 'a.png', '--percentiles', '1', '101'], 'both from 0 to 100'),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else '',
)
def test_mistakes_are_told_before_the_model_is_loaded(place, words, message, tmp_path, monkeypatch):
    monkeypatch.delattr(predict, 'Predictor')
    with pytest.raises(MMSegAttnError, match=message):
        predict.main(['--out', 'out', *(word.format(config=place) for word in words)])
    assert not (tmp_path / 'out').exists()


def test_every_argument_is_explained(capsys):
    with pytest.raises(SystemExit):
        predict.parse_args(['--help'])
    described = capsys.readouterr().out
    for argument in ('config  ', 'checkpoint  ', 'input  '):
        assert f'\n  {argument}' in described


@pytest.fixture
def folds(place, tmp_path):
    """Models of two folds, whose probabilities are known: 0.9 and 0.2 for synapse everywhere."""
    names = []
    for fold, probability in enumerate((0.9, 0.2)):
        model = MODELS.build(Config.fromfile(place).model)
        for values in model.decode_head.conv_seg.parameters():
            torch.nn.init.zeros_(values)
        rest = (1 - probability) / 4
        model.decode_head.conv_seg.bias.data[2] = np.log(probability / rest)
        names.append(f'fold{fold}.pth')
        torch.save(dict(state_dict=model.state_dict(), meta={}), names[-1])
    return names


def entropy(synapse: float) -> float:
    p = np.array([synapse, *[(1 - synapse) / 4] * 4])
    return float(-(p * np.log(p)).sum())


@pytest.mark.parametrize('tta', [[], ['--tta']])
def test_an_ensemble_predicts_the_mean_of_the_probabilities(place, folds, tmp_path, tta):
    maps = ['probabilities', 'entropy', *([] if tta else ['disagreement'])]
    # the first checkpoint is named twice, as by fold*.pth, and counts once
    words = [place, folds[0], 'a.png', '--checkpoints', *folds, '--save', *maps, *tta]
    assert run(*words) == 0
    mean = (0.9 + 0.2) / 2
    stored = np.asarray(Image.open(tmp_path / 'out/probabilities/2_synapse/a.png'))
    assert set(stored.ravel()) == {round(255 * mean)}
    header, row = (tmp_path / 'out/uncertainty.csv').read_text().splitlines()
    assert header == 'file,slice,mean_entropy,mean_disagreement,percent_below_0.9'
    _, _, found, disagreement, below = row.split(',')
    assert float(found) == pytest.approx(entropy(mean), rel=1e-4)
    assert below == '100.0000'
    if not tta:
        expected = entropy(mean) - (entropy(0.9) + entropy(0.2)) / 2
        assert float(disagreement) == pytest.approx(expected, rel=1e-3)
    written = json.loads((tmp_path / 'out/conversion.json').read_text())
    assert written['ensemble'] == folds


def test_a_member_has_a_config_of_its_own(place, folds, tmp_path, root):
    unet = str(root / 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py')
    model = MODELS.build(Config.fromfile(unet).model)
    for values in model.decode_head.conv_seg.parameters():
        torch.nn.init.zeros_(values)
    torch.save(model.state_dict(), 'unet.pth')
    words = [place, folds[0], 'a.png', '--member', unet, 'unet.pth', '--save', 'probabilities']
    assert run(*words) == 0
    stored = np.asarray(Image.open(tmp_path / 'out/probabilities/2_synapse/a.png'))
    assert set(stored.ravel()) == {round(255 * (0.9 + 0.2) / 2)}


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--save', 'disagreement'], 'name several checkpoints'),
        (['--save', 'disagreement', '--checkpoints', 'fold1.pth', '--tta'], 'leave out test-time'),
        (['--checkpoints', 'no.pth'], r'no\.pth is missing: name a checkpoint'),
        (['--member', '{unet}', 'fold1.pth'], r'fold1\.pth does not fit its model'),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else '',
)
def test_what_an_ensemble_cannot_do(place, folds, root, words, message):
    unet = root / 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
    words = [word.format(unet=unet) for word in words]
    with pytest.raises(MMSegAttnError, match=message):
        predict.main([place, folds[0], 'a.png', '--out', 'out', *words])


def test_a_model_alone_is_an_ensemble_of_one(place, tmp_path):
    torch.manual_seed(3)
    model = MODELS.build(Config.fromfile(place).model)
    torch.save(model.state_dict(), 'y.pth')
    assert run(place, 'y.pth', 'a.png') == 0
    alone = np.asarray(Image.open(tmp_path / 'out/masks/a.png'))
    assert len(set(alone.ravel())) > 1
    assert run(place, 'y.pth', 'a.png', '--member', place, 'y.pth') == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'out/masks/a.png')), alone)
    (tmp_path / 'z.pth').write_bytes((tmp_path / 'y.pth').read_bytes())
    assert run(place, 'y.pth', 'a.png', '--checkpoints', 'z.pth') == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'out/masks/a.png')), alone)


def test_objects_are_measured(place, tmp_path):
    pytest.importorskip('skimage')
    words = [place, 'x.pth', 'a.png', '--objects', 'synapse', 'membrane', '--min-size', '2']
    assert run(*words) == 0
    rows = (tmp_path / 'out/objects.csv').read_text().splitlines()
    assert len(rows) == 2  # the whole image is one synapse
    assert rows[1].startswith(f'a.png,0,synapse,1,{48 * 64},')
    assert (tmp_path / 'out/objects/0_membrane/a.png').is_file()
    settings = json.loads((tmp_path / 'out/conversion.json').read_text())['settings']
    assert (settings['objects'], settings['min_size']) == (['synapse', 'membrane'], 2)


@pytest.mark.parametrize('words', [['--min-size', '3'], ['--fill-holes'], ['--keep-largest']])
def test_rules_of_objects_need_objects(place, words, capsys):
    with pytest.raises(SystemExit):
        predict.main([place, 'x.pth', 'a.png', '--out', 'out', *words])
    assert 'need --objects' in capsys.readouterr().err


@pytest.mark.parametrize('tta', [[], ['--tta']])
@pytest.mark.parametrize(('limit', 'expected'), [('0.19', 2), ('0.21', 0)])
def test_a_class_has_a_threshold(place, folds, tmp_path, tta, limit, expected):
    # synapse has 0.2 everywhere, as all others have: below its threshold, the first class remains
    assert run(place, folds[1], 'a.png', '--threshold', f'synapse={limit}', *tta) == 0
    assert set(np.asarray(Image.open(tmp_path / 'out/masks/a.png')).ravel()) == {expected}


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['synapsis=0.3'], "no class 'synapsis': set thresholds for some of membrane"),
        (['synapse=1.3'], 'the threshold of synapse is 1.3: set a probability'),
        (['synapse=nan'], 'the threshold of synapse is nan: set a probability'),
    ],
)
def test_thresholds_without_a_meaning(place, words, message):
    with pytest.raises(MMSegAttnError, match=message):
        predict.main([place, 'x.pth', 'a.png', '--out', 'out', '--threshold', *words])


def test_a_threshold_is_a_number(place, capsys):
    with pytest.raises(SystemExit):
        predict.main([place, 'x.pth', 'a.png', '--out', 'out', '--threshold', 'synapse'])
    assert 'synapse is not CLASS=PROBABILITY' in capsys.readouterr().err


def test_weights_that_are_not_finite_are_named_by_their_checkpoint(place, folds, tmp_path):
    content = torch.load(tmp_path / folds[1])
    content['state_dict']['decode_head.conv_seg.bias'][0] = float('nan')
    torch.save(content, tmp_path / folds[1])
    words = [place, folds[0], 'a.png', '--out', 'out', '--checkpoints', folds[1]]
    with pytest.raises(MMSegAttnError, match=r'fold1\.pth'):
        predict.main(words)


def stored_probability(tmp_path) -> int:
    stored = np.asarray(Image.open(tmp_path / 'out/probabilities/2_synapse/a.png'))
    (value,) = set(stored.ravel())
    return int(value)


def test_a_temperature_beside_the_checkpoint_is_used_and_told(place, folds, tmp_path, capsys):
    write_temperature(Path(folds[0]), 2)
    words = [place, folds[0], 'a.png', '--save', 'probabilities']
    assert run(*words) == 0
    line = 'fold0.pth: logits divided by the temperature 2 of fold0.temperature.json\n'
    assert line in capsys.readouterr().out
    # 0.9 and four times 0.025: the odds 36 become 6
    assert stored_probability(tmp_path) == pytest.approx(255 * 0.6, abs=0.51)
    written = json.loads((tmp_path / 'out/conversion.json').read_text())
    assert (written['temperatures'], written['settings']['temperature']) == ({folds[0]: 2}, None)

    assert run(*words, '--temperature', '1') == 0
    assert 'temperature' not in capsys.readouterr().out
    assert stored_probability(tmp_path) == pytest.approx(255 * 0.9, abs=0.51)
    # a file of another checkpoint stops the run
    (tmp_path / folds[0]).write_bytes((tmp_path / folds[1]).read_bytes())
    with pytest.raises(MMSegAttnError, match=r'fold0\.temperature\.json was written for another'):
        predict.main([*words, '--out', 'new'])
    assert not (tmp_path / 'new').exists()


@pytest.fixture
def neighbors(place, tmp_path):
    """A config that begins with LoadNeighbors, and a stack of three slices."""
    tifffile = pytest.importorskip('tifffile')
    (tmp_path / 'neighbors.py').write_text(
        f'_base_ = {place!r}\n'
        "load = dict(type='LoadNeighbors', color_type='grayscale')\n"
        'model = dict(data_preprocessor=dict(mean=[9] * 3, std=[9] * 3), '
        'backbone=dict(in_channels=3))\n'
        "test_dataloader = dict(dataset=dict(pipeline=[load, dict(type='PackSegInputs')]))\n"
    )
    model = MODELS.build(Config.fromfile(tmp_path / 'neighbors.py').model)
    torch.save(model.state_dict(), 'n.pth')
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 48), np.uint8)
    tifffile.imwrite(tmp_path / 'stack.tif', pixels, imagej=True, metadata=dict(axes='ZYX'))
    return ['neighbors.py', 'n.pth', 'stack.tif']


def test_a_stack_has_neighbors_and_axes(neighbors, tmp_path):
    tifffile = pytest.importorskip('tifffile')
    assert run(*neighbors, '--batch-size', '2') == 0
    with tifffile.TiffFile(tmp_path / 'out/masks/stack.tif') as mask:
        assert (mask.series[0].axes, mask.series[0].shape) == ('ZYX', (3, 32, 48))
    settings = json.loads((tmp_path / 'out/conversion.json').read_text())['settings']
    assert (settings['axes'], settings['channels'], settings['neighbors']) == (None, [], None)


def test_options_of_stacks_that_do_not_fit(place, neighbors, capsys):
    with pytest.raises(MMSegAttnError, match='of each of 3 slices, but the model takes 1: leave'):
        predict.main([place, 'x.pth', 'stack.tif', '--neighbors', '1', '--out', 'out'])
    with pytest.raises(MMSegAttnError, match='--neighbors is 2, but LoadNeighbors of the config h'):
        predict.main([*neighbors, '--neighbors', '2', '--out', 'out'])
    with pytest.raises(MMSegAttnError, match='no file could be predicted'):
        predict.main([*neighbors, '--axes', 'CZYX', '--out', 'out'])
    assert 'stack.tif has the shape 3x32x48 (ZYX), but --axes is CZYX' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        predict.main([*neighbors, '--neighbors', '0', '--out', 'out'])
    assert 'argument --neighbors: 0 is below 1' in capsys.readouterr().err
    with pytest.raises(MMSegAttnError, match='--channels does not work with rasters'):
        predict.main([*neighbors, '--raster', '--channels', '0', '--out', 'out'])
