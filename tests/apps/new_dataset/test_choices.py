"""The rules by which a config is chosen, in plain arithmetic."""

import re
from dataclasses import replace

import pytest

from mmseg_attn.apps.new_dataset import choices
from mmseg_attn.apps.new_dataset.choices import Machine
from tests.apps.new_dataset.measured import measured
from tests.tables import md_tables

GIB = 2**30
CPU, SMALL, LARGE = (
    Machine('cpu', 8 * GIB, 2),
    Machine('cuda', 8 * GIB, 8),
    Machine('cuda', 80 * GIB, 8),
)
DARK, BODY, EVEN = ((0,), (1,), (2,), (9,), (250,)), ((0,), (0,), (90,), (91,)), ((90,), (150,))


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        (dict(samples=((-1000,), (40,)), medical=True), 'ct'),
        (dict(samples=((0,), (900,)), medical=True), 'mri'),
        (dict(samples=((1, 2, 3), (200, 9, 7))), 'rgb'),
        (dict(samples=((9, 9, 9), (200, 200, 200))), 'em'),
        (dict(samples=((1, 2), (200, 9))), 'fluorescence'),
        (dict(samples=((1, 0, 3), (2, 9, 7), (3, 0, 1), (60000, 9, 1)), bits=16), 'fluorescence'),
        (dict(samples=DARK, bits=16), 'fluorescence'),
        (dict(samples=((900,), (5000,), (9000,)), bits=16), 'em'),
        (dict(samples=DARK), 'mri'),
        (dict(samples=DARK[1:] * 4 + DARK[:1]), 'fluorescence'),
        (dict(samples=BODY), 'mri'),
        (dict(samples=((90,), (120,), (150,), (151,), (152,), (160,))), 'em'),
    ],
)
def test_modality(changes, expected):
    assert choices.guess_modality([measured(**changes)])[0] == expected


@pytest.mark.parametrize(
    ('sizes', 'machine', 'crop'),
    [
        ([(1024, 1024)], CPU, (128, 128)),
        ([(1024, 1024)], SMALL, (256, 256)),
        ([(1024, 1024)], LARGE, (512, 512)),
        ([(100, 70)], CPU, (96, 64)),
        ([(100, 300), (100, 90), (120, 95)], LARGE, (96, 80)),
        ([(9, 9)], CPU, (16, 16)),
    ],
)
def test_crops(sizes, machine, crop):
    assert choices.crop_size(sizes, machine) == crop


@pytest.mark.parametrize(
    ('crop', 'machine', 'channels'),
    [
        ((128, 128), CPU, [16, 32, 64, 128, 256]),
        ((512, 512), LARGE, [32, 64, 128, 256, 512]),
        ((64, 128), CPU, [16, 32, 64, 128]),
        ((16, 16), CPU, [16, 32]),
    ],
)
def test_stages(crop, machine, channels):
    """The coarsest map has at least eight pixels: 64 / 2 ** 3 = 8."""
    assert choices.stage_channels(crop, machine) == channels


def test_scans_are_reduced_to_a_multiple_of_the_longer_side_of_the_crop():
    assert choices.reduced_size([(900, 300)], (128, 256), 'ct') == (512, 512)
    assert choices.reduced_size([(512, 512)], (128, 256), 'ct') is None
    assert choices.reduced_size([(900, 300)], (128, 256), 'em') is None


def test_batches():
    """An image of 128x128 at width 16 takes 4 * 60 * 16 * 16384 bytes, 60 MiB."""
    need = 4 * 60 * 16 * 128 * 128
    assert choices.batch_size((128, 128), 16, CPU) == 4
    assert choices.batch_size((128, 128), 16, Machine('cpu', 2 * 2 * need, 2)) == 2
    assert choices.batch_size((128, 128), 16, Machine('cpu', 1, 2)) == 2
    assert choices.batch_size((128, 128), 16, Machine('cuda', 2 * 16 * need, 2)) == 16
    assert choices.batch_size((128, 128), 16, Machine('cuda', 2 * 16 * need - 1, 2)) == 8


def test_the_page_explains_every_rule(root):
    page = (root / 'docs/new_dataset.md').read_text()
    (rows,) = [table for table in md_tables(page) if 'choice' in table[0]]
    explained = {row['choice']: (row['reason'], row['source']) for row in rows}
    assert explained == choices.RULES


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('at most 128 on a CPU, 256 on a GPU', (choices.CROPS['cpu'], choices.CROPS['small'])),
        ('less than 12 GiB, otherwise 512', (choices.SMALL_GPU / GIB, choices.CROPS['large'])),
        ('less than 10 %', (100 * choices.RARE,)),
        ('fewer than 10 times', (choices.FEW_PASSES,)),
        ('of more than twice the crop', ()),
        ('250 passes', (choices.PASSES,)),
        ('600 to 4,000', choices.ITERATIONS['cpu']),
        ('4,000 to 40,000', choices.ITERATIONS['gpu']),
        ('up to 1024 pixels', (choices.WHOLE,)),
        ('-500 or less', (choices.HOUNSFIELD_AIR,)),
        ('until 8 pixels', (choices.COARSEST,)),
    ],
)
def test_the_page_has_the_numbers(text, value, root):
    assert text in ' '.join((root / 'docs/new_dataset.md').read_text().split())
    assert [float(n) for n in re.findall(r'-?\d+', text.replace(',', ''))] == [*value]


def test_rare_classes():
    assert choices.rare_classes({0: 0.9, 1: 0.1, 2: 0.099, 3: 0.0}) == [2]


def test_iterations():
    """250 passes over 12 images of 1024x1024, 64 crops each, in batches of 4: 48000."""
    sizes = [(1024, 1024)] * 12
    assert choices.number_of_crops(sizes, (128, 128), None) == 12 * 64
    assert choices.number_of_crops(sizes, (128, 128), (256, 256)) == 12 * 4
    assert choices.number_of_crops([(64, 64)], (128, 128), None) == 1
    assert choices.iterations(12 * 64, 4, CPU) == 4000
    assert choices.iterations(48 * 4, 4, LARGE) == 250 * 48 * 4 / 4
    assert choices.iterations(16, 4, CPU) == 1000
    assert choices.iterations(3, 4, CPU) == 600


def test_few_passes_change_no_image():
    """119 iterations of 4 crops see 12 images of 4 crops 9.9 times."""
    ones = [measured(str(i), size=(256, 256)) for i in range(12)]
    chosen = choices.choose(ones, ones, {0: 0.5, 1: 0.5}, CPU, modality='rgb')
    few, many = (replace(chosen, iterations=number) for number in (119, 120))
    assert (few.passes, many.passes) == pytest.approx((119 * 4 / 48, 10))
    assert choices.augmentations(few, ones)[0].startswith('# none in 9.9 passes')
    assert choices.resizings(few, ones) == []
    assert 'RandomFlip' in choices.augmentations(many, ones)[0]
    assert 'RandomResize' in ' '.join(choices.resizings(many, ones))


@pytest.mark.parametrize(
    ('seconds', 'step', 'validation', 'expected'),
    [
        (110, 0.1, 0.5, (950, 10)),  # 100 s: ten validations take 5 s
        (110, 0.1, 4.0, (800, 5)),  # a fifth is 20 s: five validations
        (110, 0.1, 50.0, (500, 1)),
        (5, 0.1, 1.0, (1, 1)),
    ],
)
def test_iterations_in_a_time(seconds, step, validation, expected):
    assert choices.iterations_in(seconds, step=step, validation=validation, start=10) == expected


def test_augmentations_fit_the_type():
    """Brightness is for 8 bits, the colors of photographs for three channels."""
    for modality in choices.MODALITIES:
        for changes in (dict(), dict(dtype='uint16', bits=16)):
            one = measured(**changes)
            chosen = choices.choose([one], [one], {0: 0.5, 1: 0.5}, CPU, modality=modality)
            text = ' '.join(choices.augmentations(chosen, [one]))
            assert 'RandomFlip' in text
            assert 'PhotoMetric' not in text
            assert ('RandomBrightness' in text) == (
                not changes and modality in ('em', 'mri', 'fluorescence')
            )
            assert ('RightAngle' in text) == (modality in ('em', 'fluorescence'))
