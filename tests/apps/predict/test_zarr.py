"""OME-Zarr volumes from the folder to the model and to the masks, without loading them whole."""

import csv
import json
import tracemalloc

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmseg_attn.apps.predict import (
    ConfigLoader,
    Intensities,
    MapResults,
    ObjectResults,
    ObjectRules,
    Prediction,
    Results,
    StackRules,
    find_items,
    load_file,
    neighbor_channels,
    predict_files,
)
from mmseg_attn.errors import DataError
from tests.apps.predict.stand_ins import Rule
from tests.data import ome_zarr
from tests.libraries import needs_scikit_image, needs_zarr

CLASSES, PALETTE = ['dark', 'light'], [[0, 0, 200], [250, 200, 0]]
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 12, 9), 'u1')  # tczyx
UNITS = dict(z='micrometer', y='micrometer', x='micrometer')


def write(folder, pixels=PIXELS, axes='tczyx', **options):
    scale = [30.0, 1.0, 2.0, 0.5, 0.25][-len(axes) :]
    return ome_zarr.write(folder, [pixels], axes, scale=scale, units=UNITS, **options)


def light(image: np.ndarray) -> Prediction:
    """Call values above 100 light, with a probability of 0.8."""
    p = np.where(image > 100, np.float32(0.8), np.float32(0.2))
    maps = dict(probabilities=np.stack([1 - p, p]), entropy=p[None] * 0)
    return Prediction((image > 100).astype('u1'), maps)


LOADER = Rule(light).loader


class Batched(Rule):
    """Reads all slices before it predicts the first, as a large batch does."""

    def predict(self, images, **_):
        for key, image in list(images):
            self.windows.watch(key, 1, 4)
            yield key, self.rule(image)


def predict(tmp_path, path, *, rule=None, kind=Rule, **options):
    out = tmp_path / 'out'
    out.mkdir()
    items, _ = find_items([path], exclude=out)
    results = Results(out, classes=CLASSES, palette=PALETTE)
    options = {name: make(out) for name, make in options.items()}
    return predict_files(
        kind(light),
        items,
        results,
        intensities=Intensities([], **(rule or {})),
        rules=StackRules(channels=(1,)),
        **options,
    )


@needs_zarr
@pytest.mark.parametrize('version', ['0.4', '0.5'])
def test_masks_have_the_axes_and_the_scale(tmp_path, version):
    zarr = pytest.importorskip('zarr')
    done = predict(tmp_path, write(tmp_path / 'x.ome.zarr', version=version))
    assert (done.failed, done.slices) == ({}, 6)
    folder = tmp_path / 'out/masks/x.ome.zarr'
    mask = zarr.open_group(str(folder), mode='r')
    np.testing.assert_array_equal(mask['0'][:], PIXELS[:, 1] > 100)
    content = mask.attrs.asdict()
    content = content['ome'] if version == '0.5' else content
    (image,) = content['multiscales']
    assert [axis['name'] for axis in image['axes']] == [*'tzyx']
    (transform,) = image['datasets'][0]['coordinateTransformations']
    assert transform == dict(type='scale', scale=[30, 2, 0.5, 0.25])
    colors = content['image-label']['colors']
    assert colors[1] == {'label-value': 1, 'rgba': [250, 200, 0, 255]}
    with (tmp_path / 'out/pixels.csv').open(newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['class'] == 'light']
    assert {row['mask'] for row in rows} == {'masks/x.ome.zarr'}
    for k, row in enumerate(rows):
        pixels = int((PIXELS[k // 3, 1, k % 3] > 100).sum())
        assert int(row['pixels']) == pixels
        assert float(row['volume_mm3']) == pytest.approx(pixels * 2 * 0.5 * 0.25 * 1e-9)
    assert len([*(tmp_path / 'out/overlays/x.ome_slices').iterdir()]) == 6


@needs_zarr
@needs_scikit_image
def test_maps_and_objects_are_written_likewise(tmp_path):
    zarr = pytest.importorskip('zarr')
    rules = ObjectRules()
    done = predict(
        tmp_path,
        write(tmp_path / 'x.zarr'),
        maps=lambda out: MapResults(out, classes=CLASSES, names=['probabilities']),
        objects=lambda out: ObjectResults(out, classes=CLASSES, names=['light'], rules=rules),
    )
    assert done.failed == {}
    out = tmp_path / 'out'
    stored = zarr.open_group(str(out / 'probabilities/1_light/x.zarr'), mode='r')
    expected = np.where(PIXELS[:, 1] > 100, 204, 51)  # 0.8 and 0.2 of 255
    np.testing.assert_array_equal(stored['0'][:], expected)
    assert stored.attrs['name'] == 'probability of class 1 (light): 0 to 255 stand for 0 to 1'
    numbered = zarr.open_group(str(out / 'objects/1_light/x.zarr'), mode='r')['0']
    assert numbered.dtype == np.uint16
    np.testing.assert_array_equal(numbered[:] > 0, PIXELS[:, 1] > 100)


@needs_zarr
def test_folders_with_zarr_are_files(tmp_path):
    write(tmp_path / 'in/a/x.zarr')
    Image.fromarray(PIXELS[0, 0, 0]).save(tmp_path / 'in/a/x.png')
    items, empty = find_items([tmp_path / 'in'], exclude=tmp_path / 'out')
    assert [item.name for item in items] == ['a/x', 'a/x_zarr']
    assert empty == []
    (item,), _ = find_items([tmp_path / 'in/a/x.zarr'], exclude=tmp_path / 'out')
    assert item.name == 'x'


@needs_zarr
def test_deep_values_are_converted_slice_by_slice(tmp_path):
    deep = PIXELS.astype('u2') * 16
    path = write(tmp_path / 'x.zarr', deep)
    with pytest.raises(DataError, match=r'x\.zarr contains uint16 values, .*--intensity LOW HIGH'):
        load_file(path, LOADER, Intensities([]), rules=StackRules(channels=(1,)))
    done = predict(tmp_path, path, rule=dict(window=(160, 4080)))
    ((_, mapping),) = done.done.values()
    assert mapping.window == (160, 4080)
    assert mapping.outside == pytest.approx((deep[:, 1] < 160).mean())
    masks = np.stack(
        [np.asarray(Image.open(p)) for p in sorted((tmp_path / 'out/overlays').rglob('*.png'))]
    )
    assert len(masks) == 6
    # a window from the values is that of all slices, and a model of stored values gets these
    chosen = Intensities([], choose=lambda values: (values.min(), values.max()))
    loaded = load_file(path, LOADER, chosen, rules=StackRules(channels=(0,)))
    assert loaded.mapping.window == (deep[:, 0].min(), deep[:, 0].max())
    stored = ConfigLoader(LoadImageFromFile(color_type='unchanged', imdecode_backend='tifffile'))
    loaded = load_file(path, stored, Intensities([], keep=True), in_channels=2)
    np.testing.assert_array_equal(loaded.images[4], deep[1, :, 1].transpose(1, 2, 0))


@needs_zarr
@pytest.mark.parametrize('kind', [Rule, Batched])
def test_a_slice_that_cannot_be_read_leaves_no_mask(tmp_path, kind):
    path = write(tmp_path / 'in/x.zarr')
    write(tmp_path / 'in/y.zarr')
    (path / 's0/1/1/2/0/0').write_bytes(b'short')
    done = predict(
        tmp_path,
        tmp_path / 'in',
        kind=kind,
        maps=lambda out: MapResults(out, classes=CLASSES, names=['probabilities']),
    )
    assert 'x.zarr is truncated or damaged' in done.failed[path]
    assert [p.name for p in (tmp_path / 'out/masks').iterdir()] == ['y.zarr']
    assert not [*(tmp_path / 'out').rglob('x.zarr')]


@needs_zarr
@needs_scikit_image
def test_too_many_objects_leave_no_label_image(tmp_path, monkeypatch):
    monkeypatch.setattr('mmseg_attn.apps.predict.objects.LIMIT', 1)
    path = write(tmp_path / 'x.zarr')
    rules = ObjectRules()
    done = predict(
        tmp_path,
        path,
        objects=lambda out: ObjectResults(out, classes=CLASSES, names=['light'], rules=rules),
    )
    assert [*done.done] == [path]
    (note,) = done.notes
    assert 'objects of light, but label images number at most 1: set --min-size' in note
    assert not [*(tmp_path / 'out/objects').rglob('x.zarr')]
    assert [p.name for p in (tmp_path / 'out/masks').iterdir()] == ['x.zarr']


@needs_zarr
def test_slices_have_their_neighbors(tmp_path):
    path = write(tmp_path / 'x.zarr')
    predictor = Rule(light)
    predictor.channels = 3
    rules = StackRules(channels=(1,))
    source = neighbor_channels(predictor, Intensities([]), [], rules=rules, neighbors=1)
    images = [*source.images(path, source.load(path))]
    numbers = [0, 0, 1], [0, 1, 2], [1, 2, 2]
    for k, image in enumerate(images):
        expected = PIXELS[k // 3, 1, numbers[k % 3]].transpose(1, 2, 0)
        np.testing.assert_array_equal(image, expected)


@needs_zarr
def test_the_memory_does_not_grow_with_the_number_of_slices(tmp_path):
    side, peaks = 256, []
    for run, depth in enumerate((8, 8, 40)):  # the first run also imports libraries
        volume = np.zeros((depth, side, side), 'u2')
        volume[:, 9:99, 9:99] = np.arange(depth)[:, None, None]
        path = ome_zarr.write(tmp_path / f'{run}.zarr', [volume], 'zyx', scale=[1, 1, 1])
        del volume
        out = tmp_path / f'out{run}'
        out.mkdir()
        items, _ = find_items([path], exclude=out)
        results = Results(out, classes=CLASSES, palette=PALETTE)
        results.draw = lambda *_, **__: None
        rule = Intensities([], window=(0, depth))
        tracemalloc.start()
        try:
            done = predict_files(Rule(light), items, results, intensities=rule)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert done.slices == depth
        header = json.loads((out / f'masks/{run}.zarr/0/.zarray').read_text())
        assert header['shape'] == [depth, side, side]
    further = 32 * side * side  # bytes of the masks of the other slices; of the volume, twice this
    assert peaks[2] - peaks[1] < further / 4, peaks
