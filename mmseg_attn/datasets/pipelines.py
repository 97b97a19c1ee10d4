"""Find steps of a pipeline with which the scores of a model would be wrong."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mmcv.transforms import LoadAnnotations, RandomFlip
from mmengine.dataset import BaseDataset
from mmseg.datasets.transforms import LoadAnnotations as HostAnnotations

from .findings import KINDS, Finding
from .transforms import LoadStrictAnnotations

PACKAGES = ('mmcv', 'mmseg', 'mmseg_attn')  # whose transforms load labels by their names
RANDOM = ('ExternalTransform', 'PhotoMetricDistortion')  # without the word in their names
REVERSED = ('horizontal', 'vertical')  # the flips that MMSegmentation reverses in predictions


def augmented(transform: Any) -> Iterator:
    """Yield the transform, or those inside ``TestTimeAug``."""
    routines = getattr(transform, 'subroutines', None)
    if routines is None:
        yield transform
    for routine in routines or ():
        yield from routine.transforms


def loads_labels(transform: Any) -> bool:
    """Return whether a transform loads the labels of an image."""
    name = type(transform).__name__
    return isinstance(transform, LoadAnnotations) or (
        name.startswith('Load') and 'Annotation' in name
    )


def keeps_values(loader: Any) -> bool:
    """Return whether the labels are the values of the file, and not computed by a user's loader."""
    kind = type(loader)
    return isinstance(loader, LoadStrictAnnotations) or any(
        isinstance(loader, base)
        and kind._load_seg_map is base._load_seg_map
        and kind.transform is base.transform
        for base in (HostAnnotations, LoadAnnotations)
    )


def is_random(name: str) -> bool:
    """Return whether a transform of this name changes images at random.

    ``RandomFlip`` does not count, because MMSegmentation reverses it.
    """
    return ('Random' in name or name in RANDOM) and name != 'RandomFlip'


def flip_fault(transforms: Sequence) -> tuple[str, str] | None:
    """Find a flip that MMSegmentation cannot reverse in a prediction.

    Args:
        transforms: The transforms of a test pipeline.

    Returns:
        The fault and the remedy; ``None`` if there is no such flip.
    """
    for flip in _flips(transforms):
        others = sorted(set(_directions(flip)) - set(REVERSED))
        if others:
            return (
                f'RandomFlip has the direction {others[0]!r}, which MMSegmentation does not '
                'reverse in predictions',
                "set 'horizontal' or 'vertical', or remove it",
            )
    return None


def frame_fault(names: Iterable[str]) -> tuple[str, str] | None:
    """Find a step that pads or crops, which MMSegmentation does not reverse in a prediction.

    It resizes a prediction to the size of the loaded image, and so stretches it.

    Args:
        names: Names of the transforms of a test pipeline.

    Returns:
        The fault and the remedy; ``None`` if there is no such step.
    """
    for name in names:
        if name == 'Pad':
            remedy = 'pad with test_cfg=dict(size_divisor=32) of data_preprocessor, and remove it'
        elif name.endswith('Crop'):
            remedy = 'crop the files themselves, and remove it'
        else:
            continue
        return f'{name} can change the frame of images, and predictions are then stretched', remedy
    return None


def size_fault(results: Any, name: str | None) -> tuple[str, str] | None:
    """Compare the size of labels with that of the prediction to come.

    Args:
        results: What a pipeline of validation or test returns.
        name: The image.

    Returns:
        The fault and the remedy; ``None`` if the sizes are equal or not known.
    """
    sample: Any = (results or {}).get('data_samples')
    sample = sample[0] if isinstance(sample, list) else sample
    original = getattr(sample, 'ori_shape', None)
    if original is None or 'gt_sem_seg' not in sample:
        return None
    size = tuple(sample.gt_sem_seg.data.shape[-2:])
    if size == tuple(original[:2]):
        return None
    return (
        f'the labels of {name or "an image"} have the shape {size} after the pipeline, but its '
        f'prediction will have the shape {tuple(original[:2])}',
        KINDS['label-size'].remedy,
    )


def check_pipeline(split: str, dataset: BaseDataset) -> Iterator[Finding]:
    """Check the steps of a pipeline, without opening an image.

    Args:
        split: Train, val or test.
        dataset: The dataset.
    """
    transforms = dataset.pipeline.transforms
    steps = [step for transform in transforms for step in augmented(transform)]
    loaders = [step for step in steps if loads_labels(step)]
    known = all(type(step).__module__.split('.')[0] in PACKAGES for step in steps)
    if known and not loaders:  # a transform of the user may load them
        yield Finding('no-labels', split)
    of_dataset = getattr(dataset, 'reduce_zero_label', None)
    for loader in loaders:
        own = getattr(loader, 'reduce_zero_label', None)
        if None not in (own, of_dataset) and bool(own) != bool(of_dataset):
            why = (
                f'{type(loader).__name__} has reduce_zero_label={own}, but '
                f'{type(dataset).__name__} has {of_dataset}'
            )
            yield Finding('zero-label', split, why=why)
            break
    if split == 'train':
        return
    if fault := flip_fault(transforms):
        yield Finding('flip', split, why=fault[0], remedy=fault[1])
    if fault := frame_fault(type(step).__name__ for step in steps):
        yield Finding('frame', split, why=fault[0], remedy=fault[1])
    loaded = False
    for step in _scored(transforms):
        if loaded and next(_flips([step]), None):
            yield Finding('flipped-labels', split)
            break
        loaded |= loads_labels(step)
    names = sorted({type(step).__name__ for step in steps if is_random(type(step).__name__)})
    if names:
        yield Finding('random', split, why=', '.join(names))


def _scored(transforms: Sequence) -> Iterator:
    """Yield the transforms of the labels that are scored.

    Test-time augmentation compares the labels of its first version with the prediction.
    """
    for transform in transforms:
        routines = getattr(transform, 'subroutines', None)
        if routines is None:
            yield transform
        elif routines:
            yield from routines[0].transforms


def _flips(transforms: Sequence) -> Iterator[RandomFlip]:
    """Yield the flips that can happen."""
    for transform in transforms:
        for step in augmented(transform):
            if isinstance(step, RandomFlip) and _probability(step) > 0:
                yield step


def _probability(flip: RandomFlip) -> float:
    prob = flip.prob
    return sum(prob) if isinstance(prob, list | tuple) else prob or 0


def _directions(flip: RandomFlip) -> list[str]:
    return [flip.direction] if isinstance(flip.direction, str) else list(flip.direction)
