"""MONAI's random transforms by name, for images of any type and number of channels.

MONAI (https://monai.io, Apache-2.0) has the augmentation of nnU-Net (Isensee et al., 2021), and
needs only PyTorch and NumPy. albumentations is frozen and brings a second OpenCV, and its successor
is AGPL.
"""

from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from ...compat.libraries import build_part, optional_library
from ...errors import DataError, UsageError

# how labels are sampled, which get zeros from outside of the image
_GRID = dict(mode='nearest', padding_mode='zeros')
SPATIAL: dict[str, dict[str, str]] = {
    'Rand2DElastic': _GRID,
    'RandAffine': _GRID,
    'RandAxisFlip': {},
    'RandFlip': {},
    'RandGridDistortion': _GRID,
    'RandRotate': _GRID,
    'RandRotate90': {},
    # PyTorch's plain nearest neighbor is half a pixel beside the bilinear one
    'RandZoom': dict(mode='nearest-exact', padding_mode='constant'),
}
INTENSITY = (
    'RandAdjustContrast',
    'RandBiasField',
    'RandCoarseDropout',
    'RandCoarseShuffle',
    'RandGaussianNoise',
    'RandGaussianSharpen',
    'RandGaussianSmooth',
    'RandGibbsNoise',
    'RandHistogramShift',
    'RandKSpaceSpikeNoise',
    'RandRicianNoise',
    'RandScaleIntensity',
    'RandScaleIntensityFixedMean',
    'RandShiftIntensity',
    'RandSimulateLowResolution',
)
FIXED = ('cache_grid', 'device', 'dtype', 'lazy', 'prob')
SEEDS = 2**31 - 1


@TRANSFORMS.register_module()
class ExternalTransform(BaseTransform):
    """Apply a random transform of MONAI with a probability.

    The spatial transforms are ``RandAffine``, ``RandRotate``, ``RandZoom``, ``Rand2DElastic``,
    ``RandGridDistortion``, ``RandFlip``, ``RandAxisFlip`` and ``RandRotate90``. They move the image
    and its label maps, which are sampled by nearest neighbor. Labels from outside of the image are
    ignored.

    The intensity transforms are ``RandAdjustContrast`` (gamma), ``RandScaleIntensity`` and
    ``RandShiftIntensity`` (brightness), ``RandScaleIntensityFixedMean`` (contrast),
    ``RandBiasField``, ``RandHistogramShift``, ``RandGaussianNoise``, ``RandRicianNoise``,
    ``RandGibbsNoise``, ``RandKSpaceSpikeNoise``, ``RandGaussianSmooth``, ``RandGaussianSharpen``,
    ``RandSimulateLowResolution``, ``RandCoarseDropout`` and ``RandCoarseShuffle``. They get each
    channel divided by its standard deviation. So a number that adds to gray values, such as ``std``
    of the noise, has the standard deviation of the channel as its unit, and one setting works for
    images of 8 bits, 16 bits and floating point.

    Required keys: ``img``, ``seg_fields`` and the maps that it lists. Changed keys: these and
    ``img_shape``. An image may be ``(H, W)`` or ``(H, W, C)``. It is computed in float32 and keeps
    its type; integers are rounded, and clipped to the range of their type. All random numbers come
    from a seed that NumPy's global generator draws, so they follow the seed of the worker.

    Args:
        name: Class of ``monai.transforms``.
        prob: Probability with which it is applied.
        ignore_index: Label of pixels from outside of the image.
        kwargs: Arguments of MONAI's class. Angles are in radians.

    Raises:
        UsageError: If MONAI is missing, or does not have the transform or the argument.
    """

    def __init__(self, *, name: str, prob: float, ignore_index: int = 255, **kwargs: Any) -> None:
        part = type(self).__name__
        transforms = optional_library('monai.transforms', package='monai', part=part)
        version = optional_library('monai', package='monai', part=part).__version__
        names = sorted(key for key in (*SPATIAL, *INTENSITY) if hasattr(transforms, key))
        if name not in names:
            raise UsageError(
                f'{part} has no {name!r} with MONAI {version}: set name to one of '
                f'{", ".join(names)}'
            )
        if not 0 <= prob <= 1:
            raise UsageError(f'prob of {name} is {prob}: set a number from 0 to 1')
        if name == 'RandSimulateLowResolution':
            kwargs.setdefault('upsample_mode', 'bilinear')  # MONAI's default is for volumes
        self.name = name
        self.prob = prob
        self.ignore_index = ignore_index
        self.kwargs = kwargs
        self.random = build_part(
            getattr(transforms, name),
            kwargs,
            ours=dict(prob=1.0),
            fixed=(*FIXED, 'spatial_size') if name in SPATIAL else FIXED,
        )

    @cache_randomness  # without a docstring: Sphinx cannot show what it decorates
    def _seed(self) -> int | None:
        # drawn together, so that a later transform does not depend on what is applied
        chance, seed = np.random.random(), np.random.randint(SEEDS)
        return seed if chance < self.prob else None

    def transform(self, results: dict) -> dict:
        """Transform the image and, if it is moved, its label maps.

        Args:
            results: ``img`` is ``(H, W)`` or ``(H, W, C)``, of integers or floating point.

        Returns:
            The same dictionary.

        Raises:
            DataError: If MONAI cannot transform the image with these arguments.
        """
        seed = self._seed()
        if seed is None:
            return results
        try:
            if self.name in SPATIAL:
                self._move(results, seed)
            else:
                channels = _channels_first(results['img'])
                scale = _deviations(channels)
                values = self._apply(channels / scale, seed) * scale
                results['img'] = _restore(values, results['img'])
        except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
            reason = ' '.join(str(error).split())
            raise DataError(
                f'{self.name} fails for {results.get("img_path", "an image")} ({reason}): correct '
                'its arguments'
            ) from error
        return results

    def _move(self, results: dict, seed: int) -> None:
        """Move the image and its label maps in the same way."""
        image = results['img']
        results['img'] = _restore(self._apply(_channels_first(image), seed), image)
        results['img_shape'] = results['img'].shape[:2]
        for key in results.get('seg_fields', []):
            labels = results[key]
            moved = self._apply(_channels_first(labels) + 1, seed, **SPATIAL[self.name])
            moved = np.where(moved > 0, moved - 1, self.ignore_index)
            results[key] = _restore(moved, labels)

    def _apply(self, channels: np.ndarray, seed: int, **options: str) -> np.ndarray:
        """Apply MONAI's transform to an image ``(C, H, W)``, float32."""
        self.random.set_random_state(seed=seed)
        output = torch.as_tensor(self.random(torch.from_numpy(channels), **options))
        return output.as_subclass(torch.Tensor).numpy()

    def __repr__(self) -> str:
        options = ''.join(f', {key}={value!r}' for key, value in self.kwargs.items())
        return f'{type(self).__name__}(name={self.name!r}, prob={self.prob}{options})'


def _channels_first(image: np.ndarray) -> np.ndarray:
    """Return an image ``(H, W[, C])`` as ``(C, H, W)``, float32."""
    channels = np.moveaxis(image.reshape(*image.shape[:2], -1), 2, 0)
    return np.ascontiguousarray(channels).astype(np.float32)


def _restore(channels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return ``(C, H, W)`` in the layout and type of an image, rounded and clipped for integers."""
    if np.issubdtype(image.dtype, np.integer):
        limits = np.iinfo(image.dtype)
        channels = channels.round().clip(limits.min, limits.max)
    values = np.ascontiguousarray(np.moveaxis(channels.astype(image.dtype), 0, 2))
    return values.reshape(*values.shape[:2], *image.shape[2:])


def _deviations(channels: np.ndarray) -> np.ndarray:
    """Compute the standard deviation of each channel, 1 for a flat one, ``(C, 1, 1)``."""
    deviations = channels.std(axis=(1, 2), keepdims=True)
    return np.where(deviations > 0, deviations, 1).astype(np.float32)
