"""From a folder of images and masks to a config that trains, and what is refused."""

import csv
import json
import re
import shlex

import numpy as np
import pytest
import tifffile
import torch
import yaml
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.registry import DATASETS
from mmseg.registry import MODELS as REGISTRY
from mmseg.structures import SegDataSample
from PIL import Image

from mmseg_attn.apps.new_dataset import MODELS, measure
from mmseg_attn.errors import MMSegAttnError
from tests.data.folders import draw, make, save
from tests.processes import run_script
from tools import check_dataset, cross_validate, new_dataset, predict, publish, report

COMMANDS = dict(
    check_dataset=check_dataset, cross_validate=cross_validate, predict=predict, publish=publish
)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the tool in an empty folder; return what it prints, and the project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.stdin', None)

    def run(folder, *arguments):
        new_dataset.main([str(folder), '--out', 'project', *map(str, arguments)])
        return capsys.readouterr().out, tmp_path / 'project'

    return run


def masks(project):
    return {path.stem: np.array(Image.open(path)) for path in (project / 'data/masks').iterdir()}


def test_a_config_that_trains(run, tmp_path):
    """Two iterations and a validation of the whole runner, and the check of the dataset."""
    text, project = run(make(tmp_path / 'disks'))
    assert '0 errors, 0 warnings: the data can be used.' in text
    lines = (project / 'config.py').read_text().splitlines()
    assert 40 <= len(lines) <= 80
    assert max(map(len, lines)) <= 100 + len(str(tmp_path))
    assert not (project / 'data').exists()  # nothing had to be converted
    cfg = Config.fromfile(project / 'config.py')
    assert cfg.train_dataloader.dataset.data_prefix.seg_map_path == str(tmp_path / 'disks/masks')
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.work_dir = str(tmp_path / 'work')
    init_default_scope('mmseg')
    Runner.from_cfg(cfg).train()
    (file,) = (tmp_path / 'work').rglob('per_class.csv')
    assert {row['class'] for row in csv.DictReader(file.open())} >= {'background', 'foreground'}
    assert list((tmp_path / 'work').glob('best_mIoU_iter_2.pth'))


def test_the_commands_can_be_pasted(run, tmp_path):
    text, project = run(make(tmp_path / 'disks', 6))
    readme = (project / 'README.md').read_text()
    found = re.findall(r'^  (python .*)$', text, re.M)
    assert len(found) == 7
    for line in found:
        assert line in readme
        tool, *arguments = shlex.split(line)[1:]
        name = re.search(r'(\w+)\.py$', tool)[1]
        if name in COMMANDS:
            COMMANDS[name].parse_args(arguments)
        elif name == 'report':
            report.parse_args(arguments)
        else:
            assert name in ('train', 'test')
            assert arguments[0] == 'project/config.py'


def test_what_is_written_about_the_data(run, tmp_path):
    folder = make(tmp_path / 'disks', 10)
    _, project = run(folder)
    content = yaml.safe_load((project / 'dataset.yaml').read_text())
    disks = [draw(i)[1] for i in range(10)]
    assert content['images'] == content['cases'] == 10
    assert content['size'] == dict(smallest='64x64', median='64x64', largest='64x64')
    assert content['classes']['foreground']['pixels'] == sum(disk.sum() for disk in disks)
    assert content['split'] == dict(train=6, val=2, test=2)
    train = (project / 'splits/fold0/train.txt').read_text().split()
    images = np.array([draw(int(name))[0] for name in train], dtype=float)
    cfg = Config.fromfile(project / 'config.py')
    preprocessor = cfg.model.data_preprocessor
    assert preprocessor.mean == pytest.approx([images.mean()], rel=1e-4)
    assert preprocessor.std == pytest.approx([images.std()], rel=1e-4)
    assert Image.open(project / 'preview.png').size[0] > 500


def test_the_second_run_changes_nothing_and_edits_are_kept(run, tmp_path):
    folder = make(tmp_path / 'disks', 6)
    run(folder)
    text, project = run(folder)
    assert 'project (already up to date)' in text
    (project / 'config.py').open('a').write('# mine\n')
    with pytest.raises(MMSegAttnError, match=r'config\.py was added or changed'):
        run(folder)
    assert (project / 'config.py').read_text().endswith('# mine\n')


def test_masks_of_0_and_255(run, tmp_path):
    folder = make(tmp_path / 'disks', 6, value=255)
    with pytest.raises(MMSegAttnError, match=r'255 to 1 foreground.*--yes') as error:
        run(folder)
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'project').exists()
    _, project = run(folder, '--yes')
    for name, mask in masks(project).items():
        np.testing.assert_array_equal(mask, draw(int(name))[1])
        original = np.array(Image.open(folder / f'masks/{name}.png'))
        np.testing.assert_array_equal(original, 255 * mask)


def test_the_prompt(run, tmp_path, monkeypatch):
    folder = make(tmp_path / 'disks', 6, value=255)
    monkeypatch.setattr('sys.stdin', type('Terminal', (), dict(isatty=lambda self: True))())
    monkeypatch.setattr('builtins.input', lambda question: 'n')
    with pytest.raises(MMSegAttnError, match='were not converted'):
        run(folder)
    monkeypatch.setattr('builtins.input', lambda question: 'y')
    _, project = run(folder)
    assert len(masks(project)) == 6


def test_names_with_spaces_and_umlauts_in_subfolders(run, tmp_path):
    folder = tmp_path / "Ärztin's Daten"
    for seed in range(9):
        image, disk = draw(seed)
        name = f'{("Müller 1", "Groß 2", "c3")[seed % 3]}/schnitt {seed // 3}.png'
        save(folder / 'images' / name, image)
        save(folder / 'masks' / name, disk.astype(np.uint8))
    text, project = run(folder)
    assert '3 cases, by subfolders' in text
    folds = [(project / f'splits/fold0/{n}.txt').read_text() for n in ('train', 'val', 'test')]
    owners = [{line.split('/')[0] for line in fold.splitlines()} for fold in folds]
    assert sorted(map(len, owners)) == [1, 1, 1]
    assert set.union(*owners) == {'Müller 1', 'Groß 2', 'c3'}


def use_16_bits(folder):
    for path in (folder / 'images').iterdir():
        save(path, np.array(Image.open(path)).astype(np.uint16) * 200)


def use_floats(folder):
    for path in (folder / 'images').iterdir():
        save(path.with_suffix('.tif'), np.array(Image.open(path)) / np.float32(255))
        path.unlink()


def use_bands(folder):
    for path in (folder / 'images').iterdir():
        pixels = np.stack([np.array(Image.open(path)) + np.uint8(i) for i in range(5)], -1)
        tifffile.imwrite(
            path.with_suffix('.tif'), pixels, photometric='minisblack', planarconfig='contig'
        )
        path.unlink()


def mix_types_of_bands(folder):
    use_bands(folder)
    (folder / 'images/00.tif').rename(folder / 'images/00.TIF')


def mix_types_of_deep_bands(folder):
    for i, path in enumerate(sorted((folder / 'images').iterdir())):
        pixels = np.stack([np.array(Image.open(path)).astype(np.uint16) * n for n in (90, 50)], -1)
        target = path.with_suffix('.tiff' if i else '.tif')
        tifffile.imwrite(target, pixels, photometric='minisblack', planarconfig='contig')
        path.unlink()


def use_separate_planes(folder):
    for path in (folder / 'images').iterdir():
        pixels = np.stack([np.array(Image.open(path)) + np.uint8(i) for i in range(4)])
        tifffile.imwrite(
            path.with_suffix('.tif'), pixels, photometric='minisblack', planarconfig='separate'
        )
        path.unlink()


def link_in_a_circle(folder):
    (folder / 'images/again').symlink_to(folder / 'images')


def use_colors(folder):
    for path in (folder / 'images').iterdir():
        gray = np.array(Image.open(path))
        save(path.with_suffix('.jpg'), np.stack([gray, 255 - gray, gray // 2], -1))
        path.unlink()


def use_opaque_colors(folder):
    for path in (folder / 'images').iterdir():
        gray = np.array(Image.open(path))
        save(path, np.stack([gray, 255 - gray, gray, np.full_like(gray, 255)], -1))


def mix_gray_and_color(folder):
    path = folder / 'images/00.png'
    save(path, np.stack([np.array(Image.open(path))] * 3, -1))


def vary_sizes(folder):
    for kind in ('images', 'masks'):
        for path in sorted((folder / kind).iterdir())[1::2]:
            Image.open(path).resize((90, 50), Image.NEAREST).save(path)


def mix_types(folder):
    path = folder / 'images/00.png'
    save(path.with_suffix('.tif'), np.array(Image.open(path)))
    path.unlink()


def use_palettes(folder):
    for path in (folder / 'masks').iterdir():
        mask = Image.open(path)
        mask.putpalette([10, 20, 30, 200, 100, 50])
        mask.save(path)


def use_colored_masks(folder):
    colors = np.array([[0, 0, 0], [200, 100, 50]], np.uint8)
    for path in (folder / 'masks').iterdir():
        save(path, colors[np.array(Image.open(path))])


def quantize_colored_masks(folder):
    """Save colors with the palette that each file happens to get."""
    for i, path in enumerate(sorted((folder / 'masks').iterdir())):
        mask = np.array(Image.open(path))
        image = Image.fromarray(1 - mask if i % 2 else mask).convert('P')
        colors = [0, 0, 0], [200, 100, 50]
        image.putpalette([*colors[i % 2], *colors[1 - i % 2]])
        image.save(path)


def make_stacks(folder):
    for kind in ('images', 'masks'):
        files = sorted((folder / kind).iterdir())
        for i in range(4):
            pages = np.stack([np.array(Image.open(path)) for path in files[3 * i : 3 * i + 3]])
            tifffile.imwrite(folder / kind / f'stack{i}.tif', pages, photometric='minisblack')
        for path in files:
            path.unlink()


def make_nifti(folder):
    nibabel = pytest.importorskip('nibabel')
    for kind in ('images', 'masks'):
        files = sorted((folder / kind).iterdir())
        for i in range(4):
            pages = [np.array(Image.open(path)) for path in files[3 * i : 3 * i + 3]]
            volume = np.stack(pages).T.astype(np.int16)
            volume = volume * 20 - 2000 if kind == 'images' else volume
            image = nibabel.Nifti1Image(volume, np.diag([0.5, 0.5, 2, 1]))
            image.to_filename(folder / kind / f'patient{i}.nii.gz')
        for path in files:
            path.unlink()


def make_dicom(folder):
    dicom = pytest.importorskip('tests.data.dicom')
    series = dicom.generate_uid()
    for i, path in enumerate(sorted((folder / 'images').iterdir())):
        series = series if i % 3 else dicom.generate_uid()
        pixels = np.array(Image.open(path)).astype(np.uint16) * 10
        dicom.write(path.with_suffix('.dcm'), pixels, SeriesInstanceUID=series)
        path.unlink()


def use_one_folder(folder):
    for path in sorted(folder.glob('masks/*')):
        path.rename(folder / f'{path.stem}_mask.png')
        (folder / 'images' / path.name).rename(folder / path.name)
    for kind in ('images', 'masks'):
        (folder / kind).rmdir()


def use_split_folders(folder):
    for kind in ('images', 'masks'):
        for i, path in enumerate(sorted((folder / kind).iterdir())):
            target = folder / ('train', 'train', 'valid', 'test')[i % 4] / kind / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        (folder / kind).rmdir()


def use_split_files(folder):
    for fold in range(2):
        (folder / f'splits/fold{fold}').mkdir(parents=True)
        for i, split in enumerate(('train', 'val', 'test')):
            names = [f'{number:02d}\n' for number in range(12) if (number + fold) % 3 == i]
            (folder / f'splits/fold{fold}/{split}.txt').write_text(''.join(names))


def use_split_files_of_stacks(folder):
    make_stacks(folder)
    (folder / 'splits').mkdir()
    for split, names in dict(train='stack0\nstack2', val='stack1', test='stack3').items():
        (folder / f'splits/{split}.txt').write_text(names)


def keep(folder):
    """Leave everything as it is."""


FORK = issubclass(SegDataPreProcessor, ImgDataPreprocessor)  # mean of 1 or 3 channels only
GRAY, COLOR = dict(color_type='grayscale'), dict(color_type='color')
DEEP = dict(color_type='unchanged', to_float32=True)
BANDS = dict(imdecode_backend='tifffile', color_type='unchanged')
# What is done with the folder; the loader; folders that are written; a text of the output.
GOOD = [
    (keep, GRAY, [], 'em: gray values'),
    (use_16_bits, DEEP, [], 'em: one channel of 16 bits, not mostly dark'),
    (use_floats, DEEP, [], '1 channel of float32'),
    (use_bands, BANDS, [], 'rgb: 5 channels of different values'),
    (use_separate_planes, BANDS, ['images', 'masks'], 'needs a decoder that the config does not'),
    (mix_types_of_bands, BANDS, ['images', 'masks'], 'files of the types .TIF, .tif are'),
    (mix_types_of_deep_bands, BANDS | DEEP, ['images', 'masks'], '.tif, .tiff are converted'),
    (use_colors, COLOR, [], 'rgb: 3 channels of different values'),
    (use_opaque_colors, COLOR, [], 'rgb: 3 channels'),
    (mix_gray_and_color, COLOR, [], '11 gray and 1 color images (00.png is in color): all'),
    (vary_sizes, GRAY, [], '64x50 to 90x64'),
    (mix_types, GRAY, ['images', 'masks'], 'files of the types .png, .tif are converted'),
    (use_palettes, GRAY, [], '0 errors, 0 warnings'),
    (use_colored_masks, GRAY, ['masks'], '#c86432 -> 1 foreground'),
    (quantize_colored_masks, GRAY, ['masks'], '#c86432 -> 1 foreground'),
    (make_stacks, GRAY, ['images', 'masks'], '4 cases, by the files of volumes'),
    (make_nifti, GRAY, ['images', 'masks'], 'ct: values from -1'),
    (make_dicom, GRAY, ['images', 'masks'], '4 cases, by the files of volumes and DICOM series'),
    (use_one_folder, GRAY, [], '5 folds of 12 images'),
    (link_in_a_circle, GRAY, [], '0 errors, 0 warnings'),
    (use_split_folders, GRAY, ['masks'], 'train 6, val 3, test 3'),
    (use_split_files, GRAY, [], 'train 4, val 4, test 4'),
    (use_split_files_of_stacks, GRAY, ['images', 'masks'], 'train 6, val 3, test 3'),
]


@pytest.mark.parametrize(
    ('change', 'loader', 'written', 'text'), GOOD, ids=[change.__name__ for change, *_ in GOOD]
)
def test_good_folders(change, loader, written, text, run, tmp_path):
    """The pipeline of the config returns the pixels and labels that were drawn."""
    folder = make(tmp_path / 'disks', 12)
    change(folder)
    before = {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}
    if 'imdecode_backend' in loader and FORK:
        with pytest.raises(MMSegAttnError, match=r'the images have . channels, which Seg'):
            run(folder)
        return
    out, project = run(folder, '--yes')
    assert text in out
    assert '0 errors' in out
    data = project / 'data'
    assert sorted(path.name for path in data.glob('*')) == written
    assert {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()} == before
    cfg = Config.fromfile(project / 'config.py')
    first = cfg.test_dataloader.dataset.pipeline[0]
    assert {key: value for key, value in first.items() if key != 'type'} == loader
    init_default_scope('mmseg')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    drawn = {draw(i)[1].tobytes() for i in range(12)}
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        for transform in dataset.pipeline.transforms[:2]:
            info = transform(info)
        resized = info['gt_seg_map'].shape != (64, 64)
        assert resized or info['gt_seg_map'].astype(bool).tobytes() in drawn
        inside, outside = (info['img'][info['gt_seg_map'] == label].mean() for label in (1, 0))
        assert change is use_colors or change is use_opaque_colors or inside > outside
    batch = pseudo_collate([dataset[i] for i in range(3)])
    preprocessor = REGISTRY.build(cfg.model.data_preprocessor)
    inputs = preprocessor(batch, training=True)['inputs']
    assert abs(inputs.mean()) < 1.5
    channels = inputs.shape[1]
    assert cfg.model.backbone.in_channels == channels == len(cfg.model.data_preprocessor.mean)


@pytest.mark.parametrize('name', MODELS)
def test_every_model_takes_a_step(name, run, tmp_path):
    _, project = run(make(tmp_path / 'disks', 3), '--model', name)
    cfg = Config.fromfile(project / 'config.py')
    init_default_scope('mmseg')
    model = REGISTRY.build(cfg.model)
    data = dict(inputs=[torch.rand(1, 32, 32) * 255] * 2, data_samples=[])
    for _ in range(2):
        sample = SegDataSample()
        sample.set_data(dict(gt_sem_seg=PixelData(data=torch.randint(0, 2, (1, 32, 32)))))
        data['data_samples'].append(sample)
    losses = model.loss(**model.data_preprocessor(data, training=True))
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert loss.isfinite()
    assert all(each.grad is not None for each in model.parameters())


def lose_a_mask(folder):
    (folder / 'masks/03.png').unlink()


def lose_two_images(folder):
    (folder / 'images/03.png').unlink()
    (folder / 'images/04.png').unlink()


def crop_a_mask(folder):
    path = folder / 'masks/03.png'
    Image.open(path).crop((0, 0, 64, 60)).save(path)


def truncate_an_image(folder):
    path = folder / 'images/03.png'
    path.write_bytes(path.read_bytes()[:200])


def color_three_masks(folder):
    for i in range(3):
        path = folder / f'masks/{i:02d}.png'
        save(
            path, np.stack([np.array(Image.open(path)) * 200] + 2 * [np.zeros((64, 64), 'u1')], -1)
        )


def gray_levels(folder):
    for path in (folder / 'masks').iterdir():
        mask = np.array(Image.open(path)) * np.uint8(255)
        mask[:8] = 128
        save(path, mask)


def soften(folder):
    for i, path in enumerate(sorted((folder / 'masks').iterdir())):
        mask = np.array(Image.open(path)) * np.uint8(200)
        mask[0] = np.arange(64) + i
        save(path, mask)


def mix_0_1_and_0_255(folder):
    path = folder / 'masks/03.png'
    save(path, np.array(Image.open(path)) * np.uint8(255))


def add_a_transparent_image(folder):
    path = folder / 'images/03.png'
    pixels = np.stack([np.array(Image.open(path))] * 4, -1)
    save(path, pixels)


def add_a_16_bit_image(folder):
    path = folder / 'images/03.png'
    save(path, np.array(Image.open(path)).astype(np.uint16) * 200)


def keep_two(folder):
    for path in folder.rglob('*.png'):
        if path.stem not in ('00', '01'):
            path.unlink()


def add_a_class_in_one_image(folder):
    path = folder / 'masks/03.png'
    mask = np.array(Image.open(path))
    mask[:4] = 2
    save(path, mask)


def empty_all_masks(folder):
    for path in (folder / 'masks').iterdir():
        save(path, np.zeros((64, 64), np.uint8))


def number_without_a_meaning(folder):
    path = folder / 'masks/03.png'
    Image.fromarray(np.array(Image.open(path)) * np.float32(0.5)).save(folder / 'masks/03.tif')
    path.unlink()


def write_jpeg_masks(folder):
    for path in (folder / 'masks').iterdir():
        Image.open(path).save(path.with_suffix('.jpg'))
        path.unlink()


def write_a_huge_image(folder):
    path = folder / 'images/03.png'
    path.unlink()
    Image.new('1', (20000, 20000)).save(path.with_suffix('.tif'), compression='group4')


def mark_bands_as_rgb(folder):
    path = folder / 'images/03.png'
    pixels = np.stack([np.array(Image.open(path))] * 5, -1)
    tifffile.imwrite(path.with_suffix('.tif'), pixels, photometric='rgb', planarconfig='contig')
    path.unlink()


def leave_pixels_without_data(folder):
    path = folder / 'images/03.png'
    pixels = np.array(Image.open(path)).astype(np.float32)
    pixels[0] = -9999
    nodata = (42113, 's', 0, '-9999', True)
    tifffile.imwrite(path.with_suffix('.tif'), pixels, extratags=[nodata])
    path.unlink()


def name_twice(folder):
    Image.open(folder / 'images/03.png').save(folder / 'images/03.jpg')


def rename_folders(folder):
    (folder / 'images').rename(folder / 'photos')
    (folder / 'masks').rename(folder / 'drawings')


def empty(folder):
    for path in folder.rglob('*.png'):
        path.unlink()


BAD = [
    (lose_a_mask, r'images/03\.png has no mask: add it, or remove this file'),
    (lose_two_images, r'masks/03\.png has no image, and 1 more file has none: add what is missing'),
    (crop_a_mask, r'masks/03\.png is 64x60, but its image .*images/03\.png is 64x64: use'),
    (truncate_an_image, r'images/03\.png is truncated or damaged'),
    (color_three_masks, r'3 masks are in color, such as .*masks/00\.png, but the other 9 are gray'),
    (gray_levels, r'0 to 0 background, 128 to 1 class_1, 255 to 2 class_2\): add --yes'),
    (soften, r'the masks contain 7\d gray values \(.*soft edges'),
    (mix_0_1_and_0_255, r'masks/00\.png contains 0 and 1, but .*masks/03\.png contains 0 and 255'),
    (add_a_transparent_image, r'images/03\.png is partly transparent \(RGBA\): remove'),
    (add_a_16_bit_image, r'images/03\.png has values of uint16, but .*images/00\.png of uint8'),
    (keep_two, r'2 images cannot be split into 3 folds: provide at least 3 images'),
    (add_a_class_in_one_image, r'the class 2 class_2 is in only one image, .*masks/03\.png, so'),
    (empty_all_masks, r'the masks contain only one class \(value 0\): label'),
    (number_without_a_meaning, r'masks/03\.tif contains 0\.5, which is not a class number'),
    (write_jpeg_masks, r'masks/00\.jpg is compressed as JPEG, which changes labels'),
    (write_a_huge_image, r'images/03\.tif has 20000x20000 pixels, more than 8192x8192, .*tiles'),
    (mark_bands_as_rgb, r'images/03\.tif has 5 channels and is marked as RGB, .*MINISBLACK'),
    (leave_pixels_without_data, r'images/03\.tif has pixels without data \(GDAL_NODATA -9999\)'),
    (name_twice, r'images/03\.jpg and .*images/03\.png have the same name: remove one'),
    (rename_folders, r'has no folder of masks and no files that end in _mask: put'),
    (empty, r'contains no images with masks: put them into'),
]


@pytest.mark.parametrize(('spoil', 'sentence'), BAD, ids=[spoil.__name__ for spoil, _ in BAD])
def test_bad_folders(spoil, sentence, run, tmp_path):
    folder = make(tmp_path / 'disks', 12)
    spoil(folder)
    with pytest.raises(MMSegAttnError, match=sentence) as error:
        run(folder)
    assert '\n' not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ['disks']


WRONG = [
    (['--model', 'resnet'], r'--model is resnet: choose one of unet, lfa-unet, '),
    (['--classes', 'a', 'b', 'a'], r'--classes is a b a: give every class its own name'),
    (['--classes', 'a', 'b', 'c'], r'no mask contains the class 2 c: remove it from --classes'),
    (['--map', '0=0'], r'--map does not name the value 1, which .*masks/\d\d\.png contains'),
    (['--map', '0=0', '1=two'], r'--map 1=two is not a value and a class: write for example'),
    (['--map', '0=0', '1=2'], r'--map uses the classes 0, 2: number them from 0 without gaps'),
    (['--case-pattern', '('], r'--case-pattern \( is not a regular expression'),
    (['--case-pattern', 'p'], r'--case-pattern p does not match the name 00'),
    (['--folds', '2'], r'6 images cannot be split into 2 folds'),
    (['--out', '.'], r'--out \. contains the images'),
    (['--images', 'nowhere', '--masks', 'nowhere'], r'nowhere is not a folder'),
]


@pytest.mark.parametrize(('arguments', 'sentence'), WRONG, ids=[' '.join(a) for a, _ in WRONG])
def test_wrong_arguments(arguments, sentence, run, tmp_path):
    folder = make(tmp_path / 'disks', 6)
    with pytest.raises(MMSegAttnError, match=sentence) as error:
        run(folder, *arguments)
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'project').exists()


def test_the_process_ends_with_one_sentence(tmp_path):
    done = run_script('tools/new_dataset.py', tmp_path / 'nothing', cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f'error: {tmp_path}/nothing is not a folder: name the folder of the images and masks\n'
    )
    assert list(tmp_path.iterdir()) == []


def test_a_budget_in_minutes(run, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, 'STEPS', 1)
    _, project = run(make(tmp_path / 'disks', 6), '--minutes', '0.5')
    text = (project / 'config.py').read_text()
    step = float(re.search(r'0\.5 minutes on this machine: (\S+) s per', text)[1])
    cfg = Config.fromfile(project / 'config.py')
    assert cfg.train_cfg.max_iters * step < 30
    assert cfg.train_cfg.max_iters >= 1
    assert json.loads((project / 'conversion.json').read_text())['converter'] == 'new_dataset'
