"""The tables of the package, against the READMEs, the configs and themselves."""

import copy
import json
import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS
from torch import nn

from mmseg_attn.apps.reproduce import PaperRow, check_data, load_tables, plan_row
from mmseg_attn.apps.runs import read_config
from mmseg_attn.apps.runs.record import content_of
from mmseg_attn.errors import UsageError
from tests.measures import count_parameters
from tests.tables import md_cells
from tools import reproduce

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


# with the small protocol for Drosophila, on its folds by crop first
SMALL = (
    'drosophila-small',
    'attention-small',
    'attention-long-small',
    'lfa-training-small',
    'fast-runner-small',
    'lfa-width-small',
    'attention-synthetic-small',
    'drosophila-slices-small',
)


def readme_tables(folder: str) -> list[list[list[str]]]:
    """The cells of the tables that a README reports from its paper, without their headers."""
    text = (CONFIGS / folder / 'README.md').read_text()
    section = text.partition('## Reported by the paper')[2].partition('\n## ')[0]
    return [rows for _, *rows in md_cells(section)]


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
    ours = {'drosophila-reduced', *SMALL, 'covid19-small'}
    assert set(TABLES) == {*READMES, 'cityscapes-lr', *ours}


@pytest.mark.parametrize('name', ['drosophila', *(n for n in READMES if n.startswith('covid19'))])
def test_the_first_figure_is_the_mean_of_the_classes(name):
    for row in filter(lambda row: row.paper, TABLES[name].rows):
        assert sum(row.paper[1:]) / (len(row.paper) - 1) == pytest.approx(row.paper[0], abs=0.01)


def test_a_reduced_protocol_has_no_figures_of_a_paper():
    reduced = TABLES['drosophila-reduced']
    papers = [row for name in ('drosophila', 'knee-mri') for row in TABLES[name].rows if row.paper]
    assert {row.name for row in reduced.rows} == {row.name for row in papers}
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
        assert rows[name] == 'announced by the paper and not completed'


@pytest.mark.parametrize(('table', 'row'), ROWS, ids=ids)
def test_every_row_can_be_run(table, row, tmp_path):
    assert (CONFIGS / f'{row.config}.py').is_file()
    plan = plan_row(row, table, CONFIGS)
    assert not plan.error
    assert len({*plan.hashes}) == len(plan.configs) == table.folds
    job = plan.job(table, table.folds - 1, 7, tmp_path, '')
    assert job.key.config_hash == plan.hashes[-1]
    assert job.key.seed == job.config.randomness.seed == 7
    assert job.complexity.flops > job.complexity.parameters > 0
    for key, value in table.changes(row).items():
        if any(key.startswith(f'{whole}.') for whole in row.options):
            continue  # the row replaces the whole entry
        node = job.config
        for part in key.split('.'):
            node = node[int(part) if part.isdigit() else part]
        assert node == value
    # what is written for the tools is the same config
    text = job.config.pretty_text
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


def test_tables_on_the_same_folds_share_their_trainings():
    def hashes(name: str) -> list[str]:
        table = TABLES[name]
        return [plan_row(row, table, CONFIGS).hashes[0] for row in table.rows]

    paper, lfa = hashes('covid19'), 5
    assert hashes('covid19-range')[2] == hashes('covid19-residual')[0] == paper[lfa]
    assert len({*paper, *hashes('covid19-range'), *hashes('covid19-residual')}) == 6 + 4 + 2
    assert set(hashes('cityscapes')) & set(hashes('cityscapes-lr'))
    small = set(hashes('drosophila-small'))
    assert len(small & set(hashes('attention-small'))) == 4  # none, DA, LFA (m = 7), attention gate
    training, runner = set(hashes('lfa-training-small')), set(hashes('fast-runner-small'))
    assert len(small & training) == 2  # U-Net, LFA-UNet with m = 7
    assert len(training & runner) == 2  # both with a rate of 0.001
    assert len(runner & set(hashes('lfa-width-small'))) == 2  # both with FastRunner
    assert len(training & set(hashes('attention-long-small'))) == 2


def test_tables_on_other_data_share_no_trainings():
    hashes = {
        name: {plan_row(row, TABLES[name], CONFIGS).hashes[0] for row in TABLES[name].rows}
        for name in SMALL
    }
    *by_crop, synthetic, slices = hashes.values()
    by_crop = set.union(*by_crop)
    assert len(by_crop | synthetic | slices) == len(by_crop) + len(synthetic) + len(slices)


def test_the_small_rows_are_those_of_the_paper_and_its_figures():
    for name in ('drosophila', 'covid19'):
        papers = [row.paper for row in TABLES[name].rows if row.paper]
        assert [row.paper for row in TABLES[f'{name}-small'].rows if row.paper] == papers
        assert TABLES[f'{name}-small'].paper == TABLES[name].paper
        (local_range,) = (row for row in TABLES[f'{name}-small'].rows if row.paper == papers[-1])
        (config, *_) = plan_row(local_range, TABLES[f'{name}-small'], CONFIGS).configs
        assert config.model.decode_head.window_size == 7


def test_splits_by_slice_and_by_crop_have_the_same_rows():
    by_slice, by_crop = (TABLES[f'drosophila-{name}'] for name in ('slices-small', 'small'))
    rows = {row.name: (row.config, row.options) for row in by_crop.rows}
    for row in by_slice.rows:
        assert rows[row.name] == (row.config, row.options)
        assert not row.paper


def test_proposals_and_baselines_are_rows():
    compared = [table for table in TABLES.values() if table.proposals or table.baselines]
    assert compared
    for table in compared:
        names = {row.name for row in table.rows}
        assert table.proposals
        assert table.baselines
        assert {*table.proposals, *table.baselines} <= names
        assert not {*table.proposals} & {*table.baselines}
        names = {column.name for column in table.columns}
        assert not table.claimed or table.claimed in names


def test_variants_by_options_have_what_they_are_named_after():
    def necks(name: str) -> dict[str, dict]:
        plans = [plan_row(row, TABLES[name], CONFIGS) for row in TABLES[name].rows]
        return {plan.row.name: plan.configs[0].model.get('neck', {}) for plan in plans}

    skips = {name: neck for name, neck in necks('floodnet').items() if 'deepest skip' in name}
    assert len(skips) == 4
    assert all((neck['level'], neck['channels']) == (-2, 512) for neck in skips.values())
    without = [name for name, neck in skips.items() if not neck.get('residual', True)]
    assert without == [name for name in skips if 'without residual' in name]
    assert necks('cityscapes')['Hybrid-UNet, multi-scale skips'].multi_scale


def test_options_of_a_row_that_is_not_selected_do_not_matter(tmp_path):
    arguments = ['floodnet', '--rows', 'da-unet-without-residual', '--hours', '0']
    options = ['model.neck.level=-2', 'model.neck.channels=512']
    folders = ['--out', str(tmp_path), '--work-dir', str(tmp_path / 'work')]
    reproduce.main([*arguments, *folders, '--cfg-options', *options])
    assert (tmp_path / 'floodnet-model.neck.level=-2-model.neck.channels=512.md').is_file()


@pytest.mark.parametrize('name', [name for name in SMALL if name.startswith('attention')])
def test_rows_of_the_attentions_differ_from_the_u_net_by_the_attention_alone(name):
    table = TABLES[name]
    unet, *others = (content_of(plan_row(row, table, CONFIGS).configs[0]) for row in table.rows)
    assert len(others) == 6
    model = unet.pop('model')
    assert 'neck' not in model
    for other in others:
        changed = other.pop('model')
        assert other == unet
        head = changed['decode_head']
        if changed.pop('neck', None) is None:
            own = {'type', 'window_size'} if head['type'] == 'LFAHead' else {'fusion'}
            assert head != model['decode_head']
            head = {k: v for k, v in head.items() if k not in own}
            kept = {k: v for k, v in model['decode_head'].items() if k not in own}
            assert head == kept
        else:
            assert head == model['decode_head']
        assert changed | dict(decode_head=0) == model | dict(decode_head=0)


def test_rows_by_training_differ_in_what_they_are_named_after():
    table = TABLES['lfa-training-small']
    plans = {row.name: plan_row(row, table, CONFIGS) for row in table.rows}
    first = {name: plans[name].configs[0] for name in ('U-Net', 'LFA-UNet')}
    known = {
        'learning rate 0.001',
        '12,000 iterations',
        'warm-up',
        'initial weights of PyTorch',
        'crops of 256x256',
        'nearest upsampling',
    }
    nearest = dict(type='NearestUpsample', norm_cfg=dict(type='BN'))
    for name, plan in plans.items():
        (config, *_), (model, *changes) = plan.configs, name.split(', ')
        assert set(changes) <= known
        config = copy.deepcopy(config)
        init = config.model.decode_head.pop('init_cfg', None)
        assert bool(init) == ('initial weights of PyTorch' in changes)
        upsample = config.model.decode_head.pop('upsample', None)
        assert upsample == (nearest if 'nearest upsampling' in changes else None)
        assert config.model == first[model].model
        length = 12000 if '12,000 iterations' in changes else 4000
        assert config.train_cfg.max_iters == 8 * config.train_cfg.val_interval == length
        rates = [s.begin for s in config.param_scheduler], [s.end for s in config.param_scheduler]
        half = ([length // 2], [length])
        assert rates == (([0, 2000], [500, 4000]) if 'warm-up' in changes else half)
        rate = 0.001 if 'learning rate 0.001' in changes else 0.003
        assert config.optim_wrapper.optimizer.lr == rate
        loader = config.train_dataloader
        crop, batch = loader.dataset.pipeline[2], loader.batch_size
        whole = 'crops of 256x256' in changes
        assert (crop.type, crop.crop_size) == ('RandomCrop', 256 if whole else (128, 128))
        assert batch == (1 if whole else 4)
        config.train_cfg.update(max_iters=4000, val_interval=500)
        same = dict(train_dataloader=0, param_scheduler=0, optim_wrapper=0)
        assert content_of(config) | same == content_of(first[model]) | same


def test_rows_by_base_width_differ_by_it_alone_and_64_is_that_of_the_paper():
    table = TABLES['lfa-width-small']
    papers = {row.name: row.config for row in TABLES['drosophila'].rows}
    narrow = {}
    for row in table.rows:
        plan = plan_row(row, table, CONFIGS)
        config = copy.deepcopy(plan.configs[0])
        model, width = row.name.split(', base width ')
        channels = config.model.backbone.pop('channels')
        assert channels == config.model.decode_head.pop('in_channels')
        assert channels == [int(width) * 2**level for level in range(5)]
        first = narrow.setdefault(model, config)
        assert content_of(config) == content_of(first)
        if width == '64':
            paper = read_config(CONFIGS / f'{papers[model]}.py', fold=0).model
            assert count_parameters(plan.configs[0].model) == count_parameters(paper)
    assert set(narrow) == {'U-Net', 'LFA-UNet'}


def test_initial_weights_of_pytorch_change_only_the_three_maps():
    """PyTorch's are uniform up to 1 / sqrt(inputs), Xavier's of a square map up to sqrt(3 / C)."""
    table = TABLES['lfa-training-small']
    rows = {row.name: row for row in table.rows}
    ranges = []
    for name in ('LFA-UNet', 'LFA-UNet, initial weights of PyTorch'):
        model = MODELS.build(plan_row(rows[name], table, CONFIGS).configs[0].model)
        model.init_weights()
        convs = {n: m for n, m in model.decode_head.named_modules() if isinstance(m, nn.Conv2d)}
        fans = {n: m.weight[0].numel() for n, m in convs.items()}
        ranges.append({n: m.weight.abs().max() * fans[n] ** 0.5 for n, m in convs.items()})
    xavier, pytorch = ranges
    maps = {n for n in xavier if n.endswith(('query', 'key', 'value'))}
    assert len(maps) == 12 < len(xavier)
    for n in xavier:
        assert 0.9 < pytorch[n] <= 1
        assert (1.6 < xavier[n] <= 3**0.5) if n in maps else (0.9 < xavier[n] <= 1)


def test_the_small_protocol_is_the_same_in_all_tables():
    slow = {'optim_wrapper.optimizer.lr': 0.001}
    own = {
        'attention-long-small': slow,
        'fast-runner-small': slow,
        'lfa-width-small': slow | {'runner_type': 'FastRunner'},
    }
    lengths = dict.fromkeys(SMALL, 4000)
    lengths |= {'attention-long-small': 12_000, 'covid19-small': 2000}
    for name, length in lengths.items():
        options = {k: v for k, v in TABLES[name].options.items() if k != 'conversion'}
        assert options == {
            'train_cfg.max_iters': length,
            'train_cfg.val_interval': length // 8,
            'param_scheduler.0.begin': length // 2,
            'param_scheduler.0.end': length,
            **own.get(name, {}),
        }


@pytest.fixture
def check(pseudo_data, monkeypatch, tmp_path):
    """Check the data of the first row of a table against changed entries of the manifest."""

    def check(name: str, trial: bool = False, **changes) -> None:
        root = 'COVID19_ROOT' if name.startswith('covid19') else 'DROSOPHILA_ROOT'
        for part in ('images', 'annotations', 'splits'):
            (tmp_path / part).symlink_to(Path(pseudo_data[root], part))
        manifest = json.loads(Path(pseudo_data[root], 'conversion.json').read_text())
        for key, value in changes.items():
            (manifest['settings'] if key in manifest['settings'] else manifest)[key] = value
        (tmp_path / 'conversion.json').write_text(json.dumps(manifest))
        monkeypatch.setenv(root, str(tmp_path))
        plan = plan_row(TABLES[name].rows[0], TABLES[name], CONFIGS)
        check_data([plan.job(TABLES[name], 0, 0, tmp_path, '')], trial=trial)

    return check


DRAWN = dict(slices=20, size=1024, seed=0)


@pytest.mark.parametrize(
    ('name', 'changes', 'message'),
    [
        ('drosophila', {}, ''),
        ('drosophila-small', dict(split_unit='slice'), 'has split_unit "slice" (see conv'),
        ('drosophila-small', dict(folds=4), 'has folds 4 (see conversion.json), but U-Net, fold 0'),
        (
            'attention-small',
            dict(synthetic_stack=DRAWN),
            'needs no synthetic_stack: convert it',
        ),
        ('attention-synthetic-small', dict(synthetic_stack=DRAWN), ''),
        ('attention-synthetic-small', dict(synthetic_stack=dict(DRAWN, slices=5)), '"slices": 5'),
        (
            'attention-synthetic-small',
            {},
            'has no synthetic_stack (see conversion',
        ),
        ('drosophila-slices-small', dict(split_unit='slice'), ''),
        ('drosophila-slices-small', {}, 'seed 0, needs split_unit "slice": convert it accordingly'),
        ('covid19', {}, ''),
        ('covid19', dict(seed=1), 'has seed 1 (see'),
        ('covid19-small', dict(without_content=['022', '048']), ''),
        ('covid19-small', {}, 'has without_content [] (see'),
    ],
)
def test_data_that_was_converted_otherwise_is_refused(check, name, changes, message):
    if message:
        with pytest.raises(UsageError, match=re.escape(message)):
            check(name, **changes)
    else:
        check(name, **changes)


def test_a_trial_takes_any_data_unless_the_table_names_it(check):
    check('drosophila-small', trial=True, split_unit='slice', synthetic_stack=DRAWN)


def test_a_trial_does_not_take_other_data_than_the_table_names(check):
    with pytest.raises(UsageError, match='needs split_unit "slice"'):
        check('drosophila-slices-small', trial=True)


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
