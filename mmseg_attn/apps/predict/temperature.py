"""Read and write the temperature of a checkpoint, a small JSON file beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...io import checksum, write_file
from ...models.temperature import check_temperature

SUFFIX = '.temperature.json'
REMEDY = 'run tools/calibrate.py again, or remove the file'


def temperature_file(checkpoint: Path) -> Path:
    """Return the file beside a checkpoint: of ``best.pth``, ``best.temperature.json``."""
    return checkpoint.with_suffix(SUFFIX)


def write_temperature(
    checkpoint: Path, temperature: float, *, sha256: str | None = None, **details: Any
) -> Path:
    """Write the temperature of a checkpoint atomically.

    Args:
        checkpoint: The checkpoint file.
        temperature: The temperature.
        sha256: Its checksum when it was loaded; ``None`` if it cannot have changed since.
        details: How it was found, for readers.

    Returns:
        The file.
    """
    file = temperature_file(checkpoint)
    content = dict(
        temperature=temperature,
        checkpoint=checkpoint.name,
        sha256=sha256 or checksum(checkpoint),
        **details,
    )
    write_file(file, f'{json.dumps(content, indent=2)}\n')
    return file


def read_temperature(checkpoint: Path) -> float | None:
    """Return the temperature beside a checkpoint; ``None`` without a file.

    Raises:
        DataError: If the file is damaged, or was written for another checkpoint.
        OSError: If a file cannot be read.
    """
    file = temperature_file(checkpoint)
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        temperature, known = content['temperature'], content['sha256']
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f'{file} is not a file of tools/calibrate.py: {REMEDY}') from error
    try:
        check_temperature(float(temperature))
    except (ValueError, TypeError) as error:
        raise DataError(f'{file} has the temperature {temperature!r}: {REMEDY}') from error
    if known != checksum(checkpoint):
        raise DataError(f'{file} was written for another content of {checkpoint}: {REMEDY}')
    return float(temperature)


def describe_temperatures(temperatures: Mapping[str, float]) -> list[str]:
    """Return a line for each checkpoint whose temperature is used."""
    return [
        f'{path}: logits divided by the temperature {value:.4g} of '
        f'{temperature_file(Path(path)).name}'
        for path, value in temperatures.items()
    ]
