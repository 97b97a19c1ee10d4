"""Work directories as trainings leave them, written by hand."""

import json
from pathlib import Path

LOG = """2024/01/02 03:04:05 - mmengine - INFO -
------------------------------------------------------------
System environment:
    sys.platform: linux
    Python: 3.11.7 (main, Jan  1 2024, 00:00:00) [GCC 12.2.0]
    CUDA available: True
    GPU 0,1: Some Card
    PyTorch: 2.13.0+cu130
    MMEngine: 0.10.7

Runtime environment:
    seed: 7
    GPU number: 1
------------------------------------------------------------
{resumed}
2024/01/02 03:06:05 - mmengine - INFO - Saving checkpoint at 4 iterations
"""


def write_start(
    folder: Path,
    *,
    losses: dict[int, float],
    scores: dict[int, dict] | None = None,
    epochs: dict[int, int] | None = None,
    resumed: int | None = None,
    log: bool = True,
) -> Path:
    """Write the log of one launch of a training.

    Args:
        folder: The folder of the launch, in the work directory.
        losses: Losses by iteration.
        scores: Metrics of the validations, by iteration or epoch.
        epochs: The epochs of the iterations, if the training is counted by epoch.
        resumed: The iteration that it resumed from.
        log: Whether there is a log as text.
    """
    lines = []
    for step, loss in losses.items():
        of_epoch = dict(epoch=epochs[step]) if epochs else {}
        lines.append(dict(loss=loss, time=0.5, iter=step, step=step, memory=2048, **of_epoch))
    for step, metrics in (scores or {}).items():
        behind = [
            i for i, each in enumerate(lines) if each.get('epoch', each.get('iter', 0)) <= step
        ]
        lines.insert(max(behind, default=-1) + 1, dict(metrics, time=0.1, step=step))
    file = folder / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    if log:
        said = '' if resumed is None else f'resumed epoch: 0, iter: {resumed}'
        (folder / f'{folder.name}.log').write_text(LOG.format(resumed=said))
    return folder
