"""What is said of a run, and what is said to look wrong."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmseg_attn.apps.predict import IntensityMapping, Predictions, collect_warnings, summarize
from mmseg_attn.datasets import COVID19CTDataset, DrosophilaDataset

CT = IntensityMapping((-1500.0, 500.0), 0.25)


def made(*mappings: IntensityMapping | None, **counts: int) -> Predictions:
    done = {Path(f'{k}.png'): (str(k), mapping) for k, mapping in enumerate(mappings)}
    return Predictions(done=done, slices=len(done), **counts)


def results(*pixels: int) -> SimpleNamespace:
    return SimpleNamespace(pixels=np.array(pixels), classes=['dark', 'light'][: len(pixels)])


def model(dataset: type = DrosophilaDataset, color_type: str = 'grayscale') -> SimpleNamespace:
    return SimpleNamespace(dataset=dataset, color_type=color_type)


def said(report: Predictions, option: str | None = None) -> list[str]:
    return summarize(Path('out'), report, results(50, 50), option=option).splitlines()


def test_one_file():
    assert said(made(CT, made_gray=1, without_area=1))[:4] == [
        'out: masks, overlays and pixels.csv of 1 file',
        '1 file of more than 8 bits: -1500 to 500 became 0 to 255, as in training; at most '
        '25.00% of the pixels of a file lie outside',
        '1 color image converted to gray for the model',
        '1 file without a pixel size: no area',
    ]


def test_several_files():
    windows = [IntensityMapping((0.0, float(high)), 0.0) for high in range(1, 6)]
    report = made(*windows, made_gray=2, without_area=3)
    report.slices = 7
    assert said(report, '--percentiles')[:4] == [
        'out: masks, overlays and pixels.csv of 5 files with 7 slices',
        '5 files of more than 8 bits: 0 to 1, 0 to 2, 0 to 3 and 2 more windows became 0 to 255, '
        'as set with --percentiles; none of the pixels of a file lie outside',
        '2 color images converted to gray for the model',
        '3 files without a pixel size: no area',
    ]


def test_the_usual_raises_no_doubt():
    assert collect_warnings(made(None), results(99, 1), model(), option=None) == []
    assert collect_warnings(made(CT), results(50, 50), model(), option='--intensity') == []
    assert collect_warnings(made(None), results(100), model(), option=None) == []  # one class
    ct = model(COVID19CTDataset)
    assert collect_warnings(made(None, medical=1), results(50, 50), ct, option=None) == []
    any_values = model(color_type='unchanged')
    assert collect_warnings(made(None, medical=1), results(50, 50), any_values, option=None) == []


@pytest.mark.parametrize(
    ('report', 'predictor', 'option', 'doubt'),
    [
        (
            made(None, CT),
            model(),
            '--intensity',
            '--intensity changed nothing in 1 file: the values have 8 bits',
        ),
        (
            made(None, None),
            model(color_type='unchanged'),
            '--percentiles',
            '--percentiles changed nothing in 2 files: the model takes values as stored',
        ),
        (
            made(None, medical=1),
            model(),
            None,
            '1 NIfTI or DICOM file for a model that was trained on other images '
            '(DrosophilaDataset): check overlays/ before you use masks/',
        ),
    ],
    ids=['8 bits', 'any values', 'other kind'],
)
def test_doubts(report, predictor, option, doubt):
    assert collect_warnings(report, results(50, 50), predictor, option=option) == [doubt]


def test_notes_about_files():
    report = made(None, None)
    report.notes['no unit'] = [Path('a.nii'), Path('b.nii')]
    report.notes['no spacing'] = [Path('a.nii')]
    report.notes['no origin'] = [Path('a.nii'), Path('b.nii'), Path('c.nii')]
    assert collect_warnings(report, results(50, 50), model(), option=None) == [
        'a.nii and 2 other files: no origin',
        'a.nii: no spacing',
        'a.nii and 1 other file: no unit',
    ]


def test_a_window_without_effect():
    predictor = model()
    predictor.shrunk = 2
    (doubt,) = collect_warnings(made(None), results(50, 50), predictor, option=None)
    assert doubt.startswith(
        '--window had no effect on 2 images: the pipeline of the config resizes'
    )


def test_values_unlike_those_of_the_training():
    predictor = model()
    predictor.far = 1
    (doubt,) = collect_warnings(made(None), results(50, 50), predictor, option=None)
    assert doubt.startswith(
        '1 image with values far from mean and std of data_preprocessor, so the'
    )


def test_one_class_nearly_everywhere():
    (doubt,) = collect_warnings(made(None), results(3, 997), model(), option=None)
    assert doubt.startswith('99.7% of all pixels are light: if you do not expect that, check')
