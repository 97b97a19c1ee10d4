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
from .check import Check, Run, compare
from .program import PixelsToLogits, check_version, export_program, first_line

if TYPE_CHECKING:
    from torch.export import ExportedProgram  # PyTorch 2.0 has none

SUFFIXES = dict(onnx='.onnx', torch='.pt2')
OPSET = 20  # all that the models need; newer ones are in fewer runtimes
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
    """Export a segmentor, and keep the file if it computes what the segmentor computes.

    Args:
        module: the segmentor, on the CPU.
        path: the file.
        kind: ``onnx`` or ``torch``.
        description: texts that go into the file.
        say: gets a line before every step, of which each may take a minute.

    Returns:
        How the file compares with the model; ``None`` without onnxruntime, which runs ONNX files.

    Raises:
        ExportError: if the model cannot be exported, a package is missing or the file computes
            something else; nothing is written then.
        OSError: if the file cannot be written.
    """
    check_version()
    save, load = dict(onnx=(save_onnx, load_onnx), torch=(save_torch, load_torch))[kind]
    if kind == 'onnx':
        _check_onnx(module)
    if path.is_dir():
        raise ExportError(f'{path} is a folder: name a file')
    with atomic_path(path) as unfinished:
        unfinished.touch()  # better now than after a minute
        say('tracing the model')
        program = export_program(module)
        say('writing the file')
        save(program, unfinished, description)
        say('comparing it with the model')
        return _compare(module, unfinished, load)


def _compare(
    module: PixelsToLogits, path: Path, load: Callable[[Path], Run | None]
) -> Check | None:
    try:
        run = load(path)
        return run and compare(module, run)
    except (ExportError, OSError):
        raise
    except Exception as error:  # what runs the files has no common type for what it refuses
        raise ExportError(f'the exported model does not run: {first_line(error)}') from error


def _check_onnx(module: nn.Module) -> None:
    if not all(map(find_spec, ('onnx', 'onnxscript'))):
        raise ExportError(
            'an ONNX file needs more packages: pip install onnx onnxscript onnxruntime'
        )
    size = sum(x.numel() * x.element_size() for x in module.state_dict().values())
    if size >= LARGEST:
        raise ExportError(
            f'the model has {size / 2**30:.1f} GiB of weights and an ONNX file holds 2: '
            'export it with --format torch'
        )


def save_onnx(program: ExportedProgram, path: Path, description: dict[str, str]) -> None:
    """Write an ONNX file with a description in its metadata.

    Raises:
        ExportError: if the program has an operator that ONNX lacks.
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
            reason = f'PyTorch knows no counterpart of {operator[1]} in ONNX'
        raise ExportError(
            f'the model cannot be an ONNX file: {reason}; export it with --format torch'
        ) from error
    onnx.model.metadata_props.update(description)
    onnx.save(path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the exporters log and warn about their own affairs."""
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
    """Return what runs an ONNX file; ``None`` without onnxruntime."""
    if not find_spec('onnxruntime'):
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return lambda image: session.run(['logits'], dict(image=image))[0]


def save_torch(program: ExportedProgram, path: Path, description: dict[str, str]) -> None:
    """Write a ``torch.export`` program with a description beside it."""
    with path.open('wb') as file:  # a name would have to end in .pt2
        torch.export.save(program, file, extra_files={DESCRIPTION: json.dumps(description)})


def load_torch(path: Path) -> Run:
    """Return what runs a ``torch.export`` program."""
    with path.open('rb') as file:
        run = torch.export.load(file).module()

    def of_arrays(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return run(torch.from_numpy(image)).numpy()

    return of_arrays
