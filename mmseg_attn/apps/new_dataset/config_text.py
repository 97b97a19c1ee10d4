"""Write the config of a dataset as text, with a comment on every choice."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .choices import PATIENCE, WARM_UP, Choices, augmentations, resizings
from .masks import Labels
from .reading import Slice

WIDTH = 100
# The decode head, and changes of the backbone and the neck, of each model.
UNET = "type='UNetHead'"
RESIDUAL = "block=dict(type='ResidualBlock')"
RECURRENT = "block=dict(type='RecurrentResidualBlock', t=2)"
BIASED = "block=dict(type='ConvBlock', bias=True)"


class Parts(NamedTuple):
    """The lines of a model's config that differ from a U-Net."""

    title: str
    head: str = UNET
    backbone: str = "type='UNetEncoder'"
    neck: str = ''
    norm: str = "dict(type='BN')"


MODEL_PARTS = {
    'unet': Parts('U-Net'),
    'lfa-unet': Parts('LFA-UNet', "type='LFAHead', window_size=3"),
    'attention-unet': Parts(
        'Attention U-Net', f"{UNET}, fusion=dict(type='AttentionGate', norm_cfg=norm)"
    ),
    'res-unet': Parts('Residual U-Net', f'{UNET}, {RESIDUAL}', f"type='UNetEncoder', {RESIDUAL}"),
    'r2u-net': Parts(
        'R2U-Net',
        f"{UNET}, {RECURRENT}, upsample=dict(type='NearestUpsample', norm_cfg=norm)",
        f"type='UNetEncoder', {RECURRENT}",
    ),
    'unet-plus-plus': Parts(
        'U-Net++', f"type='NestedUNetHead', {BIASED}", f"type='UNetEncoder', {BIASED}"
    ),
    'csam-resunet': Parts(
        'CSAM-ResUNet',
        f'{UNET}, {RESIDUAL}',
        "type='ResUNetEncoder', kernel_size=1",
        "neck=dict(type='CSAMSkip', in_channels=channels),",
        'None',
    ),
    'unet-self-attention': Parts(
        'U-Net with self-attention', neck="neck=dict(type='DABottleneck', channels=channels[-1]),"
    ),
}


class Data(NamedTuple):
    """Where the files of a dataset are, and how they are loaded.

    Attributes:
        source: The folder of the user, for the first line.
        name: Name of the project, for its work directory.
        images: Folder of the images; relative to the project if they were converted.
        image_suffix: Suffix of the images.
        masks: Folder of the masks; relative to the project if they were converted.
        mask_suffix: Suffix of the masks.
        palette: Whether the masks have a palette whose indices are the labels.
        loader: Arguments of ``LoadImageFromFile``.
        folds: Number of folds.
    """

    source: str
    name: str
    images: Path
    image_suffix: str
    masks: Path
    mask_suffix: str
    palette: bool
    loader: dict
    folds: int


def config_text(
    data: Data,
    labels: Labels,
    choices: Choices,
    slices: Sequence[Slice],
    train: Sequence[Slice],
    fractions: Mapping[int, float],
    *,
    why_iterations: str,
    quote: str = "'",
) -> str:
    """Return the text of the config.

    Args:
        data: The files.
        labels: The classes.
        choices: The settings.
        slices: All slices.
        train: The training slices of the first fold.
        fractions: Fraction of each class among the labeled training pixels.
        why_iterations: How the length of the training was chosen.
        quote: Quotation mark that the path of the project does not contain.
    """
    mean, std = normalization(train)
    parts = MODEL_PARTS[choices.model]
    classes = len(labels.classes)
    # without out_channels, MMSegmentation warns that two classes could have one output channel
    outputs = f'num_classes={classes}' + ', out_channels=2' * (classes == 2)
    one = slices[0]
    loader = ''.join(f', {key}={value!r}' for key, value in data.loader.items())
    bgr = data.loader.get('imdecode_backend') != 'tifffile' and one.channels == 3
    sizes = sorted({one.size for one in slices})
    size = f'{sizes[0][1]}x{sizes[0][0]}'
    if sizes[1:]:
        size += f' to {sizes[-1][1]}x{sizes[-1][0]}'
    rare = ', '.join(f'{labels.classes[i]} ({100 * fractions[i]:.2g} %)' for i in choices.rare)
    height, width = choices.crop
    if not choices.cropping:
        crop = []
    elif choices.rare:
        crop = [
            *_comment(f'A third of the crops is centered on a rare class: {rare}.', WIDTH - 4),
            *_list(
                f"dict(type='ClassBalancedCrop', crop_size={choices.crop}, classes=",
                choices.rare,
                ', cat_max_ratio=0.75),',
            ),
        ]
    else:
        crop = [f"dict(type='RandomCrop', crop_size={choices.crop}, cat_max_ratio=0.75),"]
    resize, reduce = [], ''
    if choices.resize:
        reduce = ' resize,'
        resize = [
            '# Crops of reduced scans show more of the body; predictions get the size of the file.',
            f"resize = dict(type='Resize', scale={choices.resize}, keep_ratio=True)",
        ]
    strict = f'num_classes={classes}' + ', palette=True' * data.palette
    warm_up = max(int(WARM_UP * choices.iterations), 2)  # one never leaves the first factor
    background = labels.classes[0] if labels.classes[0] == 'background' and classes > 2 else None
    scores = f", background='{background}'" if background else ''
    mode = "dict(mode='whole')"
    segmentor = 'EncoderDecoder'
    if choices.slide:
        segmentor = 'LargeImageEncoderDecoder'
        mode = (
            f"dict(mode='slide', crop_size=({height}, {width}), "
            f'stride=({max(height // 2, 1)}, {max(width // 2, 1)}))'
        )
    folds = f'  # FOLD=0 to {data.folds - 1} selects a fold' if data.folds > 1 else ''
    machine = 'a CPU' if choices.machine.device == 'cpu' else 'a GPU'
    lines = [
        *_comment(
            f'{parts.title} for {data.source}, written by tools/new_dataset.py. Change anything; '
            'docs/new_dataset.md explains every choice.'
        ),
        "_base_ = 'runtime.py'  # hooks, log and drawings",
        f'project = {quote}{{{{ fileDirname }}}}{quote}',
        f"work_dir = 'work_dirs/{data.name}'",
        f"split = f'{{project}}/splits/fold{{{{$FOLD:0}}}}'{folds}",
        '',
        f'# {len(slices)} images of {size} pixels, {_channels(one.channels)} of {one.dtype}.',
        f'images = {_path(data.images)}',
        f'masks = {_path(data.masks)}',
        *_list('classes = ', labels.classes),
        *_list('palette = ', [list(color) for color in labels.palette]),
        'data = dict(',
        "    type='BaseSegDataset',",
        '    data_prefix=dict(img_path=images, seg_map_path=masks),',
        f'    img_suffix={data.image_suffix!r}, seg_map_suffix={data.mask_suffix!r},',
        '    metainfo=dict(classes=classes, palette=palette),',
        ')',
        f"load_image = dict(type='LoadImageFromFile'{loader})",
        f"load_labels = dict(type='LoadStrictAnnotations', {strict})",
        *resize,
        "pack = dict(type='PackSegInputs')",
        'train_pipeline = [',
        f'    load_image, load_labels,{reduce}',
        *(f'    {line}' for line in resizings(choices, slices)),
        *(f'    {line}' for line in crop),
        f'    # Changes for {choices.modality} images ({choices.why_modality}):',
        *(f'    {line}' for line in augmentations(choices, slices)),
        '    pack,',
        ']',
        f'test_pipeline = [load_image,{reduce} load_labels, pack]',
        "flips = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]  # of --tta",
        'views = [flips, [load_labels], [pack]]',
        f"tta_pipeline = [load_image,{reduce} dict(type='TestTimeAug', transforms=views)]",
        f'loader = dict(num_workers={choices.workers}, persistent_workers=True)',
        'train_dataloader = dict(',
        f'    loader, batch_size={choices.batch},  # for {machine}',
        "    sampler=dict(type='InfiniteSampler'),",
        "    dataset=dict(data, ann_file=f'{split}/train.txt', pipeline=train_pipeline),",
        ')',
        "in_order = dict(loader, sampler=dict(type='DefaultSampler', shuffle=False))",
        "val_data = dict(data, ann_file=f'{split}/val.txt', pipeline=test_pipeline)",
        'val_dataloader = dict(in_order, dataset=val_data)',
        "test_dataloader = dict(in_order, dataset=dict(val_data, ann_file=f'{split}/test.txt'))",
        '# IoU and Dice of every class'
        + (', and means without the background.' if background else '.'),
        f"val_evaluator = dict(type='PerClassIoUMetric', iou_metrics=['mIoU', 'mDice']{scores})",
        'test_evaluator = val_evaluator',
        '',
        f'# Crops of {width}x{height} allow {len(choices.channels)} stages. The width is for '
        f'{machine}.',
        f'channels = {choices.channels}',
        f'norm = {parts.norm}',
        'model = dict(',
        f"    type='{segmentor}',",
        '    data_preprocessor=dict(  # with mean and standard deviation of the training images',
        "        type='SegDataPreProcessor',",
        *_list('        mean=', mean, ','),
        *_list('        std=', std, ','),
        f'        {"bgr_to_rgb=True, " * bgr}seg_pad_val=255, size_divisor=1,',
        '    ),',
        f'    backbone=dict({parts.backbone}, in_channels={one.channels}, channels=channels, '
        'norm_cfg=norm),',
        *([f'    {parts.neck}'] if parts.neck else []),
        '    decode_head=dict(',
        f'        {parts.head},',
        f'        in_channels=channels, {outputs}, norm_cfg=norm,',
        '        # The focal loss learns from hard pixels; the IoU loss counts every class alike.',
        "        loss_decode=[dict(type='SoftmaxFocalLoss'), dict(type='SoftIoULoss')],",
        '    ),',
        f'    test_cfg={mode},' + '  # half overlapping windows' * choices.slide,
        ')',
        '',
        f'# {why_iterations}',
        f'iterations, warm_up, interval = {choices.iterations}, {warm_up}, {choices.interval}',
        "optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.003))",
        'param_scheduler = [',
        "    dict(type='LinearLR', start_factor=0.1, end=warm_up, by_epoch=False),",
        "    dict(type='PolyLR', begin=iterations // 2, end=iterations, by_epoch=False),  # to 0",
        ']',
        "train_cfg = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=interval)",
        f'# Keep the best checkpoint; stop after {PATIENCE} validations without 0.1 points more.',
        'default_hooks = dict('
        "checkpoint=dict(by_epoch=False, interval=interval, save_best='mIoU'))",
        'custom_hooks = ['
        f"dict(type='EarlyStoppingHook', monitor='mIoU', rule='greater', patience={PATIENCE})]",
    ]
    return '\n'.join(lines) + '\n'


def normalization(train: Sequence[Slice]) -> tuple[list[float], list[float]]:
    """Compute mean and standard deviation of each channel over all training pixels."""
    pixels = np.array([one.size[0] * one.size[1] for one in train], dtype=np.float64)
    weights = pixels / pixels.sum()
    mean = weights @ np.array([one.mean for one in train])
    square = weights @ np.array([one.square for one in train])
    std = np.sqrt(np.maximum(square - mean**2, 0))
    std = np.where(std > 0, std, 1)
    return [_round(value) for value in mean], [_round(value) for value in std]


def _round(value: float) -> float:
    return float(f'{value:.5g}')


def _channels(number: int) -> str:
    return f'{number} channel' if number == 1 else f'{number} channels'


def _path(path: Path) -> str:
    if path.is_absolute():
        return repr(str(path))
    return f"f'{{project}}/{path.as_posix()}'"


def _comment(text: str, width: int = WIDTH) -> list[str]:
    return [f'# {line}' for line in textwrap.wrap(text, width - 2)]


def _list(start: str, items: Sequence[object], end: str = '') -> list[str]:
    """Write a list after a text, on several lines if it is long."""
    texts = [repr(item) for item in items]
    line = f'{start}[{", ".join(texts)}]{end}'
    if len(line) <= WIDTH - 4:
        return [line]
    indent = ' ' * (len(line) - len(line.lstrip()))
    inner = ' '.join(text.replace(' ', '\0') + ',' for text in texts)  # keep items in one piece
    wrapped = textwrap.wrap(
        inner,
        WIDTH - len(indent) - 8,  # the list may be nested
        break_long_words=False,
        break_on_hyphens=False,
    )
    rows = [f'{indent}    {row}'.replace('\0', ' ') for row in wrapped]
    return [f'{start}[', *rows, f'{indent}]{end}']
