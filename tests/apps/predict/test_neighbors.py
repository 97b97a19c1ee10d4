"""Slices with their neighbors as channels: in files, stacks, volumes and DICOM series."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mmseg_attn.apps.predict import (
    Intensities,
    Predictor,
    Results,
    find_items,
    neighbor_channels,
    predict_files,
)
from mmseg_attn.errors import DataError, UnsupportedError

CONFIG = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
STACK = np.random.default_rng(0).integers(0, 256, (5, 24, 32), 'u1')
MEAN, STD = [100.0, 120.0, 140.0], [50.0, 60.0, 70.0]


@pytest.fixture
def make(root, tmp_path):
    """Make the predictor of a small U-Net of three channels whose config has this loader."""

    def make(loader) -> Predictor:
        cfg = Config.fromfile(root / CONFIG)
        small = dict(
            data_preprocessor=dict(mean=MEAN, std=STD),
            backbone=dict(in_channels=3, channels=[2, 3, 4]),
            decode_head=dict(in_channels=[2, 3, 4]),
        )
        cfg.merge_from_dict(dict(model=small))
        cfg.test_dataloader.dataset.pipeline = [loader, dict(type='PackSegInputs')]
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.4)
        torch.save(dict(state_dict=model.state_dict()), tmp_path / 'x.pth')
        return Predictor(cfg, tmp_path / 'x.pth')

    return make


@pytest.fixture
def predictor(make):
    return make(dict(type='LoadNeighbors', neighbors=1, color_type='grayscale'))


def predict(predictor, path, tmp_path, **options):
    """Predict a file or folder; return the predictions, and each file and its mask."""
    out = tmp_path / f'out_{len(list(tmp_path.glob("out_*")))}'
    out.mkdir()
    items, _ = find_items([path], exclude=out)
    results = Results(out, classes=predictor.classes, palette=predictor.palette)
    files = [item.path for item in items]
    done = predict_files(predictor, items, results, intensities=Intensities(files), **options)
    assert done.failed == {}
    return done, out / 'masks'


def by_hand(predictor) -> np.ndarray:
    """Predict the slices of the stack with the network alone, (5, 24, 32)."""
    below = STACK[[0, 0, 1, 2, 3]]
    above = STACK[[1, 2, 3, 4, 4]]
    x = torch.from_numpy(np.stack([below, STACK, above], axis=1)).float()
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        return predictor.model(x).argmax(1).numpy().astype('u1')


def write_files(folder, slices=STACK):
    folder.mkdir()
    for k, pixels in enumerate(slices):
        Image.fromarray(pixels).save(folder / f's_{k + 8}.png')  # 8, 9, 10
    return folder


def test_files_and_stacks_are_predicted_as_by_hand(predictor, tmp_path):
    tifffile = pytest.importorskip('tifffile')
    expected = by_hand(predictor)
    assert len(np.unique(expected)) > 2
    assert not (expected[1:] == expected[:-1]).all()
    _, masks = predict(predictor, write_files(tmp_path / 'files'), tmp_path, batch_size=3)
    for k, labels in enumerate(expected):
        np.testing.assert_array_equal(np.asarray(Image.open(masks / f's_{k + 8}.png')), labels)
    # one file alone has the same neighbors
    _, masks = predict(predictor, tmp_path / 'files/s_10.png', tmp_path)
    np.testing.assert_array_equal(np.asarray(Image.open(masks / 's_10.png')), expected[2])
    for name, options in (
        ('pages', dict(metadata=None)),
        ('imagej', dict(imagej=True, metadata=dict(axes='ZYX'))),
    ):
        tifffile.imwrite(tmp_path / f'{name}.tif', STACK, photometric='minisblack', **options)
        done, masks = predict(predictor, tmp_path / f'{name}.tif', tmp_path, batch_size=2)
        np.testing.assert_array_equal(tifffile.imread(masks / f'{name}.tif'), expected)
        assert not done.notes


def test_volumes(predictor, tmp_path):
    nibabel = pytest.importorskip('nibabel')
    nibabel.save(nibabel.Nifti1Image(STACK.T, np.eye(4)), tmp_path / 'x_2.nii.gz')
    _, masks = predict(predictor, tmp_path / 'x_2.nii.gz', tmp_path)
    mask = np.asarray(nibabel.load(masks / 'x_2.nii.gz').dataobj)
    np.testing.assert_array_equal(mask.T, by_hand(predictor))
    # a volume of one slice does not take the next patient for its neighbor
    nibabel.save(nibabel.Nifti1Image(STACK[:1].T, np.eye(4)), tmp_path / 'x_3.nii.gz')
    source = neighbor_channels(predictor, Intensities([]), [])
    loaded = source.load(tmp_path / 'x_3.nii.gz')
    image = source.image(tmp_path / 'x_3.nii.gz', loaded, 0)
    np.testing.assert_array_equal(image, np.stack([STACK[0]] * 3, axis=-1))
    assert loaded.content.notes[-1].startswith('no neighbors were found')


def write_series(folder, positions, *, series='1.2.3', prefix=''):
    from tests.data import dicom

    folder.mkdir(exist_ok=True)
    for name, (k, position) in enumerate(positions):
        dicom.write(
            folder / f'{prefix}{name}.dcm',
            STACK[k],
            SeriesInstanceUID=series,
            PixelSpacing=[1, 1],
            ImagePositionPatient=[0, position, 0],
            ImageOrientationPatient=[0, 0, 1, 1, 0, 0],  # the normal is +y
        )


def test_series_are_ordered_by_position(predictor, tmp_path):
    pytest.importorskip('pydicom')
    folder = tmp_path / 'dicom'
    write_series(folder, [(2, 0), (0, -7), (4, 9), (1, -2), (3, 5.5)])
    write_series(folder, [(3, -1)], series='1.2.4', prefix='other')
    done, masks = predict(predictor, folder, tmp_path)
    expected = by_hand(predictor)
    for name, k in enumerate([2, 0, 4, 1, 3]):
        np.testing.assert_array_equal(np.asarray(Image.open(masks / f'{name}.png')), expected[k])
    assert [*done.notes.values()] == [[folder / 'other0.dcm']]
    (note,) = done.notes
    assert note.startswith('no neighbors were found')
    # two slices at one position
    write_series(folder, [(3, 5.5)], prefix='again')
    files = sorted(folder.iterdir())
    source = neighbor_channels(predictor, Intensities(files), files)
    with pytest.raises(UnsupportedError, match=r'4\.dcm and .*again0\.dcm lie at the same posit'):
        source.image(folder / '0.dcm', source.load(folder / '0.dcm'), 0)


def test_a_shard_of_a_series_has_the_neighbors_of_the_whole(predictor, tmp_path):
    pytest.importorskip('pydicom')
    folder = tmp_path / 'dicom'
    write_series(folder, [(0, -7), (1, -2), (2, 0), (3, 5.5), (4, 9)])
    files = sorted(folder.iterdir())
    _, masks = predict(predictor, folder / '1.dcm', tmp_path, files=files)
    mask = np.asarray(Image.open(masks / '1.png'))
    np.testing.assert_array_equal(mask, by_hand(predictor)[1])


def test_a_model_whose_config_does_not_say_it(make, predictor, tmp_path):
    expected = by_hand(predictor)
    folder = write_files(tmp_path / 'files')
    for loader in (
        dict(type='LoadImageFromFile', color_type='grayscale'),
        dict(type='LoadImageFromFile', color_type='unchanged', imdecode_backend='tifffile'),
    ):
        if loader['color_type'] == 'unchanged':
            pytest.importorskip('tifffile')
            folder = tmp_path / 'tif'
            folder.mkdir()
            for k, pixels in enumerate(STACK):
                Image.fromarray(pixels).save(folder / f's_{k + 8}.tif')
        _, masks = predict(make(loader), folder, tmp_path, neighbors=1)
        for k, labels in enumerate(expected):
            np.testing.assert_array_equal(np.asarray(Image.open(masks / f's_{k + 8}.png')), labels)


def test_three_slices_are_the_colors_of_a_model_of_color_images(make, tmp_path):
    """As if an image with the slice below in red and the one above in blue had been saved."""
    model = make(dict(type='LoadImageFromFile'))
    _, masks = predict(model, write_files(tmp_path / 'files'), tmp_path, neighbors=1)
    (tmp_path / 'colors').mkdir()
    for k in range(5):
        channels = [STACK[max(k - 1, 0)], STACK[k], STACK[min(k + 1, 4)]]
        Image.fromarray(np.dstack(channels)).save(tmp_path / f'colors/s_{k + 8}.png')
    _, expected = predict(model, tmp_path / 'colors', tmp_path)
    for k in range(5):
        name = f's_{k + 8}.png'
        pair = [np.asarray(Image.open(folder / name)) for folder in (masks, expected)]
        np.testing.assert_array_equal(*pair)


def test_neighbors_do_not_cross_from_one_time_to_the_next(predictor, tmp_path):
    tifffile = pytest.importorskip('tifffile')
    pixels = STACK[:4].reshape(2, 2, 24, 32)
    axes = dict(axes='TZYX')
    tifffile.imwrite(tmp_path / 'x.tif', pixels, imagej=True, metadata=axes)
    source = neighbor_channels(predictor, Intensities([]), [])
    images = [*source.images(tmp_path / 'x.tif', source.load(tmp_path / 'x.tif'))]
    for image, numbers in zip(images, ([0, 0, 1], [0, 1, 1], [2, 2, 3], [2, 3, 3]), strict=True):
        np.testing.assert_array_equal(image, STACK[numbers].transpose(1, 2, 0))


def test_channels_of_neighbors_follow_each_other(make, tmp_path):
    """Three slices of two chosen channels for a model of six."""
    tifffile = pytest.importorskip('tifffile')
    from mmseg_attn.apps.predict import StackRules

    loader = dict(type='LoadNeighbors', color_type='unchanged', imdecode_backend='tifffile')
    predictor = make(loader)
    predictor.channels = 6
    pixels = np.random.default_rng(1).integers(0, 999, (3, 4, 24, 32)).astype('u2')
    tifffile.imwrite(tmp_path / 'x.tif', pixels, imagej=True, metadata=dict(axes='ZCYX'))
    source = neighbor_channels(
        predictor, Intensities([], keep=True), [], rules=StackRules(channels=(3, 1))
    )
    image = source.image(tmp_path / 'x.tif', source.load(tmp_path / 'x.tif'), 0)
    expected = [pixels[0, 3], pixels[0, 1], pixels[0, 3], pixels[0, 1], pixels[1, 3], pixels[1, 1]]
    np.testing.assert_array_equal(image, np.stack(expected, axis=-1))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda folder: Image.fromarray(STACK[0, :9]).save(folder / 's_9.png'),
            r's_9\.png is 9x32 uint8, but its neighbor .*s_8\.png is 24x32 uint8',
        ),
        (
            lambda folder: (folder / 's_9.png').write_bytes(b'no image'),
            r's_9\.png is truncated or damaged',
        ),
        (
            lambda folder: (folder / 's_8.png').rename(folder / 's.png'),
            r's\.png has no number in its name',
        ),
        (
            lambda folder: Image.fromarray(STACK[0]).save(
                folder / 's_8.png',
                save_all=True,
                append_images=[Image.fromarray(STACK[0, :9])],
                format='TIFF',
            ),
            r's_8\.png has slices of different sizes',
        ),
    ],
)
def test_what_does_not_fit_is_named(predictor, tmp_path, change, message):
    folder = write_files(tmp_path / 'files')
    change(folder)
    path = next(path for path in (folder / 's.png', folder / 's_8.png') if path.exists())
    if 'sizes' in message:
        pytest.importorskip('tifffile')
        path = path.rename(folder / 's_8.tif')
        message = message.replace('png', 'tif')
    source = neighbor_channels(predictor, Intensities([]), [])
    with pytest.raises(DataError, match=message):
        [*source.images(path, source.load(path))]


def test_a_file_that_fails_does_not_stop_the_others(predictor, tmp_path):
    folder = write_files(tmp_path / 'files')
    (folder / 's_12.png').write_bytes(b'no image')
    (tmp_path / 'out').mkdir()
    items, _ = find_items([folder], exclude=tmp_path / 'out')
    results = Results(tmp_path / 'out', classes=predictor.classes, palette=predictor.palette)
    done = predict_files(predictor, items, results, intensities=Intensities([]))
    assert {path.name for path in done.failed} == {'s_11.png', 's_12.png'}
    assert 's_12.png is truncated' in done.failed[folder / 's_11.png']
    assert len(done.done) == 3


def test_deep_values_reach_the_network_as_they_are(make, tmp_path):
    tifffile = pytest.importorskip('tifffile')
    deep = STACK[:3].astype('f4') * 200.5 - 7000
    tifffile.imwrite(tmp_path / 'x.tif', deep, imagej=True, metadata=dict(axes='CYX'))
    kept = dict(color_type='unchanged', imdecode_backend='tifffile', to_float32=True)
    predictor = make(dict(type='LoadImageFromFile', **kept))
    source = neighbor_channels(predictor, Intensities([], keep=True), [])
    image = source.image(tmp_path / 'x.tif', source.load(tmp_path / 'x.tif'), 0)
    inputs = predictor.prepare('x', image)['inputs']
    np.testing.assert_array_equal(inputs.numpy(), deep)
    ((_, labels),) = predictor([('x', image)])
    x = (torch.from_numpy(deep) - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(
        3, 1, 1
    )
    with torch.no_grad():
        np.testing.assert_array_equal(labels, predictor.model(x[None]).argmax(1)[0])
