import copy
import threading
import weakref

import mmseg
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.config import Config, ConfigDict
from mmengine.utils import digit_version
from mmseg.apis import init_model

from mmseg_attn.apps.predict import Prediction, Predictor
from mmseg_attn.apps.predict.thresholds import decide
from mmseg_attn.errors import CheckpointError, DataError, UsageError

CONFIG = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
SMALL = dict(backbone=dict(channels=[2, 3, 4]), decode_head=dict(in_channels=[2, 3, 4]))


@pytest.fixture
def config(root):
    """Make the config of a small U-Net of one channel and five classes."""

    def config(**changes) -> Config:
        cfg = Config.fromfile(root / CONFIG)
        cfg.merge_from_dict(dict(model=SMALL))
        cfg.merge_from_dict(changes)
        return cfg

    return config


@pytest.fixture
def checkpoint(config, tmp_path):
    model = init_model(config(), device='cpu')
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.4)  # so that several classes occur
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')
    return tmp_path / 'weights.pth'


@pytest.fixture
def gray():
    return np.random.default_rng(0).integers(0, 256, (37, 53), dtype=np.uint8)


def only(results) -> np.ndarray:
    ((key, labels),) = results
    assert key == 'x'
    assert isinstance(labels, np.ndarray), labels
    assert labels.dtype == np.uint8
    return labels


def test_labels_are_those_of_the_network(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint)
    labels = only(predictor([('x', gray)]))
    normalized = (torch.from_numpy(gray).float() - 128.6) / 54.7
    with torch.no_grad():
        logits = predictor.model(normalized[None, None])
    np.testing.assert_array_equal(labels, logits[0].argmax(0).numpy())
    assert len(np.unique(labels)) > 2


def test_names_come_from_the_dataset_or_the_checkpoint(config, checkpoint):
    predictor = Predictor(config(), checkpoint)
    assert predictor.classes[2] == 'synapse'
    assert predictor.palette[2] == [220, 30, 60]
    assert predictor.dataset.__name__ == 'DrosophilaDataset'
    content = torch.load(checkpoint)
    meta = dict(classes=list('abcde'), palette=[[i, 0, 0] for i in range(5)])
    torch.save(dict(content, meta=dict(dataset_meta=meta)), checkpoint)
    assert Predictor(config(), checkpoint).classes == list('abcde')
    torch.save(dict(content, meta=dict(dataset_meta=dict(classes=['a'], palette=7))), checkpoint)
    assert Predictor(config(), checkpoint).classes[2] == 'synapse'


def test_batches_give_the_same_and_keep_the_order(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint)
    images = [gray, gray[::-1], gray[:20], gray[5:25], gray[:, :11], gray, gray[:, ::-1]]
    batches = []
    step = predictor.model.test_step
    predictor.model.test_step = lambda batch: batches.append(len(batch['inputs'])) or step(batch)
    alone = [only(predictor([('x', image)])) for image in images]
    assert batches == [1] * 7
    batches.clear()
    together = list(predictor(enumerate(images), batch_size=2))
    if digit_version(mmseg.__version__) >= digit_version('1.2.0'):  # earlier ones refuse batches
        assert batches == [2, 2, 1, 2]
    assert [key for key, _ in together] == list(range(7))
    for (_, labels), expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize('workers', [1, 3])
def test_several_threads_give_the_same_and_keep_the_order(config, checkpoint, gray, workers):
    predictor = Predictor(config(), checkpoint, maps=['probabilities'])
    images = [(i, gray[: 20 + i % 3]) for i in range(10)]
    images.insert(4, ('broken', np.zeros((4, 4, 2), np.uint8)))
    expected = list(predictor.predict(images))
    results = list(predictor.predict(images, workers=workers))
    assert [key for key, _ in results] == [key for key, _ in images]
    for (key, ours), (_, theirs) in zip(results, expected, strict=True):
        if key == 'broken':
            assert str(ours) == str(theirs)
            continue
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_allclose(ours.maps['probabilities'], theirs.maps['probabilities'])


def test_wide_networks_are_not_predicted_side_by_side(config, checkpoint, monkeypatch):
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 6)
    predictor = Predictor(config(), checkpoint)
    assert predictor.workers == 6
    monkeypatch.setattr('mmseg_attn.apps.predict.predictor.WIDE', 100)
    assert predictor.workers == 1


def test_threads_have_models_of_their_own_that_share_the_weights(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint)
    seen = {}
    together = threading.Barrier(2)

    def remember(backbone, inputs):  # as some third-party networks do
        backbone.height = inputs[0].shape[2]
        together.wait(10)
        seen[backbone.height] = id(backbone), id(next(backbone.parameters()))
        assert inputs[0].shape[2] == backbone.height

    predictor.model.backbone.register_forward_pre_hook(remember)
    threads = torch.get_num_threads()
    images = [(size, gray[:size]) for size in (20, 24)]
    assert all(
        isinstance(r, np.ndarray | Prediction) for _, r in predictor.predict(images, workers=2)
    )
    (one, first), (other, second) = seen.values()
    assert one != other
    assert first == second
    assert torch.get_num_threads() == threads


def test_a_model_that_cannot_be_copied_is_used_by_one_thread(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint)
    predictor.model.lock = threading.Lock()
    expected = list(predictor([('x', gray)]))
    results = list(predictor.predict([('x', gray), ('y', gray)], workers=2))
    for _, result in results:
        np.testing.assert_array_equal(result.labels, expected[0][1])


def test_a_warning_that_became_an_error_in_between_is_none(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint)
    warned = []

    def warn(*_) -> None:
        if len(warned) < 1:
            warned.append(True)
            raise UserWarning('the tags are damaged')

    predictor.model.backbone.register_forward_pre_hook(warn)
    images = [(i, gray) for i in range(3)]
    assert len(list(predictor.predict(images, workers=1))) == 3
    assert warned


def test_images_are_read_as_they_are_needed(config, checkpoint, gray):
    requested = []
    images = ((requested.append(i) or i, gray) for i in range(9))
    next(Predictor(config(), checkpoint)(images, batch_size=2))
    assert requested == [0, 1, 2]


def test_a_window_slides_over_the_image(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint, window=(16, 32))
    assert predictor.model.test_cfg.mode == 'slide'
    assert predictor.model.test_cfg.stride == [12, 24]
    labels = only(predictor([('x', gray)]))
    assert labels.shape == gray.shape
    # the corner is seen by one window alone
    whole = Predictor(config(), checkpoint)
    corner = only(whole([('x', gray[:16, :32])]))
    np.testing.assert_array_equal(labels[:12, :21], corner[:12, :21])
    assert only(predictor([('x', gray[:5, :3])])).shape == (5, 3)  # smaller than a window


def test_a_window_slides_with_the_config_of_an_ensemble(config, checkpoint, gray):
    expected = only(Predictor(config(), checkpoint, window=(16, 32))([('x', gray)]))
    ensemble = config()
    models = [ensemble.model, copy.deepcopy(ensemble.model)]
    for listed in (models, ensemble.model):
        paths = [str(checkpoint)] * 2
        ensemble._cfg_dict['model'] = ConfigDict(
            type='EnsembleSegmentor', models=listed, checkpoints=paths
        )
        predictor = Predictor(ensemble, checkpoint, window=(16, 32), window_batch=2)
        np.testing.assert_array_equal(only(predictor([('x', gray)])), expected)


def test_an_ensemble_of_no_models_is_refused(config, checkpoint):
    empty = config()
    empty._cfg_dict['model'] = ConfigDict(
        type='EnsembleSegmentor', models=[], checkpoints=[str(checkpoint)]
    )
    with pytest.raises(UsageError, match='has 0 models and 1 checkpoints: list one'):
        Predictor(empty, checkpoint)


def test_windows_of_images_that_are_only_resized(config, checkpoint, gray):
    cfg = config()
    scales = [dict(type='Resize', scale_factor=factor, keep_ratio=True) for factor in (1.0, 1.5)]
    cfg.tta_pipeline[-1].transforms[:-1] = [scales]
    labels = only(Predictor(cfg, checkpoint, tta=True, window=(16, 32))([('x', gray)]))
    assert labels.shape == gray.shape
    assert len(np.unique(labels)) > 1


def test_windows_form_batches_in_place_of_images(config, checkpoint, gray):
    images = [('x', gray), ('y', gray[::-1])]
    expected = dict(Predictor(config(), checkpoint, window=(16, 32))(images))
    predictor = Predictor(config(), checkpoint, window=(16, 32), window_batch=2)
    sizes = []
    predictor.model.backbone.register_forward_hook(lambda _, x, __: sizes.append(len(x[0])))
    for key, labels in predictor(images, batch_size=2):
        np.testing.assert_array_equal(labels, expected[key])
    assert set(sizes) == {2}
    assert Predictor(config(), checkpoint, window_batch=2).window_batch == 1  # no windows


def test_test_time_augmentation_averages_probabilities(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint, tta=True)
    labels = only(predictor([('x', gray)]))
    normalized = (torch.from_numpy(gray).float()[None, None] - 128.6) / 54.7
    plain = Predictor(config(), checkpoint).model
    with torch.no_grad():
        mean = sum(plain(normalized.flip(axes)).softmax(1).flip(axes) for axes in ([], [-1], [-2]))
    np.testing.assert_array_equal(labels, mean[0].argmax(0).numpy())
    batch = list(predictor([(0, gray), (1, gray[::-1])], batch_size=2))
    np.testing.assert_array_equal(batch[0][1], labels)
    np.testing.assert_array_equal(batch[1][1], only(predictor([('x', gray[::-1])])))


def test_mixed_precision(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint, amp=True)
    seen = []
    predictor.model.backbone.register_forward_hook(lambda *a: seen.append(a[2][0].dtype))
    labels = only(predictor([('x', gray)]))
    assert seen == [torch.bfloat16]
    assert np.mean(labels == only(Predictor(config(), checkpoint)([('x', gray)]))) > 0.9


def test_pipelines_that_resize_give_labels_of_the_image(config, checkpoint, gray):
    pipeline = [
        dict(type='LoadImageFromFile', color_type='grayscale'),
        dict(type='Resize', scale=(24, 16), keep_ratio=False),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
    cfg = config()
    cfg.test_dataloader.dataset.pipeline = pipeline
    assert only(Predictor(cfg, checkpoint)([('x', gray)])).shape == gray.shape


def test_wrapped_datasets_are_looked_into(config, checkpoint, gray):
    cfg = config()
    cfg.test_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=cfg.test_dataloader.dataset
    )
    assert only(Predictor(cfg, checkpoint)([('x', gray)])).shape == gray.shape


def test_what_the_pipeline_refuses_does_not_stop_the_others(config, checkpoint, gray):
    cfg = config()
    cfg.test_dataloader.dataset.pipeline.insert(1, dict(type='EqualizeHistogram'))  # 8 bits only
    predictor = Predictor(cfg, checkpoint)
    results = dict(predictor([(0, gray), (1, gray.astype(float)), (2, gray)], batch_size=3))
    assert isinstance(results[1], ValueError)
    np.testing.assert_array_equal(results[0], results[2])


def test_an_image_that_breaks_its_batch_is_found(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint)
    step = predictor.model.test_step

    def limited(batch):
        if sum(each.double().mean() for each in batch['inputs']) > 250:
            raise RuntimeError('out of memory')
        return step(batch)

    predictor.model.test_step = limited
    white = np.full_like(gray, 255)
    results = dict(predictor([(0, gray), (1, white), (2, gray)], batch_size=3))
    assert isinstance(results[1], RuntimeError)
    np.testing.assert_array_equal(results[0], results[2])


def test_a_retry_begins_when_what_failed_is_gone(config, checkpoint, gray):
    """Else the memory that was too little for the batch would lack for its images, too."""
    predictor = Predictor(config(), checkpoint)
    step, alive = predictor.model.test_step, []

    class Activations:
        """Stands for what the network had computed."""

    def limited(batch):
        assert not any(reference() for reference in alive)
        activations = Activations()
        alive.append(weakref.ref(activations))
        if len(batch['inputs']) > 1:
            raise RuntimeError('out of memory')
        return step(batch)

    predictor.model.test_step = limited
    results = dict(predictor([(0, gray), (1, gray), (2, gray)], batch_size=3))
    assert len(alive) == 4
    np.testing.assert_array_equal(results[0], results[2])


def test_a_failure_keeps_nothing_alive(config, checkpoint, gray):
    predictor = Predictor(config(), checkpoint)

    def fails(batch):
        try:
            raise KeyError('inner')
        except KeyError:
            raise RuntimeError('out of memory')  # noqa: B904

    predictor.model.test_step = fails
    ((_, failure),) = predictor([(0, gray)])
    assert str(failure) == 'out of memory'
    assert failure.__traceback__ is failure.__context__ is failure.__cause__ is None


@pytest.mark.parametrize(('classes', 'kind'), [(256, np.uint8), (257, np.uint16), (300, np.uint16)])
def test_more_than_256_classes_are_wider(config, classes, kind, gray, tmp_path):
    names = [f'c{i}' for i in range(classes)]
    cfg = config(model=dict(decode_head=dict(num_classes=classes)))
    cfg.test_dataloader.dataset.update(type='BaseSegDataset', img_suffix='.png')
    cfg.test_dataloader.dataset.metainfo = dict(classes=names, palette=[[0, 0, 0]] * classes)
    model = init_model(cfg, device='cpu')
    torch.nn.init.zeros_(model.decode_head.conv_seg.weight)
    model.decode_head.conv_seg.bias.data[-1] = 1000.0
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')
    ((_, labels),) = Predictor(cfg, tmp_path / 'weights.pth')([(0, gray)])
    assert labels.dtype == kind
    assert (labels == classes - 1).all()


def test_channels_that_the_model_does_not_take_are_one_sentence(config, checkpoint, gray):
    cfg = config()
    cfg.test_dataloader.dataset.pipeline[0] = dict(type='LoadImageFromFile')
    ((_, error),) = Predictor(cfg, checkpoint)([(0, np.dstack([gray] * 4))])
    assert str(error) == (
        "has 4 channels after the pipeline of the config (imdecode_backend='cv2', "
        "color_type='color'), but the model takes 1: use images like the training images"
    )


@pytest.mark.parametrize(('value', 'far'), [(0, 0), (255, 0), (600, 0), (700, 1), (60000, 1)])
def test_values_far_from_those_of_the_training_are_counted(config, checkpoint, value, far):
    """Mean 128.6 and standard deviation 54.7."""
    predictor = Predictor(config(), checkpoint)
    only(predictor([('x', np.full((9, 9), value, np.float32))]))
    assert predictor.far == far


def test_the_mean_of_the_preprocessor_may_be_whole_numbers(config, checkpoint, gray):
    cfg = config()
    cfg.model.data_preprocessor = dict(cfg.model.data_preprocessor, mean=[100], std=[50])
    assert only(Predictor(cfg, checkpoint)([('x', gray)])).shape == gray.shape


def test_a_window_that_the_pipeline_leaves_without_effect_is_counted(config, checkpoint, gray):
    def resized(size, window):
        cfg = config()
        if size:
            resize = dict(type='Resize', scale=size, keep_ratio=False)
            cfg.test_dataloader.dataset.pipeline.insert(1, resize)
        predictor = Predictor(cfg, checkpoint, window=window)
        only(predictor([('x', gray)]))  # 37x53
        return predictor.shrunk

    assert resized((32, 32), (32, 32)) == 1
    assert resized((64, 64), (32, 32)) == 0  # windows slide
    assert resized(None, (32, 32)) == 0
    assert resized((32, 32), (64, 64)) == 0  # a window is larger than the image in any case
    assert resized((32, 32), None) == 0


def without(key):
    def change(cfg):
        cfg.pop(key)

    return change


def other_loader(cfg):
    cfg.test_dataloader.dataset.pipeline[0] = dict(type='LoadImageFromNDArray')


def random(cfg):
    step = dict(type='RandomCrop', crop_size=(16, 16))
    cfg.test_dataloader.dataset.pipeline.insert(1, step)


def diagonal(cfg):
    step = dict(type='RandomFlip', prob=[0.5, 0.5], direction=['horizontal', 'diagonal'])
    cfg.test_dataloader.dataset.pipeline.insert(1, step)


def padded(cfg):
    cfg.test_dataloader.dataset.pipeline.insert(1, dict(type='Pad', size=(64, 64)))


def two_pipelines(cfg):
    other = copy.deepcopy(cfg.test_dataloader.dataset)
    other.pipeline.insert(1, dict(type='Resize', scale=(20, 16)))
    parts = [cfg.test_dataloader.dataset, other]
    cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=parts)


def no_deviation(cfg):
    cfg.model.data_preprocessor.std = [0.0]


def one_number(cfg):
    cfg.model.test_cfg = dict(mode='slide', crop_size=40, stride=20)


def nameless(cfg):
    cfg.test_dataloader.dataset.metainfo = dict(classes=('membrane', 'synapse'))


@pytest.mark.parametrize(
    ('change', 'settings', 'message'),
    [
        (without('test_dataloader'), dict(), 'has no model or no test_dataloader'),
        (without('tta_pipeline'), dict(tta=True), 'has no tta_pipeline .* leave out --tta'),
        (other_loader, dict(), 'does not begin with LoadImageFromFile'),
        (random, dict(), 'contains RandomCrop, which changes images at random'),
        (
            diagonal,
            dict(),
            "RandomFlip has the direction 'diagonal', which MMSegmentation does not",
        ),
        (
            no_deviation,
            dict(),
            r'std of data_preprocessor is \[0\.0\], and images are divided by it',
        ),
        (one_number, dict(), 'crop_size=40 and stride=20: set height and width'),
        (nameless, dict(), r'names the classes of the model \(5\): add metainfo'),
    ],
)
def test_what_cannot_be_used_is_one_sentence(change, settings, message, config, checkpoint):
    cfg = config()
    change(cfg)
    with pytest.raises(DataError, match=message) as caught:
        Predictor(cfg, checkpoint, **settings)
    assert '\n' not in str(caught.value)


def test_weights_of_another_model_are_refused(config, checkpoint, capfd):
    other = dict(backbone=dict(channels=[3, 4, 5]), decode_head=dict(in_channels=[3, 4, 5]))
    with pytest.raises(CheckpointError, match=r'weights\.pth does not fit the model'):
        Predictor(config(model=other), checkpoint)
    assert 'size mismatch' not in ''.join(capfd.readouterr())


def test_weights_that_are_not_finite_are_refused(config, checkpoint):
    content = torch.load(checkpoint)
    name, weight = next(iter(content['state_dict'].items()))
    weight.view(-1)[0] = float('nan')
    torch.save(content, checkpoint)
    with pytest.raises(
        CheckpointError, match=rf'weights\.pth contains values .* \({name}\), so its'
    ):
        Predictor(config(), checkpoint)


def test_steps_of_the_user_have_the_path_and_no_labels(config, checkpoint, gray):
    seen = []

    class ReadPath(BaseTransform):
        def transform(self, results: dict) -> dict:
            seen.append(results['img_path'])
            return results

    class ReadLabels(BaseTransform):
        def transform(self, results: dict) -> dict:
            return dict(results, sum=results['gt_seg_map'].sum())

    cfg = config()
    cfg.test_dataloader.dataset.pipeline.insert(1, dict(type=ReadPath))
    only(Predictor(cfg, checkpoint)([('x', gray)]))
    assert seen == ['x']
    cfg = config()
    cfg.test_dataloader.dataset.pipeline.insert(1, dict(type=ReadLabels))
    ((_, error),) = Predictor(cfg, checkpoint)([('x', gray)])
    assert str(error).startswith(
        'cannot be prepared, as ReadLabels fails without labels (KeyError:'
    )


def test_thresholds_move_the_decision():
    p = torch.tensor(  # pixels by columns, classes by rows
        [
            [0.30, 0.60, 0.20, 0.25, 0.45],
            [0.45, 0.35, 0.55, 0.40, 0.10],
            [0.25, 0.05, 0.25, 0.35, 0.45],
        ]
    )[:, None]
    # class 2 from 0.2 on, and class 1 only from 0.5 on: 0.55 / 0.5 is less than 0.25 / 0.2
    assert decide(p, {2: 0.2, 1: 0.5}).tolist() == [[2, 0, 2, 2, 2]]
    assert decide(p, {1: 0.5}).tolist() == [[0, 0, 1, 2, 0]]
    assert decide(p, {0: 0.28}).tolist() == [[0, 0, 1, 1, 0]]
