"""What corrupted files are fed to: the converters, the datasets and the checkpoint loader."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.engine.resume import resumable
from mmseg_attn.engine.weights import load_weights
from mmseg_attn.errors import CheckpointError, DataError
from tests.data import cityscapes, covid19, dicom, drosophila, floodnet, knee_mri, voc
from tools import new_dataset
from tools.dataset_converters import covid19 as convert_covid19
from tools.dataset_converters import drosophila as convert_drosophila
from tools.dataset_converters import knee_mri as convert_knee_mri
from tools.dataset_converters import voc_split

ROOT = Path(__file__).resolve().parent.parent.parent


class Target(NamedTuple):
    """What is fed.

    Attributes:
        name: Its name.
        source: A sound file or folder.
        run: Feeds it a copy of the source, and a folder to write to.
        errors: How it may refuse.
        corrupted: Which files of the source are corrupted; all if there are none.
    """

    name: str
    source: Path
    run: Callable[[Path, Path], Any]
    errors: tuple[type[Exception], ...]
    corrupted: tuple[Path, ...] = ()


def converter(name: str, source: Path, module: ModuleType, *options: str) -> Target:
    def run(copy: Path, out: Path) -> None:
        module.main([str(copy), '--out', str(out / 'new'), *options])

    return Target(f'converter {name}', source, run, (DataError, OSError))


def project(name: str, source: Path) -> Target:
    def run(copy: Path, out: Path) -> None:
        tempfile.tempdir = str(out)  # MMEngine writes a copy of each config that it reads
        try:
            new_dataset.main([str(copy), '--out', str(out / 'new'), '--yes'])
        finally:
            tempfile.tempdir = None

    return Target(f'new_dataset, {name}', source, run, (DataError, OSError))


def dataset(name: str, source: Path, config: str, variable: str) -> Target:
    os.environ[variable] = str(source)
    cfg = Config.fromfile(ROOT / f'configs/_base_/datasets/{config}.py')

    def build(folder: Path) -> Any:
        return DATASETS.build(cfg.val_dataloader.dataset | dict(data_root=str(folder)))

    def run(copy: Path, out: Path) -> None:
        built = build(copy)
        for i in range(len(built)):
            try:
                built[i]
            except AssertionError as error:
                if not str(error).startswith(f'failed to load image: {copy}'):
                    raise
                raise DataError(str(error)) from error  # mmcv's sentence, which names the file

    sound = build(source)
    infos = [sound.get_data_info(i) for i in range(len(sound))]
    read = [info[key] for info in infos for key in ('img_path', 'seg_map_path')]
    read += [sound.ann_file] * bool(sound.ann_file)
    corrupted = tuple(Path(file).relative_to(source) for file in read)
    return Target(f'dataset {name}', source, run, (DataError, FileNotFoundError), corrupted)


def checkpoint(name: str, source: Path) -> Target:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))

    def run(copy: Path, out: Path) -> None:
        content = load_file(copy)
        load_weights(model, resumable(content, copy), name=str(copy), logger='silent')

    return Target(f'checkpoint {name}', source, run, (CheckpointError,))


def make_checkpoints(folder: Path) -> dict[str, Path]:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 1, 2, 2)).sum().backward()
    optimizer.step()
    content = dict(
        state_dict=model.state_dict(),
        optimizer=optimizer.state_dict(),
        meta=dict(epoch=1, iter=3, dataset_meta=dict(classes=('a', 'b'), weight=np.ones(2))),
        message_hub=dict(log_scalars={'train/loss': HistoryBuffer([1.0, 2.0], [1, 1])}),
    )
    files = {kind: folder / f'{kind}.pth' for kind in ('zip', 'legacy')}
    for kind, file in files.items():
        torch.save(content, file, _use_new_zipfile_serialization=kind == 'zip')
    return files


def make_dicom(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(10):
        for kind in ('images', 'masks'):
            (folder / 'dicom' / kind).mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 2 if kind == 'masks' else 900, (16, 16)).astype(np.uint16)
            dicom.write(folder / 'dicom' / kind / f'{i}.dcm', pixels)
    return folder / 'dicom'


def make_targets(folder: Path) -> list[Target]:
    """Sound sources of all kinds, and what they are fed to."""
    sets = {
        module.__name__.rpartition('.')[2]: module.make(folder)
        for module in (cityscapes, covid19, drosophila, floodnet, knee_mri, voc)
    }
    stack = folder / 'stack'
    for mask in (folder / 'knee_source' / 'masks').iterdir():  # small, so that a run is short
        image = folder / 'knee_source' / 'images' / mask.name
        for path in (mask, image):
            Image.open(path).crop((0, 0, 24, 24)).save(path)
    archives = [Path(shutil.make_archive(str(stack), kind, stack)) for kind in ('zip', 'gztar')]
    crops = ('--crop-size', '64')
    targets = [
        converter('drosophila, folder', stack, convert_drosophila, *crops),
        *(converter(f'drosophila, {p.name}', p, convert_drosophila, *crops) for p in archives),
        converter('covid19, NIfTI', folder / 'covid19_source', convert_covid19),
        converter('knee_mri, PNG', folder / 'knee_source', convert_knee_mri),
        converter('knee_mri, DICOM', make_dicom(folder), convert_knee_mri),
        project('PNG', folder / 'knee_source'),
        project('DICOM', folder / 'dicom'),
        converter('voc_split', sets['voc'], voc_split),
    ]
    targets += [
        dataset('Drosophila', sets['drosophila'], 'drosophila', 'DROSOPHILA_ROOT'),
        dataset('COVID-19', sets['covid19'], 'covid19', 'COVID19_ROOT'),
        dataset('knee MRI', sets['knee_mri'], 'knee_mri', 'KNEE_MRI_ROOT'),
        dataset('FloodNet', sets['floodnet'], 'floodnet', 'FLOODNET_ROOT'),
        dataset('Cityscapes', sets['cityscapes'], 'cityscapes', 'CITYSCAPES_ROOT'),
        dataset('VOC', sets['voc'], 'voc2012', 'VOC_ROOT'),
    ]
    return targets + [checkpoint(*each) for each in make_checkpoints(folder).items()]
