"""Compare the positions of an image and its mask in the body."""

from itertools import product
from pathlib import Path

import numpy as np

from ..errors import UnsupportedError
from .dicom import dicom_header
from .nifti import DIFFERENT, axis_directions, nifti_affine
from .slices import is_dicom, is_nifti

SHIFT = 0.5  # largest shift in voxels; beyond it, labels belong to other voxels


def check_placement(image: Path, mask: Path, shape: tuple[int, ...]) -> None:
    """Check that two files of one shape have the same position, if both contain a position.

    Args:
        image: A NIfTI or DICOM file; other formats have no position.
        mask: The mask of the image.
        shape: The number of voxels along the axes of the affine (x, y and, of volumes, z).

    Raises:
        UnsupportedError: If the axes have different directions, a voxel of the mask is shifted by
            more than half a voxel, or the spacings of DICOM files differ.
    """
    if is_nifti(image) and is_nifti(mask):
        affines = nifti_affine(image), nifti_affine(mask)
        directions = axis_directions(affines[0], image), axis_directions(affines[1], mask)
        if directions[0] != directions[1]:
            raise UnsupportedError(
                f'the axes of {mask} point to {directions[1]}, but those of its image {image} to '
                f'{directions[0]}, so that the labels would be mirrored or rotated: save both with '
                'the same orientation'
            )
    elif not is_nifti(image) and not is_nifti(mask) and is_dicom(image) and is_dicom(mask):
        headers = dicom_header(image), dicom_header(mask)
        _check_spacing(image, mask, headers[0].spacing, headers[1].spacing)
        affines = headers[0].affine, headers[1].affine
    else:
        return
    if any(affine is None for affine in affines):
        return
    corners = np.array([*product(*([0, side - 1] for side in shape))])
    positions = [corners @ affine[:3, : len(shape)].T + affine[:3, 3] for affine in affines]
    shift = float(np.linalg.norm(positions[0] - positions[1], axis=1).max())
    spacings = [np.linalg.norm(affine[:3, : len(shape)], axis=0) for affine in affines]
    if shift > SHIFT * spacings[0][spacings[0] > 0].min(initial=np.inf):
        of_mask, of_image = (
            f'spacing {" x ".join(f"{side:.4g}" for side in spacing)} mm and origin '
            f'{", ".join(f"{x:.4g}" for x in affine[:3, 3])}'
            for spacing, affine in zip(spacings[::-1], affines[::-1], strict=True)
        )
        raise UnsupportedError(
            f'{mask} has {of_mask}, but its image {image} has {of_image}, so that labels are '
            f'shifted by up to {shift:.3g} mm: resample the mask to its image or, if it was drawn '
            'on this image, save it with the header of the image'
        )


def _check_spacing(
    image: Path,
    mask: Path,
    of_image: tuple[float, float] | None,
    of_mask: tuple[float, float] | None,
) -> None:
    """Compare the spacings of two slices, also if they have no position."""
    if of_image and of_mask and not np.allclose(of_image, of_mask, rtol=DIFFERENT):
        words = [' x '.join(f'{side:.4g}' for side in spacing) for spacing in (of_mask, of_image)]
        raise UnsupportedError(
            f'{mask} has a spacing of {words[0]} mm, but its image {image} has {words[1]} mm: '
            'resample the mask to its image or, if it was drawn on this image, save it with the '
            'header of the image'
        )
