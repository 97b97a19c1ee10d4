"""Trainings of two processes, resumed by as many, by more and by fewer."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.processes import run_ranks

LOOPS = 'EpochBasedTrainLoop', 'IterBasedTrainLoop'


@pytest.fixture(scope='module')
def train():
    """Train in several processes; return the outcome of each."""
    config = Path(__file__).resolve().parents[2] / 'configs/_base_/default_runtime.py'

    def train(work_dir: Path, loop: str, how: str, *, ranks: int) -> list[dict]:
        work_dir.mkdir(exist_ok=True)
        script = 'tests/distributed/resume.py'
        for done in run_ranks(script, config, work_dir, loop, how, ranks=ranks):
            assert done.returncode == 0, done.stderr
        texts = [(work_dir / f'{rank}.json').read_text() for rank in range(ranks)]
        return [json.loads(text) for text in texts]

    return train


@pytest.fixture(scope='module')
def killed(train, tmp_path_factory):
    """Return the folder of a training that ended before the validation after a checkpoint."""
    folders = {}

    def killed(loop: str, work_dir: Path) -> Path:
        if loop not in folders:
            folders[loop] = tmp_path_factory.mktemp(loop)
            ranks = train(folders[loop], loop, 'killed', ranks=2)
            assert [rank['validated'] for rank in ranks] == [[6, 12]] * 2
        shutil.copytree(folders[loop], work_dir)
        (checkpoint,) = work_dir.glob('*.pth')
        (work_dir / 'last_checkpoint').write_text(str(checkpoint))
        return work_dir

    return killed


def messages(work_dir: Path) -> str:
    return max(work_dir.glob('*/*.log')).read_text()


@pytest.mark.parametrize('loop', LOOPS)
def test_as_many_go_on_exactly(train, killed, tmp_path, loop):
    whole = train(tmp_path / 'whole', loop, 'whole', ranks=2)
    resumed = train(killed(loop, tmp_path / 'killed'), loop, 'resumed', ranks=2)
    assert [rank['validated'] for rank in resumed] == [[12, 18, 24]] * 2
    assert len(whole[0]['losses']) == 24
    assert resumed[0]['losses'] == whole[0]['losses']
    # the history in a checkpoint is that of rank 0
    assert resumed[1]['losses'][12:] == whole[1]['losses'][12:] != whole[0]['losses'][12:]


@pytest.mark.parametrize(
    ('loop', 'ranks', 'steps'),
    [(LOOPS[0], 3, [12, 16, 20]), (LOOPS[0], 1, [12, 24, 36]), (LOOPS[1], 3, [12, 18, 24])],
)
def test_more_or_fewer_all_validate_and_start_their_random_numbers_anew(
    train, killed, tmp_path, loop, ranks, steps
):
    work_dir = killed(loop, tmp_path / 'killed')
    outcomes = train(work_dir, loop, 'resumed', ranks=ranks)
    assert [outcome['validated'] for outcome in outcomes] == [steps] * ranks
    assert (
        'The random numbers start anew, since those of the checkpoint cannot be used: '
        f'the number of processes was 2 and is {ranks} now'
    ) in messages(work_dir)


def test_one_broken_state_keeps_all_ranks_from_restoring_theirs(train, killed, tmp_path):
    """Rank 0, whose state is whole, draws what it draws when none is saved."""
    losses = []
    for name in ('one', 'all'):
        work_dir = killed(LOOPS[0], tmp_path / name)
        path = work_dir / 'epoch_2.pth'
        content = torch.load(path, weights_only=False)
        states = content['resume_state']['random']
        states[1:] = [dict(states[1], torch=torch.zeros(3))] if name == 'one' else []
        torch.save(content, path)
        outcomes = train(work_dir, LOOPS[0], 'resumed', ranks=2)
        assert [outcome['validated'] for outcome in outcomes] == [[12, 18, 24]] * 2
        assert 'The random numbers start anew, since those' in messages(work_dir)
        losses.append([outcome['losses'] for outcome in outcomes])
    assert losses[0] == losses[1]
