"""Stacks that name their axes, from the file to the model and to the masks."""

import csv

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile

from mmseg_attn.apps.predict import (
    ConfigLoader,
    Intensities,
    Prediction,
    Results,
    StackRules,
    find_items,
    load_file,
    predict_files,
)
from mmseg_attn.errors import UnsupportedError
from tests.apps.predict.stand_ins import Rule

tifffile = pytest.importorskip('tifffile', reason='needs tifffile: install mmseg_attn[medical]')

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 12, 9), 'u1')  # t, z, c, y, x
MICROMETERS = dict(unit='um', spacing=2.0)
STORED = dict(color_type='unchanged', imdecode_backend='tifffile')
GRAY = dict(color_type='grayscale')


def write(path, pixels, axes, **options):
    metadata = options.pop('metadata', {}) | dict(axes=axes)
    tifffile.imwrite(path, pixels, photometric='minisblack', metadata=metadata, **options)
    return path


def load(path, settings, *, in_channels=None, window=None, **rules):
    loader = ConfigLoader(LoadImageFromFile(**settings))
    intensities = Intensities([path], window=window, keep=loader.color_type == 'unchanged')
    return load_file(path, loader, intensities, in_channels=in_channels, rules=StackRules(**rules))


@pytest.fixture(params=['imagej', 'ome'])
def stack(request, tmp_path):
    return write(tmp_path / 'x.tif', PIXELS, 'TZCYX', **{request.param: True})


def test_a_model_of_all_channels(stack):
    images = load(stack, STORED, in_channels=4).images
    np.testing.assert_array_equal(images, PIXELS.transpose(0, 1, 3, 4, 2).reshape(6, 12, 9, 4))


def test_channels_are_chosen_in_the_order_of_the_model(stack):
    images = load(stack, STORED, in_channels=2, channels=(3, 1)).images
    expected = np.stack([PIXELS[1, 2, 3], PIXELS[1, 2, 1]], axis=-1)
    np.testing.assert_array_equal(images[5], expected)
    for settings, shape in ((GRAY, (12, 9)), ({}, (12, 9, 3)), (STORED, (12, 9))):
        image = load(stack, settings, channels=(2,)).images[3]
        assert image.shape == shape
        np.testing.assert_array_equal(image if image.ndim == 2 else image[..., 1], PIXELS[1, 0, 2])
    # three are the colors of a model of color images, which the loader has in BGR
    image = load(stack, {}, channels=(2, 0, 1)).images[0]
    np.testing.assert_array_equal(image, np.stack([PIXELS[0, 0, c] for c in (1, 0, 2)], axis=-1))


@pytest.mark.parametrize(
    ('settings', 'in_channels', 'rules', 'message'),
    [
        (STORED, 3, {}, r'x\.tif has 4 channels, but the model takes 3: name the channels'),
        (STORED, 3, dict(channels=(0, 4)), r'x\.tif has 4 channels \(0 to 3\), but --channels nam'),
        (STORED, 3, dict(channels=(0, -1)), 'but --channels names -1: name others'),
        (STORED, 3, dict(channels=(0,)), 'has 1 channel, but the model takes 3'),
        (GRAY, 1, {}, r'contains 4 bands that are not colors, .* choose one with --channels'),
        ({}, 3, {}, r'contains 4 bands that are not colors, .* one or three with --channels'),
        ({}, 3, dict(channels=(0, 1)), r'contains 2 bands that are not colors'),
        (STORED, 4, dict(axes='ZCYX'), r'has the shape 2x3x4x12x9 \(TZCYX\), but --axes is ZCYX'),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, settings, in_channels, rules, message):
    stack = write(tmp_path / 'x.tif', PIXELS, 'TZCYX', ome=True)
    with pytest.raises(UnsupportedError, match=message):
        load(stack, settings, in_channels=in_channels, **rules)


def test_slices_are_never_taken_for_channels(tmp_path):
    """tifffile's array of a stack of three columns has the shape of an image with channels."""
    narrow = PIXELS[0, :, 0, :, :3]  # z, y, x
    path = write(tmp_path / 'x.tif', narrow, 'ZYX', imagej=True)
    np.testing.assert_array_equal(load(path, STORED, in_channels=3).images, narrow)


def test_letters_are_for_stacks_of_tiff(tmp_path):
    tifffile.imwrite(tmp_path / 'x.tif', PIXELS[0, 0], photometric='minisblack', metadata=None)
    assert len(load(tmp_path / 'x.tif', GRAY).images) == 4  # pages, as without any letters
    (image,) = load(tmp_path / 'x.tif', STORED, in_channels=4, axes='CYX').images
    np.testing.assert_array_equal(image, PIXELS[0, 0].transpose(1, 2, 0))
    for rules, option in ((dict(axes='YX'), '--axes'), (dict(channels=(0,)), '--channels')):
        import cv2

        cv2.imwrite(str(tmp_path / 'x.png'), PIXELS[0, 0, 0])
        with pytest.raises(
            UnsupportedError, match=rf'x\.png is no TIFF or OME-Zarr file, to which {option} app'
        ):
            load(tmp_path / 'x.png', GRAY, **rules)


@pytest.mark.parametrize('kind', ['u2', 'f4'])
def test_deep_values_reach_a_model_of_stored_values_as_they_are(tmp_path, kind):
    deep = PIXELS.astype(kind) * 250 - (0 if kind == 'u2' else 9000.5)
    path = write(tmp_path / 'x.tif', deep, 'TZCYX', imagej=True)
    loaded = load(path, STORED, in_channels=4)
    assert (loaded.mapping, loaded.images[0].dtype) == (None, kind)
    np.testing.assert_array_equal(loaded.images[4], deep[1, 1].transpose(1, 2, 0))
    # and a model of 8 bits gets the window that the user sets
    mapped = load(path, GRAY, channels=(1,), window=(deep.min(), deep.min() + 255 * 250))
    np.testing.assert_array_equal(mapped.images[4], PIXELS[1, 1, 1])


def brighter(image: np.ndarray) -> Prediction:
    """Label 1 where the first of two channels is larger."""
    return Prediction((image[..., 0] > image[..., 1]).astype('u1'), {})


@pytest.mark.parametrize('kind', ['imagej', 'ome'])
def test_masks_have_the_axes_and_the_spacing_of_the_stack(tmp_path, kind):
    if kind == 'imagej':
        options = dict(imagej=True, metadata=MICROMETERS, resolution=(4, 4))
    else:
        sizes = dict(PhysicalSizeX=0.25, PhysicalSizeY=0.25, PhysicalSizeZ=2.0)
        options = dict(ome=True, metadata=sizes)
    path = write(tmp_path / 'x.tif', PIXELS, 'TZCYX', **options)
    out = tmp_path / 'out'
    out.mkdir()
    results = Results(out, classes=['dark', 'light'], palette=[[0, 0, 9], [9, 9, 0]])
    items, _ = find_items([path], exclude=out)
    rules = StackRules(channels=(3, 0))
    done = predict_files(
        Rule(brighter, channels=2, **STORED),
        items,
        results,
        intensities=Intensities([], keep=True),
        rules=rules,
    )
    assert (done.failed, done.slices) == ({}, 6)
    with tifffile.TiffFile(out / 'masks/x.tif') as mask:
        assert (mask.series[0].kind, mask.series[0].axes) == (kind, 'TZYX')
        np.testing.assert_array_equal(mask.asarray(), PIXELS[:, :, 3] > PIXELS[:, :, 0])
        if kind == 'imagej':
            assert mask.imagej_metadata['spacing'] == 2
            assert mask.imagej_metadata['unit'] == 'um'
            assert mask.pages[0].tags['XResolution'].value == (4, 1)
        else:
            assert 'PhysicalSizeZ="2.0"' in mask.ome_metadata
    with (out / 'pixels.csv').open(newline='') as file:
        rows = [*csv.DictReader(file)]
    light = [row for row in rows if row['class'] == 'light']
    assert [int(row['slice']) for row in light] == [*range(6)]
    for row in light:
        pixels = int(row['pixels'])
        assert float(row['area_mm2']) == pytest.approx(pixels * 0.25e-3**2)
        assert float(row['volume_mm3']) == pytest.approx(pixels * 0.25e-3**2 * 2e-3)
