"""Choose the settings of a config from the data and the machine.

Every rule by which ``tools/new_dataset.py`` chooses is here, with its reason and source in
:data:`RULES`; docs/new_dataset.md explains the same rules.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .reading import Slice


class Rule(NamedTuple):
    """The reason of a rule, and where it comes from."""

    reason: str
    source: str


NNUNET = 'nnU-Net (Isensee et al., 2021, doi:10.1038/s41592-020-01008-z)'
OURS = "this project's small configs (docs/results/drosophila-small.md)"
TRIED = "short trainings on one fold of this project's two datasets"
RULES = {
    'modality': Rule('it decides which augmentations keep images realistic', 'a guess by values'),
    'normalization': Rule('networks train best on values around 0', 'MMSegmentation'),
    'window': Rule('without a few extreme values, 8 bits are enough', NNUNET),
    'crop': Rule('more context helps, as far as the memory allows', NNUNET),
    'resize': Rule('in a scan of the body, the position of a pixel matters', OURS),
    'stages': Rule('the coarsest feature map keeps 8x8 pixels', 'as in ' + OURS),
    'width': Rule(
        'a width of 16 is fast enough for a CPU', f'{NNUNET} for a GPU; {OURS} for a CPU'
    ),
    'batch': Rule('batch normalization needs at least two images', 'an estimate of the memory'),
    'loss': Rule('hard pixels and rare classes are learned in few iterations', TRIED),
    'sampling': Rule('random crops often lack rare classes', NNUNET),
    'augmentation': Rule(
        'images should change only as new images can differ', f'the modality; {TRIED}'
    ),
    'optimizer': Rule('a rate of 0.003 trains small U-Nets in few iterations', TRIED),
    'schedule': Rule('small datasets need fewer iterations', "the papers' 100 to 1500 epochs"),
    'validation': Rule('the best checkpoint is kept, and time is not wasted', 'a convention'),
    'test': Rule('large images need too much memory as a whole', NNUNET),
}

MODALITIES = ('em', 'ct', 'mri', 'rgb', 'fluorescence')
HOUNSFIELD_AIR = -500  # CT images contain air, which is -1000 Hounsfield units
DARK, BLACK = 0.25, 0.2  # fraction of the range of values; fraction of pixels that are 0
SMALLEST_CROP, STEP = 16, 16
SCANS, CROPS_PER_SIDE = ('ct', 'mri'), 2  # a crop shows at least a quarter of a scan
CROPS = {'cpu': 128, 'small': 256, 'large': 512}
SMALL_GPU = 12 * 2**30  # bytes; below it, a GPU is small
COARSEST, MOST_STAGES, MOST_CHANNELS = 8, 5, 512
BATCHES = (16, 8, 4, 2)
CPU_BATCH = 4
FLOATS_PER_PIXEL = 60  # of the activations of a U-Net, times its width; measured, an upper bound
RARE = 0.1  # fraction of the labeled pixels
PASSES, ROUND = 250, 100
FEW_PASSES = 10  # in fewer passes, images hardly repeat, and changes only slow the training
ITERATIONS = {'cpu': (600, 4000), 'gpu': (4000, 40000)}
VALIDATIONS, PATIENCE = 10, 7
WHOLE = 1024  # longest side of an image that is predicted as a whole
WARM_UP = 0.05  # fraction of the iterations
MODELS = (
    'unet',
    'lfa-unet',
    'attention-unet',
    'res-unet',
    'r2u-net',
    'unet-plus-plus',
    'csam-resunet',
    'unet-self-attention',
)


class Machine(NamedTuple):
    """Where the training runs: 'cpu' or 'cuda', its free memory in bytes, and CPU cores."""

    device: str
    memory: int
    cores: int


@dataclass
class Choices:
    """The chosen settings of a config.

    Attributes:
        modality: One of ``MODALITIES``.
        why_modality: Reason of the modality.
        model: One of ``MODELS``.
        crop: Height and width of the crops.
        resize: Width and height into which all images are fitted; ``None`` keeps their sizes.
        channels: Channels of every stage.
        batch: Images in a batch.
        workers: Processes that load images.
        rare: Numbers of the classes that crops are centered on.
        cropping: Whether images are larger than the crops.
        iterations: Length of the training.
        validations: Number of validations.
        slide: Whether images are predicted in windows.
        crops: Number of crops that cover all training images.
        same_size: Whether all images have the same size.
        machine: Where the training runs.
    """

    modality: str
    why_modality: str
    model: str
    crop: tuple[int, int]
    resize: tuple[int, int] | None
    channels: list[int]
    batch: int
    workers: int
    rare: list[int]
    cropping: bool
    iterations: int
    validations: int
    slide: bool
    crops: float
    same_size: bool
    machine: Machine

    @property
    def passes(self) -> float:
        """How often the training sees every pixel."""
        return self.iterations * self.batch / self.crops

    @property
    def interval(self) -> int:
        """The iterations between two validations."""
        return math.ceil(self.iterations / self.validations)


def choose(
    slices: Sequence[Slice],
    train: Sequence[Slice],
    fractions: Mapping[int, float],
    machine: Machine,
    *,
    model: str = 'unet',
    modality: str | None = None,
) -> Choices:
    """Choose all settings.

    Args:
        slices: All slices.
        train: The slices of the training split.
        fractions: Fraction of each class among the labeled training pixels.
        machine: The machine of the training.
        model: One of ``MODELS``.
        modality: One of ``MODALITIES``; ``None`` guesses it.
    """
    guess = guess_modality(slices)
    kind = modality or guess[0]
    crop = crop_size([one.size for one in slices], machine)
    resize = reduced_size([one.size for one in slices], crop, kind)
    channels = stage_channels(crop, machine)
    batch = batch_size(crop, channels[0], machine)
    crops = number_of_crops([one.size for one in train], crop, resize)
    return Choices(
        modality=kind,
        why_modality='set by --modality' if modality else guess[1],
        model=model,
        crop=crop,
        resize=resize,
        channels=channels,
        batch=batch,
        workers=max(min(machine.cores, 4), 1),
        rare=rare_classes(fractions),
        cropping=any(
            side > limit for one in slices for side, limit in zip(one.size, crop, strict=True)
        ),
        iterations=iterations(crops, batch, machine),
        validations=VALIDATIONS,
        slide=resize is None and max(max(one.size) for one in slices) > WHOLE,
        crops=crops,
        same_size=len({one.size for one in slices}) == 1,
        machine=machine,
    )


def guess_modality(slices: Sequence[Slice]) -> tuple[str, str]:
    """Guess the modality from file type, channels and values.

    Returns:
        One of ``MODALITIES``, and the reason.
    """
    samples = np.concatenate([one.samples for one in slices])
    low, high = float(samples.min()), float(samples.max())
    gray = samples.shape[1] == 1 or (samples == samples[:, :1]).all()
    if slices[0].medical:
        if low <= HOUNSFIELD_AIR:
            return 'ct', f'values from {low:g} on, as Hounsfield units have'
        return 'mri', f'a medical file without Hounsfield units (values from {low:g} on)'
    if samples.shape[1] == 2:
        return 'fluorescence', 'two channels'
    relative = (samples - low) / ((high - low) or 1)
    median, black = float(np.median(relative)), float((samples == 0).mean())
    if not gray:
        if samples.shape[1] == 3 and median < DARK / 2 and slices[0].bits > 8:
            return 'fluorescence', f'three channels of {slices[0].bits} bits, mostly dark'
        return 'rgb', f'{samples.shape[1]} channels of different values'
    if slices[0].bits > 8:
        if median < DARK:
            return 'fluorescence', f'one channel of {slices[0].bits} bits, mostly dark'
        return 'em', f'one channel of {slices[0].bits} bits, not mostly dark'
    if black >= BLACK:
        return 'mri', f'gray values, {100 * black:.0f} % of the pixels black, as around a body'
    if median < DARK:
        return 'fluorescence', 'gray values, mostly dark'
    return 'em', 'gray values, not mostly dark'


def crop_size(sizes: Sequence[tuple[int, int]], machine: Machine) -> tuple[int, int]:
    """Choose the crop: the median size of the images, up to a limit by the machine."""
    kind = 'cpu' if machine.device == 'cpu' else 'large'
    if machine.device != 'cpu' and machine.memory < SMALL_GPU:
        kind = 'small'
    medians = np.median(np.array(sizes), axis=0)
    height, width = (
        max(min(int(side) // STEP * STEP, CROPS[kind]), SMALLEST_CROP) for side in medians
    )
    return height, width


def reduced_size(
    sizes: Sequence[tuple[int, int]], crop: tuple[int, int], modality: str
) -> tuple[int, int] | None:
    """Choose width and height into which scans are fitted if one of them is large."""
    side = CROPS_PER_SIDE * max(crop)
    return (side, side) if modality in SCANS and max(map(max, sizes)) > side else None


def stage_channels(crop: tuple[int, int], machine: Machine) -> list[int]:
    """Choose depth and width of the network."""
    stages = min(int(math.log2(min(crop) / COARSEST)) + 1, MOST_STAGES)
    width = 16 if machine.device == 'cpu' else 32
    return [min(width * 2**i, MOST_CHANNELS) for i in range(max(stages, 2))]


def batch_size(crop: tuple[int, int], width: int, machine: Machine) -> int:
    """Choose the largest batch that half of the free memory holds; on a CPU, at most four."""
    image = 4 * FLOATS_PER_PIXEL * width * math.prod(crop)
    sizes = [size for size in BATCHES if machine.device != 'cpu' or size <= CPU_BATCH]
    return next((size for size in sizes if size * image <= machine.memory / 2), sizes[-1])


def rare_classes(fractions: Mapping[int, float]) -> list[int]:
    """Return the classes with few pixels."""
    return sorted(label for label, fraction in fractions.items() if 0 < fraction < RARE)


def number_of_crops(
    sizes: Sequence[tuple[int, int]], crop: tuple[int, int], resize: tuple[int, int] | None
) -> float:
    """Return the number of crops that cover all images, at least one per image."""
    scales = [min(resize) / max(size) if resize else 1 for size in sizes]
    return sum(
        max(math.prod(size) * scale**2 / math.prod(crop), 1)
        for size, scale in zip(sizes, scales, strict=True)
    )


def iterations(crops: float, batch: int, machine: Machine) -> int:
    """Choose the length of the training from the crops that cover the training images."""
    low, high = ITERATIONS['cpu' if machine.device == 'cpu' else 'gpu']
    return int(min(max(PASSES * crops / batch // ROUND * ROUND, low), high))


def iterations_in(
    seconds: float, *, step: float, validation: float, start: float
) -> tuple[int, int]:
    """Choose iterations and validations that fit into a time.

    Args:
        seconds: The budget.
        step: Seconds of an iteration.
        validation: Seconds of a validation.
        start: Seconds until the first iteration.

    Returns:
        The iterations and the validations; fewer validations if they take more than a fifth.
    """
    left = max(seconds - start, 0)
    validations = int(min(max(left / 5 // max(validation, 1e-9), 1), VALIDATIONS))
    return max(int((left - validations * validation) / step), validations), validations


def augmentations(choices: Choices, slices: Sequence[Slice]) -> list[str]:
    """Choose the random transforms by the modality, as lines of a config."""
    if choices.passes < FEW_PASSES:
        return [f'# none in {choices.passes:.2g} passes over the images, which hardly repeat']
    one = slices[0]
    eight = one.dtype == 'uint8' or one.medical
    flip = "dict(type='RandomFlip', prob=0.5),"
    turn = "dict(type='RandomRightAngle'),"
    brightness = "dict(type='RandomBrightness', delta=24),"
    if choices.modality == 'rgb':
        lines = [f'{flip}  # photographs have an upper and a lower side']
        if eight and one.channels == 3:
            lines.append("dict(type='PhotoMetricDistortion'),  # brightness, contrast, color")
    elif choices.modality == 'ct':
        lines = [f'{flip}  # Hounsfield units are calibrated, so that brightness is kept']
    elif choices.modality == 'mri':
        lines = [f'{flip}  # a body is nearly symmetric']
        lines += [f'{brightness}  # gray values have no unit'] * eight
    else:
        lines = [flip, f'{turn}  # such images have no preferred direction']
        lines += [f'{brightness}  # differs between recordings'] * eight
    return lines


def resizings(choices: Choices, slices: Sequence[Slice]) -> list[str]:
    """Choose the random sizes of images before they are cropped, as lines of a config."""
    height, width = slices[0].size
    if choices.modality != 'rgb' or not choices.same_size or choices.passes < FEW_PASSES:
        return []
    scale = f'scale=({width}, {height}), ratio_range=(0.75, 1.25)'
    return ['# Distances differ:', f"dict(type='RandomResize', {scale}, keep_ratio=True),"]
