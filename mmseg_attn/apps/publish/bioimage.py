"""Describe a published model for the BioImage Model Zoo, in its format 0.5."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from mmengine.config import Config

from ...compat.libraries import optional_library
from ...errors import UsageError
from ..export import PixelsToLogits, write
from ..export.files import OPSET
from ..predict import Predictor, exportable

RDF, NETWORK = 'rdf.yaml', 'model.onnx'
TEST_INPUT, TEST_OUTPUT = 'test_input.npy', 'test_output.npy'
TEST_SIZE = 31, 47  # pixels beyond the smallest sides
SITE = 'https://mmseg-attn.readthedocs.io'
NAMES = {
    'gray': ['gray'],
    'RGB': ['red', 'green', 'blue'],
}  # of input channels


def check_bioimage(license: str | None, authors: Sequence[str]) -> Any:
    """Check what a description needs, before a model is written.

    Args:
        license: Identifier of the license of the weights.
        authors: Names of the authors.

    Returns:
        The library that validates descriptions.

    Raises:
        UsageError: If the license or the authors are missing, or the library is.
    """
    if not license or not authors:
        raise UsageError(
            '--bioimage needs the license and the authors of the model: add --license, such as '
            'CC-BY-4.0, and --authors'
        )
    return optional_library('bioimageio.spec', package='bioimageio.spec', part='--bioimage')


def write_bioimage(
    library: Any,
    folder: Path,
    config: Path,
    weights: Path,
    *,
    name: str,
    license: str,
    authors: Sequence[str],
    cover: str | None,
) -> None:
    """Write the network as ONNX, test tensors of noise, and ``rdf.yaml``, which is validated.

    Args:
        library: The validating library.
        folder: The folder of the published model, with ``README.md``.
        config: Its config.
        weights: Its weights; a temperature beside them is used.
        name: Name of the model.
        license: Identifier of the license of the weights, in any case.
        authors: Names of the authors.
        cover: File of an image in the folder that may be published.

    Raises:
        UsageError: If the format cannot express the model, or refuses the description.
        ExportError: If the model cannot be exported.
    """
    cfg = Config.fromfile(config)
    predictor = Predictor(cfg, weights, temperature=None)
    module, description = exportable(predictor, cfg, name=name)
    before = json.loads(description['preprocessing'])
    if before['steps']:
        raise UsageError(
            f'the test pipeline contains {before["steps"][0]["type"]}, which the tools of the '
            'BioImage Model Zoo do not do: publish without --bioimage'
        )
    write(module, folder / NETWORK, kind='onnx', description=description)
    sides = (module.smallest + more for more in TEST_SIZE)
    shape = 1, module.in_channels, *sides
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    with torch.no_grad():
        logits = module(torch.from_numpy(noise)).numpy()
    np.save(folder / TEST_INPUT, noise)
    np.save(folder / TEST_OUTPUT, logits)
    known = NAMES.get(before['channels'], [])
    inputs = known or [f'channel{number}' for number in range(module.in_channels)]
    outputs = predictor.classes if logits.shape[1] > 1 else predictor.classes[-1:]
    content = dict(
        format_version=library.model.v0_5.ModelDescr.implemented_format_version,
        type='model',
        name=name,
        description=_text(description, module.smallest),
        authors=[dict(name=author) for author in authors],
        license=_license(library, license),
        cite=[dict(text='mmseg_attn, the software of the training', url=SITE)],
        documentation=dict(source='README.md'),
        covers=[dict(source=cover)] if cover else [],
        tags=['semantic-segmentation', 'mmsegmentation'],
        inputs=[_tensor('image', inputs, TEST_INPUT, module)],
        outputs=[_tensor('logits', outputs, TEST_OUTPUT, None)],
        weights=dict(onnx=dict(source=NETWORK, opset_version=OPSET)),
    )
    context = library.ValidationContext(root=folder.resolve(), perform_io_checks=True)
    built = library.build_description(content, context=context)
    if isinstance(built, library.InvalidDescr):
        errors = [error for detail in built.validation_summary.details for error in detail.errors]
        reason = '; '.join(f'{".".join(map(str, error.loc))}: {error.msg}' for error in errors)
        raise UsageError(
            f'the BioImage Model Zoo refuses the description ({" ".join(reason.split())[:400]}): '
            'correct that, or publish without --bioimage'
        )
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (folder / RDF).write_text(text, encoding='utf-8')


def _text(description: dict[str, str], smallest: int) -> str:
    """Describe the output; the channels of the input have names."""
    threshold = json.loads(description['threshold'])
    rule = (
        'the class of a pixel is the channel with the largest logit'
        if threshold is None
        else f'a pixel is of the class where the sigmoid of the logit exceeds {threshold:g}'
    )
    return f'Semantic segmentation of images with sides of {smallest} pixels or more; {rule}.'


def _license(library: Any, license: str) -> str:
    """Return the SPDX identifier in the case of the list, if it is in it."""
    file = Path(library.__file__).with_name('static') / 'spdx_licenses.json'
    try:
        entries = json.loads(file.read_text(encoding='utf-8'))['licenses']
        names = {entry['licenseId'].lower(): entry['licenseId'] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return license
    return names.get(license.lower(), license)


def _tensor(
    name: str, channel_names: Sequence[str], file: str, module: PixelsToLogits | None
) -> dict[str, Any]:
    """Describe a tensor; without a module, one of the size of the image."""
    axes: list[dict[str, Any]] = [
        dict(type='batch'),
        dict(type='channel', channel_names=list(channel_names)),
    ]
    for axis in 'yx':
        size = (
            dict(min=module.smallest, step=1) if module else dict(tensor_id='image', axis_id=axis)
        )
        axes.append(dict(type='space', id=axis, size=size))
    data: dict[str, Any] = dict(type='float32')
    if module and module.color_type != 'unchanged':
        data['range'] = [0, 255]
    return dict(id=name, axes=axes, test_tensor=dict(source=file), data=data)
