"""Fixtures that several test files share."""

import gc
import os
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

import mmseg_attn  # noqa: F401  registers everything once
from tests.data import cityscapes, covid19, drosophila, floodnet, knee_mri, voc


@pytest.fixture
def root() -> Path:
    """The project's folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope='session')
def pseudo_data(tmp_path_factory) -> dict[str, str]:
    """Environment that points the configs to small pseudo data sets."""
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker('gpu') and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason='needs a CUDA device'))


def pytest_collection_finish() -> None:
    gc.freeze()  # MMEngine collects garbage with every data set: not among all that is imported
