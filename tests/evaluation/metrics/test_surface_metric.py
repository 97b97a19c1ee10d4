"""Distances of surfaces: in plain arithmetic, against MONAI's metrics, and the conventions."""

import math
import random
import sys
from itertools import product

import numpy as np
import pytest
import torch

from mmseg_attn.datasets import DrosophilaDataset
from mmseg_attn.errors import UsageError
from tests.evaluation.metrics.samples import build, evaluate, sample
from tests.libraries import needs_monai

SQUARE = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
EMPTY = [[0] * 4] * 4


def measure(*samples: dict, meta: dict | None = None, **options) -> dict[str, float]:
    config = dict(type='SurfaceMetric', background='ground', **options)
    return evaluate(build(config, ('ground', 'cell'), **meta or {}), *samples)


def only(row: int, column: int) -> list[list[int]]:
    """A map of 6x9 with one pixel of class 1."""
    return [[int((y, x) == (row, column)) for x in range(9)] for y in range(6)]


def surface(mask: list[list[int]]) -> list[tuple[int, int]]:
    """The pixels of a mask that have one of four neighbors, or the border, outside of it."""
    height, width = len(mask), len(mask[0])

    def inside(y: int, x: int) -> bool:
        return 0 <= y < height and 0 <= x < width and mask[y][x] == 1

    return [
        (y, x)
        for y, x in product(range(height), range(width))
        if inside(y, x)
        and not all(inside(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)))
    ]


def distances(first: list, second: list, spacing: tuple[float, float]) -> list[float]:
    return [
        min(math.hypot(spacing[0] * (y - v), spacing[1] * (x - u)) for v, u in surface(second))
        for y, x in surface(first)
    ]


def percentile_95(values: list[float]) -> float:
    """Linear between the two values around the position."""
    values = sorted(values)
    position = 0.95 * (len(values) - 1)
    low = int(position)
    high = min(low + 1, len(values) - 1)
    return values[low] + (position - low) * (values[high] - values[low])


def random_mask(generator: random.Random, fraction: float) -> list[list[int]]:
    mask = [[int(generator.random() < fraction) for _ in range(13)] for _ in range(11)]
    mask[generator.randrange(11)][generator.randrange(13)] = 1
    return mask


@needs_monai
def test_two_pixels():
    far = sample(only(0, 0), only(3, 4))
    assert measure(far, tolerance=5) == pytest.approx(
        {
            'mHD95_px': 5, 'mASSD_px': 5, 'mNSD_px': 100,
            'HD95_px.cell': 5, 'ASSD_px.cell': 5, 'NSD_px.cell': 100,
        }
    )  # fmt: skip
    assert measure(far, tolerance=4.9)['NSD_px.cell'] == 0
    assert 'NSD_px.cell' not in measure(far)


@needs_monai
def test_the_mean_over_images_and_classes():
    # cell: at distances of 5 and 1; gap: in the second image only, at a distance of 1
    second = sample([[1, 0, 0, 2]], [[0, 1, 2, 0]])
    metric = build(dict(type='SurfaceMetric', background='ground'), ('ground', 'cell', 'gap'))
    values = evaluate(metric, sample(only(0, 0), only(3, 4), img_path='a.png'), second)
    assert values['HD95_px.cell'] == values['ASSD_px.cell'] == pytest.approx(3)
    assert values['HD95_px.gap'] == pytest.approx(1)
    assert values['mHD95_px'] == pytest.approx(2)
    assert metric.per_image == [
        {'img_path': 'a.png', 'HD95_px.cell': 5, 'ASSD_px.cell': 5},
        {
            'img_path': 'image.png', 'HD95_px.cell': 1, 'ASSD_px.cell': 1,
            'HD95_px.gap': 1, 'ASSD_px.gap': 1,
        },
    ]  # fmt: skip


@needs_monai
@pytest.mark.parametrize('spacing', [np.float32(0.5), np.array(0.5), torch.tensor([0.5, 0.5])])
def test_the_spacing_may_be_of_numpy_and_torch(spacing):
    pair = sample(only(0, 0), only(3, 4))
    assert measure(pair, spacing=spacing, tolerance=1) == measure(pair, spacing=0.5, tolerance=1)


@pytest.mark.parametrize('spacing', [(1.0, 1.0), (0.5, 3.0)])
def test_plain_arithmetic_on_any_shapes(spacing):
    generator = random.Random(0)
    for fraction in (0.05, 0.3, 0.6, 0.9, 1):
        first, second = (random_mask(generator, fraction) for _ in range(2))
        values = measure(sample(first, second), spacing=spacing, tolerance=1.2)
        there, back = distances(first, second, spacing), distances(second, first, spacing)
        both = there + back
        assert values['HD95_mm.cell'] == pytest.approx(max(map(percentile_95, (there, back))))
        assert values['ASSD_mm.cell'] == pytest.approx(sum(both) / len(both))
        near = sum(distance <= 1.2 for distance in both)
        assert values['NSD_mm.cell'] == pytest.approx(100 * near / len(both))


@needs_monai
def test_as_monais_metrics():
    from monai.metrics import (
        compute_average_surface_distance,
        compute_hausdorff_distance,
        compute_surface_dice,
    )

    generator, spacing = random.Random(1), [2.0, 0.7]
    for fraction in (0.1, 0.5, 0.8):
        first, second = (random_mask(generator, fraction) for _ in range(2))
        pair = [torch.tensor(mask)[None, None].float() for mask in (first, second)]
        options = dict(include_background=True, spacing=spacing)
        values = measure(sample(first, second), spacing=spacing, tolerance=2.1)
        hd95 = compute_hausdorff_distance(*pair, percentile=95, **options).item()
        assd = compute_average_surface_distance(*pair, symmetric=True, **options).item()
        nsd = compute_surface_dice(*pair, [2.1], **options).item()
        assert values['HD95_mm.cell'] == pytest.approx(hd95, rel=1e-5)
        assert values['ASSD_mm.cell'] == pytest.approx(assd, rel=1e-5)
        assert values['NSD_mm.cell'] == pytest.approx(100 * nsd, rel=1e-5)


@needs_monai
def test_a_distance_equal_to_the_tolerance_counts_whatever_the_rounding():
    # 3 * 4.6 is 13.799999999999999 or 13.8, and 13.800000190734863 in float32
    for pixels in range(1, 9):
        pair = sample(only(0, 0), only(0, pixels))
        tolerance = round(pixels * 4.6, 1)
        assert measure(pair, spacing=4.6, tolerance=tolerance)['NSD_mm.cell'] == 100
        assert measure(pair, spacing=4.6, tolerance=tolerance - 0.01)['NSD_mm.cell'] == 0


@needs_monai
def test_a_tolerance_of_0_accepts_equal_surfaces_alone():
    assert measure(sample(SQUARE, SQUARE), tolerance=0)['NSD_px.cell'] == 100
    assert measure(sample(only(0, 0), only(0, 1)), tolerance=0)['NSD_px.cell'] == 0


@needs_monai
def test_a_class_that_one_of_the_two_lacks():
    diagonal = math.hypot(4 * 2, 4 * 0.5)
    for pair in ((EMPTY, SQUARE), (SQUARE, EMPTY)):
        values = measure(sample(*pair), spacing=(2, 0.5), tolerance=9)
        assert values['HD95_mm.cell'] == values['ASSD_mm.cell'] == pytest.approx(diagonal)
        assert values['NSD_mm.cell'] == 0


@needs_monai
def test_an_image_without_the_class_does_not_count():
    assert measure(sample(EMPTY, EMPTY)) == {}
    one, two = sample(only(0, 0), only(3, 4)), sample(EMPTY, EMPTY)
    assert measure(one, two) == measure(one)


@needs_monai
def test_ignored_pixels_are_outside_of_the_image():
    # what is predicted there, and what is labeled beside it, does not matter
    label = [[0, 1, 1, 255, 255], [0, 1, 1, 255, 255]]
    values = measure(sample([[0, 1, 1, 1, 1], [0, 1, 1, 0, 1]], label))
    assert values['HD95_px.cell'] == values['ASSD_px.cell'] == 0
    cut = measure(sample([[0, 0, 1], [0, 1, 1]], [row[:3] for row in label]))
    assert measure(sample([[0, 0, 1, 1, 1], [0, 1, 1, 0, 1]], label)) == cut
    assert cut['HD95_px.cell'] > 0


@needs_monai
def test_nothing_labeled_is_refused():
    with pytest.raises(ValueError, match='SurfaceMetric found no labeled pixel in 1 image'):
        measure(sample(SQUARE, [[255] * 4] * 4))


@needs_monai
def test_the_spacing_is_that_of_the_argument_or_the_image_or_the_dataset():
    pair = only(0, 0), only(3, 4)
    dataset = dict(spacing=(4.6, 4.6), spacing_unit='nm')
    image = dict(spacing=(1.0, 2.0), spacing_unit='um')
    assert measure(sample(*pair), meta=dataset)['HD95_nm.cell'] == pytest.approx(23)
    known = sample(*pair, **image)
    assert measure(known, meta=dataset)['HD95_um.cell'] == pytest.approx(math.hypot(3, 8))
    values = measure(known, meta=dataset, spacing=2, unit='m')
    assert set(values) == {'mHD95_m', 'mASSD_m', 'HD95_m.cell', 'ASSD_m.cell'}
    assert values['HD95_m.cell'] == pytest.approx(10)
    mixed = measure(known, sample(*pair))  # units are not averaged
    assert mixed['HD95_um.cell'] == pytest.approx(math.hypot(3, 8))
    assert mixed['HD95_px.cell'] == 5


@needs_monai
def test_the_drosophila_stack_has_4_6_nanometers_per_pixel():
    metric = build(dict(type='SurfaceMetric'), **DrosophilaDataset.METAINFO)
    values = evaluate(metric, sample([[2, 4, 4]], [[4, 2, 4]]))
    assert values['HD95_nm.synapse'] == pytest.approx(4.6)


@needs_monai
def test_wrong_arguments():
    for spacing in (0, (1, -1), (1, 2, 3), float('nan')):
        with pytest.raises(ValueError, match='spacing must be one or two positive numbers'):
            measure(spacing=spacing)
    with pytest.raises(ValueError, match='tolerance must be a number from 0 on, got -1'):
        measure(tolerance=-1)
    with pytest.raises(ValueError, match="background='ground' is not one of the classes"):
        evaluate(
            build(dict(type='SurfaceMetric', background='ground'), ('a', 'b')),
            sample(SQUARE, SQUARE),
        )


@needs_monai
def test_a_prediction_of_another_size_is_refused():
    message = r'image.png has the shape \(1, 2\), but its labels have the shape \(4, 4\): load'
    with pytest.raises(ValueError, match=message):
        measure(sample([[0, 1]], SQUARE))


def test_without_monai_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, 'monai.metrics', None)
    version = torch.__version__.partition('+')[0]
    command = rf'run pip install monai "torch=={version}" "numpy==[\d.]+"$'
    with pytest.raises(UsageError, match=rf'SurfaceMetric needs monai .*: {command}'):
        measure()
