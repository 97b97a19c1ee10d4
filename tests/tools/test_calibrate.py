"""Calibration as a user asks for it, against the logits of the network by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mmseg_attn.apps.calibrate import calibrate as fit
from mmseg_attn.apps.predict import Predictor
from mmseg_attn.errors import DataError, MMSegAttnError
from tools import calibrate

METAINFO = dict(classes=('back', 'front'), palette=[[0, 0, 0], [9, 99, 199]])
STEPS = ['LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs']
HEADS = {
    'softmax': dict(num_classes=2),
    'sigmoid': dict(num_classes=2, out_channels=1, threshold=0.3),
}


def dataset(root) -> dict:
    pipeline = [dict(type=step) for step in STEPS]
    pipeline[0]['color_type'] = 'grayscale'
    return dict(
        type='BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png',
        metainfo=METAINFO,
        pipeline=pipeline,
    )


@pytest.fixture(params=HEADS)
def place(request, tmp_path, monkeypatch):
    """A folder with images, a config, and a model whose logits are three times too large."""
    monkeypatch.chdir(tmp_path)
    loader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dataset(tmp_path),
    )
    cfg = Config(
        dict(
            default_scope='mmseg',
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', mean=[128.0], std=[60.0]),
                backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
                decode_head=dict(
                    type='UNetHead',
                    in_channels=[2, 4],
                    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
                    **HEADS[request.param],
                ),
                test_cfg=dict(mode='whole'),
            ),
            val_dataloader=loader,
            test_dataloader=loader,
            val_evaluator=dict(type='IoUMetric', ignore_index=255),
        )
    )
    cfg.dump('config.py')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, size, np.uint8) for size in ((40, 48), (32, 40))]
    gray = [(torch.from_numpy(image).float() - 128) / 60 for image in images]
    classify = model.decode_head.conv_seg
    with torch.no_grad():
        classify.weight[:-1] = 0
        classify.bias.zero_()
        z = torch.cat([model(x[None, None])[0, -1].flatten() for x in gray])
        classify.weight[-1] *= 4 / z.std()
        classify.bias[-1] = -4 * z.mean() / z.std()
        z = [model(x[None, None])[0, -1].double().numpy() for x in gray]
    for name, image, logits in zip('ab', images, z, strict=True):
        mask = (generator.random(image.shape) < 1 / (1 + np.exp(-logits / 3))).astype(np.uint8)
        mask[:2] = 255
        for folder, content in (('images', image), ('masks', mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(content).save(tmp_path / folder / f'{name}.png')
    torch.save(dict(state_dict=model.state_dict()), 'best.pth')
    return model, gray


def by_hand(model, gray) -> tuple[np.ndarray, np.ndarray]:
    """Return the difference of the logits, and the labels, of the labeled pixels."""
    z, y = [], []
    for name, x in zip('ab', gray, strict=True):
        with torch.no_grad():
            logits = model(x[None, None])[0].double().numpy()
        mask = np.array(Image.open(f'masks/{name}.png'))
        z.append((logits[1] - logits[0] if len(logits) > 1 else logits[0])[mask != 255])
        y.append(mask[mask != 255])
    return np.concatenate(z), np.concatenate(y)


def likelihood(z: np.ndarray, y: np.ndarray, t: float) -> float:
    return float(np.logaddexp(0, np.where(y == 1, -z, z) / t).mean())


def error(z: np.ndarray, y: np.ndarray, t: float, threshold: float) -> float:
    """The expected calibration error of the labels that the model predicts without T."""
    predicted = 1 / (1 + np.exp(-z)) > threshold
    p = 1 / (1 + np.exp(-z / t))
    confidence = np.where(predicted, p, 1 - p)
    bins = np.ceil(15 * confidence)
    gaps = [((predicted == y) - confidence)[bins == b].sum() for b in range(1, 16)]
    return float(np.abs(gaps).sum() / len(y))


def test_a_temperature_is_written_and_told(place, tmp_path, capsys):
    calibrate.main(['config.py', 'best.pth', '--device', 'cpu'])
    out = capsys.readouterr().out
    content = json.loads((tmp_path / 'best.temperature.json').read_text())
    t, (before, after) = content['temperature'], content['nll']
    z, y = by_hand(*place)
    assert before == pytest.approx(likelihood(z, y, 1), rel=1e-5)
    assert after == pytest.approx(likelihood(z, y, t), rel=1e-5)
    step = 1e-3 * t
    assert after < min(likelihood(z, y, t - 20 * step), likelihood(z, y, t + 20 * step))
    assert abs(likelihood(z, y, t + step) - likelihood(z, y, t - step)) / (2 * step) < 1e-5
    assert 2.5 < t < 3.5
    threshold = 0.3 if place[0].out_channels == 1 else 0.5
    assert content['ece'] == pytest.approx([error(z, y, t, threshold) for t in (1, t)], abs=1e-4)
    assert content['ece'][1] < content['ece'][0]
    assert {name: content[name] for name in ('config', 'split', 'images', 'labeled', 'pixels')} == {
        **dict(config='config.py', split='val', images=2),
        **dict.fromkeys(('labeled', 'pixels'), 38 * 48 + 30 * 40),
    }
    assert 'val: 2 images, 3,024 labeled pixels\n' in out
    assert f'| {t:.4f}' in out
    assert out.endswith('\nbest.temperature.json\n')
    predictor = Predictor(Config.fromfile('config.py'), tmp_path / 'best.pth', temperature=None)
    assert predictor.temperatures == {str(tmp_path / 'best.pth'): t}


@pytest.mark.parametrize('place', ['sigmoid'], indirect=True)
def test_a_checkpoint_that_is_replaced_in_the_meantime(place, monkeypatch):
    def replace(*args, **kwargs):
        found = fit(*args, **kwargs)
        torch.save(dict(state_dict=place[0].state_dict(), meta={}), 'best.pth')
        return found

    monkeypatch.setattr(calibrate, 'calibrate', replace)
    calibrate.main(['config.py', 'best.pth', '--device', 'cpu'])
    with pytest.raises(DataError, match=r'was written for another content of best\.pth'):
        Predictor(Config.fromfile('config.py'), Path('best.pth'), temperature=None)


def test_a_sample_of_the_pixels(place, tmp_path):
    cfg = Config.fromfile('config.py')
    found = fit(cfg, tmp_path / 'best.pth', 'test', values=1000)
    assert (found.labeled, found.pixels) == (3024, 500)


@pytest.mark.parametrize('place', ['sigmoid'], indirect=True)
@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['val_dataloader=None'], r'config\.py has no val_dataloader: add it, or choose another'),
        (
            ['val_dataloader.dataset.data_prefix.img_path=none'],
            'none is missing: correct data_prefix',
        ),
        (['val_dataloader.dataset.pipeline.1.type=RandomFlip'], r'png has no labels: add LoadAnno'),
        (['model.test_cfg.mode=x'], "mode='x'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else '',
)
def test_mistakes_are_told(place, options, message, tmp_path):
    if 'RandomFlip' in options[0]:
        options = [*options, 'val_dataloader.dataset.pipeline.1.prob=0.0']
    with pytest.raises(MMSegAttnError, match=message):
        calibrate.main(['config.py', 'best.pth', '--cfg-options', *options])
    assert not (tmp_path / 'best.temperature.json').exists()


@pytest.mark.parametrize('place', ['sigmoid'], indirect=True)
def test_nothing_labeled(place, tmp_path):
    for path in (tmp_path / 'masks').iterdir():
        Image.fromarray(np.full_like(Image.open(path), 255)).save(path)
    with pytest.raises(DataError, match='no pixel of 2 images of the val split is labeled: check'):
        calibrate.main(['config.py', 'best.pth'])


@pytest.mark.parametrize(
    ('name', 'factor', 'message'),
    [
        ('', 1e20, r'the logits of .*a\.png contain NaN or infinity: use another checkpoint'),
        ('conv_seg', 1e30, r'the best temperature is .*, so best\.pth predicts with logits out'),
    ],
)
def test_logits_that_are_not_finite_or_too_large(place, name, factor, message):
    for parameter in place[0].decode_head.get_submodule(name).parameters():
        parameter.data *= factor  # finite, unlike the products of all layers
    torch.save(dict(state_dict=place[0].state_dict()), 'best.pth')
    with pytest.raises(DataError, match=message):
        calibrate.main(['config.py', 'best.pth'])
    assert not Path('best.temperature.json').exists()


@pytest.mark.parametrize('place', ['softmax'], indirect=True)
def test_an_ensemble_is_calibrated_model_by_model(place, tmp_path):
    cfg = Config.fromfile('config.py')
    cfg.model = dict(type='EnsembleSegmentor', models=cfg.model, checkpoints=['best.pth'])
    with pytest.raises(MMSegAttnError, match='calibrate each of its models'):
        fit(cfg, tmp_path / 'best.pth', 'val')
