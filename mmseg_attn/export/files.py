"""Write exported models, and compare what is in the file with the model that it was made of."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import nn
from torch.export import ExportedProgram

from ..datasets.conversion import ConversionError
from .program import Logits, export_program, first_line

TOLERANCE = 1e-4  # of the logits, or of the largest one where that exceeds 1
CHECKED = ((2, 96, 128), (1, 101, 75))  # batch, height, width
DESCRIPTION = 'description.json'  # in a .pt2 file
PACKAGES = ('onnx', 'onnxruntime', 'onnxscript')

Run = Callable[[np.ndarray], np.ndarray]


def write(
    model: EncoderDecoder, path: Path, *, in_channels: int, description: dict[str, str]
) -> float:
    """Export a segmentor into a file, and compare the file with it on images of two sizes.

    Args:
        model: the segmentor, on the CPU.
        path: the file: ``.onnx``, or ``.pt2`` for a ``torch.export`` program.
        in_channels: channels of the images.
        description: texts that go into the file.

    Returns:
        The largest difference of the logits.

    Raises:
        ConversionError: if the model cannot be exported, a package is missing or the file does not
            compute what the model computes; nothing is written then.
        OSError: if the file cannot be written.
    """
    kinds = {'.onnx': (_write_onnx, _load_onnx), '.pt2': (_write_program, _load_program)}
    if path.suffix not in kinds:
        raise ConversionError(f'{path} has to end in one of {", ".join(kinds)}')
    save, load = kinds[path.suffix]
    if path.suffix == '.onnx':
        _check_onnx(model)
    model.eval()
    program = export_program(model, in_channels=in_channels)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'unfinished-{path.name}')
    try:
        save(program, unfinished, description)
        difference = _compare(model, load(unfinished), in_channels)
        unfinished.replace(path)
    except (ConversionError, OSError):
        raise
    except Exception as error:  # exporters have no common type for what they cannot do
        raise ConversionError(f'{path} cannot be made: {first_line(error)}') from error
    finally:
        unfinished.unlink(missing_ok=True)
    return difference


def _check_onnx(model: EncoderDecoder) -> None:
    if not all(map(find_spec, PACKAGES)):
        raise ConversionError(
            f'ONNX files need {", ".join(PACKAGES)}: run pip install "mmseg_attn[onnx]"'
        )
    for name, layer in model.named_modules():
        if isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size not in (1, (1, 1)):
            raise ConversionError(
                f'{type(model.decode_head).__name__} cannot be an ONNX file for any size: its '
                f'{name} averages over {layer.output_size} parts of a side, whose borders ONNX '
                'cannot compute; a .pt2 file can be written'
            )


def _write_onnx(program: ExportedProgram, path: Path, description: dict[str, str]) -> None:
    onnx = torch.onnx.export(
        program, dynamo=True, verbose=False, input_names=['image'], output_names=['logits']
    )
    onnx.model.metadata_props.update(description)
    onnx.save(str(path))


def _load_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return lambda image: session.run(['logits'], dict(image=image))[0]


def _write_program(program: ExportedProgram, path: Path, description: dict[str, str]) -> None:
    torch.export.save(program, path, extra_files={DESCRIPTION: json.dumps(description)})


def _load_program(path: Path) -> Run:
    run = torch.export.load(path).module()
    return lambda image: run(torch.from_numpy(image)).detach().numpy()


def _compare(model: EncoderDecoder, run: Run, in_channels: int) -> float:
    """Return the largest difference of the logits.

    Raises:
        ConversionError: if it is too large.
    """
    largest = 0.0
    generator = np.random.default_rng(0)
    for batch, height, width in CHECKED:
        image = generator.standard_normal((batch, in_channels, height, width), np.float32)
        with torch.no_grad():
            expected = Logits(model)(torch.from_numpy(image)).numpy()
        difference = float(np.abs(run(image) - expected).max())
        if not difference <= TOLERANCE * max(1, np.abs(expected).max()):  # NaN is too large, too
            raise ConversionError(
                f'the exported model is wrong: on an image of {width} x {height} pixels a logit '
                f'differs by {difference:.2g}; another version of PyTorch may do better'
            )
        largest = max(largest, difference)
    return largest
