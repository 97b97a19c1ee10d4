"""The tables of the package, against the READMEs, the configs and themselves."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_attn.apps.reproduce import PaperRow, load_tables, plan_row
from mmseg_attn.apps.runs import read_config

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
TABLES = load_tables(CONFIGS / 'tables.yaml')
ROWS = [(table, row) for table in TABLES.values() for row in table.rows]
ids = [f'{table.name}-{row.slug}' for table, row in ROWS]
# how many rows of the README's table have figures, and which of its numbers are those of the table
READMES = {
    'floodnet': ('da_unet', 0, slice(1, 2), 2),
    'knee-mri': ('csam_resunet', 0, slice(None), 5),
    'cityscapes': ('hybrid_unet', 0, slice(None), 5),
    'voc2012': ('msanet', 0, slice(0, 2), 6),
    'cityscapes20': ('msanet', 0, slice(2, 4), 6),
    'drosophila': ('lfa_unet', 0, slice(None), 6),
    'covid19': ('lfa_unet', 1, slice(None), 6),
    'covid19-range': ('lfa_unet', 2, slice(None), 5),
    'covid19-residual': ('lfa_unet', 3, slice(None), 3),
}


def readme_tables(folder: str) -> list[list[list[str]]]:
    """The cells of the tables that a README reports from its paper, without their headers."""
    text = (CONFIGS / folder / 'README.md').read_text()
    section = text.partition('## Reported by the paper')[2].partition('\n## ')[0]
    tables = re.findall(r'(?:^\|.*\n)+', section, re.M)
    lines = [table.splitlines() for table in tables]
    return [[[cell.strip() for cell in x.strip('|').split('|')] for x in t[2:]] for t in lines]


def numbers(cells: list[str]) -> tuple[float, ...]:
    return tuple(float(cell) for cell in cells if re.fullmatch(r'[\d.]+', cell))


@pytest.mark.parametrize('name', READMES)
def test_figures_are_those_of_the_readme(name):
    folder, place, columns, count = READMES[name]
    lines = [line for line in readme_tables(folder)[place]]
    reported = [figures for line in lines if (figures := numbers(line[1:])[columns])]
    ours = [row.paper for row in TABLES[name].rows if row.paper]
    assert ours == reported
    assert len(ours) == count


def test_learning_rates_are_those_of_the_readme():
    lines = [numbers(line) for line in readme_tables('hybrid_unet')[1]]
    assert [row.paper for row in TABLES['cityscapes-lr'].rows] == list(zip(*lines, strict=True))


def test_every_table_is_known():
    assert set(TABLES) == {*READMES, 'cityscapes-lr', 'drosophila-reduced'}


@pytest.mark.parametrize('name', ['drosophila', *(n for n in READMES if n.startswith('covid19'))])
def test_the_first_figure_is_the_mean_of_the_classes(name):
    for row in TABLES[name].rows:
        assert sum(row.paper[1:]) / (len(row.paper) - 1) == pytest.approx(row.paper[0], abs=0.01)


def test_a_reduced_protocol_has_no_figures_of_a_paper():
    reduced = TABLES['drosophila-reduced']
    both = [row.name for name in ('drosophila', 'knee-mri') for row in TABLES[name].rows]
    assert {row.name for row in reduced.rows} == set(both)
    assert not any(row.paper for row in reduced.rows)
    assert not reduced.paper
    assert all('-b16_1xb4-600i_drosophila-128x128' in row.config for row in reduced.rows)


@pytest.mark.parametrize('table', TABLES.values(), ids=TABLES)
def test_a_table_is_consistent(table):
    assert table.split in ('val', 'test')
    assert table.checkpoint in ('best', 'last')
    slugs = [row.slug for row in table.rows]
    assert len(set(slugs)) == len(slugs)
    runs = [(row.config, str(row.options)) for row in table.rows]
    assert len(set(runs)) == len(runs)
    for row in table.rows:
        assert len(row.paper) <= len(table.columns)
        for i, figure in enumerate(row.paper):  # what is printed is what the paper prints
            assert float(table.columns[i].text(figure)) == figure


def test_floodnet_has_the_rows_that_were_announced():
    rows = {row.name: row.note for row in TABLES['floodnet'].rows}
    for name in ('P-UNet', 'Attention U-Net'):
        assert rows[name] == 'announced by the paper and not run'


@pytest.mark.parametrize(('table', 'row'), ROWS, ids=ids)
def test_every_row_can_be_run(table, row, tmp_path):
    assert (CONFIGS / f'{row.config}.py').is_file()
    plan = plan_row(row, configs=CONFIGS, work_dir=tmp_path, folds=table.folds)
    assert not plan.error
    assert len(plan.jobs) == table.folds
    assert plan.complexity.flops > plan.complexity.parameters > 0
    for key, value in row.options.items():
        node = plan.jobs[0].config
        for part in key.split('.'):
            node = node[part]
        assert node == value
    # what is written for the tools is the same config
    text = plan.jobs[0].config.pretty_text
    (tmp_path / 'config.py').write_text(text)
    assert Config.fromfile(tmp_path / 'config.py', import_custom_modules=False).pretty_text == text


@pytest.mark.parametrize(('table', 'row'), ROWS, ids=ids)
def test_the_evaluators_of_every_row_give_the_columns(table, row):
    config = read_config(CONFIGS / f'{row.config}.py', (), fold=0)
    evaluators = config[f'{table.split}_evaluator']
    evaluators = evaluators.get('metrics', [evaluators])
    dataset = DATASETS.get(config[f'{table.split}_dataloader'].dataset.type)
    metrics = set()
    for evaluator in evaluators:
        metrics |= {'LossMetric': {'mean_loss'}, 'MAEMetric': {'MAE'}}.get(evaluator.type, set())
        if evaluator.type == 'PerClassIoUMetric':
            metrics |= {'aAcc', 'mIoU', 'mAcc'}
            metrics |= {'mIoU_without_background'} if evaluator.get('background') else set()
            kinds = ['IoU', 'Acc', *(['Dice'] if 'mDice' in evaluator.iou_metrics else [])]
            metrics |= {f'{kind}.{name}' for kind in kinds for name in dataset.METAINFO['classes']}
    assert {column.metric for column in table.columns} <= metrics


def test_tables_on_the_same_folds_share_their_trainings(tmp_path):
    def folders(name: str) -> list[str]:
        plans = [plan_row(r, configs=CONFIGS, work_dir=tmp_path) for r in TABLES[name].rows]
        return [str(plan.jobs[0].folder.relative_to(tmp_path)) for plan in plans]

    shared = 'lfa-unet_1xb8-250e_covid19-512x512/fold0'
    for name in ('covid19', 'covid19-range', 'covid19-residual'):
        assert shared in folders(name)
    assert folders('covid19-range')[0] == 'lfa-unet_1xb8-250e_covid19-512x512-window_size-3/fold0'
    assert set(folders('cityscapes')) & set(folders('cityscapes-lr'))


@pytest.mark.parametrize(
    ('name', 'slug'),
    [
        ('U-Net++', 'u-net-plus-plus'),
        ('DeepLabV3+', 'deeplabv3-plus'),
        ('U-Net + self-attention', 'u-net-self-attention'),
        ('0.0005', '0.0005'),
    ],
)
def test_names_are_easy_to_type(name, slug):
    assert PaperRow(name=name, config='x').slug == slug
