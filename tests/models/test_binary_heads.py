"""Two classes as MMSegmentation's heads allow them: every part gives the labels of its own test."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import METRICS, MODELS
from mmseg.structures import SegDataSample

from mmseg_attn.apps.predict import Predictor
from mmseg_attn.errors import DataError
from mmseg_attn.models.label_rule import LabelRule
from mmseg_attn.models.segmentors import check_tta
from mmseg_attn.visualization import SegComparisonVisualizer
from mmseg_attn.visualization.attention_recording import record

SIGMOID = dict(type='CrossEntropyLoss', use_sigmoid=True)
HEADS = {
    'one class': dict(num_classes=1, threshold=0.45),
    'one class, one channel': dict(num_classes=1, out_channels=1, threshold=0.55),
    'two classes, one channel': dict(num_classes=2, out_channels=1, threshold=0.5),
    'the usual threshold': dict(num_classes=2, out_channels=1),
    'two channels': dict(num_classes=2, out_channels=2),
    'two channels with a sigmoid': dict(num_classes=2, loss_decode=SIGMOID),
}
LOAD = dict(type='LoadImageFromFile', color_type='grayscale')
FLIPS = [
    [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
    [dict(type='PackSegInputs')],
]


@pytest.fixture
def trained(tmp_path):
    """Make the config of a head with random weights, and its checkpoint."""

    def trained(name: str, **changes):
        head = dict(loss_decode=SIGMOID) | HEADS[name]
        cfg = Config(
            dict(
                default_scope='mmseg',
                model=dict(
                    type='EncoderDecoder',
                    data_preprocessor=dict(type='SegDataPreProcessor', mean=[128.0], std=[60.0]),
                    backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
                    decode_head=dict(type='UNetHead', in_channels=[2, 4], **head),
                    test_cfg=dict(mode='whole'),
                ),
                test_dataloader=dict(
                    dataset=dict(
                        type='BaseSegDataset',
                        metainfo=dict(classes=('back', 'front'), palette=[[0, 0, 0], [9, 99, 199]]),
                        pipeline=[LOAD, dict(type='PackSegInputs')],
                    )
                ),
                tta_pipeline=[LOAD, dict(type='TestTimeAug', transforms=FLIPS)],
                tta_model=dict(type='ProbabilityTTAModel'),
                **changes,
            )
        )
        torch.manual_seed(0)  # a network whose logits differ
        model = MODELS.build(cfg.model).eval()
        classify = model.decode_head.conv_seg
        with torch.no_grad():  # so that both classes occur
            logits = model(torch.randn(1, 1, 32, 32))
            mean, std = logits.mean(dim=(0, 2, 3)), logits.std(dim=(0, 2, 3))
            classify.bias.copy_((classify.bias - mean) / std)
            classify.weight.div_(std[:, None, None, None])
        file = tmp_path / 'weights.pth'
        torch.save(dict(state_dict=model.state_dict()), file)
        return cfg, file, model

    return trained


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (34, 40), dtype=np.uint8)


def logits_of(model, image: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return model((torch.from_numpy(image).float()[None, None] - 128) / 60)


def size_of(image: np.ndarray) -> dict:
    return dict(ori_shape=image.shape, img_shape=image.shape)


def by_hand(logits: torch.Tensor, head: dict) -> np.ndarray:
    if logits.shape[1] == 2:
        return (logits[0, 1] > logits[0, 0]).numpy().astype(int)
    return (1 / (1 + (-logits[0, 0]).exp()) > head.get('threshold', 0.3)).numpy().astype(int)


@pytest.mark.parametrize('name', HEADS)
def test_every_part_gives_the_same_labels(trained, image, tmp_path, name):
    cfg, file, model = trained(name)
    expected = by_hand(logits_of(model, image), HEADS[name])
    assert 0.02 < expected.mean() < 0.98

    predictor = Predictor(cfg.copy(), file)
    ((_, predicted),) = predictor([(0, image)])
    assert predictor.classes == ['back', 'front']
    np.testing.assert_array_equal(predicted, expected)

    inputs = (torch.from_numpy(image).float()[None, None] - 128) / 60
    recording = record(predictor.model, inputs, image=image, resized=image.shape)
    np.testing.assert_array_equal(recording.labels, expected)

    # MMSegmentation's own way, and the drawing of what it returns
    with torch.no_grad():
        (sample,) = model.predict(inputs, [SegDataSample(metainfo=size_of(image))])
    np.testing.assert_array_equal(sample.pred_sem_seg.data[0], expected)
    visualizer = SegComparisonVisualizer(alpha=1.0)
    visualizer.dataset_meta = dict(classes=predictor.classes, palette=predictor.palette)
    gray, labels = np.full((*image.shape, 3), 128), sample.pred_sem_seg.numpy().data
    drawn = visualizer._overlay(gray, labels, visualizer.dataset_meta)
    np.testing.assert_array_equal(drawn[..., 2], np.where(expected, 199, 128))  # black: no tint


@pytest.mark.parametrize('name', HEADS)
def test_an_exported_model_says_how_its_logits_are_read(trained, image, name):
    pytest.importorskip('torch.export')
    from mmseg_attn.apps.export import PixelsToLogits, describe

    model = trained(name)[2]
    module = PixelsToLogits(model, in_channels=1, color_type='grayscale')
    with torch.no_grad():
        logits = module(torch.from_numpy(image).float()[None, None])
    names = dict(classes=['back', 'front'], palette=[[0, 0, 0], [9, 99, 199]])
    threshold = json.loads(describe(module, config='x', steps=[], **names)['threshold'])
    channels = logits.shape[1]
    assert threshold == (HEADS[name].get('threshold', 0.3) if channels == 1 else None)
    labels = LabelRule(channels, threshold).labels(logits)[0, 0]
    np.testing.assert_array_equal(labels, by_hand(logits_of(model, image), HEADS[name]))


@pytest.mark.parametrize('name', HEADS)
def test_metrics_take_what_a_test_gives(trained, image, name):
    cfg, _, model = trained(name)
    logits = logits_of(model, image)
    expected = torch.from_numpy(by_hand(logits, HEADS[name]))
    truth = torch.randint(0, 2, image.shape, generator=torch.Generator().manual_seed(0))
    sample = SegDataSample(metainfo=size_of(image), gt_sem_seg=PixelData(data=truth[None]))
    (sample,) = model.postprocess_result(logits, [sample])
    p = logits.sigmoid()[0, 0] if logits.shape[1] == 1 else logits.softmax(dim=1)[0, 1]
    wrong = (expected != truth).double().mean().item()
    for on, error in (('labels', wrong), ('probabilities', (p - truth).abs().mean().item())):
        metric = METRICS.build(dict(type='MAEMetric', on=on))
        metric.dataset_meta = cfg.test_dataloader.dataset.metainfo
        metric.process({}, [sample.to_dict()])
        assert metric.evaluate(1)['MAE'] == pytest.approx(error, abs=1e-6)
    metric = METRICS.build(dict(type='PerClassIoUMetric'))
    metric.dataset_meta = cfg.test_dataloader.dataset.metainfo
    metric.process({}, [sample.to_dict()])
    both = ((expected == 1) & (truth == 1)).sum() / ((expected == 1) | (truth == 1)).sum()
    assert metric.evaluate(1)['IoU.front'] == pytest.approx(100 * both.item(), abs=0.01)


@pytest.mark.parametrize('name', HEADS)
def test_augmented_versions_are_averaged_as_probabilities(trained, image, name):
    cfg, file, model = trained(name)
    ((_, predicted),) = Predictor(cfg, file, tta=True)([(0, image)])
    versions = [logits_of(model, image), logits_of(model, image[:, ::-1].copy()).flip(3)]
    if versions[0].shape[1] == 1:
        mean = sum(1 / (1 + (-each).exp()) for each in versions)[0, 0] / 2
        expected = mean > HEADS[name].get('threshold', 0.3)
    else:
        mean = sum(each.softmax(dim=1) for each in versions)[0]
        expected = mean[1] > mean[0]
    np.testing.assert_array_equal(predicted, expected)
    assert 0.02 < predicted.mean() < 0.98


def test_a_sigmoid_of_a_probability_is_refused(trained):
    for head, refused in (('one class', True), ('two channels', False)):
        cfg, file, _ = trained(head)
        model = Predictor(cfg, file).model
        merging = MODELS.build(dict(type='SegTTAModel', module=model))
        message = r"twice .* set tta_model=dict\(type='ProbabilityTTAMod"
        with pytest.raises(DataError, match=message) if refused else nullcontext():
            check_tta(merging)


@pytest.mark.parametrize('head', ['one class', 'two channels'])
def test_a_prediction_does_not_apply_the_sigmoid_to_a_probability(trained, head):
    masks = []
    for kind in ('SegTTAModel', 'ProbabilityTTAModel'):
        cfg, file, _ = trained(head)
        cfg.tta_model.type = kind
        image = np.random.default_rng(0).integers(0, 256, (40, 48), np.uint8)
        masks += [labels for _, labels in Predictor(cfg, file, tta=True)([('x', image)])]
    np.testing.assert_array_equal(*masks)
    assert len(np.unique(masks[0])) == 2
