import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from mmengine.config import Config

from mmseg_attn.apps.report import curves, draw, panels
from mmseg_attn.apps.runs import Group, Run
from mmseg_attn.apps.runs.log import find_launches
from tests.data.work_dirs import write_start


@pytest.fixture
def group(tmp_path):
    """Make a group with a run for each of several values of mIoU, with some classes."""

    def group(name: str, *ends: float, classes: int = 2, epochs: bool = False) -> Group:
        runs = []
        for number, end in enumerate(ends):
            scores = {
                step: {'mIoU': value} | {f'IoU.c{i}': value + i for i in range(classes)}
                for step, value in ((1, end - 10), (2, end))
            }
            folder = tmp_path / f'{name}{number}'
            losses = {5: 1.0, 10: 0.5}
            of_epochs = {5: 1, 10: 2} if epochs else None
            write_start(folder / '1', losses=losses, scores=scores, epochs=of_epochs)
            runs.append(Run(folder, name, find_launches(folder), None, None))
        return Group(name, runs)

    return group


def config(*palette: list[int]) -> Config:
    """A config whose classes have these colors."""
    meta = dict(classes=[f'c{i}' for i in range(len(palette))], palette=palette)
    dataset = dict(type='BaseSegDataset', metainfo=meta)
    return Config(dict(val_dataloader=dict(dataset=dataset)))


def titles(drawn) -> list[str]:
    return [panel.title for panel in drawn]


def test_one_run_has_its_classes_in_one_panel(group):
    drawn = panels([group('unet', 40.0)])
    assert titles(drawn) == [
        'Training loss',
        'Validation mean IoU, best 40.0',
        'Validation IoU per class, with the last value',
    ]
    loss, mean, classes = drawn
    assert loss.lines[0].x == [5, 10]
    assert loss.lines[0].y == [1.0, 0.5]
    assert mean.lines[0].y == [30.0, 40.0]
    assert [line.label for line in classes.lines] == ['c1 41.0', 'c0 40.0']
    assert (loss.unit, loss.quantity) == ('iteration', 'loss')
    assert (mean.unit, mean.quantity) == ('iteration', 'mean IoU, percent')


def test_classes_have_the_colors_of_the_masks_and_a_marker_each(group):
    one = group('unet', 40.0)
    one.runs[0].cfg = config([0, 0, 200], [255, 255, 255])
    figure = draw(panels([one]), columns=3)
    drawn = {line.get_label()[:2]: line for line in figure.axes[2].lines}
    assert drawn['c0'].get_color() == '#0000c8'
    assert drawn['c1'].get_color() == '#949494'  # white would not be seen
    assert drawn['c0'].get_marker() != drawn['c1'].get_marker()
    assert drawn['c0'].get_markevery() == 1
    assert figure.axes[0].lines[0].get_color() == curves.COLORS[0]


def test_without_a_palette_that_can_be_told_apart_classes_look_as_other_lines(group):
    one = group('unet', 40.0)
    for cfg in (None, config([255, 255, 255], [250, 250, 250])):
        one.runs[0].cfg = cfg
        (*_, classes) = draw(panels([one]), columns=3).axes
        assert {line.get_color() for line in classes.lines} == set(curves.COLORS[:2])


def test_a_config_that_cannot_be_read_does_not_keep_curves_from_being_drawn(group, tmp_path):
    one = group('unet', 40.0)
    one.runs[0].config = tmp_path / 'broken.py'
    one.runs[0].config.write_text('x = 1 +')
    assert [line.color for line in panels([one])[2].lines] == ['', '']


def test_many_classes_get_a_panel_each(group):
    drawn = panels([group('unet', 40.0, classes=8)])
    assert titles(drawn)[2:] == [f'Validation IoU: c{i}' for i in range(8)]


def test_several_runs_get_a_panel_per_class_and_one_label_per_group(group):
    drawn = panels([group('unet', 40.0, 50.0), group('lfa', 60.0)])
    assert titles(drawn)[1:] == [
        'Validation mean IoU',
        'Validation IoU: c0',
        'Validation IoU: c1',
    ]
    assert [(line.label, line.number) for line in drawn[0].lines] == [
        ('unet (2 runs)', 0),
        ('', 0),
        ('lfa', 1),
    ]
    assert [line.y[-1] for line in drawn[3].lines] == [41.0, 51.0, 61.0]


def test_epochs_only_if_all_count_in_them(group):
    by_epoch, by_iteration = group('a', 40.0, epochs=True), group('b', 40.0)
    assert {panel.unit for panel in panels([by_epoch])} == {'epoch'}
    assert panels([by_epoch])[0].lines[0].x == [1, 2]
    mixed = panels([by_epoch, by_iteration])
    assert {panel.unit for panel in mixed} == {'iteration'}
    assert [line.x for line in mixed[1].lines] == [[5, 10], [1, 2]]


def test_what_was_not_logged_is_not_drawn(group, tmp_path):
    folder = write_start(tmp_path / 'x/1', losses={1: 1.0}).parent
    alone = Group('x', [Run(folder, 'x', find_launches(folder), None, None)])
    assert titles(panels([alone])) == ['Training loss']
    both = panels([alone, group('unet', 40.0)])
    assert [line.label for line in both[1].lines] == ['unet']


def test_the_legend_names_every_group_once(group):
    groups = [group('unet', 40.0, 50.0), group('lfa', 60.0)]
    figure = draw(panels(groups), columns=3)
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ['unet (2 runs)', 'lfa']
    colors = [handle.get_color() for handle in legend.legend_handles]
    assert len(set(colors)) == 2
    drawn = {line.get_color() for ax in figure.axes for line in ax.lines}
    assert drawn == set(colors)
    named = [ax.get_title(loc='left') for ax in figure.axes if ax.axison]
    assert named == titles(panels(groups))


def test_small_changes_of_iou_do_not_look_large(group):
    figure = draw(panels([group('unet', 40.5)])[1:2])
    low, high = figure.axes[0].get_ylim()
    assert high - low >= 10


def test_one_run_needs_no_legend_but_that_of_its_classes(group):
    figure = draw(panels([group('unet', 40.0)]), columns=3)
    assert figure.legends == []
    assert [ax.get_legend() is not None for ax in figure.axes] == [False, False, True]


def test_a_class_that_begins_with_an_underscore_is_in_the_legend(group):
    (*_, panel) = panels([group('unet', 40.0)])
    panel.lines[0].label = '_background_'
    (*_, ax) = draw([panel]).axes
    assert ax.get_legend().get_texts()[0].get_text() == '_background_'
