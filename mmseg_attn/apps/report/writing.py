"""Files that are complete or not there."""

from pathlib import Path


def write_bytes(file: Path, content: bytes) -> None:
    """Write a file aside, then give it its name.

    Raises:
        OSError: If it cannot be written; nothing new remains then.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f'.{file.name}.unfinished')
    try:
        aside.write_bytes(content)
        aside.replace(file)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
