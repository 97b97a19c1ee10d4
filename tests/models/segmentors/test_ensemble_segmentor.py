"""EnsembleSegmentor: the mean of probabilities by hand, in every mode of MMSegmentation."""

from collections.abc import Sequence
from math import log

import mmseg
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.runner.checkpoint import load_checkpoint
from mmengine.utils import digit_version
from mmseg.apis import init_model
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_attn.errors import CheckpointError, UsageError
from mmseg_attn.models.segmentors.ensemble_segmentor import entropy_of

SLIDE = dict(mode='slide', crop_size=(16, 20), stride=(11, 13))


def config(channels: int = 3, width: int = 4, mean: float = 0.0, **test_cfg) -> ConfigDict:
    head = dict(type='UNetHead', in_channels=[width, 8], num_classes=max(2, channels))
    if channels == 1:
        head |= dict(out_channels=1, threshold=0.4)
    return ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[mean] * 3, std=[1.0] * 3),
        backbone=dict(type='UNetEncoder', channels=[width, 8]),
        decode_head=dict(head, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True)),
        test_cfg=test_cfg or dict(mode='whole'),
    )


@pytest.fixture
def member(tmp_path):
    """Return a function that builds a model and saves its checkpoint."""

    def build(seed: int, cfg: ConfigDict, classes: tuple[str, ...] = ()):
        torch.manual_seed(seed)
        model = MODELS.build(cfg).eval()
        classify = model.decode_head.conv_seg  # with an opinion on each pixel
        classify.weight.data = 20 * (classify.weight - classify.weight.mean(1, keepdim=True))
        classify.bias.data.zero_()
        path = str(tmp_path / f'{seed}.pth')
        meta = dict(dataset_meta=dict(classes=classes)) if classes else {}
        torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
        return model, path

    build.folder = tmp_path
    return build


def ensemble(models: ConfigDict | Sequence[ConfigDict], paths: Sequence[str]):
    cfg = ConfigDict(type='EnsembleSegmentor', models=models, checkpoints=list(paths))
    return MODELS.build(cfg).eval()


def samples(*size: int, count: int = 2, **meta) -> list[SegDataSample]:
    meta = dict(dict(ori_shape=size, img_shape=size), **meta)
    return [SegDataSample(metainfo=meta) for _ in range(count)]


@pytest.mark.parametrize('channels', [3, 1])
@pytest.mark.parametrize('test_cfg', [{}, SLIDE, dict(SLIDE, keep_logits=True)])
@pytest.mark.parametrize('size', [(16, 20), (27, 33)])
@torch.no_grad()
def test_one_model_predicts_what_it_predicts_alone(member, channels, test_cfg, size):
    cfg = config(channels, **test_cfg)
    model, path = member(1, cfg)
    image = torch.randn(2, 3, *size)
    alone = model.predict(image, samples(*size, ori_shape=(40, 50)))
    together = ensemble(cfg, [path]).predict(image, samples(*size, ori_shape=(40, 50)))
    for a, b in zip(alone, together, strict=True):
        assert torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)


@torch.no_grad()
def test_the_mean_of_two_by_hand(member):
    (a, path_a), (b, path_b) = (member(seed, config()) for seed in (1, 2))
    image = torch.randn(2, 3, 16, 20)
    mean = (a(image).softmax(1) + b(image).softmax(1)) / 2
    both = ensemble(config(), [path_a, path_b])
    torch.testing.assert_close(both(image).softmax(1), mean)
    predicted = both.predict(image, samples(16, 20))
    for sample, p in zip(predicted, mean, strict=True):
        assert torch.equal(sample.pred_sem_seg.data[0], p.argmax(0))
        torch.testing.assert_close(sample.seg_logits.data.softmax(0), p)
    labels = [model(image).argmax(1) for model in (a, b)]
    assert not torch.equal(labels[0], mean.argmax(1))  # the second one counts
    assert not torch.equal(labels[1], mean.argmax(1))


@torch.no_grad()
def test_the_mean_of_two_heads_with_one_channel(member):
    (a, path_a), (b, path_b) = (member(seed, config(1)) for seed in (1, 2))
    image = torch.randn(1, 3, 16, 20)
    mean = (a(image).sigmoid() + b(image).sigmoid()) / 2
    (sample,) = ensemble(config(1), [path_a, path_b]).predict(image, samples(16, 20, count=1))
    torch.testing.assert_close(sample.seg_logits.data, mean[0])  # as MMSegmentation stores it
    assert torch.equal(sample.pred_sem_seg.data, (mean[0] > 0.4).float())


@torch.no_grad()
def test_one_threshold_counts_in_any_order(member):
    configs = [config(1), config(1)]
    configs[1].decode_head.threshold = 0.1
    paths = [member(seed, config(1))[1] for seed in (1, 2)]
    image = torch.randn(1, 3, 16, 20)
    for order in (slice(None), slice(None, None, -1)):
        (sample,) = ensemble(configs[order], paths[order]).predict(image, samples(16, 20, count=1))
        assert torch.equal(sample.pred_sem_seg.data, (sample.seg_logits.data > 0.25).float())


@torch.no_grad()
def test_cascades_in_windows(member):
    cfg = config(mode='slide', crop_size=(16, 20), stride=(11, 13))
    head = cfg.decode_head
    refinement = dict(type='OCRHead', in_channels=[4, 8], in_index=(0, 1), channels=4)
    refinement |= dict(input_transform='resize_concat', ocr_channels=2, num_classes=3)
    cfg.update(type='CascadeEncoderDecoder', num_stages=2, decode_head=[head, refinement])
    models, paths = [], []
    for seed in (1, 2):
        torch.manual_seed(seed)
        models.append(MODELS.build(cfg).eval())
        paths.append(f'{member.folder}/{seed}.pth')
        torch.save(dict(state_dict=models[-1].state_dict()), paths[-1])
    image, found = torch.randn(1, 3, 27, 33), samples(27, 33, count=1)
    mean = sum(model.inference(image, [found[0].metainfo]).softmax(1) for model in models) / 2
    (sample,) = ensemble(cfg, paths).predict(image, found)
    assert torch.equal(sample.pred_sem_seg.data, mean.argmax(1))


@torch.no_grad()
def test_models_of_several_configs(member):
    narrow, wide = config(), config(width=6)
    (a, path_a), (b, path_b) = member(1, narrow), member(2, wide)
    image = torch.randn(1, 3, 16, 20)
    mean = (a(image).softmax(1) + b(image).softmax(1)) / 2
    both = ensemble([narrow, wide], [path_a, path_b])
    torch.testing.assert_close(both(image).softmax(1), mean)


def probabilities(sample: SegDataSample) -> torch.Tensor:
    """What MMSegmentation stores, by hand."""
    stored = sample.seg_logits.data
    return stored.softmax(0) if len(stored) > 1 else torch.cat([1 - stored, stored])


@pytest.mark.parametrize('channels', [3, 1])
@pytest.mark.parametrize('test_cfg', [{}, dict(SLIDE, keep_logits=True)])
@pytest.mark.parametrize(
    'meta', [{}, dict(ori_shape=(40, 30)), dict(flip=True, flip_direction='vertical')]
)
@torch.no_grad()
def test_the_mean_is_that_of_what_the_models_predict_alone(member, channels, test_cfg, meta):
    cfg = config(channels, **test_cfg)
    (a, path_a), (b, path_b) = (member(seed, cfg) for seed in (1, 2))
    both = ensemble(cfg, [path_a, path_b])
    both.keep_disagreement = True
    image = torch.randn(2, 3, 27, 33)
    alone = [
        [probabilities(sample) for sample in model.predict(image, samples(27, 33, **meta))]
        for model in (a, b)
    ]
    together = both.predict(image, samples(27, 33, **meta))
    for sample, p, q in zip(together, *alone, strict=True):
        mean = (p + q) / 2
        torch.testing.assert_close(probabilities(sample), mean)
        expected = mean.argmax(0) if channels > 1 else (mean[1] > 0.4).float()
        assert torch.equal(sample.pred_sem_seg.data[0], expected)
        entropy = [-(x * x.log()).sum(0) for x in (mean, p, q)]
        shared = entropy[0] - (entropy[1] + entropy[2]) / 2
        assert shared.max() > 0.01
        torch.testing.assert_close(sample.disagreement.data[0], shared, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('channels', [3, 1])
@torch.no_grad()
def test_labels_in_bands_are_those_of_the_mean(member, channels):
    cfg = config(channels, **SLIDE)
    paths = [member(seed, cfg)[1] for seed in (1, 2)]
    image = torch.randn(2, 3, 27, 33)
    both = ensemble(cfg, paths)
    in_bands = both.predict(image, samples(27, 33))
    both.test_cfg = dict(both.test_cfg, keep_logits=True)
    for a, b in zip(in_bands, both.predict(image, samples(27, 33)), strict=True):
        assert 'seg_logits' not in a
        assert torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)


@torch.no_grad()
def test_equal_models_do_not_disagree(member):
    cfg = config(**SLIDE)
    _, path = member(1, cfg)
    both = ensemble(cfg, [path, path])
    both.keep_disagreement = True
    for sample in both.predict(torch.randn(2, 3, 27, 33), samples(27, 33, ori_shape=(40, 30))):
        assert sample.disagreement.data.max() < 1e-5


def test_entropy_in_nats():
    p = torch.tensor([0.25, 0.75, 0.0]).reshape(1, 3, 1, 1)
    assert entropy_of(p).item() == pytest.approx(-0.25 * log(0.25) - 0.75 * log(0.75))


def test_a_tool_can_load_a_checkpoint_of_the_ensemble_and_no_other(member):
    (_, first), (_, second), (_, other) = (member(seed, config()) for seed in (1, 2, 3))
    both = ensemble(config(), [first, second])
    before = {key: value.clone() for key, value in both.state_dict().items()}
    for path in (first, second):
        load_checkpoint(both, path, map_location='cpu')
    assert all(torch.equal(value, before[key]) for key, value in both.state_dict().items())
    with pytest.raises(CheckpointError, match=r'none of those of the ensemble.*1\.pth'):
        load_checkpoint(both, other, map_location='cpu')


def test_a_checkpoint_without_auxiliary_heads_is_one_of_the_ensemble(member):
    _, path = member(1, config())
    cfg = config()
    auxiliary = dict(type='FCNHead', in_channels=8, channels=4, num_classes=3, num_convs=1)
    cfg.auxiliary_head = dict(auxiliary, in_index=1)
    load_checkpoint(ensemble(cfg, [path]), path, map_location='cpu')


@pytest.mark.skipif(
    digit_version(mmseg.__version__) < digit_version('1.2'),
    reason='init_model reads model.backbone',
)
def test_init_model_builds_it(member):
    cfg = config()
    _, path = member(1, cfg)
    whole = Config(dict(model=dict(type='EnsembleSegmentor', models=cfg, checkpoints=[path])))
    assert init_model(whole, device='cpu').decode_head.num_classes == 3


def test_its_own_weights_can_be_loaded(member):
    (_, first), (_, second) = (member(seed, config()) for seed in (1, 2))
    both = ensemble(config(), [first, second])
    state = {key: torch.zeros_like(value) for key, value in both.state_dict().items()}
    both.load_state_dict(state)
    assert not any(value.any() for value in both.state_dict().values())


def test_other_classes_are_refused(member):
    paths = [member(i, config(), names)[1] for i, names in enumerate([(), ('a', 'b', 'c')] * 2)]
    ensemble(config(), paths)  # one list of classes, and checkpoints that name none
    _, swapped = member(9, config(), ('b', 'a', 'c'))
    with pytest.raises(
        UsageError, match=r'9\.pth has the classes b, a, c, but .*1\.pth has a, b, c'
    ):
        ensemble(config(), [*paths, swapped])


def test_the_preprocessing_of_the_config_is_that_of_models_without_one(member):
    cfg = config()
    preprocessor = cfg.pop('data_preprocessor')
    preprocessor.mean = [7.0] * 3
    _, path = member(1, cfg)
    built = MODELS.build(
        ConfigDict(
            type='EnsembleSegmentor',
            models=cfg,
            checkpoints=[path],
            data_preprocessor=preprocessor,
        )
    )
    assert built.data_preprocessor.mean.flatten().tolist() == [7, 7, 7]


def test_what_cannot_be_averaged_is_refused(member, tmp_path):
    (_, first), (_, binary) = member(1, config()), member(2, config(2))
    (_, shifted), (_, wide) = member(3, config(mean=5.0)), member(4, config(width=6))
    with pytest.raises(UsageError, match='1 models and 2 checkpoints'):
        ensemble([config()], [first, first])
    with pytest.raises(UsageError, match='0 models and 0 checkpoints'):
        ensemble(config(), [])
    with pytest.raises(UsageError, match=r'2\.pth has 2 output channels, but .*1\.pth has 3'):
        ensemble([config(), config(2)], [first, binary])
    with pytest.raises(UsageError, match=r'3\.pth has another data_preprocessor'):
        ensemble([config(), config(mean=5.0)], [first, shifted])
    swapped = config()
    swapped.data_preprocessor.update(type='AsyncSegDataPreProcessor', bgr_to_rgb=True)
    with pytest.raises(UsageError, match=r'1\.pth has another data_preprocessor'):
        ensemble([config(), swapped], [first, first])
    with pytest.raises(CheckpointError, match=r'4\.pth does not fit its model'):
        ensemble(config(), [first, wide])
    torch.save(dict(state_dict={}), tmp_path / 'empty.pth')
    with pytest.raises(CheckpointError, match=r'empty\.pth .* lacks \d+ of its weights'):
        ensemble(config(), [str(tmp_path / 'empty.pth')])
    with pytest.raises(UsageError, match='cannot be trained'):
        ensemble(config(), [first]).loss(torch.randn(1, 3, 16, 20), samples(16, 20))
