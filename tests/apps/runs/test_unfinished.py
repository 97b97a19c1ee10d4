import pytest
from mmengine.config import Config

from mmseg_attn.apps.runs import Run
from mmseg_attn.apps.runs.log import find_launches
from tests.data.work_dirs import write_start

WAITED = 'mmengine - INFO - the monitored metric did not improve in the last 5 records. best score'
INTERRUPTED = '(interrupted, or still running)'


@pytest.fixture
def run(tmp_path):
    """Make a run of a plan from what its starts have logged, and lines of the last one's text."""

    def run(plan: dict, *starts: dict, text: str = '') -> Run:
        for number, content in enumerate(starts):
            folder = write_start(tmp_path / str(number), **dict(content, log=False))
            resumed = content.get('resumed')
            line = '' if resumed is None else f'resumed epoch: 0, iter: {resumed}\n'
            (folder / 'x.log').write_text(f'begin\n{line}{text}')
        one = Run(tmp_path, 'x', find_launches(tmp_path), None, None)
        one.cfg = Config(dict(train_cfg=plan))
        return one

    return run


def losses(*steps: int) -> dict[int, float]:
    return dict.fromkeys(steps, 1.0)


def scores(*steps: int) -> dict[int, dict]:
    return {step: {'mIoU': 5.0} for step in steps}


ITERATIONS, EPOCHS = dict(max_iters=600), dict(type='EpochBasedTrainLoop', max_epochs=3)


@pytest.mark.parametrize(
    ('plan', 'start', 'text', 'expected'),
    [
        (ITERATIONS, dict(losses=losses(300, 350)), '', f'350 of 600 iterations {INTERRUPTED}'),
        (ITERATIONS, dict(losses=losses(550, 600)), '', ''),
        # The last validation and the last checkpoint tell of iterations that were not logged.
        (dict(max_iters=620), dict(losses=losses(600), scores=scores(400, 620)), '', ''),
        (dict(max_iters=620), dict(losses=losses(600)), 'Saving checkpoint at 620 iterations', ''),
        (
            dict(max_iters=620),
            dict(losses=losses(550, 600), scores=scores(400)),
            '',
            f'600 of 620 iterations {INTERRUPTED}',
        ),
        # Without them nothing tells.
        (dict(max_iters=620), dict(losses=losses(550, 600)), '', ''),
        (
            ITERATIONS,
            dict(losses=losses(400), scores=scores(200, 400)),
            WAITED,
            '400 of 600 iterations by early stopping',
        ),
        (dict(), dict(losses=losses(5)), '', ''),
    ],
    ids=[
        *['interrupted', 'complete', 'last validation', 'last checkpoint', 'just before the end'],
        *['nothing tells', 'early stopping', 'no plan'],
    ],
)
def test_iterations(run, plan, start, text, expected):
    assert run(plan, start, text=text).unfinished() == (expected and f'ended after {expected}')


@pytest.mark.parametrize(
    ('validated', 'epochs', 'text', 'expected'),
    [
        ([1, 2], 3, '', f'2 of 3 epochs {INTERRUPTED}'),  # the third had begun
        ([1, 2, 3], 3, '', ''),
        ([], 3, 'Saving checkpoint at 3 epochs', ''),
        ([], 3, 'Saving checkpoint at 1 epochs', f'2 of 3 epochs {INTERRUPTED}'),
        ([], 3, '', ''),  # nothing tells
        ([], 2, '', f'2 of 3 epochs {INTERRUPTED}'),
    ],
)
def test_epochs(run, validated, epochs, text, expected):
    content = dict(losses=losses(10, 20, 30)) if epochs == 3 else dict(losses=losses(10, 20))
    content['epochs'] = {10 * epoch: epoch for epoch in range(1, epochs + 1)}
    sentence = run(EPOCHS, dict(content, scores=scores(*validated)), text=text).unfinished()
    assert sentence == (expected and f'ended after {expected}')


def test_what_was_resumed_counts_from_where_it_went_on(run):
    first = dict(losses=losses(200, 350), scores=scores(200))
    complete = dict(losses=losses(350, 600), scores=scores(400, 600), resumed=300)
    assert run(ITERATIONS, first, complete).unfinished() == ''


def test_what_was_resumed_and_interrupted_again(run):
    first = dict(losses=losses(300, 400, 500), scores=scores(200, 400))
    second = dict(losses=losses(350), resumed=300)  # from an older checkpoint
    sentence = run(ITERATIONS, first, second).unfinished()
    assert sentence == f'ended after 350 of 600 iterations {INTERRUPTED}'


def test_what_an_earlier_start_has_saved_does_not_count(run, tmp_path):
    one = run(ITERATIONS, dict(losses=losses(600)), dict(losses=losses(300, 350)))
    (launch,) = one.launches  # the second one, which did not resume
    first = min(launch.folder.parent.glob('*/')) / 'x.log'
    first.write_text('Saving checkpoint at 600 iterations')
    assert one.unfinished() == f'ended after 350 of 600 iterations {INTERRUPTED}'


def test_without_config_or_log_nothing_is_said(run, tmp_path):
    one = run(ITERATIONS, dict(losses=losses(5)))
    assert Run(tmp_path, 'x', one.launches, None, None).unfinished() == ''
    one.launches = []
    assert one.unfinished() == ''
