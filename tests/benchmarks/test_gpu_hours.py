"""The estimates of hours and memory against sums by hand, and the page of the docs."""

import pytest
import torch
from mmengine.config import Config
from mmengine.utils import digit_version

from mmseg_attn.apps.reproduce import plan_row
from mmseg_attn.errors import DataError
from mmseg_attn.evaluation import complexity
from tests.docs.pages import ROOT

CONFIGS = ROOT / 'configs'

pytestmark = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.1'),
    reason='needs PyTorch 2.1: meta tensors have no cross entropy before',
)


@pytest.fixture
def hours(script):
    return script('gpu_hours')


@pytest.fixture
def unet() -> Config:
    """A small U-Net with the schedule and the data of the LFA-UNet paper."""
    cfg = Config.fromfile(CONFIGS / 'unet/unet_1xb8-1500e_drosophila-256x256.py')
    cfg.model.backbone.channels = cfg.model.decode_head.in_channels = [4, 8]
    return cfg


def test_training_and_validations_are_added_up(hours, unet):
    forward = complexity(unet.model, (1, 256, 256)).flops
    # 192 crops, validated on 64 crops every 10 of 1500 epochs
    assert hours.flops_of(unet) == forward * (3 * 192 * 1500 + 64 * 150)


def test_epochs_on_smaller_images_cost_less(hours):
    cfg = Config.fromfile(CONFIGS / 'unet/unet_1xb8-300e_floodnet-512x512.py')
    assert [*hours.segments(cfg)] == [(100, (256, 256)), (200, (512, 512))]
    forward = complexity(cfg.model, (3, 512, 512)).flops
    small = complexity(cfg.model, (3, 256, 256)).flops
    training = 3 * 1445 * (100 * small + 200 * forward)
    assert hours.flops_of(cfg) == training + 300 * 450 * forward
    short = Config.fromfile(CONFIGS / 'da_unet/da-unet_1xb8-100e_floodnet-256x256.py')
    assert [*hours.segments(short)] == [(100, (256, 256))]


def test_hours_are_flops_by_speed(hours, unet):
    table = hours.papers_tables()['drosophila']
    plan = plan_row(table.rows[0], table, CONFIGS)
    plan.configs[0] = unet
    line = hours.estimate(table, plan, [10, 40])
    assert line['hours at 10 TFLOP/s'] == pytest.approx(hours.flops_of(unet) / 10e12 / 3600)
    assert line['hours at 40 TFLOP/s'] == pytest.approx(line['hours at 10 TFLOP/s'] / 4)
    assert line['folds'] == 5
    assert 0 < line['GiB, bfloat16'] < line['GiB, float32']


def test_a_dataset_of_unknown_size_is_refused(hours, unet):
    unet.train_dataloader.dataset.type = 'MyDataset'
    with pytest.raises(DataError, match='the number of images of MyDataset is unknown'):
        hours.flops_of(unet)


def test_the_page_shows_every_row_and_todays_figures(hours):
    page = (ROOT / 'docs/reproduce.md').read_text().partition('<!-- begin of the tables -->')[2]
    lines = [line for line in page.splitlines() if line.startswith('| ')][1:]
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines if '---' not in line]
    expected = [(t.name, row.name) for t in hours.papers_tables().values() for row in t.rows]
    assert [(row[0], row[1]) for row in rows] == expected, 'run benchmarks.gpu_hours --page'
    table = hours.papers_tables()['drosophila']
    shown = next(row for row in rows if row[:2] == ['drosophila', 'U-Net'])
    flops = hours.flops_of(plan_row(table.rows[0], table, CONFIGS).configs[0])
    assert float(shown[3]) == round(flops / 1e15)
