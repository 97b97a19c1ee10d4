"""The file beside a checkpoint, and what the predictor does with it."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_attn.apps.predict import Predictor, read_temperature, write_temperature
from mmseg_attn.errors import DataError, UsageError

CONFIG = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
SMALL = dict(backbone=dict(channels=[2, 3, 4]), decode_head=dict(in_channels=[2, 3, 4]))


@pytest.fixture
def config(root):
    def config() -> Config:
        cfg = Config.fromfile(root / CONFIG)
        cfg.merge_from_dict(dict(model=SMALL))
        return cfg

    return config


@pytest.fixture
def saved(config, tmp_path):
    """Save a model with random weights, and return it with its checkpoint."""

    def saved(seed: int):
        torch.manual_seed(seed)
        model = MODELS.build(config().model).eval()
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.4)  # so that several classes occur
        torch.save(dict(state_dict=model.state_dict()), tmp_path / f'{seed}.pth')
        return model, tmp_path / f'{seed}.pth'

    return saved


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (37, 53), dtype=np.uint8)


def logits_of(model, image: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return model((torch.from_numpy(image.copy()).float()[None, None] - 128.6) / 54.7)[0]


def predict(predictor: Predictor, image: np.ndarray):
    ((_, prediction),) = predictor.predict([('x', image)])
    return prediction


def test_what_was_written_is_read(tmp_path):
    checkpoint = tmp_path / 'best.pth'
    checkpoint.write_bytes(b'abc')
    assert read_temperature(checkpoint) is None
    file = write_temperature(checkpoint, 1.25, split='val')
    assert file == tmp_path / 'best.temperature.json'
    assert json.loads(file.read_text()) == dict(
        temperature=1.25,
        checkpoint='best.pth',
        # FIPS 180-2, the example "abc"
        sha256='ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
        split='val',
    )
    assert read_temperature(checkpoint) == 1.25
    assert sorted(path.name for path in tmp_path.iterdir()) == ['best.pth', 'best.temperature.json']


def test_a_file_of_another_checkpoint_is_refused(tmp_path):
    checkpoint = tmp_path / 'best.pth'
    checkpoint.write_bytes(b'abc')
    write_temperature(checkpoint, 1.25)
    checkpoint.write_bytes(b'abd')  # of the same size
    message = r'best\.temperature\.json was written for another content of .*best\.pth: run tools/c'
    with pytest.raises(DataError, match=message):
        read_temperature(checkpoint)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'is not a file of tools/calibrate.py: run'),
        ('[1]', 'is not a file of'),
        ('{"temperature": 1}', 'is not a file of'),
        (b'\xff', 'is not a file of'),
        ('{"temperature": "x", "sha256": ""}', "has the temperature 'x': run"),
        ('{"temperature": null, "sha256": ""}', 'has the temperature None'),
        ('{"temperature": 0, "sha256": ""}', 'has the temperature 0: run'),
        ('{"temperature": NaN, "sha256": ""}', 'has the temperature nan'),
    ],
)
def test_a_file_that_cannot_be_used_is_named(content, message, tmp_path):
    (tmp_path / 'a.pth').touch()
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / 'a.temperature.json').write_bytes(data)
    with pytest.raises(DataError, match=rf'a\.temperature\.json {message}'):
        read_temperature(tmp_path / 'a.pth')


def test_maps_follow_the_temperature_and_labels_stay(config, saved, image):
    model, checkpoint = saved(1)
    write_temperature(checkpoint, 3)
    predictor = Predictor(config(), checkpoint, maps=['entropy'], temperature=None)
    assert predictor.temperatures == {str(checkpoint): 3}
    p = (logits_of(model, image) / 3).softmax(0).numpy()
    prediction = predict(predictor, image)
    np.testing.assert_allclose(prediction.maps['probabilities'], p, atol=1e-6)
    entropy = -(p * np.log(p)).sum(0)
    np.testing.assert_allclose(prediction.maps['entropy'][0], entropy, atol=1e-5)
    np.testing.assert_array_equal(prediction.labels, p.argmax(0))
    assert len(np.unique(prediction.labels)) > 2


def test_a_chosen_temperature_replaces_that_of_the_file(config, saved, image):
    model, checkpoint = saved(1)
    checkpoint.with_suffix('.temperature.json').write_text('damaged')
    predictor = Predictor(config(), checkpoint, maps=['entropy'], temperature=2)
    p = (logits_of(model, image) / 2).softmax(0)
    np.testing.assert_allclose(predict(predictor, image).maps['probabilities'], p, atol=1e-6)
    with pytest.raises(DataError, match='is not a file of'):
        Predictor(config(), checkpoint, temperature=None)
    with pytest.raises(UsageError, match='the temperature is -1: set'):
        Predictor(config(), checkpoint, temperature=-1)


def test_each_model_of_an_ensemble_has_its_own(config, saved, image):
    (a, first), (b, second), (c, third) = map(saved, (1, 2, 3))
    write_temperature(first, 3)
    write_temperature(third, 0.5)
    members = [(config(), second), (config(), third)]
    predictor = Predictor(config(), first, members=members, maps=['disagreement'], temperature=None)
    assert predictor.temperatures == {str(first): 3, str(third): 0.5}
    each = [(logits_of(m, image) / t).softmax(0) for m, t in ((a, 3), (b, 1), (c, 0.5))]
    mean = sum(each) / 3
    prediction = predict(predictor, image)
    np.testing.assert_allclose(prediction.maps['probabilities'], mean, atol=1e-6)
    np.testing.assert_array_equal(prediction.labels, mean.argmax(0))
    entropies = [-(p * p.log()).sum(0) for p in (mean, *each)]
    shared = entropies[0] - sum(entropies[1:]) / 3
    np.testing.assert_allclose(prediction.maps['disagreement'][0], shared, atol=1e-5)


def test_the_threshold_of_an_ensemble_is_the_mean_of_calibrated_ones(config, tmp_path):
    def member(threshold: float) -> Config:
        cfg = config()
        options = dict(num_classes=2, out_channels=1, threshold=threshold)
        cfg.merge_from_dict(dict(model=dict(decode_head=options)))
        return cfg

    first, second = member(0.1), member(0.5)
    palette = [[0, 0, 0], [255, 0, 0]]
    meta = dict(dataset_meta=dict(classes=['background', 'membrane'], palette=palette))
    for name in 'ab':
        weights = MODELS.build(first.model).state_dict()
        torch.save(dict(state_dict=weights, meta=meta), tmp_path / f'{name}.pth')
    write_temperature(tmp_path / 'a.pth', 4)
    members = [(second, tmp_path / 'b.pth')]
    predictor = Predictor(first, tmp_path / 'a.pth', members=members, temperature=None)
    calibrated = 1 / (1 + 9 ** (1 / 4))  # the odds of 0.1 are 1/9
    for one in predictor.model.members:
        assert one.decode_head.threshold == pytest.approx((calibrated + 0.5) / 2)


def test_augmented_versions_are_calibrated_before_their_mean(config, saved, image):
    model, checkpoint = saved(1)
    write_temperature(checkpoint, 3)
    predictor = Predictor(config(), checkpoint, tta=True, maps=['entropy'], temperature=None)
    flips = (), (1,), (0,)
    versions = [(logits_of(model, np.flip(image, axes)) / 3).softmax(0) for axes in flips]
    mean = sum(p.flip([axis + 1 for axis in axes]) for p, axes in zip(versions, flips, strict=True))
    np.testing.assert_allclose(predict(predictor, image).maps['probabilities'], mean / 3, atol=1e-6)
