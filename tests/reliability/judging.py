"""Predict unusual files, and judge the masks by what an independent reader reads."""

import os
import shutil
from contextlib import redirect_stderr
from pathlib import Path

import imageio.v3 as imageio
import nibabel
import numpy as np
import tifffile
import torch
from mmengine.config import Config
from mmseg.apis import init_model

from mmseg_attn.apps.check.inspector import decode
from mmseg_attn.apps.predict import Intensities, Item, Predictor, Results, predict_files
from mmseg_attn.errors import DataError
from mmseg_attn.io import read_slices
from tests.reliability.unusual import WINDOW, Unusual, in_bgr, in_gray, in_window

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
LOADERS = dict(
    gray=dict(color_type='grayscale'),
    color=dict(),
    stored=dict(color_type='unchanged'),
)
AGREEMENT = 0.97  # of the pixels, where decoders and conversions to gray round differently


class Judge:
    """Three models, for gray and for color images of 8 bits and for gray values of any kind.

    Args:
        folder: For what is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.predictors = {name: _predictor(name, folder) for name in LOADERS}

    def __call__(self, file: Unusual, model: str, *, windowed: bool) -> tuple[str, str]:
        """Predict one file.

        Args:
            file: The file.
            model: A key of LOADERS.
            windowed: Whether the user says which values become 0 and 255.

        Returns:
            'right', 'refused' or 'defect', and why.
        """
        for text in _refusals_elsewhere(file.path):
            if 'damaged' in text:
                return 'defect', f'another reader says: {text}'
        predictor = self.predictors[model]
        out = self.folder / 'out'
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        results = Results(out, classes=predictor.classes, palette=predictor.palette)
        keep = predictor.color_type == 'unchanged'
        rule = Intensities([file.path], window=WINDOW if windowed else None, keep=keep)
        with open(os.devnull, 'w') as null, redirect_stderr(null):
            report = predict_files(predictor, [Item(file.path, 'x')], results, intensities=rule)
        if report.failed:
            (text,) = report.failed.values()
            return ('defect' if 'damaged' in text else 'refused'), text
        if file.slices is None:
            return 'defect', 'taken, but readers do not agree on it'
        slices = [file.turned] if keep and file.turned is not None else file.slices
        expected = [
            self._expected(predictor, image, model, keep, gamma=file.gamma) for image in slices
        ]
        exact = file.exact and not (model == 'gray' and file.slices[0].ndim == 3)
        return _compared(_masks(out), expected, exact=exact)

    @staticmethod
    def _expected(
        predictor: Predictor, image: np.ndarray, model: str, keep: bool, *, gamma: float
    ) -> np.ndarray | None:
        """The mask of an independently read image, if the model is for such."""
        if image.dtype != np.uint8:  # which our own reader reads
            gamma = 1.0
        if not keep:
            image = in_window(image)
        if image.ndim == 3 and image.shape[2] != 3:
            return None
        if model == 'gray':
            image = in_gray(image, gamma=gamma)
        elif model == 'color':
            image = in_bgr(image)
        if model == 'stored' and image.ndim == 3:
            return None
        ((_, labels),) = predictor([('x', image)])
        return labels


def _predictor(name: str, folder: Path) -> Predictor:
    cfg = Config.fromfile(ROOT / CONFIG)
    channels = 3 if name == 'color' else 1
    small = dict(
        data_preprocessor=dict(mean=[100.0] * channels, std=[60.0] * channels),
        backbone=dict(in_channels=channels, channels=[4, 8]),
        decode_head=dict(in_channels=[4, 8]),
    )
    cfg.merge_from_dict(dict(model=small))
    pipeline = cfg.test_dataloader.dataset.pipeline
    pipeline[0] = dict(type='LoadImageFromFile', to_float32=name == 'stored', **LOADERS[name])
    torch.manual_seed(0)
    model = init_model(cfg, device='cpu')
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)  # so that every class occurs
    weights = folder / f'{name}.pth'
    torch.save(dict(state_dict=model.state_dict()), weights)
    return Predictor(cfg, weights)


def _masks(out: Path) -> list[np.ndarray]:
    (path,) = [path for path in (out / 'masks').iterdir() if path.is_file()]
    if '.nii' in path.name:
        volume = np.asarray(nibabel.load(path).dataobj)
        return list(volume.reshape(*volume.shape[:2], -1).T)
    if path.suffix == '.tif':
        with tifffile.TiffFile(path) as file:
            return [page.asarray() for page in file.pages]
    return [imageio.imread(path)]


def _compared(
    found: list[np.ndarray], expected: list[np.ndarray | None], *, exact: bool
) -> tuple[str, str]:
    if len(found) != len(expected):
        return 'defect', f'{len(found)} masks, but {len(expected)} images'
    for mask, labels in zip(found, expected, strict=True):
        if labels is None:
            return 'defect', 'taken by a model that is for other images'
        if mask.shape != labels.shape:
            return 'defect', f'a mask of {mask.shape} for an image of {labels.shape}'
        same = (mask == labels).mean()
        if same < (1 if exact else AGREEMENT):
            return 'defect', f'{same:.1%} of the pixels have the label of what was read'
    return 'right', ''


def _refusals_elsewhere(path: Path) -> list[str]:
    """What the readers of converters and of the check of datasets say."""
    texts = []
    for read in (
        lambda: read_slices(path),
        lambda: read_slices(path, mask=True),
        lambda: decode(path.read_bytes(), name=str(path)),
    ):
        try:
            read()
        except DataError as error:
            texts.append(str(error))
    return texts
