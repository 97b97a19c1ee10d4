"""The functions of ``fakes.py``, in the folder of a test."""

from functools import partial

import pytest

from tests.apps.report import fakes


@pytest.fixture
def result(tmp_path):
    return partial(fakes.make_result, tmp_path)


@pytest.fixture
def bare(tmp_path):
    return partial(fakes.make_bare, tmp_path)


@pytest.fixture
def run(tmp_path):
    return lambda name: fakes.make_run(tmp_path / name)
