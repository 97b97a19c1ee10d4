"""Whether a training has come to the end that its config wants."""

import re

from .log import Log
from .run import Run

PLANNED = dict(max_iters='iteration', max_epochs='epoch')
SAVED = re.compile(r'Saving checkpoint at (\d+) (iteration|epoch)s')
# What MMEngine's EarlyStoppingHook says
STOPPED = re.compile(r'did not improve in the last \d+ records|Stopping threshold reached')


def unfinished(run: Run) -> str:
    """Tell how far a training came that is not complete; empty if it is, or if nothing tells.

    The last validation and the last checkpoint are logged at the very end; where there is neither,
    a training whose next line would come behind the end counts as complete.
    """
    plan = run.cfg.get('train_cfg') or {} if run.cfg is not None else {}
    key = next((key for key in PLANNED if plan.get(key)), None)
    if key is None or not run.launches:
        return ''
    unit, planned, text = PLANNED[key], plan[key], run.launches[-1].text
    told = [int(number) for number, counted in SAVED.findall(text) if counted == unit]
    told += run.log.scores if run.log.unit == unit else []
    steps = sorted({*told, *_logged(run.log, unit, complete=not told)})
    if not steps or steps[-1] >= planned:
        return ''
    if not told and planned - steps[-1] < steps[-1] - (steps[-2] if len(steps) > 1 else 0):
        return ''
    why = 'by early stopping' if STOPPED.search(text) else '(interrupted, or still running)'
    return f'ended after {steps[-1]} of {planned} {unit}s {why}'


def _logged(log: Log, unit: str, *, complete: bool) -> list[int]:
    """Where training logged something; of an epoch itself if it is thought complete."""
    if unit == 'iteration':
        return list(log.losses)
    epochs = (each['epoch'] for each in log.losses.values() if 'epoch' in each)
    return [epoch if complete else epoch - 1 for epoch in epochs]
