"""Write a segmentor as an ONNX file or as a ``torch.export`` program."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ...errors import ExportError
from ...io import atomic_path
from ...io.libraries import numpy_kept
from .check import Check, Run, compare
from .program import PixelsToLogits, check_version, export_program, first_line

if TYPE_CHECKING:
    from torch.export import ExportedProgram  # PyTorch 2.0 has none

SUFFIXES = dict(onnx='.onnx', torch='.pt2')
OPSET = 20  # sufficient for the models; fewer runtimes support newer opsets
LARGEST = 2**31  # bytes of an ONNX file
DESCRIPTION = 'description.json'  # in a .pt2 file


def write(
    module: PixelsToLogits,
    path: Path,
    *,
    kind: str,
    description: dict[str, str],
    say: Callable[[str], None] = lambda text: None,
) -> Check | None:
    """Export a segmentor, and save the file if it computes the same as the segmentor.

    Args:
        module: The segmentor, on the CPU.
        path: The output file.
        kind: ``onnx`` or ``torch``.
        description: The metadata of the file.
        say: A function that receives a line before each step; a step may take a minute.

    Returns:
        The comparison with the model; ``None`` without onnxruntime, which runs ONNX files.

    Raises:
        ExportError: If the model cannot be exported, a package is missing or the file differs
            from the model. No file is written then.
        OSError: If the file cannot be written.
    """
    check_version()
    save, load = dict(onnx=(save_onnx, load_onnx), torch=(save_torch, load_torch))[kind]
    if kind == 'onnx':
        _check_onnx(module)
    if path.is_dir():
        raise ExportError(f'{path} is a folder: name a file')
    with atomic_path(path) as unfinished:
        unfinished.touch()  # fails at once if the folder is not writable
        say('tracing the model')
        program = export_program(module)
        say('writing the file')
        save(program, unfinished, description)
        say('comparing the file with the model')
        return _compare(module, unfinished, load)


def _compare(
    module: PixelsToLogits, path: Path, load: Callable[[Path], Run | None]
) -> Check | None:
    try:
        run = load(path)
        return run and compare(module, run)
    except (ExportError, OSError):
        raise
    except Exception as error:  # the runtimes have no common type of errors
        raise ExportError(
            f'the exported model does not run ({first_line(error)}): try another version of PyTorch'
        ) from error


def _check_onnx(module: nn.Module) -> None:
    if not all(map(find_spec, ('onnx', 'onnxscript'))):
        raise ExportError(
            'the export to ONNX needs more packages: pip install onnx onnxscript onnxruntime '
            f'{numpy_kept()}'
        )
    size = sum(x.numel() * x.element_size() for x in module.state_dict().values())
    if size >= LARGEST:
        raise ExportError(
            f'the model has {size / 2**30:.1f} GiB of weights, but an ONNX file can contain at '
            'most 2 GiB: export it with --format torch'
        )


def save_onnx(program: ExportedProgram, path: Path, description: dict[str, str]) -> None:
    """Write an ONNX file with a description in its metadata.

    Raises:
        ExportError: If the program has an operator that ONNX does not have.
    """
    try:
        with _quiet():
            onnx = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=['image'],
                output_names=['logits'],
                dynamic_shapes=dict(image={0: 'batch', 2: 'height', 3: 'width'}),
            )
    except Exception as error:  # operators without a counterpart, and defects of the exporter
        reason = first_line(error.__cause__ or error)
        if operator := re.search(r'target=torch\.ops\.([\w.]+)', reason):
            reason = f'PyTorch has no ONNX counterpart of {operator[1]}'
        raise ExportError(
            f'the model cannot be exported to ONNX ({reason}): export it with --format torch'
        ) from error
    onnx.model.metadata_props.update(description)
    onnx.save(path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress messages and warnings of the exporters."""
    loggers = [logging.getLogger(name) for name in ('torch.onnx', 'onnx_ir', 'onnxscript')]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def load_onnx(path: Path) -> Run | None:
    """Return a function that runs an ONNX file; ``None`` without onnxruntime."""
    if not find_spec('onnxruntime'):
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return lambda image: session.run(['logits'], dict(image=image))[0]


def save_torch(program: ExportedProgram, path: Path, description: dict[str, str]) -> None:
    """Write a ``torch.export`` program that contains a description."""
    with path.open('wb') as file:  # the name does not end in .pt2 yet
        torch.export.save(program, file, extra_files={DESCRIPTION: json.dumps(description)})


def load_torch(path: Path) -> Run:
    """Return a function that runs a ``torch.export`` program."""
    with path.open('rb') as file:
        run = torch.export.load(file).module()

    def run_arrays(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return run(torch.from_numpy(image)).numpy()

    return run_arrays
