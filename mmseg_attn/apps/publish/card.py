"""Write a model card: a page about a model, with the block of metadata that model hubs read."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from ..markdown import md_table
from ..runs import PER_CLASS

TAGS = ('mmsegmentation', 'semantic-segmentation')
MEASURES = dict(IoU='mean_iou', Dice='dice', Acc='mean_accuracy')


class Card(NamedTuple):
    """What a model card says.

    Attributes:
        name: Name of the model.
        classes: Names, in the order of the labels.
        palette: Colors of the classes, RGB.
        preprocessing: What happens to an image before the network, by topic.
        metrics: Scores as the metrics name them; those in ``MEASURES`` are in percent.
        source: Where the scores are from.
        data: The data of the scores.
        setup: How the model was trained, by topic.
        license: Identifier of the license of the weights; ``None`` if unknown.
        preview: File of a drawing in the same folder; ``None`` without one.
        imports: Modules of the user that the config imports.
    """

    name: str
    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    preprocessing: Mapping[str, str]
    metrics: Mapping[str, float]
    source: str
    data: str
    setup: Mapping[str, str]
    license: str | None
    preview: str | None
    imports: Sequence[str]


def card_text(card: Card) -> str:
    """Return the text of README.md."""
    metadata = yaml.safe_dump(_metadata(card), sort_keys=False, allow_unicode=True)
    classes = [
        (number, name, '#{:02x}{:02x}{:02x}'.format(*color))
        for number, (name, color) in enumerate(zip(card.classes, card.palette, strict=True))
    ]
    blocks = [
        f'---\n{metadata}---',
        f'# {card.name}',
        f'This model assigns each pixel of an image to one of {len(card.classes)} classes. It was '
        'trained with [mmseg_attn](https://mmseg-attn.readthedocs.io), a plugin for '
        'MMSegmentation.',
    ]
    if card.preview:
        blocks.append(f'![an image and its prediction]({card.preview})')
    blocks += [
        '## Use',
        'In a clone of mmseg_attn, with PyTorch installed:',
        '```bash\npip install -e ".[lite,safetensors]"\n'
        'python tools/predict.py FOLDER IMAGES --out predicted\n```',
        'FOLDER is the folder of this file, and IMAGES are image files or folders. In Python:',
        '```python\nimport mmseg_attn\nfrom mmseg.apis import inference_model, init_model\n\n'
        "weights = 'safetensors:FOLDER/model.safetensors'\n"
        "model = init_model('FOLDER/config.py', weights, device='cpu')  # or 'cuda'\n"
        "labels = inference_model(model, 'image.png').pred_sem_seg.data  # (1, height, width)\n```",
    ]
    if card.imports:
        blocks.append(f'The config imports {", ".join(card.imports)}, which you need as well.')
    blocks += [
        '`sha256sum -c SHA256SUMS` checks the files.',
        '## Classes',
        md_table(('label', 'class', 'color'), classes),
        '## Input',
        md_table(('setting', 'value'), card.preprocessing.items()),
        '## Scores',
        *_scores(card),
        '## Training',
        md_table(('setting', 'value'), card.setup.items()),
    ]
    return '\n\n'.join(blocks) + '\n'


def _metadata(card: Card) -> dict[str, Any]:
    metrics = [
        dict(type=kind, name=f'mean {measure}', value=card.metrics[f'm{measure}'])
        for measure, kind in MEASURES.items()
        if f'm{measure}' in card.metrics
    ]
    metadata: dict[str, Any] = dict(license=card.license) if card.license else {}
    metadata |= dict(library_name='mmseg_attn', pipeline_tag='image-segmentation', tags=[*TAGS])
    if metrics:
        result = dict(
            task=dict(type='image-segmentation'),
            dataset=dict(type='custom', name=card.data),
            metrics=metrics,
        )
        metadata['model-index'] = [dict(name=card.name, results=[result])]
    return metadata


def _scores(card: Card) -> list[str]:
    if not card.metrics:
        return ['Not measured.']
    measures = [measure for measure in MEASURES if f'm{measure}' in card.metrics]
    rows = [
        (name, *(_percent(card.metrics.get(f'{measure}.{name}')) for measure in measures))
        for name in card.classes
        if f'{PER_CLASS}{name}' in card.metrics
    ]
    rows.append(('mean', *(_percent(card.metrics[f'm{measure}']) for measure in measures)))
    text = f'n {card.data} ({card.source}).'
    if not measures:
        return [f'O{text}', md_table(('metric', 'value'), card.metrics.items())]
    return [f'In percent, o{text}', md_table(('class', *measures), rows)]


def _percent(value: float | None) -> str:
    return '' if value is None else f'{value:.2f}'
