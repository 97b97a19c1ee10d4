"""Which checkpoint a training goes on from."""

import re
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader

from ..errors import CheckpointError


def newest_checkpoint(work_dir: Path, folder: Path, template: str) -> tuple[Path | None, list[str]]:
    """Find the newest complete checkpoint.

    It is the one that ``last_checkpoint`` names, or one of a later step that was finished when
    the training was killed; if the named one cannot be used, the youngest file that can.

    Args:
        work_dir: The folder with ``last_checkpoint``.
        folder: The folder with the checkpoints.
        template: What they are called, with ``{}`` for the number.

    Returns:
        The file, ``None`` where there is none; and a sentence about each that was passed over.
    """
    pattern = re.escape(template).replace(r'\{\}', r'(\d+)')
    found = {
        path: int(match[1])
        for path in sorted(folder.glob('*'))
        if (match := re.fullmatch(pattern, path.name))
    }
    skipped: list[str] = []

    def read(path: Path) -> dict | None:
        try:
            content = CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent')
            return resumable(content, path)['meta']
        except Exception as error:  # whatever a file can make PyTorch raise
            reason = ' '.join(str(error).split())[:500]
            named = reason.startswith(str(path))
            skipped.append(reason if named else f'{path} cannot be loaded: {reason}')
            return None

    last = work_dir / 'last_checkpoint'
    if last.is_file():
        text = last.read_text(errors='replace').strip()
        # in a folder that was moved, the name counts
        named = Path(text) if text and Path(text).is_file() else folder / Path(text or '?').name
        if not named.is_file():
            skipped.append(
                f'{last} names {text!r}, which is missing' if text else f'{last} is empty'
            )
        elif (meta := read(named)) is not None:
            later = [path for path in found if found[path] > found.get(named, -1)]
            for path in sorted(later, key=found.get, reverse=True) if named in found else []:
                newer = read(path)
                # a later step that was saved earlier is of another run in the same folder
                if newer is not None and str(newer.get('time')) >= str(meta.get('time')):
                    return path, skipped
            return named, skipped
        found.pop(named, None)
    for path in sorted(found, key=lambda path: (path.stat().st_mtime, found[path]), reverse=True):
        if read(path) is not None:
            return path, skipped
    return None, skipped


def resumable(checkpoint: Any, name: str | Path) -> dict:
    """Make sure that a checkpoint holds what a training goes on from, and return it.

    Raises:
        CheckpointError: If it does not.
    """
    content = checkpoint if isinstance(checkpoint, dict) else {}
    lacking = [
        key
        for key in ('meta', 'state_dict', 'message_hub')
        if not isinstance(content.get(key), dict)
    ]
    if lacking:
        raise CheckpointError(
            f'{name} is nothing to resume from, since it holds no {" and no ".join(lacking)}: '
            'to start from its weights, name it in load_from and leave --resume out'
        )
    for key in ('epoch', 'iter'):
        if not (isinstance(value := content['meta'].get(key), int) and value >= 0):
            raise CheckpointError(
                f'{name} is nothing to resume from, since its {key} is {value!r:.50}: '
                'take an earlier checkpoint'
            )
    return content
