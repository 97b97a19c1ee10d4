"""Find the checkpoint that a training resumes from."""

import re
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader

from ..errors import CheckpointError


def newest_checkpoint(work_dir: Path, folder: Path, template: str) -> tuple[Path | None, list[str]]:
    """Find the newest complete checkpoint.

    It is the checkpoint that ``last_checkpoint`` names, or one of a later step that was complete
    when the training was killed. If the named one cannot be used, it is the newest file that can.

    Args:
        work_dir: The folder with ``last_checkpoint``.
        folder: The folder with the checkpoints.
        template: File name of a checkpoint, with ``{}`` for the number.

    Returns:
        The file (``None`` if there is none), and the reason for each skipped file.
    """
    pattern = re.escape(template).replace(r'\{\}', r'(\d+)')
    steps = {
        path: int(match[1])
        for path in sorted(folder.glob('*'))
        if (match := re.fullmatch(pattern, path.name))
    }
    skipped: list[str] = []

    def read(path: Path) -> dict | None:
        try:
            content = CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent')
            return resumable(content, path)['meta']
        except Exception as error:  # a damaged file can raise anything
            reason = ' '.join(str(error).split())[:500]
            named = reason.startswith(str(path))
            skipped.append(reason if named else f'{path} cannot be loaded: {reason}')
            return None

    last = work_dir / 'last_checkpoint'
    if last.is_file():
        text = last.read_text(errors='replace').strip()
        # if the folder was moved, the file name counts
        named = Path(text) if text and Path(text).is_file() else folder / Path(text or '?').name
        if not named.is_file():
            skipped.append(
                f'{last} names {text!r}, which is missing' if text else f'{last} is empty'
            )
        elif (meta := read(named)) is not None:
            later = [path for path in steps if steps[path] > steps.get(named, -1)]
            for path in sorted(later, key=steps.get, reverse=True) if named in steps else []:
                newer = read(path)
                # a later step that was saved earlier belongs to another run in the same folder
                if newer is not None and str(newer.get('time')) >= str(meta.get('time')):
                    return path, skipped
            return named, skipped
        steps.pop(named, None)
    for path in sorted(steps, key=lambda path: (path.stat().st_mtime, steps[path]), reverse=True):
        if read(path) is not None:
            return path, skipped
    return None, skipped


def resumable(checkpoint: Any, name: str | Path) -> dict:
    """Check that a training can resume from a checkpoint, and return it.

    Raises:
        CheckpointError: If it does not.
    """
    content = checkpoint if isinstance(checkpoint, dict) else {}
    missing = [
        key
        for key in ('meta', 'state_dict', 'message_hub')
        if not isinstance(content.get(key), dict)
    ]
    if missing:
        raise CheckpointError(
            f'{name} cannot be resumed, since it contains no {" and no ".join(missing)}: '
            'to start from its weights, set load_from to it and leave out --resume'
        )
    for key in ('epoch', 'iter'):
        if not (isinstance(value := content['meta'].get(key), int) and value >= 0):
            raise CheckpointError(
                f'{name} cannot be resumed, since its {key} is {value!r:.50}: '
                'use an earlier checkpoint'
            )
    return content
