"""Fixtures that several test files share."""

import gc
import importlib.util
import os
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

import mmseg_attn  # registers everything once
from tests.data import cityscapes, covid19, drosophila, floodnet, knee_mri, voc
from tests.processes import save_time


@pytest.fixture
def root() -> Path:
    """The project's folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope='session')
def pseudo_data(tmp_path_factory) -> dict[str, str]:
    """Environment that points the configs to small pseudo datasets."""
    folder = tmp_path_factory.mktemp('data')
    makers = dict(
        CITYSCAPES_ROOT=cityscapes,
        COVID19_ROOT=covid19,
        DROSOPHILA_ROOT=drosophila,
        FLOODNET_ROOT=floodnet,
        KNEE_MRI_ROOT=knee_mri,
        VOC_ROOT=voc,
    )
    return {name: str(maker.make(folder)) for name, maker in makers.items()}


@pytest.fixture
def safe_loading(monkeypatch) -> None:
    """Switch safe loading on, for one test."""
    for owner, name in (
        ('mmengine.runner.checkpoint', 'torch'),
        ('mmengine.runner.checkpoint', 'load_url'),
        ('mmengine.runner.checkpoint', '_safe_torch_load'),  # the onedl fork's
        ('mmseg.apis.inference', 'load_checkpoint'),
        ('mmseg.apis.remote_sense_inferencer', 'load_checkpoint'),
        ('mmseg.apis.mmseg_inferencer', '_load_checkpoint_to_model'),
        ('mmengine.infer.infer', 'BaseInferencer._init_model'),
    ):
        if importlib.util.find_spec(owner) is None:  # MMSegmentation 1.1.0
            continue
        kept = importlib.import_module(owner)
        *outer, name = name.split('.')
        for each in outer:
            kept = getattr(kept, each)
        if hasattr(kept, name):
            monkeypatch.setattr(kept, name, getattr(kept, name))
    mmseg_attn.enable_safe_loading()


@pytest.fixture
def real_data() -> Path:
    """The folder with real data, where there is one."""
    folder = os.environ.get('MMSEG_ATTN_TEST_DATA')
    if not folder or not Path(folder).is_dir():
        pytest.skip('needs the real data: set MMSEG_ATTN_TEST_DATA to its folder')
    return Path(folder)


@pytest.fixture(autouse=True)
def _defaults() -> None:
    torch.manual_seed(0)
    init_default_scope('mmseg')


@pytest.fixture(autouse=True, scope='module')
def _short_collections() -> None:
    """MMEngine collects garbage with every dataset: not among all that the tests before left."""
    gc.collect()
    gc.freeze()


def pytest_configure() -> None:
    save_time()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker('gpu') and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason='needs a CUDA device'))
